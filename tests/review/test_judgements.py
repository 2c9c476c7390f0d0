"""What people's decisions say of the critics: read from a store, again and again, with everything that may happen."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from judged_runs import GOOD, fill, verdict
from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.cli import main
from gristmill.evals.agreement_report import ONE_SIDED, AgreementReport, agreement_of, rounds_of_people
from gristmill.evals.judgements import ALONE, OVERALL, Judgements, judged_of
from gristmill.review.desk import Desk
from gristmill.storage.precedents import ROUNDS, Round
from gristmill.storage.records import Decision, Draft, Message, Status, Verdict
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    yield store
    await store.close()


async def test_each_critic_is_judged_by_its_last_verdict_on_the_last_draft(store: RunStore) -> None:
    messages = (Message(role="user", content="Why?"),)
    drafts = tuple(Draft(index=number, by="generator", messages=messages) for number in range(2))
    verdicts = (
        verdict("revise", "trivial", draft=0),
        verdict("accept", by="grounding", draft=1),
        verdict("reject", "unclear", draft=1, clear=0.2),
        verdict("revise", "ungrounded", draft=1, clear=0.4),
    )
    await put(store, (1, item_of(1, drafts=drafts, verdicts=verdicts, reasons=("ungrounded",), round=3)))
    await Desk(store).decide(item_of(1).id, Action.REJECT, "ada", reasons=("off_topic",))
    known = Judgements(store)
    known.refresh()
    found = {one.critic: one for one in known.judged}
    assert set(found) == {OVERALL, "critic", "grounding"}
    assert (found["critic"].accepts, found["critic"].good) == (False, False)
    assert (found["critic"].reasons, found["critic"].corrected) == (("ungrounded",), ("off_topic",))
    assert found["critic"].scores == (("clear", 0.4),)
    assert found["grounding"].accepts is True
    assert {one.round for one in known.judged} == {3}
    assert known.scores == {("critic", "clear"): [0.4]}


@pytest.mark.parametrize(
    ("action", "more", "good"),
    [
        (Action.ACCEPT, {}, True),
        (Action.REJECT, {}, False),
        (Action.SEND_BACK, {"note": "shorter"}, False),
        (Action.EDIT, {"messages": (Message(role="user", content="Better?"),)}, False),
    ],
)
async def test_only_accepting_says_that_it_was_good(
    store: RunStore, action: Action, more: dict[str, Any], good: bool
) -> None:
    await put(store, (1, item_of(1, **GOOD)))
    await Desk(store).decide(item_of(1).id, action, "ada", **more)
    known = Judgements(store)
    known.refresh()
    assert [one.good for one in known.judged if one.critic == OVERALL] == [good]
    assert [one.accepts for one in known.judged if one.critic == OVERALL] == [True]


async def test_a_note_of_which_nothing_came_judges_no_critic(store: RunStore) -> None:
    asked = Verdict(by="reviewer", draft=0, decision=Decision.REVISE, text="shorter")
    await put(store, (1, item_of(1, verdicts=(asked,), reasons=("unspecified",))))
    await Desk(store).decide(item_of(1).id, Action.ACCEPT, "ada")
    known = Judgements(store)
    known.refresh()
    assert {one.critic for one in known.judged} == {OVERALL, ALONE}
    assert {critic for critic, _ in known.verdicts} == {OVERALL, ALONE}


async def test_failed_items_judge_nobody(store: RunStore) -> None:
    failed = item_of(1, status=Status.FAILED, messages=(), drafts=(), verdicts=(), reasons=("bad_reply",))
    await put(store, (1, failed))
    review = await Desk(store).decide(failed.id, Action.REJECT, "ada")
    assert judged_of(failed, review) == []
    known = Judgements(store)
    known.refresh()
    assert (known.judged, known.verdicts.total()) == ([], 0)


async def test_every_decision_that_counts_is_in_a_row(store: RunStore) -> None:
    """Ends of all kinds: by a critic, by a check that all critics overlooked, before any critic, and failures."""
    dice, desk = random.Random(3), Desk(store)
    kinds: list[dict[str, Any]] = [
        {},
        {**GOOD, "verdicts": (verdict("accept"), verdict("reject", "dull", by="judge"))},
        {"verdicts": (verdict("accept"),), "reasons": ("rounds",)},
        {"verdicts": (), "drafts": (), "messages": (), "reasons": ("unsuitable",)},
        {**GOOD, "verdicts": ()},
        {"status": Status.FAILED, "verdicts": (), "drafts": (), "messages": (), "reasons": ("bad_reply",)},
    ]
    left = 0
    for number in range(60):
        fields = kinds[number % len(kinds)]
        await put(store, (number, item_of(number, round=1 + number // 30, **fields)))
        if dice.random() < 0.7:
            left += fields.get("status") is Status.FAILED
            await desk.decide(item_of(number).id, Action.REJECT, "ada")
    report = agreement_of(store)
    assert report.overall.judged + report.left_out == report.decided
    assert report.left_out == left > 0
    assert sum(one.judged for one in report.rounds) == report.overall.judged
    rows = {one.critic: one for one in report.critics}
    assert list(rows) == ["critic", "judge", ALONE]
    known = Judgements(store)
    known.refresh()
    ends = [
        {one.critic for one in judged if one.accepts is judged[0].accepts} - {OVERALL}
        for _, judged in known._judged.values()
        if judged
    ]
    assert all(ends)  # somebody's row has each, with the verdict that became the item's end
    assert rows[ALONE].judged == sum(found == {ALONE} for found in ends)
    assert {one.reason for one in rows[ALONE].reasons} == {"rounds", "unsuitable"}
    assert (rows[ALONE].accepts, rows[ALONE].rejects) == (10, 20)
    said = CliRunner().invoke(main, ["review", "agreement", str(store.folder)]).output
    assert f"decided {report.decided} items; {left} of them failed and judge nobody" in said


async def test_items_are_read_only_once_somebody_decided(store: RunStore) -> None:
    await put(store, *[(number, item_of(number)) for number in range(5)])
    known = Judgements(store)
    known.refresh()
    assert (known.verdicts.total(), agreement_of(store, known).critics) == (0, ())
    await Desk(store).decide(item_of(1).id, Action.REJECT, "ada")
    known.refresh()
    assert known.verdicts["critic", False] == 5


async def test_looking_again_takes_in_what_is_new_and_nothing_twice(store: RunStore) -> None:
    dice, desk, known = random.Random(5), Desk(store), Judgements(store)
    for start in range(0, 60, 10):
        await put(store, *[(number, item_of(number, round=1 + number // 30)) for number in range(start, start + 10)])
        for _ in range(12):
            number = dice.randrange(start + 10)
            decided = desk.story(item_of(number).id).decision is not None
            action = Action.UNDO if decided and dice.random() < 0.5 else dice.choice([Action.ACCEPT, Action.REJECT])
            await desk.decide(item_of(number).id, action, dice.choice(["ada", "bob"]))
        known.refresh()
        fresh = Judgements(store)
        fresh.refresh()
        key = lambda one: (one.critic, one.reasons, one.scores, one.good, one.round)  # noqa: E731
        assert sorted(known.judged, key=key) == sorted(fresh.judged, key=key)
        assert (known.verdicts, known.scores) == (fresh.verdicts, fresh.scores)
        assert (known.decided, known.reviewers) == (fresh.decided, fresh.reviewers)


async def test_an_event_whose_number_comes_late_is_taken_in(store: RunStore) -> None:
    """PostgreSQL gives numbers when a transaction writes, and shows them when it commits."""
    await put(store, *[(number, item_of(number)) for number in range(2)])
    known = Judgements(store)
    await Desk(store).decide(item_of(0).id, Action.ACCEPT, "ada")
    await store.write(("UPDATE reviews SET seq = ? WHERE seq = ?", [(9, 1)]))
    known.refresh()
    await Desk(store).decide(item_of(1).id, Action.ACCEPT, "bob")
    await store.write(("UPDATE reviews SET seq = ? WHERE seq = ?", [(4, 10)]))
    known.refresh()
    assert known.reviewers == {"ada", "bob"}


async def test_a_decided_item_whose_task_runs_again_waits_for_it(store: RunStore) -> None:
    failed = item_of(1, status=Status.FAILED, verdicts=(), reasons=("bad_reply",))
    await put(store, (1, failed))
    await Desk(store).decide(failed.id, Action.REJECT, "ada")
    await store.write(("DELETE FROM items WHERE id = ?", [(failed.id,)]))
    await store.write(("UPDATE tasks SET status = 'pending' WHERE id = ?", [(failed.task,)]))
    known = Judgements(store)
    known.refresh()
    assert known.judged == []
    await put(store, (1, item_of(1)))
    known.refresh()
    assert {one.critic for one in known.judged} == {OVERALL, "critic"}


# the report


async def test_the_reports_figures_are_the_reference_implementations(store: RunStore) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa  # heavy, as it loads scipy and pandas
    from statsmodels.stats.proportion import proportion_confint

    pairs = await fill(store)
    await store.set_mark("campaign", {"options": {"minimum": {"clear": 0.7}}})
    report = agreement_of(store)
    table = [[pairs.count((one, other)) for other in (True, False)] for one in (True, False)]
    reference = cohens_kappa(table)
    critic = next(one for one in report.critics if one.critic == "critic")
    for found in (report.overall, critic):
        assert found.kappa.value == pytest.approx(reference.kappa)
        assert found.kappa.low == pytest.approx(reference.kappa_low, abs=1e-6)
        assert found.agreed.right == table[0][0] + table[1][1]
        assert (found.confirmed.right, found.confirmed.count) == (table[1][1], sum(table[1]))
        low, high = proportion_confint(table[0][0], sum(table[0]), method="wilson")
        assert (found.kept.low, found.kept.high) == (pytest.approx(low), pytest.approx(high))
    assert critic.accepts + critic.rejects == 120
    ((reason, precision),) = [(one.reason, one.precision) for one in critic.reasons]
    assert (reason, precision.right, precision.count) == ("trivial", table[1][1], sum(table[1]))
    (threshold,) = critic.thresholds
    values = [item.verdicts[0].scores["clear"] for item in store.items()]
    assert (threshold.score, threshold.current, threshold.all) == ("clear", 0.7, 120)
    assert threshold.reaching == sum(value >= 0.7 for value in values)
    point = next(one for one in threshold.suggestion.curve if one.threshold == threshold.suggestion.threshold)
    assert point.accepted == sum(value >= point.threshold for value in values)
    assert (point.precision.value or 0) >= 0.9
    assert agreement_of(store, wanted=0.5).critics[0].thresholds[0].suggestion.threshold != threshold.suggestion
    assert AgreementReport.model_validate_json(report.model_dump_json()) == report


async def test_a_check_that_speaks_only_when_it_rejects_has_no_kappa(store: RunStore) -> None:
    for number in range(4):
        await put(store, (number, item_of(number, verdicts=(verdict("reject", "duplicate", by="novelty"),))))
        await Desk(store).decide(item_of(number).id, Action.REJECT if number else Action.ACCEPT, "ada")
    (novelty,) = agreement_of(store).critics
    assert (novelty.kappa.value, novelty.kappa.note) == (None, ONE_SIDED)
    assert (novelty.confirmed.right, novelty.confirmed.count) == (3, 4)


async def test_rounds_are_told_side_by_side(store: RunStore) -> None:
    assert rounds_of_people(store) == ()
    await fill(store)
    marks = [Round(), Round(number=2, version="ab", precedents=5), Round(number=3, version="cd", precedents=6)]
    await store.set_mark(ROUNDS, [one.model_dump(mode="json") for one in marks])
    rounds = rounds_of_people(store)
    assert [(one.round, one.precedents, one.judged) for one in rounds] == [(1, 0, 30), (2, 5, 30), (3, 6, 0)]
    assert rounds == agreement_of(store).rounds


async def test_the_command_prints_what_the_report_says(store: RunStore) -> None:
    folder = str(store.folder)
    empty = CliRunner().invoke(main, ["review", "agreement", folder])
    assert empty.exit_code == 0
    assert "nobody has decided" in empty.output
    await fill(store)
    said = CliRunner().invoke(main, ["review", "agreement", folder]).output
    report = agreement_of(store)
    assert "1 person decided 60 items" in said
    assert f"{report.overall.agreed.value:.0%}" in said
    assert re.search(r"trivial +\d+ +\d+% \(\d+ to \d+\)", said)
    assert "critic, clear: no threshold now; 0." in said
    given = CliRunner().invoke(main, ["review", "agreement", folder, "--json", "--wanted", "0.8"])
    assert orjson.loads(given.stdout)["wanted"] == 0.8
    assert CliRunner().invoke(main, ["review", "agreement", folder, "--wanted", "2"]).exit_code == 2
