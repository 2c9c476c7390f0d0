"""The run store: durable when it returns, written once, balanced, one process a run, clean on a full disk.

What holds for every database is tested on both; `test_store_postgres.py` has what only a server can do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stored import item, task

from gristmill.errors import RunLocked, StoreError, StoreFull
from gristmill.review.desk import Desk
from gristmill.storage.lock import RunLock
from gristmill.storage.records import Chunk, Document, Entity, Item, Message, Relation, Status
from gristmill.storage.reviews import Action
from gristmill.storage.sqlite import FILE, SqliteDatabase
from gristmill.storage.store import RunStore, usage_mark


@dataclass(frozen=True)
class Place:
    """Where a test keeps its run."""

    folder: Path
    url: str = ""

    def open(self) -> RunStore:
        return RunStore.open(self.folder, self.url)

    def read(self) -> RunStore:
        return RunStore.read(self.folder, self.url)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each test that asks for it runs over both databases."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Place(tmp_path / f"run-{uuid.uuid4().hex[:12]}", url)


@pytest.fixture
async def store(place: Place):
    opened = place.open()
    yield opened
    await opened.close()


async def test_books_balance_at_every_step(store: RunStore) -> None:
    tasks = [task(n) for n in range(10)]
    await store.plan(tasks)
    ends = [Status.ACCEPTED, Status.REJECTED, Status.FAILED]
    for number, one in enumerate(tasks[:9]):
        await store.finish(one.id, ends[number % 3], [item(one, ends[number % 3], reason="r" if number % 3 else "")])
        books = store.books()
        assert books.balanced
        assert books.pending == 9 - number
    assert (books.planned, books.accepted, books.rejected, books.failed) == (10, 3, 3, 3)
    assert store.reasons() == {("accepted", ""): 3, ("rejected", "r"): 3, ("failed", "r"): 3}


async def test_a_result_is_written_once(store: RunStore) -> None:
    one = task(1)
    await store.plan([one])
    await store.finish(one.id, Status.ACCEPTED, [item(one, text="first")])
    await store.finish(one.id, Status.REJECTED, [item(one, Status.REJECTED, text="second")])
    assert store.books().accepted == 1
    assert store.books().rejected == 0
    assert [found.fields["text"] for found in store.items()] == ["first"]


async def test_planning_again_keeps_what_is_finished(store: RunStore) -> None:
    tasks = [task(n) for n in range(3)]
    await store.plan(tasks)
    await store.finish(tasks[0].id, Status.ACCEPTED, [item(tasks[0])])
    await store.plan(tasks)
    assert store.books().planned == 3
    assert [found for _, found in store.pending()] == tasks[1:]
    assert store.is_planned(tasks[0].id)
    assert not store.is_planned("task-unknown")


async def test_failed_tasks_can_be_tried_again(store: RunStore) -> None:
    tasks = [task(n) for n in range(3)]
    await store.plan(tasks)
    await store.finish(tasks[0].id, Status.FAILED, [item(tasks[0], Status.FAILED, reason="unreachable")])
    await store.finish(tasks[1].id, Status.ACCEPTED, [item(tasks[1])])
    assert await store.retry_failed() == 1
    books = store.books()
    assert (books.planned, books.accepted, books.failed, books.pending) == (3, 1, 0, 2)
    assert [found.task for found in store.items()] == [tasks[1].id]


async def test_a_failed_task_whose_item_a_person_decided_stays_until_that_is_undone(store: RunStore) -> None:
    tasks = [task(n) for n in range(4)]
    await store.plan(tasks)
    failed = [item(one, Status.FAILED, reason="unreachable") for one in tasks]
    for one, found in zip(tasks, failed, strict=True):
        await store.finish(one.id, Status.FAILED, [found])
    desk = Desk(store)
    for found in failed[:3]:
        await desk.decide(found.id, Action.REJECT, "ada")
    await desk.decide(failed[1].id, Action.UNDO, "ada")
    await desk.decide(failed[2].id, Action.EDIT, "bob", messages=[Message(role="user", content="Decided once more")])
    await desk.decide(failed[2].id, Action.UNDO, "bob")  # the rejection stands again
    assert await store.retry_failed() == 2
    assert {one.id for one, status in store.tasks() if status is Status.PENDING} == {tasks[1].id, tasks[3].id}
    assert {found.task for found in store.items()} == {tasks[0].id, tasks[2].id}
    await desk.decide(failed[0].id, Action.UNDO, "ada")
    assert await store.retry_failed(tasks=[tasks[0].id, tasks[2].id]) == 1
    assert store.books().balanced


async def test_many_writers_share_few_commits(store: RunStore) -> None:
    commits = 0

    def count() -> list[tuple[str, list[tuple[str, str]]]]:
        nonlocal commits
        commits += 1
        return [usage_mark({"tokens": commits})]

    store.with_every_commit(count)
    await asyncio.gather(*[store.put(f"key{n}", b"{}") for n in range(500)])
    assert store.count("calls") == 500
    assert commits < 50
    assert store.mark("spent") == {"tokens": commits}


def test_what_was_awaited_survives_kill_9(place: Place) -> None:
    script = """
import asyncio, os, sys
from pathlib import Path
from typing import Any
from gristmill.storage.store import RunStore
async def main():
    store = RunStore.open(Path(sys.argv[1]), sys.argv[2])
    for n in range(20):
        await store.put(f"key{n}", b"raw")
    print("committed", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    arguments = [sys.executable, "-c", script, str(place.folder), place.url]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "committed\n"
    with pytest.raises(RunLocked, match=str(process.pid)):
        place.open()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = place.open()  # the kernel, or the server, freed the lock
    assert store.count("calls") == 20
    assert asyncio.run(store.get("key7")) == b"raw"
    asyncio.run(store.close())


async def test_the_lock_names_its_holder_and_is_freed(place: Place) -> None:
    first = place.open()
    with pytest.raises(RunLocked, match=f"process {os.getpid()}"):
        place.open()
    await first.close()
    second = place.open()
    await second.close()


async def test_reading_works_beside_a_writer_and_after_it(place: Place) -> None:
    writer = place.open()
    await writer.plan([task(1)])
    reader = place.read()
    assert reader.books().pending == 1
    with pytest.raises(StoreError, match="reading only"):
        await reader.plan([task(2)])
    assert reader.holder is not None
    await writer.close()
    async with asyncio.timeout(30):  # a server notices a moment later that its client has gone
        while reader.holder is not None:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.01)
    await reader.close()
    after = place.read()
    assert after.books().pending == 1
    after.close_reading()


async def test_a_full_disk_rolls_back_and_heals(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path / "run")
    await store.put("before", b"kept")
    database = store._database
    assert isinstance(database, SqliteDatabase)
    assert database._writing is not None
    pages = database._writing.execute("PRAGMA page_count").fetchone()[0]
    database._writing.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite's own SQLITE_FULL, as on a full disk
    with pytest.raises(StoreFull, match="free some space"):
        await store.put("large", b"x" * 1_000_000)
    assert await store.get("before") == b"kept"
    assert await store.get("large") is None
    database._writing.execute("PRAGMA max_page_count = 1000000")
    await store.put("after", b"works again")
    assert await store.get("after") == b"works again"
    await store.close()


async def test_documents_chunks_and_extractions_come_back_as_they_went_in(store: RunStore) -> None:
    text = "Heading\n\nText with “quotes” and \U0001d518nicode."
    document = Document.of("a.md", text, title="Heading", meta={"row": 1})
    chunks = [
        Chunk.of(document.id, 0, 0, 7, document.text[:7]),
        Chunk.of(document.id, 1, 9, len(document.text), document.text[9:], headings=("Heading",)),
    ]
    await store.add_documents([(document, chunks)])
    await store.add_documents([(document, chunks)])
    assert store.document(document.id) == document
    assert list(store.chunks()) == chunks
    assert store.chunk(chunks[1].id) == chunks[1]
    await store.add_extraction(chunks[1].id, "{}")
    await store.add_extraction(chunks[0].id, "", reason="truncated")
    assert list(store.extractions()) == [(chunks[0].id, "truncated", ""), (chunks[1].id, "", "{}")]
    with pytest.raises(StoreError, match="no chunk with id"):
        store.chunk("chunk-none")


async def test_chunks_are_found_by_their_place_and_counted_anew_after_a_reading_that_was_cut_short(
    store: RunStore,
) -> None:
    document = Document.of("a.md", "x" * 2000)
    chunks = [Chunk.of(document.id, n, n, n + 1, f"chunk {n}") for n in range(1200)]
    await store.add_documents([(document, chunks[:700])])
    await store.forget_documents()
    for end in (10, 600, 1200):  # each time with some that are there already
        await store.add_documents([(document, chunks[:end])])
    found = store.chunks()
    assert len(found) == 1200
    assert [found[n] for n in (0, 9, 10, 599, -1)] == [chunks[n] for n in (0, 9, 10, 599, 1199)]
    assert list(found) == chunks
    assert found[5:8] == chunks[5:8]
    with pytest.raises(IndexError):
        found[1200]


async def test_a_graph_comes_back_in_its_order(store: RunStore) -> None:
    entities = [Entity(id=f"entity-{n}", name=f"Mill {n}", type="place", mentions=()) for n in (3, 1, 2)]
    relations = [Relation(id="relation-1", source="entity-3", target="entity-1", type="near", mentions=())]
    for _ in range(2):
        await store.set_graph(entities, relations, {"chunks": 1})
    assert store.graph() == (entities, relations)
    assert store.mark("graph") == {"chunks": 1}


async def test_claims_keep_their_order_and_their_bytes(store: RunStore) -> None:
    tasks = [task(n) for n in range(5)]
    await store.plan(tasks)
    for one in reversed(tasks):
        await store.finish(one.id, Status.ACCEPTED, [item(one)], claims=[b"\x00\xff" + one.id.encode()])
    assert list(store.claims()) == [(b"\x00\xff" + one.id.encode(), one.id) for one in reversed(tasks)]


async def test_hostile_text_is_kept_or_made_harmless(store: RunStore) -> None:
    odd = "NUL \x00, quotes ' \" ` $$ %s ? ; DROP TABLE tasks; -- \U0001f600"
    one = task(1)
    await store.plan([one])
    await store.add_skipped(odd, odd, odd)
    ended = Item(id="item-odd", task=one.id, kind="qa", status=Status.FAILED, reasons=(odd,), error=odd)
    await store.finish(one.id, Status.FAILED, [ended])
    assert [found.error for found in store.items()] == [odd]
    ((name, _, _),) = store.skipped()
    assert name.replace("\ufffd", "\x00") == odd
    assert await store.retry_failed() == 1
    assert store.books().pending == 1


async def test_items_are_found_by_the_start_of_their_id(store: RunStore) -> None:
    tasks = [task(n) for n in range(2)]
    await store.plan(tasks)
    for one in tasks:
        await store.finish(one.id, Status.ACCEPTED, [item(one)])
    assert store.item(f"item-{tasks[0].id}").task == tasks[0].id
    assert store.item(tasks[1].id[:20]).task == tasks[1].id
    with pytest.raises(StoreError, match="more than one"):
        store.item("item-task")
    with pytest.raises(StoreError, match="no item"):
        store.item("%")


def test_another_version_is_refused_with_the_mend(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    connection = sqlite3.connect(folder / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        RunStore.open(folder)
    with pytest.raises(StoreError, match="no run is in"):
        RunStore.read(tmp_path / "nothing")


def test_a_run_on_a_disk_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    async def make() -> None:
        opened = RunStore.open(tmp_path / "run")
        await opened.plan([task(1)])
        await opened.close()

    asyncio.run(make())
    tmp_path.chmod(0o755)
    (tmp_path / "run").chmod(0o555)
    for found in (tmp_path / "run").iterdir():
        found.chmod(0o444)
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from gristmill.storage.store import RunStore\nfrom gristmill.errors import StoreError\n"
        "if not os.geteuid(): os.setegid(65534), os.seteuid(65534)  # root may write anywhere\n"
        "store = RunStore.read(Path(sys.argv[1]))\n"
        "print(store.books().planned, len(list(store.tasks())))\n"
        "try: RunStore.open(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error)\n"
    )
    for folder in (tmp_path, *(one for one in tmp_path.parents if "pytest-" in str(one))):  # this user's alone
        folder.chmod(folder.stat().st_mode | 0o005)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    (tmp_path / "run").chmod(0o755)
    assert done.returncode == 0, done.stderr
    counts, refused = done.stdout.splitlines()
    assert counts == "1 1"
    assert "cannot be used" in refused


def test_looking_who_works_on_a_run_keeps_nobody_from_working(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    script = (
        "import sys\nfrom pathlib import Path\nfrom gristmill.storage.lock import RunLock\nprint('ready', flush=True)\n"
        "while True: RunLock.holder(Path(sys.argv[1]))\n"
    )
    looking = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE)
    try:
        assert looking.stdout is not None
        looking.stdout.readline()
        for _ in range(500):
            lock = RunLock(tmp_path / "run")
            lock.acquire()
            lock.release()
    finally:
        looking.kill()
        looking.wait()
        looking.stdout.close()


async def test_what_is_written_with_every_commit_cannot_leave_a_writer_waiting(store: RunStore) -> None:
    def broken() -> list[Any]:
        raise ZeroDivisionError("a bug")

    store.with_every_commit(broken)
    with pytest.raises(StoreError, match="a bug"):
        await asyncio.wait_for(store.put("key", b"raw"), 5)
    store.with_every_commit(list)
    await store.put("key", b"raw")


async def test_a_store_whose_closing_is_cut_short_frees_the_run(place: Place) -> None:
    opened = place.open()
    opened.with_every_commit(lambda: time.sleep(0.2) or [])  # type: ignore[func-returns-value]
    writing = asyncio.create_task(opened.put("key", b"raw"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(opened.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await writing
    again = place.open()
    assert again.count("calls") == 1
    await again.close()


async def test_replies_are_read_by_key(store: RunStore) -> None:
    kept = {f"{number:032x}": bytes([number % 256, 0, 255]) for number in range(1200)}
    await store.put_all(kept)
    assert store.replies([*kept, "missing", next(iter(kept))]) == kept
    assert store.replies([]) == {}
    await store.put_all({"0" * 32: b"anew"})
    assert store.replies(["0" * 32]) == {"0" * 32: b"anew"}
