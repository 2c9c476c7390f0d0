"""The time series of a run: what campaigns write while they work, over every queue and store, and what is kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from harness import LEASE, Wire, accepting, in_process, run_of, write_campaign
from mixed_items import mixed
from mock_server import MockServer
from processes import Start, until
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, ModelSpec, RunStore, Scripted
from gristmill.campaigns import sampling
from gristmill.campaigns.planning.coverage import Coverage
from gristmill.campaigns.sampling import FIRST, MOST, USUAL, interval
from gristmill.errors import StoreError
from gristmill.graphs.planners.base import coverage_keys
from gristmill.storage.records import Task
from gristmill.storage.samples import KEPT, RECENT, Sample, Samples, superfluous


def series(folder: Path, store: str = "") -> list[Sample]:
    """The samples of a run, after what holds of every series was checked."""
    opened = RunStore.read(folder, store)
    try:
        last = Samples(opened).last()
        found = Samples(opened).since()
        assert last is None or last in found  # more may have come meanwhile
    finally:
        opened.close_reading()
    for sample in found:
        assert sample.planned == sample.ended + sample.pending
        assert 0 <= sample.duplicates <= sample.rejected
        assert sample.chunks <= sample.all_chunks
        assert sample.entities <= sample.all_entities
    for before, after in pairwise(found):
        assert before.at < after.at
        assert before.start <= after.start <= before.start + 1
        for name in ("planned", "accepted", "calls", "cached_calls", "tokens", "usd", "seconds"):
            assert getattr(before, name) <= getattr(after, name), name
    return found


def latest_of(folder: Path) -> dict[str, Any]:
    opened = RunStore.read(folder)
    try:
        return Samples(opened).latest()
    finally:
        opened.close_reading()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns of this process take samples without rest: a busy machine skips none."""
    monkeypatch.setattr(sampling, "REST", 0.0)


# campaigns


async def test_a_campaign_tells_its_books_calls_and_coverage(tmp_path: Path) -> None:
    async with MockServer(latency=0.05, answer=mixed) as server:
        report = await in_process(tmp_path, server, 60, concurrency=4)
        found = series(report.folder)
        assert (found[0].planned, found[0].ended, found[0].start) == (0, 0, 1)
        assert any(0 < one.ended < 60 and one.running for one in found), "none was taken while it worked"
        last = found[-1]
        assert (last.accepted, last.rejected, last.pending) == (54, 6, 0)
        assert last.calls == len(server.log) == 120
        assert (last.phase, last.done, last.running, last.slots) == ("running tasks", 60, 0, 4)
        assert (last.chunks, last.all_chunks, last.entities) == (54, 60, 0)
        assert last.spread == 54.0
        opened = RunStore.read(report.folder)
        assert last.tokens == opened.mark("spent")["tokens"] > 0
        (endpoint,) = Samples(opened).latest()["endpoints"]
        opened.close_reading()
        assert (endpoint["server"], endpoint["model"]) == (server.url, "openai_api/mock")


async def test_duplicates_are_told(tmp_path: Path) -> None:
    rows(tmp_path, 12)
    chat = Scripted(lambda request: "always the same" if request.role == "generator" else judged())
    campaign = Campaign("same", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": chat},
                        prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
    report = await campaign.execute()
    last = series(report.folder)[-1]
    opened = RunStore.read(report.folder)
    assert last.duplicates == opened.reasons().get(("rejected", "duplicate"), 0)
    opened.close_reading()


async def test_a_resumed_campaign_goes_on_with_its_series(tmp_path: Path) -> None:
    async with MockServer(latency=0.01, answer=accepting) as server:
        first = await in_process(tmp_path, server, 40, target=10, concurrency=4)
        early = series(first.folder)
        second = await in_process(tmp_path, server, 40, concurrency=4)
        found = series(second.folder)
        assert found[: len(early)] == early
        assert {one.start for one in found[len(early) :]} == {2}
        assert found[len(early)].chunks == early[-1].chunks, "what was covered is covered before the plan is read"
        assert found[-1].accepted == 40
        assert found[-1].calls == len(server.log)
        third = await in_process(tmp_path, server, 40, concurrency=4)  # nothing is left to do
        assert series(third.folder)[-1].start == 3


async def test_a_killed_campaign_leaves_its_series_and_a_gap(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 120)
        command = await gristmill("run", path)
        await until(lambda: (run_of(path) / "run.sqlite3").exists())

        def worked() -> bool:
            try:
                return any(one.accepted for one in series(run_of(path)))
            except StoreError:  # it is being made
                return False

        await until(worked)
        await command.killed()
        early = series(run_of(path))
        server.latency = 0.01
        code, _, err = await (await gristmill("run", path)).ended()
        assert code == 0, err
        found = series(run_of(path))
        assert found[: len(early)] == early
        assert (found[-1].start, found[-1].accepted, found[-1].pending) == (2, 120, 0)


async def test_a_fleet_tells_of_its_workers_and_queue(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 240)
        command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)
        folder = run_of(path)
        await wire.pids(folder, 2)

        def both() -> bool:
            return any(one.workers == 2 and one.running and one.ready for one in series(folder))

        await until(both)
        latest = latest_of(folder)
        assert latest["order"] == "run"
        assert {worker["pid"] for worker in latest["workers"]} >= set(await wire.pids(folder, 2))
        assert [one["server"] for one in latest["endpoints"]] == [server.url]
        server.latency = 0.01
        code, _, err = await command.ended()
        assert code == 0, err
        found = series(folder)
        assert max(one.slots for one in found) == 8
        last = found[-1]
        assert (last.accepted, last.pending, last.running, last.workers, last.ready) == (240, 0, 0, 0, 0)
        assert last.calls == len(server.log)
        assert latest_of(folder)["workers"] == []


async def test_a_run_in_postgres_has_its_series_there(tmp_path: Path, postgres_url: str) -> None:
    async with MockServer(latency=0.01, answer=accepting) as server:
        rows(tmp_path, 40)
        for target in (10, None):
            campaign = Campaign("samples-pg", [tmp_path / "rows.jsonl"], flow=flow(), prompts=[str(PROMPTS)],
                                models={"default": ModelSpec(model="openai_api/mock", base_url=server.url)},
                                runs=str(tmp_path / "runs"), target=target, concurrency=4)  # fmt: skip
            report = await campaign.execute(store=postgres_url)
        found = series(report.folder, postgres_url)
        assert (found[-1].accepted, found[-1].start, found[-1].calls) == (40, 2, len(server.log))


async def test_a_series_that_cannot_be_written_costs_the_campaign_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Samples) -> Any:
        raise StoreError("the disk that holds it is failing")

    monkeypatch.setattr(Samples, "counted", refuse)
    async with MockServer(answer=accepting) as server:
        report = await in_process(tmp_path, server, 20)
    assert report.books.accepted == 20
    assert series(report.folder) == []


async def test_samples_that_a_full_disk_kept_from_being_dropped_go_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, full = Samples.add, iter([True, True])

    async def now_and_then(samples: Samples, sample: Sample, latest: Any, drop: Sequence[int] = ()) -> None:
        if drop and next(full, False):
            raise StoreError("the disk is full")
        await add(samples, sample, latest, drop)

    monkeypatch.setattr(Samples, "add", now_and_then)
    monkeypatch.setattr(sampling, "FIRST", 0.01)
    monkeypatch.setattr(sampling, "REST", 0.0)
    monkeypatch.setattr(sampling, "superfluous", lambda moments: [at for at, _ in moments[:-2]])
    async with MockServer(latency=0.05, answer=accepting) as server:
        report = await in_process(tmp_path, server, 40, concurrency=4)
    assert next(full, None) is None, "the disk was never full"
    assert len(series(report.folder)) == 2


async def test_a_mistake_in_the_series_is_logged_and_costs_the_campaign_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Samples) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Samples, "counted", fail)
    async with MockServer(answer=accepting) as server:
        report = await in_process(tmp_path, server, 20)
    assert report.books.accepted == 20
    assert "a bug" in caplog.text


async def test_a_clock_that_is_put_back_tells_no_earlier_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(2_000_000_000_000, 0, -60_000))
    monkeypatch.setattr(sampling.time, "time_ns", lambda: next(clock) * 1_000_000)
    async with MockServer(latency=0.05, answer=accepting) as server:
        report = await in_process(tmp_path, server, 40, concurrency=4)
    assert len(series(report.folder)) > 2  # series() holds the order


# thinning


def test_weeks_of_samples_stay_bounded_and_lie_evenly() -> None:
    moments: list[tuple[int, float]] = []
    seconds = clock = 0.0
    dropped, most = 0, 0
    while seconds < 21 * 86_400:
        pause = interval(seconds)
        seconds += pause
        clock += pause + (2 * 86_400 if len(moments) % 400 == 399 else 0)  # weekends between starts
        moments.append((int(clock * 1000), round(seconds, 3)))
        gone = set(superfluous(moments))
        assert (0, 0) not in gone
        moments = [one for one in moments if one[0] not in gone]
        dropped, most = dropped + len(gone), max(most, len(moments))
    assert dropped > 10 * KEPT
    assert most == KEPT
    steps = [later - earlier for (_, earlier), (_, later) in pairwise(moments[: KEPT // 4])]
    assert max(steps) <= 4 * seconds / ((KEPT - RECENT) // 2), "a stretch of the past was thinned more than its share"
    assert moments[-1][1] == round(seconds, 3)
    assert moments[0][1] <= FIRST


def test_nothing_goes_before_there_is_too_much() -> None:
    moments = [(number, float(number)) for number in range(KEPT)]
    assert superfluous(moments) == []
    gone = superfluous([*moments, (KEPT, float(KEPT))])
    assert KEPT // 4 < len(gone) < KEPT - RECENT
    assert 0 not in gone
    assert all(at <= KEPT - RECENT for at in gone)
    still = [(number, 5.0) for number in range(KEPT + 1)]  # a clock of work that stands still
    assert len(superfluous(still)) == KEPT + 1 - RECENT - 2


async def test_the_store_holds_what_is_left(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path / "run")
    samples = Samples(store)
    moments: list[tuple[int, float]] = []
    for number in range(1, KEPT + 20):
        moments.append((number, float(number)))
        gone = superfluous(moments)
        moments = [one for one in moments if one[0] not in set(gone)]
        await samples.add(Sample(at=number, seconds=number), {"number": number}, gone)
    assert [one.at for one in samples.since()] == [at for at, _ in moments]
    assert len(moments) < KEPT
    assert samples.latest() == {"number": KEPT + 19}
    assert [one.at for one in samples.since(KEPT + 17)] == [KEPT + 18, KEPT + 19]
    await samples.add(Sample(at=KEPT + 19, seconds=7), {})  # told again after a lost answer: it is there once
    last = samples.last()
    assert last is not None
    assert last.seconds == KEPT + 19
    await store.close()


def test_the_pauses_grow_with_the_run() -> None:
    pauses = [interval(seconds) for seconds in (0, 3, 60, 200, 86_400, 30 * 86_400)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[3], pauses[-1]) == (FIRST, USUAL, MOST)


# coverage


def test_coverage_kept_task_by_task_is_coverage_counted_anew() -> None:
    dice = random.Random(5)
    coverage, standing = Coverage(), list[Task]()
    for number in range(400):
        if standing and dice.random() < 0.4:
            coverage.drop(standing.pop(dice.randrange(len(standing))))
        else:
            chunks = tuple(f"chunk-{dice.randrange(12)}" for _ in range(dice.randrange(4)))
            entities = tuple(f"entity-{dice.randrange(30)}" for _ in range(dice.randrange(5)))
            task = Task.of("pair", chunks=chunks, entities=entities, attributes={"number": number, "form": "qa"})
            coverage.add(task)
            standing.append(task)
        counted = Counter(key for task in standing for key in coverage_keys(task))
        assert +coverage.counts == counted
        for share, kind in ((coverage.chunks, "chunk-"), (coverage.entities, "entity-")):
            counts = [count for key, count in counted.items() if key.startswith(kind)]
            assert share.touched == len(counts)
            squares = sum(count * count for count in counts)
            assert share.spread == (sum(counts) ** 2 / squares if squares else 0.0)
