"""A graph whose documents change: the same as one made anew, with the least of extraction."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from changing import GRAPH_TEXTS, MARSH, MILL, PIER, answer, campaign, graph_campaign, write
from places import HELPERS
from write_and_judge import PROMPTS, flow

from gristmill import Campaign, Scripted
from gristmill.campaigns.knowledge.staleness import CHANGED, REMOVED
from gristmill.storage.records import Task
from gristmill.storage.store import RunStore
from gristmill.storage.versions import current_documents, stale_items


def graph_of(folder: Path) -> tuple[list[Any], list[Any]]:
    entities, relations = RunStore.read(folder / "runs/graph").graph()
    return sorted(entities, key=lambda one: one.id), sorted(relations, key=lambda one: one.id)


async def test_the_graph_is_the_same_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole, **GRAPH_TEXTS)
    await graph_campaign(whole).execute()
    assert len(graph_of(whole)[0]) > 5
    orders = list(itertools.permutations(GRAPH_TEXTS))
    for number, order in enumerate(random.Random(3).sample(orders, 4)):
        folder = tmp_path / f"order{number}"
        folder.mkdir()
        write(
            folder,
            other="Exeter is a city in Devon. Exeter Cathedral stands in Exeter.",
            **{order[0]: GRAPH_TEXTS[order[0]]},
        )
        await graph_campaign(folder).execute()
        for name in order[1:]:
            write(folder, **{name: GRAPH_TEXTS[name]})
            if name == order[2]:
                write(folder, **{order[0]: "For a while this said nothing of note about Wells."})
            await graph_campaign(folder).execute(refresh=True)
        write(folder, **GRAPH_TEXTS)
        (folder / "documents/other.txt").unlink()
        report = await graph_campaign(folder).execute(refresh=True)
        assert report.books.balanced
        assert graph_of(folder) == graph_of(whole)


async def test_only_new_chunks_are_extracted(tmp_path: Path) -> None:
    write(tmp_path, **GRAPH_TEXTS)
    await graph_campaign(tmp_path).execute()
    before = {chunk: body for chunk, _, body in RunStore.read(tmp_path / "runs/graph").extractions()}
    write(tmp_path, pier="Cromer Pier burned in 1993. Cromer Pier has a theatre.")
    await graph_campaign(tmp_path).execute(refresh=True)
    after = {chunk: body for chunk, _, body in RunStore.read(tmp_path / "runs/graph").extractions()}
    assert len(before.keys() - after.keys()) == len(after.keys() - before.keys()) == 1
    entities, _ = graph_of(tmp_path)
    assert {"1993"} <= {entity.name for entity in entities} or any("1993" in one.description for one in entities)
    assert not any("1901" in one.description for one in entities)


async def test_documents_change_in_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    write(tmp_path, mill=MILL, pier=PIER, marsh=MARSH)
    run = Campaign(
        f"coast-{tmp_path.name}",
        [tmp_path / "documents"],
        models={"default": Scripted(answer)},
        prompts=[str(PROMPTS)],
        runs=str(tmp_path / "runs"),
        flow=flow(),
    )
    await run.execute(store=postgres_url)
    (tmp_path / "documents/pier.txt").unlink()
    write(tmp_path, mill=MILL.replace("1820", "1826"))
    report = await run.execute(refresh=True, store=postgres_url)
    assert (report.books.planned, report.books.accepted, report.people.stale) == (4, 4, 2)
    store = RunStore.read(report.folder, postgres_url)
    assert [chunk.text for chunk in store.chunks()] == [MARSH, MILL.replace("1820", "1826")]
    assert sorted(stale_items(store).values()) == sorted([REMOVED, CHANGED])
    store.close_reading()


async def test_a_file_that_cannot_be_read_stays_in_the_shard_that_has_its_text(tmp_path: Path) -> None:
    """A text falls to a shard by its hash, an unreadable file by that of its name: mostly another shard."""
    names = [f"mill{number}" for number in range(8)]
    write(tmp_path, **{name: f"{MILL} It was number {name}." for name in names})
    shards = ("1/2", "2/2")
    for shard in shards:
        await campaign(tmp_path, shard=shard).execute()
    for name in names[:4]:  # links to nothing
        (tmp_path / f"documents/{name}.txt").unlink()
        (tmp_path / f"documents/{name}.txt").symlink_to(tmp_path / "away")
    found, skipped = [], 0
    for shard in shards:
        store = RunStore.read((await campaign(tmp_path, shard=shard).execute(refresh=True)).folder)
        found += list(current_documents(store))
        skipped += store.mark("ingested")["skipped"].get("unreadable", 0)
        assert not stale_items(store)
        store.close_reading()
    assert sorted(found) == [f"{name}.txt" for name in names]
    assert skipped <= 4


async def test_rows_that_move_up_are_not_changed(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    table = tmp_path / "documents/rows.csv"
    table.write_text("text\n" + "\n".join([MILL, PIER, MARSH]) + "\n")
    await campaign(tmp_path).execute()
    table.write_text("text\n" + "\n".join([PIER, MARSH]) + "\n")
    report = await campaign(tmp_path).execute(refresh=True)
    store = RunStore.read(report.folder)
    found = store.mark("refreshed")
    assert [found[key] for key in ("added", "changed", "removed", "unchanged")] == [0, 0, 1, 2]
    assert len(stale_items(store)) == 1
    assert report.books.planned == 3


async def test_waiting_tasks_of_what_the_graph_lost_are_withdrawn(tmp_path: Path) -> None:
    """The graph of other documents has other entities, though a task's own passages stand as they stood."""
    write(tmp_path, **GRAPH_TEXTS)
    await graph_campaign(tmp_path).execute()
    store = RunStore.open(tmp_path / "runs/graph")
    planned, entity = store.books().planned, store.graph()[0][0]
    chunk = store.chunks()[0].id
    lost = [
        Task.of("pretraining", chunks=[chunk], entities=[entity.id, "entity-gone"], seed=1),
        Task.of("pretraining", chunks=[chunk], entities=[entity.id], relations=["relation-gone"], seed=2),
    ]
    await store.plan([*lost, Task.of("pretraining", chunks=[chunk], entities=[entity.id], seed=3)])
    await store.close()
    report = await graph_campaign(tmp_path).execute()
    store = RunStore.read(report.folder)
    assert not any(store.is_planned(task.id) for task in lost)
    assert report.books.balanced
    assert report.books.failed == 0
    assert report.books.planned >= planned + 1
    store.close_reading()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from changing import graph_campaign
from gristmill.campaigns.knowledge import building as knowledge

knowledge.change_to = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(graph_campaign(Path(sys.argv[1])).execute(refresh=True))
"""


async def test_kill_9_between_the_documents_and_their_graph_is_mended_by_the_next_start(tmp_path: Path) -> None:
    notes = {f"note{number}": f"Harbour {number} lies near Kelling Mill." for number in range(10)}
    write(tmp_path, **GRAPH_TEXTS, **notes)
    await graph_campaign(tmp_path).execute()
    changed = {**GRAPH_TEXTS, "pier": "Cromer Pier burned in 1993. Cromer Pier has a theatre."}
    write(tmp_path, **changed)
    child = [sys.executable, "-c", KILLED, str(tmp_path), str(HELPERS)]
    ended = await asyncio.to_thread(subprocess.run, child, capture_output=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    store = RunStore.read(tmp_path / "runs/graph")
    assert store.mark("graph") is None
    assert any("1993" in chunk.text for chunk in store.chunks())
    store.close_reading()

    report = await graph_campaign(tmp_path).execute()  # not asked to read anything
    assert report.books.balanced
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole, **changed, **notes)
    await graph_campaign(whole).execute()
    assert graph_of(tmp_path) == graph_of(whole)
