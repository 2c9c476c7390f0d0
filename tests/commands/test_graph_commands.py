"""The commands that edit a run's graph: what they say and do, two at once, killed ones, hostile names, PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import gristmill as process
from in_process import typed
from processes import Start
from visiting_pages import visiting

from gristmill.campaigns.knowledge.merging import Material
from gristmill.campaigns.spec import GraphSpec
from gristmill.storage.changed import changed_tasks
from gristmill.storage.identities import Identities
from gristmill.storage.records import Status, Task
from gristmill.storage.rulings import Rulings
from gristmill.storage.store import RunStore

EVIL = "Evil\x1b[31m Mill\x07"
TEXTS = {
    "mill": "Kelling Mill stands near Holt. Kelling Mill was built by James Stannard in 1820. Cley lies near Holt.",
    "holt": "Holt is a town in Norfolk. James Stannard lived in Holt. The Weybourne windmill stands near Holt.",
    "pier": "John Smith built Cromer Pier. Cromer Pier is in Norfolk. Cromer Pier has a theatre.",
    "poet": "John Smith was a poet in Norwich. John Smith wrote of Norwich. Norwich is a city in Norfolk.",
    "note": f"{EVIL} stands near Holt. {EVIL} was sold by James Stannard.",
}
PAIRS = [("Holt", "James Stannard"), ("Norwich", "Norfolk"), ("Kelling Mill", "Cromer Pier")]
CAMPAIGN = """name = "demo"
documents = ["documents"]
recipe = "entigraph"
target = {target}
[options]
link = "any"
[models.default]
model = "offline"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign that was run."""
    folder = tmp_path_factory.mktemp("edited")
    (folder / "documents").mkdir()
    for name, text in TEXTS.items():
        (folder / f"documents/{name}.txt").write_text(text)
    (folder / "demo.toml").write_text(CAMPAIGN.format(target=2))
    ran = typed("run", "demo.toml", cwd=folder)
    assert ran.returncode in (0, 3), ran.stderr  # 3: of its few tasks none may be accepted
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to edit."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def edit(home: Path, *words: str, code: int = 0, **env: str) -> str:
    done = typed("graph", *words, cwd=home, GRISTMILL_REVIEWER="ada", **env)
    assert done.returncode == code, done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def graph_of(store: RunStore) -> tuple[list[Any], list[Any]]:
    entities, relations = store.graph()
    return sorted(entities, key=lambda one: one.id), sorted(relations, key=lambda one: one.id)


def anew(store: RunStore) -> tuple[list[Any], list[Any]]:
    graph = Material(GraphSpec.model_validate(store.mark("campaign")["graph"]), store).made(Rulings(store).all()).graph
    return list(graph.entities.values()), list(graph.relations.values())


def changed_entities(store: RunStore) -> set[str]:
    return {entity for (entity,) in store.rows("SELECT entity FROM changed")}


def read(home: Path) -> RunStore:
    return RunStore.read(home / "runs/demo")


def test_merges_and_splits_are_typed_listed_and_taken_back(home: Path) -> None:
    before = graph_of(read(home))
    said = edit(home, "merge", "runs/demo", "kelling mill", "Weybourne windmill", "--note", "moved in 1850")
    assert "Kelling Mill" in said
    ruling = re.findall(r"ruling-\w+", said)[0]
    assert "tasks marked" in said
    told = process("graph", "merges", "runs/demo", "--json", cwd=home)
    assert (told.returncode, told.stdout) == (0, edit(home, "merges", "runs/demo", "--json")), told.stderr
    listed = edit(home, "merges", "runs/demo", "--by", "person")
    assert "moved in 1850" in listed
    assert ruling in listed
    told = json.loads(edit(home, "merges", "runs/demo", "--entity", "weybourne windmill", "--json"))
    (row,) = [one for one in told["joins"] if one["by"] == "person:ada"]
    assert sorted(row["names"]) == ["Kelling Mill", "Weybourne windmill"]
    assert row["ruling"] == ruling
    assert row["at"]
    assert "nothing is refused" in edit(home, "merges", "runs/demo", "--refused", "--entity", "Holt")
    split = json.loads(edit(home, "split", "runs/demo", "John Smith", "--document", "poet.txt", "--json"))
    assert len(split["entities"]) == 2
    assert "2 entities are called 'John Smith'" in edit(home, "merge", "runs/demo", "John Smith", "Holt", code=1)
    edit(home, "undo", "runs/demo", ruling, split["rulings"][0]["id"])
    assert graph_of(read(home)) == before
    assert "(taken back by ruling-" in edit(home, "merges", "runs/demo")
    assert changed_tasks(read(home)) == set()


def test_the_graph_is_shown_and_written_as_before(home: Path) -> None:
    for words in (("runs/demo",), ("--top", "3", "runs/demo"), ("show", "runs/demo"), ("runs/demo", "--top", "3")):
        assert "entities, " in edit(home, *words)
    edit(home, "runs/demo", "--format", "graphml", "--out", "g.graphml")
    edit(home, "--format", "json", "runs/demo", "--out", "g.json")
    assert (home / "g.json").exists() and (home / "g.graphml").exists()  # noqa: PT018  # both
    assert "merges" in edit(home, "--help")
    assert "no run is at" in edit(home, "nowhere", code=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("merge", "runs/demo", "Kelling Mil", "Holt"), "the nearest names are 'Kelling Mill'"),
        (("merge", "runs/demo", "Holt", "Holt"), "are one entity already"),
        (("merge", "runs/demo", "Holt", "James Stannard", "--note", "x" * 2001), "2000 are kept at most"),
        (("merge", "runs/demo", "\x1b[2J\x1b]0;owned\x07", "Holt"), "no entity has the name"),
        (("split", "runs/demo", "Holt"), "give --name NAME, --document NAME or --chunk ID"),
        (("split", "runs/demo", "Holt", "--document", "a", "--chunk", "b"), "by one of them"),
        (("split", "runs/demo", "Holt", "--document", "gone.txt"), "no document of the run has the name"),
        (("split", "runs/demo", "Holt", "--chunk", "chunk-"), "current chunks have an id that begins"),
        (("undo", "runs/demo", "ruling-00"), "no ruling has an id that begins"),
        (("merges", "runs/demo", "--entity", "nobody"), "no entity has the name"),
    ],
)
def test_what_cannot_be_is_said(made: Path, words: tuple[str, ...], message: str) -> None:
    assert message in " ".join(edit(made, *words, code=1).split())
    assert list(Rulings(read(made)).all()) == []


def test_names_and_notes_of_whoever_wrote_them_move_no_cursor(home: Path) -> None:
    edit(home, "merge", "runs/demo", "James Stannard", "Holt", "--note", "see \x1b]0;x\x07 \udcff \u202e this")
    edit(home, "merges", "runs/demo")
    json.loads(edit(home, "merges", "runs/demo", "--json"))
    item = next(one for one in read(home).items() if one.task in changed_tasks(read(home)))
    shows = (("show", item.id, "--run", "runs/demo"), ("review", "show", "runs/demo", item.id), ("status", "runs/demo"))
    for words in shows:
        shown = typed(*words, cwd=home)
        assert shown.returncode == 0, shown.stderr
        assert "\x1b" not in shown.stdout
        assert "changed" in shown.stdout


def test_nobody_edits_what_a_campaign_works_on(home: Path) -> None:
    async def held() -> None:
        store = RunStore.open(home / "runs/demo")
        try:
            merge = ("graph", "merge", "runs/demo", "Holt", "James Stannard")
            done = await asyncio.to_thread(process, *merge, cwd=home)  # a process has no lock twice, so it takes two
            assert done.returncode == 1
            assert f"is being worked on by process {os.getpid()}" in done.stderr
            await asyncio.to_thread(edit, home, "merges", "runs/demo")  # looking needs nobody's leave
        finally:
            await store.close()

    asyncio.run(held())
    assert list(Rulings(read(home)).all()) == []


async def test_two_who_edit_at_once_both_stand_or_one_is_told(home: Path, gristmill: Start) -> None:
    run = home / "runs/demo"
    for _ in range(2):
        started = [await gristmill("graph", "merge", run, *pair, "--reviewer", pair[0]) for pair in PAIRS]
        ended = [await command.ended() for command in started]
        for code, _, said in ended:
            assert code == 0 or "is being worked on by process" in said or "are one entity already" in said, said
        assert any(code == 0 for code, _, _ in ended) or len(list(Rulings(read(home)).all())) > 0
        store = read(home)
        assert graph_of(store) == anew(store)
    for pair in PAIRS:  # whoever was refused does it again
        done = typed("graph", "merge", run, *pair, cwd=home)
        assert done.returncode == 0 or "are one entity already" in done.stderr
    store = read(home)
    assert len(list(Rulings(store).all())) == 3
    assert graph_of(store) == anew(store)


async def test_kill_9_leaves_the_ruling_and_its_graph_or_neither(home: Path, gristmill: Start) -> None:
    store = read(home)
    before = graph_of(store)
    kills = 0
    for number in range(8):  # twice for each of the four moments below
        command = await gristmill("graph", "merge", home / "runs/demo", *PAIRS[number % 3])
        log = home / "runs/demo/run.sqlite3-wal"
        size = log.stat().st_size if log.exists() else 0
        for _ in range(2000):  # until the transaction is being written, or something before it, by turns
            if command.process.returncode is not None or (number % 4 and log.exists() and log.stat().st_size != size):
                break
            await asyncio.sleep(0.001 * (number % 4) + 0.0005)
            if not number % 4 and _ > 100 * number:
                break
        if command.process.returncode is None:
            await command.killed()
            kills += 1
        store = read(home)
        assert graph_of(store) == anew(store)
        assert {one.entity for one in Identities(store).all()} == {one.id for one in graph_of(store)[0]}
        if not list(Rulings(store).all()):
            assert graph_of(store) == before
    assert kills > 1  # the first of each four is always caught, before it writes


async def test_a_pending_task_of_a_merged_entity_still_runs(home: Path) -> None:
    store = RunStore.open(home / "runs/demo")
    again = [task.model_copy(update={"seed": task.seed + 1000}) for task, _ in store.tasks()][:40]
    await store.plan(
        [
            Task.of(one.kind, chunks=one.chunks, entities=one.entities, relations=one.relations,
                    attributes=one.attributes, seed=one.seed)
            for one in again
        ]
    )  # fmt: skip
    await store.close()
    edit(home, "merge", "runs/demo", "Kelling Mill", "Weybourne windmill")
    edit(home, "split", "runs/demo", "John Smith", "--document", "poet.txt")
    left = [task for _, task in read(home).pending()]
    assert 0 < len(left) < 40  # what relates the mill to the windmill is withdrawn
    assert any(set(task.entities) & changed_entities(read(home)) for task in left)
    (home / "demo.toml").write_text(CAMPAIGN.format(target=1000))
    ran = typed("run", "demo.toml", cwd=home)
    assert ran.returncode in (0, 3), ran.stderr
    store = read(home)
    assert store.books().balanced
    assert store.books().failed == 0
    assert {store.status(task.id) for task in left} <= {Status.ACCEPTED, Status.REJECTED}
    assert graph_of(store) == anew(store)


def test_what_people_decided_stands_when_documents_change(home: Path) -> None:
    edit(home, "merge", "runs/demo", "Kelling Mill", "Weybourne windmill")
    edit(home, "split", "runs/demo", "John Smith", "--document", "poet.txt")
    (home / "documents/poet.txt").write_text(TEXTS["poet"] + " John Smith died in Norwich.")
    (home / "documents/mill.txt").write_text(TEXTS["mill"].replace("1820", "1826"))
    ran = typed("run", "demo.toml", "--refresh", cwd=home)
    assert ran.returncode in (0, 3), ran.stderr
    store = read(home)
    names = [one.name for one in store.stored_entities()]
    assert names.count("John Smith") == 2
    assert not {"Kelling Mill", "Weybourne windmill"} <= set(names)
    assert graph_of(store) == anew(store)
    touched = store.mark("graph")["touched"]
    assert 0 < touched["entities"] < len(names)
    # all of an entity goes: its tasks are marked, and its id leads nowhere
    gone = next(one.id for one in store.stored_entities() if one.name == "Cromer Pier")
    (home / "documents/pier.txt").unlink()
    assert typed("run", "demo.toml", "--refresh", cwd=home).returncode in (0, 3)
    store = read(home)
    assert Identities(store).today([gone]) == {gone: ""}
    marks = store.rows("SELECT reason, cause FROM changed WHERE entity = ?", gone)
    assert marks
    assert set(marks) == {("gone", "refresh:2")}


async def test_pages_and_lists_say_what_became_of_an_entity(home: Path) -> None:
    edit(home, "merge", "runs/demo", "Kelling Mill", "Weybourne windmill", "--note", "<b>one</b>")
    store = read(home)
    listed = typed("review", "list", "runs/demo", "--changed", "--stage", "all", "--status", "accepted", "--status",
                   "rejected", "--ids", "--limit", "1000", cwd=home)  # fmt: skip
    ids = listed.stdout.split()
    assert ids
    assert {store.item(id).task for id in ids} == {
        one.task for one in store.items() if one.task in changed_tasks(store)
    }
    status = json.loads(typed("status", "runs/demo", "--json", cwd=home).stdout)
    assert status["changed"] == len(ids)
    shown = json.loads(typed("show", ids[0], "--run", "runs/demo", "--json", cwd=home).stdout)
    assert shown["changed"][0]["reason"] == "merged"
    (entity,) = [one for one in store.stored_entities() if one.name in ("Kelling Mill", "Weybourne windmill")]
    for one in Identities(store).members(entity.id):
        found = typed("review", "list", "runs/demo", "--entity", one.id, "--stage", "all", "--status", "accepted",
                      "--status", "rejected", "--ids", "--limit", "1000", cwd=home)  # fmt: skip
        assert set(found.stdout.split()) >= set(ids), found.stderr
    async with visiting(home / "runs/demo") as visitor:
        page = (await visitor.get(f"/items/{ids[0]}")).text
        assert "&lt;b&gt;one&lt;/b&gt;" in page
        for one in Identities(store).members(entity.id):
            assert entity.name in (await visitor.get(f"/graph?entity={one.id}")).text
        assert (await visitor.get("/?changed=true&stage=all")).status_code == 200


def test_a_graph_in_postgresql_is_edited_too(made: Path, tmp_path: Path, postgres_url: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(made / "documents", home / "documents")
    name = f"demo-{os.getpid()}"
    (home / "demo.toml").write_text(CAMPAIGN.format(target=2).replace('"demo"', f'"{name}"'))
    env = {"GRISTMILL_STORE": postgres_url}
    ran = typed("run", "demo.toml", cwd=home, **env)
    assert ran.returncode in (0, 3), ran.stderr
    run = f"runs/{name}"
    store = RunStore.read(home / run, postgres_url)
    entity = next(one.id for one in store.stored_entities() if one.name == "Holt")
    store.close_reading()
    said = edit(home, "merge", run, entity[:20], "Norwich", **env)
    ruling = re.findall(r"ruling-\w+", said)[0]
    edit(home, "split", run, "John Smith", "--document", "poet.txt", **env)
    assert "no entity has the name" in edit(home, "merge", run, "Nobody", "Holt", code=1, **env)
    assert ruling in edit(home, "merges", run, "--by", "person", **env)
    store = RunStore.read(home / run, postgres_url)
    assert graph_of(store) == anew(store)
    assert {one.entity for one in Identities(store).all()} == {one.id for one in graph_of(store)[0]}
    item = next(one for one in store.items() if one.task in changed_tasks(store))
    store.close_reading()
    assert "changed  drawn from" in typed("show", item.id, "--run", run, cwd=home, **env).stdout
    edit(home, "undo", run, ruling, **env)
