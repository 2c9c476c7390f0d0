"""Documents that change: what is added, changed or removed touches what hangs on it, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from changing import MARSH, MILL, PIER, answer, campaign, texts, write
from write_and_judge import judged

from gristmill import CampaignReport, Scripted
from gristmill.campaigns.datasets import export_run
from gristmill.campaigns.knowledge.refresh import refresh
from gristmill.campaigns.knowledge.staleness import CHANGED, REMOVED
from gristmill.campaigns.report import status_of
from gristmill.errors import ConfigError
from gristmill.storage.records import Item, Status
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore
from gristmill.storage.versions import current_documents, stale_items

PARTS = (
    "First of all, the tide rises slowly over the flats.",
    "Then the geese leave all together for the fields.",
    "Last of all, the mud dries in the sun.",
)


def items_of(report: CampaignReport, status: Status | None = None) -> list[Item]:
    return list(RunStore.read(report.folder).items(status))


def exported(report: CampaignReport) -> str:
    shutil.rmtree(report.folder / "export", ignore_errors=True)
    export_run(report.folder, formats=["jsonl"])
    return (report.folder / "export/jsonl/train.jsonl").read_text()


async def test_what_changed_is_made_anew_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER, marsh=MARSH)
    first = await campaign(tmp_path).execute()
    assert first.books.accepted == 3

    (tmp_path / "documents/pier.txt").unlink()
    write(tmp_path, mill=MILL.replace("1820", "1826"), dunes="Marram grass binds the dunes at Holkham.")
    model = Scripted(answer)
    report = await campaign(tmp_path, model).execute(refresh=True)

    assert {request.variables["passage"] for request in model.requests if request.role == "generator"} == {
        MILL.replace("1820", "1826"),
        "Marram grass binds the dunes at Holkham.",
    }
    assert report.books.balanced
    assert (report.books.planned, report.books.accepted) == (5, 5)
    assert report.people.stale == 2
    assert report.books.accepted + report.people.total == 3
    store = RunStore.read(report.folder)
    reasons = {store.item(id).messages[0].content: reason for id, reason in stale_items(store).items()}
    assert reasons == {f"Explain: {MILL}": CHANGED, f"Explain: {PIER}": REMOVED}
    assert set(current_documents(store)) == {"dunes.txt", "marsh.txt", "mill.txt"}
    assert [chunk.text for chunk in store.chunks()] == [
        "Marram grass binds the dunes at Holkham.",
        MARSH,
        MILL.replace("1820", "1826"),
    ]
    assert store.mark("ingested")["documents"] == store.count("documents") == store.count("chunks") == 3
    out = exported(report)
    assert [word in out for word in ("1826", "Stiffkey", "1820", "Cromer")] == [True, True, False, False]
    status = status_of(store)
    assert status["people"]["stale"] == 2
    assert status["people"]["counted"] == 3


async def test_a_stale_item_still_leads_to_the_text_it_was_made_from(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path).execute()
    (tmp_path / "documents/mill.txt").unlink()
    report = await campaign(tmp_path).execute(refresh=True)
    store = RunStore.read(report.folder)
    (stale,) = stale_items(store)
    item = store.item(stale)
    assert store.chunk(item.chunks[0]).text == MILL
    assert store.document(store.document_of(item.chunks[0])).text == MILL


async def test_nothing_changed_costs_nothing_and_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    before = items_of(await campaign(tmp_path).execute())
    os.utime(tmp_path / "documents/mill.txt")
    model = Scripted(answer)
    report = await campaign(tmp_path, model).execute(refresh=True)
    assert model.requests == []
    assert items_of(report) == before
    assert RunStore.read(report.folder).mark("refreshed") is None


async def test_passages_that_stayed_in_a_changed_document_are_not_made_again(tmp_path: Path) -> None:
    chunks = {"max_tokens": 16}
    write(tmp_path, tide="\n\n".join(PARTS))
    first = await campaign(tmp_path, chunks=chunks).execute()
    assert texts(items_of(first)) == set(PARTS)

    write(
        tmp_path,
        tide="\n\n".join(
            [
                "Before it, all is still and nothing moves there.",
                *PARTS[:2],
                "Last of all, the mud freezes in the frost.",
            ]
        ),
    )
    model = Scripted(answer)
    report = await campaign(tmp_path, model, chunks=chunks).execute(refresh=True)
    assert {request.variables["passage"] for request in model.requests if request.role == "generator"} == {
        "Before it, all is still and nothing moves there.",
        "Last of all, the mud freezes in the frost.",
    }
    store = RunStore.read(report.folder)
    assert [store.item(id).messages[0].content for id in stale_items(store)] == [f"Explain: {PARTS[2]}"]

    # a third version, and a later start that was not asked to read anything: both know what the first one did
    write(tmp_path, tide="\n\n".join([*PARTS[:2], "Last of all, the mud freezes in the frost."]))
    model = Scripted(answer)
    again = await campaign(tmp_path, model, chunks=chunks).execute(refresh=True)
    await campaign(tmp_path, model, chunks=chunks).execute()
    assert model.requests == []
    assert again.people.stale == 2  # the mud that dried, and the stillness before the tide


async def test_a_passage_that_stands_twice_is_not_made_again_either(tmp_path: Path) -> None:
    """Of two that say the same each is followed by its own, or the second would be drawn as if it were new."""
    chunks = {"max_tokens": 16}
    write(tmp_path, tide="\n\n".join([PARTS[0], PARTS[1], PARTS[0], PARTS[2]]))
    await campaign(tmp_path, chunks=chunks).execute()
    new = "Last of all, the mud freezes in the frost."
    write(tmp_path, tide="\n\n".join([PARTS[0], PARTS[1], PARTS[0], new]))
    model = Scripted(answer)
    report = await campaign(tmp_path, model, chunks=chunks).execute(refresh=True)
    assert [request.variables["passage"] for request in model.requests if request.role == "generator"] == [new]
    assert (report.books.planned, report.books.balanced) == (5, True)
    store = RunStore.read(report.folder)
    current = {chunk.id for chunk in store.chunks()}
    heirs = [heir for (heir,) in store.rows("SELECT heir FROM chunks WHERE heir <> ''")]
    assert len(heirs) == len(set(heirs)) == 3
    assert set(heirs) <= current
    store.close_reading()


async def test_what_comes_back_is_fresh_again(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path).execute()
    (tmp_path / "documents/pier.txt").unlink()
    assert (await campaign(tmp_path).execute(refresh=True)).people.stale == 1
    write(tmp_path, pier=PIER)
    model = Scripted(answer)
    report = await campaign(tmp_path, model).execute(refresh=True)
    assert (report.people.stale, report.books.accepted) == (0, 2)
    assert model.requests == []


async def test_a_renamed_file_is_the_same_document(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path).execute()
    (tmp_path / "documents/mill.txt").rename(tmp_path / "documents/windmill.txt")
    model = Scripted(answer)
    report = await campaign(tmp_path, model).execute(refresh=True)
    store = RunStore.read(report.folder)
    assert (model.requests, report.people.stale) == ([], 0)
    assert store.document(current_documents(store)["windmill.txt"]).name == "windmill.txt"


async def test_the_target_is_reached_again_with_items_of_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, **{f"note{number}": f"Note {number} says that the tide turns." for number in range(12)})
    first = await campaign(tmp_path, target=6, concurrency=1, seed=5).execute()
    assert first.stop.code == "target"
    used = {item.messages[0].content for item in items_of(first)}
    lost = sorted(path for path in (tmp_path / "documents").iterdir() if f"Explain: {path.read_text()}" in used)[:4]
    for path in lost:
        path.unlink()
    report = await campaign(tmp_path, target=6, concurrency=1, seed=5).execute(refresh=True)
    assert report.stop.code == "target"
    assert (report.people.stale, report.books.accepted) == (4, 10)
    assert len(exported(report).splitlines()) == 6


async def test_stale_tasks_take_no_place_of_max_tasks(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path, max_tasks=2).execute()
    write(tmp_path, mill=MARSH)
    report = await campaign(tmp_path, max_tasks=2).execute(refresh=True)
    assert (report.books.accepted, report.people.stale) == (3, 1)


async def test_pending_tasks_of_what_went_are_withdrawn(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER, marsh=MARSH)
    await campaign(tmp_path, target=1, concurrency=1).execute()
    store = RunStore.read(tmp_path / "runs/coast")
    pending = [task for _, task in store.pending()]
    assert len(pending) == 2
    gone = store.chunk(pending[0].chunks[0])
    (tmp_path / "documents" / store.document_name(gone.document)).unlink()
    model = Scripted(answer)
    report = await campaign(tmp_path, model).execute(refresh=True)
    assert gone.text not in {request.variables.get("passage") for request in model.requests}
    assert report.books.balanced
    assert (report.books.planned, report.books.accepted, report.books.pending) == (2, 2, 0)


async def test_a_failed_task_of_what_went_is_not_tried_again(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path, Scripted(lambda request: 1 / 0)).execute()
    (tmp_path / "documents/pier.txt").unlink()
    report = await campaign(tmp_path).execute(refresh=True, retry_failed=False)
    assert (report.books.failed, report.books.accepted) == (2, 0)
    report = await campaign(tmp_path).execute(retry_failed=True)
    assert (report.books.failed, report.books.accepted) == (1, 1)


async def test_a_file_that_cannot_be_read_for_a_while_is_not_gone(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    await campaign(tmp_path).execute()
    (tmp_path / "documents/pier.txt").write_bytes(b"\x00\x01\x02\xff" * 50)
    report = await campaign(tmp_path).execute(refresh=True)
    store = RunStore.read(report.folder)
    assert report.people.stale == 0
    assert "pier.txt" in current_documents(store)


async def test_rows_that_were_all_taken_out_of_a_table_are_gone(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL)
    table = tmp_path / "documents/rows.csv"
    table.write_text("text\n" + "\n".join([PIER, MARSH]) + "\n")
    await campaign(tmp_path).execute()
    table.write_text("text\n")
    store = RunStore.read((await campaign(tmp_path).execute(refresh=True)).folder)
    assert store.mark("refreshed")["removed"] == 2
    assert list(current_documents(store)) == ["mill.txt"]


async def test_nothing_to_read_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL)
    await campaign(tmp_path).execute()
    (tmp_path / "documents/mill.txt").unlink()
    with pytest.raises(ConfigError, match="nothing could be read"):
        await campaign(tmp_path).execute(refresh=True)
    store = RunStore.read(tmp_path / "runs/coast")
    assert (list(current_documents(store)), stale_items(store)) == (["mill.txt"], {})


async def test_an_end_in_the_middle_of_reading_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    chosen = campaign(tmp_path)
    report = await chosen.execute()
    write(tmp_path, mill=MARSH, dunes="Marram grass binds the dunes.")
    store, stopping = RunStore.open(report.folder), asyncio.Event()
    try:
        assert await refresh(chosen.spec, store, lambda _: stopping.set(), stopping=stopping) is None
        assert (set(current_documents(store)), stale_items(store)) == ({"mill.txt", "pier.txt"}, {})
    finally:
        await store.close()
    report = await campaign(tmp_path).execute(refresh=True)
    assert (report.people.stale, report.books.accepted) == (1, 4)


async def test_a_row_that_takes_the_place_of_another_is_no_new_version_of_it(tmp_path: Path) -> None:
    rows = [json.dumps({"text": text}) for text in (f"{MILL} {PIER}", PIER, MARSH)]
    (tmp_path / "documents").mkdir()
    table = tmp_path / "documents/coast.jsonl"
    table.write_text("\n".join(rows))
    await campaign(tmp_path).execute()
    table.write_text("\n".join(rows[1:]))
    report = await campaign(tmp_path).execute(refresh=True)
    store = RunStore.read(report.folder)
    assert list(stale_items(store).values()) == [REMOVED]
    table.write_text("\n".join([*rows[1:], json.dumps({"text": "A new row on Cley."})]))
    report = await campaign(tmp_path).execute(refresh=True)
    assert list(stale_items(RunStore.read(report.folder)).values()) == [REMOVED]
    assert report.books.accepted == 4


async def test_what_a_former_version_shared_with_todays_stays_fresh_at_a_later_refresh(tmp_path: Path) -> None:
    chunks = {"max_tokens": 16}
    write(tmp_path, tide="\n\n".join(PARTS))
    await campaign(tmp_path, chunks=chunks).execute()
    write(tmp_path, tide="\n\n".join(PARTS[:2]))
    await campaign(tmp_path, chunks=chunks).execute(refresh=True)
    write(tmp_path, other=MARSH)
    report = await campaign(tmp_path, chunks=chunks).execute(refresh=True)
    assert report.people.stale == 1
    assert texts(items_of(report)) >= set(PARTS[:2])


async def test_what_people_accepted_goes_stale_too(tmp_path: Path) -> None:
    write(tmp_path, mill=MILL, pier=PIER)
    rejecting = Scripted(lambda request: answer(request) if request.role == "generator" else judged("reject", "dull"))
    report = await campaign(tmp_path, rejecting).execute()
    store = RunStore.open(report.folder)
    for number, item in enumerate(list(store.items())):
        event = Review(id=f"e{number}", item=item.id, action=Action.ACCEPT, reviewer="ada", at=datetime.now(UTC))
        await Reviews(store).add(event)
    await store.close()
    (tmp_path / "documents/pier.txt").unlink()
    report = await campaign(tmp_path, rejecting).execute(refresh=True)
    assert report.books.accepted + report.people.total == 1
    assert [word in exported(report) for word in ("Kelling", "Cromer")] == [True, False]
