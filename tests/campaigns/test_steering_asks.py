"""What was asked before: tried again after what was not, and blamed apart from its cells."""

from __future__ import annotations

import pytest
from steered_walks import KINDS, Walk, all_of, batch, steered

from gristmill.campaigns.steering.asks import AGAIN, REMEMBERED, Asks, ask_of
from gristmill.storage.records import Status, Task


def asked(chunk: int, turn: int) -> Task:
    return Task.of("chunk", chunks=(f"c{chunk}",), attributes={"kind": KINDS[0]}, seed=turn)


async def test_what_was_declined_is_asked_again_after_what_was_not_and_fresh_ones_before_both() -> None:
    source = Walk([asked(chunk, turn) for turn in range(3) for chunk in range(40)])
    steering = steered(source, dimensions=("kind",), exploration=0.0)
    drawn_chunks: list[str] = []
    turns: list[bool] = []
    while drawn := await batch(steering, source):
        for one in drawn:
            declines = int(one.chunks[0][1:]) % 2 == 0
            drawn_chunks += one.chunks
            turns.append(declines)
            steering.ended(one, Status.REJECTED if declines else Status.ACCEPTED, None if declines else 1.0)
    assert len(turns) == 120
    assert len(set(drawn_chunks[:40])) == 40, "each is asked once before any is asked again"
    assert sum(turns[40:80]) <= 8, "what gave something is asked again first"


async def test_a_repeat_that_brings_nothing_is_laid_to_the_ask_and_not_to_its_cells() -> None:
    source = Walk([asked(chunk, turn) for turn in range(6) for chunk in range(20)])
    steering = steered(source, dimensions=("kind",), exploration=0.0)
    every = await all_of(steering, source, lambda one: float(one.seed == 0))
    assert len(every) == 120
    assert not steering.books.saturated, "each chunk is new when it is asked first"
    spent = Walk([asked(chunk, 0) for chunk in range(60)])
    steering = steered(spent, dimensions=("kind",), exploration=0.0)
    assert len(await all_of(steering, spent, lambda _: 0.0)) < 60
    assert set(steering.books.saturated) == {f"kind={KINDS[0]}"}


async def test_what_a_kind_gives_when_it_is_asked_again_is_learnt_of_the_kind() -> None:
    kinds = KINDS[:2]
    tasks = [Task.of("chunk", chunks=(f"c{chunk}",), attributes={"kind": kind}, seed=turn)
             for turn in range(3) for chunk in range(60) for kind in kinds]  # fmt: skip
    source = Walk(tasks)
    steering = steered(source, dimensions=("kind", "chunk"), exploration=0.0)
    every = await all_of(steering, source, lambda one: float(one.seed == 0 or one.attributes["kind"] == kinds[0]))
    assert len(every) == 360
    gave = [one.seed == 0 or one.attributes["kind"] == kinds[0] for one in every]
    assert len({ask_of(one) for one in every[:120]}) >= 115, "what was never asked comes first, of both kinds"
    assert sum(gave[:240]) >= 212, "then the kind whose repeats give something, though the other is as rare"


async def test_what_was_passed_over_comes_before_what_is_asked_again() -> None:
    source = Walk([asked(chunk, turn) for turn in range(4) for chunk in range(100)])
    rare = [Task.of("chunk", chunks=(f"c{chunk}",), attributes={"kind": "list"}) for chunk in range(100)]
    source.tasks = [*rare, *source.tasks]
    source.reopen()
    steering = steered(source, weights={"kind=list": 0.5}, exploration=0.0)
    every = await all_of(steering, source)
    assert len(every) == 500
    asks = [(one.chunks, one.attributes["kind"]) for one in every]
    assert len(set(asks[:320])) == 200, "they are not left to the end of the walk"


def test_an_ask_promises_what_its_like_gave_and_no_more_than_its_turn() -> None:
    asks = Asks(0.5)
    for key in range(100):
        asks.plan(key)
        asks.end(key, Status.ACCEPTED, 1.0)
    assert asks.promise(99) == pytest.approx(AGAIN * 2**-0.5), "all that was asked gave something: turns alone count"
    for key in range(50):
        asks.plan(key)
        asks.end(key, Status.ACCEPTED if key % 5 == 0 else Status.REJECTED, float(key % 5 == 0))
    assert asks.promise(99) == AGAIN * asks.hope(99) == pytest.approx(AGAIN * 0.2, abs=0.05), (
        "its turn is not counted besides"
    )
    for key in range(0, 50, 5):
        asks.plan(key)
        asks.end(key, Status.ACCEPTED, 1.0)
    assert asks.promise(100) == 1.0
    for key in (200, 201):
        for _ in range(2):
            asks.plan(key)
    asks.end(200, Status.ACCEPTED, 1.0)
    asks.end(200, Status.ACCEPTED, 1.0)
    asks.end(201, Status.ACCEPTED, 1.0)
    asks.end(201, Status.REJECTED, 0.0)
    assert asks.promise(200) > asks.promise(99) >= asks.promise(201), "what gave twice comes before what gave once"


async def test_asks_are_forgotten_and_a_fleet_or_a_restart_knows_the_same() -> None:
    asks = Asks(0.5)
    for key in range(REMEMBERED + 10):
        asks.plan(key)
    assert [asks.made(0), asks.made(10)] == [0, 1]
    mine, theirs = steered(Walk([])), steered(Walk([]))
    tasks = [asked(chunk, turn) for turn in range(2) for chunk in range(30)]
    for one in tasks:
        novelty = None if one.chunks[0] < "c2" else 1.0
        status = Status.ACCEPTED if novelty else Status.REJECTED
        theirs.recall(one, status, counts=True)
    for one in tasks:
        mine.recall(one, Status.PENDING, counts=True)
    for one in tasks:
        novelty = None if one.chunks[0] < "c2" else 1.0
        mine.ended(one, Status.ACCEPTED if novelty else Status.REJECTED, novelty)
        theirs.recall_end(one, Status.ACCEPTED if novelty else Status.REJECTED, novelty)
    promised = [[some._asks.promise(ask_of(one)) for one in tasks] for some in (mine, theirs)]
    assert promised[0] == promised[1]
    assert min(promised[0]) < 0.3 * AGAIN < max(promised[0])


def test_an_ask_is_all_but_the_seed_lists_among_the_attributes_too() -> None:
    one, other = (Task.of("row", attributes={"columns": ["a"], "n": {"x": 1}}, seed=seed) for seed in (1, 2))
    assert ask_of(one) == ask_of(other)
    assert ask_of(one) != ask_of(Task.of("row", attributes={"columns": ["b"], "n": {"x": 1}}))
