"""Steering without a campaign: what it chooses, what it refuses, when it ends; over planners of every sort."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steered_walks import KINDS, Walk, all_of, batch, steered

from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.steering.cells import Cells, Fading
from gristmill.campaigns.steering.curves import ALL, POINTS, curves_of
from gristmill.campaigns.steering.ends import stop_of
from gristmill.campaigns.steering.outcomes import novelty_of
from gristmill.campaigns.steering.spec import SteerSpec
from gristmill.campaigns.steering.steering import PATIENCE, Counts
from gristmill.campaigns.stops import Stop
from gristmill.errors import ConfigError
from gristmill.graphs.planners.base import WAIT
from gristmill.storage.records import Decision, Item, Status, Task, Verdict

EVERY = Stop("exhausted", "every task that the recipe draws is done")


def task(kind: str, number: int = 0) -> Task:
    return Task.of("chunk", chunks=(f"chunk-{number}",), attributes={"kind": kind})


def corpus(count: int) -> list[Task]:
    return [task(kind, number) for number, kind in product(range(count), KINDS)]


class Looking(Walk):
    """A planner of a user that keeps nothing: it goes through all tasks and looks at what is planned."""

    walks = False

    async def candidates(self, count: int) -> list[Task]:
        return list(islice(filter(self._news, self.tasks), count))


def kinds(tasks: Sequence[Task]) -> Counter[str]:
    return Counter(one.attributes["kind"] for one in tasks)


@pytest.mark.parametrize("sort", [Walk, Looking])
async def test_everything_is_drawn_once_and_then_it_ends(sort: type[Walk]) -> None:
    source = sort(corpus(100))
    every = await all_of(steered(source), source)
    assert sorted(one.id for one in every) == sorted(one.id for one in source.tasks)


async def test_a_batch_is_spread_over_kinds_that_the_planner_gives_one_after_another() -> None:
    by_kind = sorted(corpus(8), key=lambda one: KINDS.index(one.attributes["kind"]))
    source = Walk(by_kind)
    assert kinds(by_kind[:8]) == {"definition": 8}
    assert set(kinds(await batch(steered(source), source)).values()) == {2}


async def test_the_same_seed_of_a_planner_gives_the_same_tasks() -> None:
    drawn = []
    for _ in range(2):
        source = Walk(random.Random(5).sample(corpus(60), 240))
        drawn.append(await all_of(steered(source), source, lambda one: float(len(one.attributes["kind"]) > 4)))
    assert drawn[0] == drawn[1]


async def test_weights_are_how_much_is_drawn_and_0_is_nothing() -> None:
    source = Walk(corpus(400))
    steering = steered(source, dimensions=("kind",), weights={"kind=list": 0.0, "kind=cause": 3.0})
    some = [one for _ in range(25) for one in await batch(steering, source)]
    counted = kinds(some)
    assert "list" not in counted
    assert counted["cause"] == pytest.approx(3 * counted["number"], rel=0.25)


async def test_shares_are_kept_and_one_that_cannot_be_is_told() -> None:
    source = Walk(corpus(400))
    steering = steered(source, dimensions=("kind",), shares={"kind=list": 0.6})
    some = [one for _ in range(25) for one in await batch(steering, source)]
    assert kinds(some)["list"] / len(some) == pytest.approx(0.6, abs=0.03)
    assert steering.books.missed() == []
    few = Walk([one for one in corpus(100) if one.attributes["kind"] != "list" or one.chunks == ("chunk-1",)])
    steering = steered(few, dimensions=("kind",), shares={"kind=list": 0.6})
    every = await all_of(steering, few)
    assert len(every) == len(few.tasks), "a quota that cannot be met holds nothing up"
    assert "kind=list has 0% of 301 tasks, not 60%" in stop_of(steering, EVERY).text


@pytest.mark.parametrize("sort", [Walk, Looking])
async def test_a_share_that_all_are_ahead_of_does_not_hang(sort: type[Walk]) -> None:
    source = sort([task("list", number) for number in range(200)])
    every = await all_of(steered(source, shares={"kind=list": 0.1}), source)
    assert len(every) == 200


@pytest.mark.parametrize("sort", [Walk, Looking])
async def test_at_most_counts_what_is_accepted(sort: type[Walk]) -> None:
    source = sort(corpus(50))
    steering = steered(source, at_most={"kind=list": 5, "kind=cause": 0})
    every: list[Task] = []
    lists = 0
    while drawn := await batch(steering, source):
        every += drawn
        for one in drawn:
            lists += one.attributes["kind"] == "list"
            refused = one.attributes["kind"] == "list" and lists <= 3
            steering.ended(one, Status.REJECTED if refused else Status.ACCEPTED, None)
    assert kinds(every) == {"definition": 50, "number": 50, "list": 8}  # three were rejected, five stay
    assert "steer.at_most allows" in stop_of(steering, EVERY).text


async def test_what_may_become_too_many_waits_for_what_is_pending() -> None:
    source = Walk([task("list", number) for number in range(9)])
    steering = steered(source, at_most={"kind=list": 3})
    first = await batch(steering, source)
    assert len(first) == 3
    assert await batch(steering, source) is WAIT
    assert steering.waits, "one of the three may be rejected"
    steering.ended(first[0], Status.REJECTED, None)
    assert len(await batch(steering, source)) == 1
    for one in [*first[1:], *(one for one in source.tasks if one.id in source.planned and one not in first)]:
        steering.ended(one, Status.ACCEPTED, 1.0)
    assert not await batch(steering, source)
    assert not steering.waits


async def test_a_planner_that_waits_is_waited_for() -> None:
    class Waiting(Walk):
        async def candidates(self, count: int) -> Sequence[Task]:
            return await super().candidates(count) if len(self.planned) < 4 or self.ended else WAIT

        ended = False

    source = Waiting(corpus(5))
    steering = steered(source, window=4, spread=1)
    assert len(await batch(steering, source)) == 4
    assert await batch(steering, source) is WAIT
    assert steering.waits
    source.ended = True
    assert len(await all_of(steering, source)) == 16
    assert not steering.waits


async def test_a_saturated_cell_is_drawn_no_more_and_tried_seldom() -> None:
    source = Walk(corpus(300))
    steering = steered(source, exploration=0.02)
    every = await all_of(steering, source, lambda one: float(one.attributes["kind"] != "list"))
    counted = kinds(every)
    assert {counted[kind] for kind in KINDS} - {counted["list"]} == {300}
    assert steering.spec.after <= counted["list"] < 60
    assert set(steering.books.saturated) == {"kind=list"}
    assert [counted for counted in kinds(every[-600:]).items() if counted[0] == "list"], "it is tried again"


async def test_a_planner_that_waits_for_what_rests_goes_on_and_one_that_insists_ends() -> None:
    wave = [task("definition", number) for number in range(100, 104)]

    class Insisting(Walk):
        given = 0

        async def candidates(self, count: int) -> Any:
            if first := await super().candidates(count):
                return first
            if any(not self._news(one) for one in wave):
                return WAIT
            self.given += 1
            return wave

    source = Insisting([task("definition", number) for number in range(40)])
    steering = steered(source, dimensions=("kind",), after=5, exploration=0.02)
    async with asyncio.timeout(30):
        while drawn := await batch(steering, source):
            for one in drawn:
                steering.ended(one, Status.REJECTED, 0.0)
    assert drawn is WAIT
    assert 2 <= source.given < 5, "what is given up is asked for again, and then refused"
    assert all(map(steering.holds, (one.id for one in wave)))


async def test_a_cell_that_is_new_again_comes_back() -> None:
    source = Walk(corpus(300))
    steering = steered(source, exploration=0.1)
    seen = 0

    def novelty(one: Task) -> float:
        nonlocal seen
        seen += one.attributes["kind"] == "list"
        return float(one.attributes["kind"] != "list" or seen > 25)

    assert kinds(await all_of(steering, source, novelty))["list"] == 300
    assert steering.books.saturated == {}


@pytest.mark.parametrize("sort", [Walk, Looking])
async def test_a_campaign_whose_cells_are_all_saturated_ends_and_says_why(sort: type[Walk]) -> None:
    source = sort(corpus(500))
    steering = steered(source)
    every = await all_of(steering, source, lambda _: 0.0)
    assert len(every) < 200
    stop = stop_of(steering, EVERY)
    assert stop.code == "saturated"
    assert "kind=" in stop.text
    assert "steer.threshold" in stop.text


async def test_a_planner_without_end_ends_when_nothing_of_it_may_be_drawn() -> None:
    class Endless(Walk):
        walks = False
        drawn = 0

        async def candidates(self, count: int) -> list[Task]:
            self.drawn += count
            return [task("list", self.drawn + number) for number in range(count)]

    source = Endless([])
    steering = steered(source, weights={"kind=list": 0.0})
    async with asyncio.timeout(60):
        assert not await batch(steering, source)
    assert source.drawn <= PATIENCE + 1000
    assert not steering.waits


async def test_the_cell_that_is_to_blame_is_saturated_and_not_its_company() -> None:
    source = Walk(corpus(40))
    steering = steered(source, dimensions=("draw", "kind"))
    for one in corpus(40):
        steering.books.plan(steering.books.of(one))
        steering.books.learn(steering.books.of(one), float(one.attributes["kind"] not in ("list", "cause")))
    assert set(steering.books.saturated) == {"kind=list", "kind=cause"}


async def test_memory_stays_bounded_while_millions_could_be_drawn() -> None:
    def without_end() -> Iterator[Task]:
        number = 0
        while True:
            number += 1
            yield task("list", number)

    source = Walk([])
    source._left = without_end()
    steering = steered(source, dimensions=("chunk",))
    for _ in range(100):
        await batch(steering, source)
    known = len(steering.books)
    assert known <= 100 * 8 + 8 * steering.spec.spread, "cells of candidates that were passed over are forgotten"
    assert sum(steering.waiting.values()) <= 3 * 8 * steering.spec.spread
    assert len(steering._held) <= 8 * steering.spec.spread


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_books_of_cells_are_the_tasks_however_they_end(data: st.DataObject) -> None:
    """Counts that a restart reads from the tasks are those that were kept task by task."""

    async def run() -> None:
        tasks = data.draw(st.permutations(corpus(6)))
        sort = data.draw(st.sampled_from([Walk, Looking]))
        source = sort(tasks)
        steering = steered(source, window=data.draw(st.integers(1, 5)), after=2, memory=3, exploration=0.2)
        ends: dict[str, tuple[Task, Status]] = {}
        pending: list[Task] = []
        for _ in range(data.draw(st.integers(1, 12))):
            pending += await batch(steering, source)
            while pending and data.draw(st.booleans()):
                one = pending.pop(data.draw(st.integers(0, len(pending) - 1)))
                status, novelty = data.draw(
                    st.sampled_from([(Status.ACCEPTED, 1.0), (Status.ACCEPTED, 0.3), (Status.REJECTED, 0.0),
                                     (Status.REJECTED, None), (Status.FAILED, None)])
                )  # fmt: skip
                steering.ended(one, status, novelty)
                ends[one.id] = (one, status)
        fresh = steered(Walk([]), window=5)
        for one in pending:
            ends[one.id] = (one, Status.PENDING)
        for one, status in ends.values():
            fresh.books.plan(fresh.books.of(one), status)
        for one, _ in ends.values():
            for (_, mine), (_, theirs) in zip(steering.books.of(one), fresh.books.of(one), strict=True):
                for cell, other in zip(mine, theirs, strict=True):
                    assert (cell.live, cell.accepted, cell.tried) == (other.live, other.accepted, other.tried)
                    assert cell.rarity == other.rarity
                    assert cell.waiting >= 0
                    assert cell.dimension.total >= 0
        waiting = Counter(key for one in steering._buffer for key in one.task.chunks)
        assert all(steering.waiting[key] == count for key, count in waiting.items())

    asyncio.run(run())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=200), st.integers(2, 1000))
def test_a_novelty_is_a_number_between_0_and_1_and_follows_what_came(
    seen: list[tuple[float, float]], memory: int
) -> None:
    novelty = Fading()
    for value, blame in seen:
        before = novelty.mean
        novelty.add(value, blame, memory)
        assert 0 <= novelty.mean <= 1
        if value == 1:
            assert novelty.mean >= before - 1e-9 or before > 0.9
    old, new = Fading(), Fading()
    for _ in range(50):
        old.add(1.0, 1.0, 10)
        new.add(1.0, 1.0, 10)
    for _ in range(20):
        new.add(0.0, 1.0, 10)
    assert new.mean < 0.35 < old.mean


def item(status: Status, *reasons: str, scores: dict[str, float] | None = None) -> Item:
    verdict = Verdict(by="gate", draft=0, decision=Decision.ACCEPT, scores=scores or {})
    other = Verdict(by="critic", draft=0, decision=Decision.ACCEPT, scores={"clear": 0.1})
    return Item(id="i", task="t", kind="qa", status=status, reasons=reasons, verdicts=(verdict, other))


def test_the_novelty_of_an_item_is_what_its_verdicts_say() -> None:
    assert novelty_of([item(Status.ACCEPTED)]) == 1.0
    assert novelty_of([item(Status.ACCEPTED, scores={"novelty": 0.25})]) == 0.25
    assert novelty_of([item(Status.ACCEPTED, scores={"novelty": 7.0})]) == 1.0
    assert novelty_of([item(Status.ACCEPTED, scores={"novelty": float("nan")})]) == 1.0
    assert novelty_of([item(Status.REJECTED, "duplicate", scores={"novelty": 0.25})]) == 0.0
    assert novelty_of([item(Status.REJECTED, "trivial", scores={"novelty": 0.25})]) is None
    assert novelty_of([item(Status.FAILED, "malformed")]) is None
    assert novelty_of([]) is None


def test_planners_count_what_waits() -> None:
    counts = Counts({"a": 1, "b": 2}, {"b": 1, "c": 4})
    assert dict(counts) == {"a": 1, "b": 3, "c": 4}
    assert (counts.get("d", 0), counts["d"], counts.get("c", 0), len(counts)) == (0, 0, 4, 3)


def test_a_curve_has_few_points_however_long_a_run_was() -> None:
    cells = Cells(("kind",), lambda chunk: chunk)
    ended = [(task("list" if number % 2 else "cause", number), Status.ACCEPTED, 1.0 if number < 500 else 0.0)
             for number in range(1000)]  # fmt: skip
    ended += [(task("number"), Status.FAILED, None)]
    found = {curve.cell: curve for curve in curves_of(ended, cells)}
    assert list(found) == [ALL, "kind=cause", "kind=list", "kind=number"]
    every = found[ALL]
    assert (every.tasks, every.accepted) == (1001, 1000)
    assert len(every.points) <= POINTS
    assert every.points[-1].tasks == 1001
    assert [point.novelty for point in every.points[:3]] == [1.0] * 3
    assert every.newest == 0.0
    assert found["kind=number"].newest is None
    assert curves_of([], cells) == []


@pytest.mark.parametrize(
    ("steer", "told"),
    [
        ({"weights": {"kind": 2}}, "is no cell"),
        ({"weights": {"kind=list": -1}}, "greater than or equal to 0"),
        ({"shares": {"kind=list": 0.7, "kind=cause": 0.7}}, "add up to 1.4"),
        ({"at_most": {"kind=list": 1.5}}, "valid integer"),
        ({"threshold": float("nan")}, "threshold"),
        ({"treshold": 0.1}, "did you mean 'threshold'"),
        ({"dimensions": []}, "dimensions"),
    ],
)
def test_a_wrong_key_is_told_with_its_mend(steer: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_spec({"name": "a", "documents": ["d"], "steer": steer})


def test_a_quota_of_a_dimension_that_is_not_steered_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"steer\.dimensions has no 'community'"):
        SteerSpec(on=True, shares={"community=1": 0.2}).check()
    SteerSpec(on=True, shares={"kind=list": 0.2}).check()
