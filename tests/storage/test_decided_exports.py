"""Exports of runs that people reviewed: who is in, in which words, as which pairs, and what the card says of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import accepted_of, dialogue, made
from review_items import item_of, task_of

from gristmill.campaigns.datasets import Exported, Items, export_runs
from gristmill.campaigns.decided import Decided
from gristmill.campaigns.report import status_of
from gristmill.errors import ConfigError
from gristmill.review.desk import Desk
from gristmill.storage.records import Decision, Draft, Item, Message, Status, Verdict, item_id
from gristmill.storage.returns import refine_task
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = await made(tmp_path / "run")
    yield store
    await store.close()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write(*folders: Path, formats: tuple[str, ...] = ("chat", "rejects", "dpo", "huggingface")) -> Exported:
    return export_runs(folders, out=folders[0].parent / "out", formats=formats)


def answers(folder: Path) -> dict[str, str]:
    return {row["id"]: row["messages"][-1]["content"] for row in rows(folder.parent / "out/chat/train.jsonl")}


async def send_back(store: RunStore, number: int, *, accepted: bool, answer: str = "Bronze.") -> Item:
    """Sends an item back, and ends the task that this makes."""
    event = await Desk(store).decide(item_of(number).id, Action.SEND_BACK, "ada", note="name the alloy")
    task = refine_task(task_of(number), event)
    base = accepted_of(number) if accepted else item_of(number)
    update = {"id": item_id(task.id), "task": task.id, "attributes": task.attributes}
    remake = base.model_copy(update={**update, "messages": dialogue(number, answer)})
    await store.plan([task])
    await store.finish(task.id, remake.status, [remake])
    return remake


async def test_what_people_decide_decides_who_is_in(store: RunStore) -> None:
    desk = Desk(store)
    await desk.decide(item_of(5).id, Action.ACCEPT, "ada")
    await desk.decide(item_of(6).id, Action.EDIT, "ada", messages=dialogue(6, "Bronze."), note="wrong alloy")
    await desk.decide(item_of(7).id, Action.REJECT, "ada", reasons=["trivial", "dull"])
    await desk.decide(item_of(1).id, Action.REJECT, "bob", note="nobody asks that")
    await desk.decide(item_of(8).id, Action.ACCEPT, "bob")
    await desk.decide(item_of(8).id, Action.UNDO, "bob")
    exported = write(store.folder)
    assert answers(store.folder) == {item_of(number).id: "Brass." for number in (0, 2, 3, 5)} | {
        item_of(6).id: "Bronze."
    }
    rejects = {row["id"]: row for row in rows(store.folder.parent / "out/rejects/rejects.jsonl")}
    assert set(rejects) == {item_of(number).id for number in (1, 4, 7, 8, 9, 10, 11)}
    confirmed = rejects[item_of(7).id]
    assert confirmed["reasons"] == ["trivial", "dull"]
    assert {key: confirmed["decision"][key] for key in ("action", "reviewer")} == {
        "action": "reject",
        "reviewer": "ada",
    }
    assert rejects[item_of(1).id]["decision"]["note"] == "nobody asks that"
    assert rejects[item_of(8).id]["decision"] is None
    assert exported.report.people == {"accept": 1, "edit": 1, "reject": 2}
    for name, counts in exported.report.counts.items():
        if name != "dpo":  # the books balance
            assert sum(counts.values()) + sum(exported.report.left_out[name].values()) == 12
    card = (store.folder.parent / "out/huggingface/README.md").read_text()
    assert "People decided 4 of 12 items: 2 rejected, 1 accepted, 1 edited. The others are as the critics left" in card
    assert "| accepted | 5 |" in card
    assert any(note.startswith("people decided 4 of 12 items") for note in exported.report.notes)


async def test_a_run_that_nobody_reviewed_says_nothing_of_people(store: RunStore) -> None:
    exported = write(store.folder)
    assert exported.report.people == {}
    assert "people" not in (store.folder.parent / "out/huggingface/README.md").read_text().lower()


async def test_an_edit_is_chosen_over_the_draft_whatever_the_critics_said_of_it(store: RunStore) -> None:
    desk = Desk(store)
    await desk.decide(
        item_of(2).id, Action.EDIT, "ada", messages=dialogue(2, "Bronze."), note="wrong alloy"
    )  # accepted
    await desk.decide(item_of(5).id, Action.EDIT, "ada", messages=dialogue(5, "Tin."))  # rejected
    await desk.decide(item_of(7).id, Action.EDIT, "ada", messages=dialogue(7, "Zinc."))  # rejected as trivial
    other = (Message(role="user", content="Another question?"), Message(role="assistant", content="Lead."))
    await desk.decide(item_of(8).id, Action.EDIT, "ada", messages=other)
    exported = write(store.folder)
    pairs = {row["chosen_from"]: row for row in rows(store.folder.parent / "out/dpo/train.jsonl")}
    assert set(pairs) == {item_of(number).id for number in (2, 5, 7)}
    assert {row["origin"] for row in pairs.values()} == {"edit"}
    first = pairs[item_of(2).id]
    assert (first["chosen"][0]["content"], first["rejected"][0]["content"]) == ("Bronze.", "Brass.")
    assert (first["critique"], first["reasons"]) == ("wrong alloy", [])
    assert pairs[item_of(7).id]["reasons"] == ["trivial"]
    assert exported.report.left_out["dpo"]["prompt_changed"] == 1


async def test_a_confirmed_rejection_is_the_worse_half_of_a_pair(store: RunStore) -> None:
    task = task_of(50)
    liked = item_of(50, status=Status.ACCEPTED, reasons=(), verdicts=(), drafts=(), messages=dialogue(1, "Bronze."))
    await store.plan([task])
    await store.finish(task.id, Status.ACCEPTED, [liked])
    await Desk(store).decide(item_of(1).id, Action.REJECT, "ada", reasons=["wrong"])  # the critics had accepted it
    write(store.folder)
    (pair,) = rows(store.folder.parent / "out/dpo/train.jsonl")
    assert (pair["origin"], pair["chosen_from"], pair["rejected_from"]) == ("rejection", liked.id, item_of(1).id)
    assert pair["reasons"] == ["wrong"]


@pytest.mark.parametrize("number", [2, 5])
async def test_of_an_item_and_its_remake_one_is_in(store: RunStore, number: int) -> None:
    origin, desk = item_of(number).id, Desk(store)
    remake = await send_back(store, number, accepted=True)
    write(store.folder)
    found = answers(store.folder)
    assert (found[remake.id], origin in found) == ("Bronze.", False)
    await desk.decide(origin, Action.ACCEPT, "ada")  # both are accepted now; a person's word on the first is the last
    write(store.folder)
    found = answers(store.folder)
    assert (origin in found, remake.id in found) == (True, False)
    await desk.decide(remake.id, Action.ACCEPT, "ada")
    write(store.folder)
    found = answers(store.folder)
    assert (origin in found, remake.id in found) == (False, True)
    (out,) = [one for one in rows(store.folder.parent / "out/rejects/rejects.jsonl") if one["id"] == origin]
    assert out["reasons"] == ["superseded"]


async def test_an_accepted_item_that_was_sent_back_is_out_until_it_comes_back(store: RunStore) -> None:
    await send_back(store, 2, accepted=False)
    write(store.folder)
    assert set(answers(store.folder)) == {item_of(number).id for number in (0, 1, 3)}


async def test_both_readings_see_one_moment(store: RunStore) -> None:
    """What people decide, and what remakes end, between the readings of an export is in neither."""
    await Desk(store).decide(item_of(5).id, Action.ACCEPT, "ada")
    decided = Decided(store)
    first = {item.id: item.status for item, _ in decided(store.items(), store)}
    await Desk(store).decide(item_of(6).id, Action.ACCEPT, "ada")
    await Desk(store).decide(item_of(5).id, Action.UNDO, "ada")
    assert {item.id: item.status for item, _ in decided(store.items(), store)} == first
    assert first[item_of(5).id] is Status.ACCEPTED
    assert first[item_of(6).id] is Status.REJECTED


async def test_runs_together_keep_each_text_once_as_people_left_it(tmp_path: Path) -> None:
    one, two = await made(tmp_path / "one"), await made(tmp_path / "two", range(6, 18))
    await Desk(one).decide(item_of(6).id, Action.EDIT, "ada", messages=dialogue(6, "Bronze."))
    await Desk(two).decide(item_of(6).id, Action.EDIT, "bob", messages=dialogue(6, "Bronze."))
    await Desk(two).decide(item_of(7).id, Action.ACCEPT, "bob")
    await Desk(one).decide(item_of(0).id, Action.REJECT, "ada")
    await one.close()
    await two.close()
    exported = write(tmp_path / "one", tmp_path / "two")
    found = rows(tmp_path / "out/chat/train.jsonl")
    assert sorted(row["messages"][0]["content"] for row in found) == [
        f"Question {number}?" for number in (1, 2, 3, 6, 7)
    ]
    assert exported.report.left_out["chat"] == {"rejected": 19}
    assert exported.report.people == {"edit": 2, "accept": 1, "reject": 1}


async def test_a_run_lives_by_what_people_accepted(tmp_path: Path) -> None:
    store = await made(tmp_path / "run", range(4, 8))
    with pytest.raises(ConfigError, match="no accepted items"):
        write(store.folder, formats=("chat",))
    await Desk(store).decide(item_of(5).id, Action.ACCEPT, "ada")
    write(store.folder, formats=("chat",))
    assert list(answers(store.folder)) == [item_of(5).id]
    await Desk(store).decide(item_of(5).id, Action.SEND_BACK, "ada", note="shorter")
    with pytest.raises(ConfigError, match="1 sent back"):
        write(store.folder, formats=("chat",))
    await store.close()


async def test_the_status_counts_what_people_did(store: RunStore) -> None:
    assert status_of(store)["decisions"]["undecided"] == 8
    desk = Desk(store)
    await desk.decide(item_of(5).id, Action.ACCEPT, "ada")
    await desk.decide(item_of(6).id, Action.EDIT, "ada", messages=dialogue(6, "Bronze."))
    await desk.decide(item_of(1).id, Action.REJECT, "ada")
    await desk.decide(item_of(7).id, Action.SEND_BACK, "ada", note="shorter")
    await desk.decide(item_of(8).id, Action.REJECT, "ada")
    await desk.decide(item_of(8).id, Action.UNDO, "ada")
    assert status_of(store)["decisions"] == {"accept": 1, "edit": 1, "reject": 1, "send_back": 1, "undecided": 5}


async def test_a_version_in_whose_place_another_counts_is_no_worse_answer(store: RunStore) -> None:
    remake = await send_back(store, 2, accepted=True)
    await Desk(store).decide(item_of(2).id, Action.ACCEPT, "ada")  # it counts now; nothing is wrong with either
    write(store.folder)
    assert remake.id not in answers(store.folder)
    assert rows(store.folder.parent / "out/dpo/train.jsonl") == []


async def mend(store: RunStore, number: int) -> Item:
    """Sends an item back, and ends the task that this makes as a refiner does: from the last draft and the note."""
    event = await Desk(store).decide(item_of(number).id, Action.SEND_BACK, "ada", note="name the alloy")
    task = refine_task(task_of(number), event)
    asked = Verdict(by="reviewer", draft=0, decision=Decision.REVISE, text="name the alloy")
    texts = ("Brass.", "Bronze.")
    drafts = [Draft(index=n, by="refiner", messages=dialogue(number, text)) for n, text in enumerate(texts)]
    remake = accepted_of(number).model_copy(
        update={"id": item_id(task.id), "task": task.id, "attributes": task.attributes, "drafts": tuple(drafts)}
        | {"messages": drafts[-1].messages, "verdicts": (asked,)}
    )
    await store.plan([task])
    await store.finish(task.id, remake.status, [remake])
    return remake


async def test_what_a_note_mended_is_one_pair(store: RunStore) -> None:
    remake = await mend(store, 5)
    write(store.folder)
    (pair,) = rows(store.folder.parent / "out/dpo/train.jsonl")
    assert (pair["origin"], pair["chosen_from"], pair["critique"]) == ("refinement", remake.id, "name the alloy")


@pytest.mark.parametrize("number", [2, 6, 7])
async def test_a_note_that_was_taken_back_speaks_against_nothing(store: RunStore, number: int) -> None:
    """What came of it stands on its own: against a first version that the critics rejected, and only by their word."""
    remake, desk = await mend(store, number), Desk(store)
    await desk.decide(remake.id, Action.ACCEPT, "ada", note="better")
    await desk.decide(item_of(number).id, Action.UNDO, "ada")
    write(store.folder, formats=("jsonl", "chat", "rejects", "dpo"))
    assert answers(store.folder)[remake.id] == "Bronze."
    assert item_of(number).id not in answers(store.folder)  # of two versions one counts, undone or not
    pairs = rows(store.folder.parent / "out/dpo/train.jsonl")
    if number == 6:  # rejected as ungrounded: about the answer; 2 was accepted, 7 is trivial
        (pair,) = pairs
        assert (pair["origin"], pair["chosen_from"]) == ("rejection", remake.id)
        assert (pair["rejected_from"], pair["reasons"]) == (item_of(6).id, ["ungrounded"])
        assert pair["critique"] != "name the alloy"
    else:
        assert pairs == []
    (row,) = [one for one in rows(store.folder.parent / "out/jsonl/train.jsonl") if one["id"] == remake.id]
    assert row["attributes"]["reviewer_note"] == "name the alloy"
    assert [(one["by"], one["decision"], one["text"]) for one in row["verdicts"]] == [("reviewer", "accept", "better")]


async def test_a_note_that_stands_beside_a_later_decision_still_speaks(store: RunStore) -> None:
    remake, desk = await mend(store, 6), Desk(store)
    await desk.decide(item_of(6).id, Action.REJECT, "ada", seen=desk.story(item_of(6).id).last)
    write(store.folder)
    (pair,) = rows(store.folder.parent / "out/dpo/train.jsonl")
    assert (pair["origin"], pair["chosen_from"]) == ("refinement", remake.id)


async def test_a_text_that_people_accepted_twice_is_in_once(store: RunStore) -> None:
    desk = Desk(store)
    await desk.decide(item_of(5).id, Action.EDIT, "ada", messages=dialogue(1, "brass"))  # as the critics' item 1
    await desk.decide(item_of(6).id, Action.EDIT, "ada", messages=dialogue(7, "Brass."))
    await desk.decide(item_of(7).id, Action.ACCEPT, "bob")
    exported = write(store.folder)
    assert set(answers(store.folder)) == {item_of(number).id for number in (0, 1, 2, 3, 6)}
    assert any(note.startswith("2 accepted items have the text of an earlier one") for note in exported.report.notes)
    out = {row["id"]: row["reasons"] for row in rows(store.folder.parent / "out/rejects/rejects.jsonl")}
    assert (out[item_of(5).id], out[item_of(7).id]) == (["duplicate"], ["duplicate"])
    assert all(sum(c.values()) + sum(exported.report.left_out[n].values()) == 12
               for n, c in exported.report.counts.items() if n != "dpo")  # fmt: skip


async def test_a_version_that_ends_while_an_export_runs_is_not_in_it_beside_the_first(store: RunStore) -> None:
    items = Items([store.folder])
    first = [item.id for item in items if item.status is Status.ACCEPTED]
    remake = await send_back(store, 2, accepted=True)
    assert [item.id for item in items if item.status is Status.ACCEPTED] == first
    found = [item.id for item in Items([store.folder]) if item.status is Status.ACCEPTED]
    assert (remake.id in found, item_of(2).id in found) == (True, False)
