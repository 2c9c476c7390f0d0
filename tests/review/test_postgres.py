"""Review of a run in PostgreSQL: commands and pages say what they say of the same run in SQLite; late events count."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner
from graph_pages import CHUNK as PASSAGE
from graph_pages import DOCUMENT as SOURCE
from graph_pages import ENTITIES, RELATIONS
from psycopg import sql
from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.cli import main
from gristmill.evals.judgements import Judgements
from gristmill.review.desk import Desk
from gristmill.review.queue import index as queue_index
from gristmill.review.queue.index import ReviewIndex
from gristmill.review.queue.query import Filters, Stage
from gristmill.review.web.app import create_app
from gristmill.review.web.serve import access_of
from gristmill.review.web.site import Site
from gristmill.storage.people import People
from gristmill.storage.postgres import schema_of
from gristmill.storage.records import Draft, Message, Status
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.samples import Sample, Samples
from gristmill.storage.store import RunStore

COUNT = 30
HOSTILE = "quote ' backslash \\ percent %s %% question ? nul \0 pile \U0001f4a9 <b>"


@dataclass(frozen=True)
class Run:
    """One of the two runs, with the options that its commands need to find it."""

    folder: Path
    url: str

    def does(self, command: str, *arguments: object, given: str | bytes = b"", code: int = 0) -> str:
        """Runs a command of `gristmill review`; returns what it printed."""
        place = (self.folder.name, "--store", self.url) if self.url else (self.folder,)
        said = CliRunner().invoke(main, ["review", command, *map(str, (*place, *arguments))], input=given)
        assert said.exit_code == code, said.output
        return said.output

    def read(self) -> RunStore:
        return RunStore.read(self.folder, self.url)


async def fill(folder: Path, url: str) -> Run:
    store = RunStore.open(folder, url)
    await store.add_documents([(DOCUMENT, [CHUNK]), (SOURCE, [PASSAGE])])
    await store.set_graph(ENTITIES, RELATIONS, {"chunks": 1})
    hostile = (Message(role="user", content=HOSTILE), Message(role="assistant", content=HOSTILE))
    uses = {"entities": (ENTITIES[0].id, ENTITIES[1].id)}
    evil = item_of(0, messages=hostile, drafts=(Draft(index=0, by="generator", messages=hostile),), **uses)
    failed = item_of(1, status=Status.FAILED, reasons=("bad_reply",), messages=(), drafts=(), verdicts=(), raw=HOSTILE)
    kept = item_of(2, status=Status.ACCEPTED, reasons=(), **uses)
    await put(store, (0, evil), (1, failed), (2, kept), *[(number, item_of(number)) for number in range(3, COUNT)])
    for at in range(1, 4):
        await Samples(store).add(Sample(at=1_700_000_000 + at, start=1, accepted=at, planned=COUNT), {})
    await store.set_mark("campaign", {"name": "same", "recipe": "grounded-qa", "target": 40})
    await store.close()
    return Run(folder, url)


@pytest.fixture
def runs(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """The same run twice, in SQLite and in PostgreSQL."""
    monkeypatch.setenv("GRISTMILL_REVIEWER", "ada")
    monkeypatch.chdir(tmp_path)
    name = f"review-{uuid.uuid4().hex[:12]}"
    return (
        asyncio.run(fill(tmp_path / "sqlite" / name, "")),
        asyncio.run(fill(tmp_path / "runs" / name, postgres_url)),
    )


def plain(text: str, run: Run) -> str:
    """What is the run's own, and not its content, made equal."""
    text = text.replace(str(run.folder), "FOLDER").replace(run.folder.name, "RUN")
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?", "WHEN", text)
    text = re.sub(r'(name="(csrf|run)" content="|X-CSRF-Token": ")[^"]*', "OWN", text)
    return re.sub(r"\b[0-9a-f]{32}\b", "EVENT", text)


def same(runs: Sequence[Run], command: str, *arguments: object, code: int = 0, given: str | bytes = b"") -> str:
    """Runs a command on both; returns what both said."""
    said = [plain(run.does(command, *arguments, given=given, code=code), run) for run in runs]
    assert said[0] == said[1]
    return said[1]


def test_commands_list_show_and_decide(runs: tuple[Run, Run]) -> None:
    ids = same(runs, "list", "--ids", "--sort", "oldest", "--limit", 100).split()
    assert len(ids) == COUNT - 1  # all but the accepted one
    for arguments in (("--json",), ("--text", "question"), ("--reason", "trivial", "--sort", "score", "--json")):
        assert same(runs, "list", *arguments)
    for id in ids[:3]:
        assert same(runs, "show", id)
        assert json.loads(same(runs, "show", id, "--json"))["decision"] is None
    assert "accept: 2 items" in same(runs, "decide", "accept", ids[2], ids[3])
    assert "there is nothing to accept" in same(runs, "decide", "accept", ids[1], code=1)
    same(runs, "decide", "reject", "-", "--note", HOSTILE.replace("\0", ""), given="\n".join(ids[4:8]))
    same(runs, "decide", "send-back", ids[8], "--note", "shorter")
    same(runs, "decide", "undo", ids[2])
    words = json.dumps([{"role": "user", "content": HOSTILE + " new"}, {"role": "assistant", "content": "So."}])
    same(runs, "decide", "edit", ids[9], "--messages", "-", given=words)
    assert "decided it: reject" in same(runs, "decide", "accept", ids[4], code=1)
    told = json.loads(same(runs, "show", ids[9], "--json"))
    assert told["result"]["messages"][0]["content"] == HOSTILE + " new"
    assert len(same(runs, "list", "--ids", "--stage", "decided", "--limit", 100).split()) == 7
    assert same(runs, "agreement", "--json")


def test_lines_go_out_and_come_in(runs: tuple[Run, Run]) -> None:
    for format_ in ("jsonl", "argilla"):
        assert json.dumps(HOSTILE)[1:20] in same(runs, "export", "--all", "--format", format_, "--out", "-")
    lines = [json.loads(line) for line in runs[1].does("export", "--all", "--out", "-").splitlines()]
    assert len(lines) == COUNT
    for number, line in enumerate(lines):
        line["decide"] = {"action": ("accept", "reject")[number % 2], "note": HOSTILE if number == 3 else ""}
    given = "\n".join(map(json.dumps, lines))
    (failed,) = [line["id"] for line in lines if line["status"] == "failed"]
    dry = json.loads(same(runs, "import", "-", "--dry-run", "--json", given=given, code=failed in _accepted(lines)))
    first = json.loads(same(runs, "import", "-", "--json", given=given, code=failed in _accepted(lines)))
    again = json.loads(same(runs, "import", "-", "--json", given=given, code=failed in _accepted(lines)))
    assert first["decided"] == dry["decided"] == again["already"] == COUNT - len(first["refused"])
    assert again["decided"] == 0
    for run in runs:
        store = run.read()
        assert len(list(Reviews(store).all())) == first["decided"]
        store.close_reading()


def _accepted(lines: list[dict[str, Any]]) -> set[str]:
    return {line["id"] for line in lines if line["decide"]["action"] == "accept"}


@asynccontextmanager
async def visiting(run: Run) -> AsyncIterator[httpx.AsyncClient]:
    site = Site(run.folder, run.url, access_of("127.0.0.1", 8765, "", "ada"))
    transport = httpx.ASGITransport(create_app(site))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", follow_redirects=True) as one:
        try:
            page = await one.get(site.access.url)
            found = re.search(r'name="csrf" content="([^"]+)"', page.text)
            assert found, page.text
            one.headers["X-CSRF-Token"] = found[1]
            yield one
        finally:
            await site.aclose()


def test_every_page_shows_the_same(runs: tuple[Run, Run]) -> None:
    ends = ENTITIES[0].id, ENTITIES[1].id
    looks = (
        *("/", "/?bars=yes&text=question", "/?stage=all&sort=score", f"/items/{item_of(0).id}", "/following"),
        *(f"/items/{item_of(1).id}", f"/items/{item_of(2).id}", "/agreement", "/dashboard", "/dashboard/data"),
        *("/graph", "/graph/data", f"/graph/data?around={ends[0]}&depth=2", "/graph/data?coverage=uncovered"),
        *("/graph/list?order=coverage", "/graph/search?q=eel", f"/graph/entities/{ends[0]}"),
        *(f"/graph/entities/{ends[0]}/mentions?start=0", f"/graph/links/{ends[0]}/{ends[1]}", "/graph/changes?since=0"),
    )

    async def shown(run: Run) -> dict[str, str]:
        async with visiting(run) as one:
            event = {"event": uuid.uuid4().hex, "action": "reject", "seen": "", "note": "dull %s"}
            assert (await one.post(f"/items/{item_of(5).id}/decisions", json=event)).status_code == 200
            many = {"id": uuid.uuid4().hex, "action": "reject", "ids": [item_of(n).id for n in (6, 7, 8)]}
            assert (await one.post("/decisions", json=many)).json()["decided"] == 3
            assert (await one.post("/decisions/undo", json={"id": many["id"]})).json()["undone"] == 3
            found = {}
            for look in looks:
                answer = await one.get(look)
                assert answer.status_code == 200, (look, answer.text)
                found[look] = plain(answer.text, run)
            return found

    there, here = (asyncio.run(shown(run)) for run in runs)
    for look in looks:
        assert there[look] == here[look], look


async def test_decisions_that_commit_late_are_taken_in(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL numbers an event when it is written and shows it when it is committed: here much later."""
    monkeypatch.setattr(queue_index, "PAGE", 2)
    run = tmp_path / f"late-{uuid.uuid4().hex[:12]}"
    store = RunStore.open(run, postgres_url)
    await put(store, *[(number, item_of(number)) for number in range(12)])
    index, people, judged = ReviewIndex(store), People(store), Judgements(store)

    def decided() -> set[str]:
        index.refresh()
        people.look()
        judged.refresh()
        found = set(index.ids(Filters(stage=Stage.DECIDED)))
        assert sum(people.decisions.values()) == judged.decided == len(found)
        return found

    late, lost = (open_transaction(postgres_url, run.name) for _ in range(2))
    for number in (0, 1, 2):
        insert(late, number)
    insert(lost, 3)
    for number in (4, 5, 6, 7, 8):
        await Desk(store).decide(item_of(number).id, Action.ACCEPT, "bob")
        assert item_of(number).id in decided()
    others = {item_of(number).id for number in (4, 5, 6, 7, 8)}
    assert decided() == others
    lost.rollback()
    assert decided() == others
    await asyncio.to_thread(late.commit)
    assert decided() == others | {item_of(number).id for number in (0, 1, 2)}
    await Desk(store).decide(item_of(9).id, Action.ACCEPT, "bob")
    await Desk(store).decide(item_of(0).id, Action.UNDO, "bob")
    assert decided() == others | {item_of(number).id for number in (1, 2, 9)}
    anew = ReviewIndex(store, tmp_path / "anew.sqlite3")
    anew.refresh()
    assert anew.ids(Filters(stage=Stage.DECIDED)) == index.ids(Filters(stage=Stage.DECIDED))
    for connection in (late, lost):
        connection.close()
    for one in (index, anew):
        one.close()
    await store.close()


def open_transaction(url: str, run: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url)
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema_of(run))))
    return connection


def insert(connection: psycopg.Connection[Any], number: int) -> None:
    """Another review server's decision, which is not committed yet."""
    item = item_of(number).id
    made = Review(id=uuid.uuid4().hex, item=item, action=Action.REJECT, reviewer="ada", at=datetime.now(UTC))
    connection.execute(
        "INSERT INTO reviews (id, item, after, action, body) VALUES (%s, %s, '', 'reject', %s)",
        (made.id, item, made.model_dump_json()),
    )
