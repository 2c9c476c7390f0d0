"""Writes the time series of a run while it works: a sample at its start, every few seconds, and at its end.

The coordinator takes it, in one process and in a fleet, over any store: whoever looks later, or from elsewhere, needs
nothing but the store. The books are counted in a thread, on a connection of its own. A sample that cannot be taken is
left out: the series has a hole there, and the campaign goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import GristmillError, StoreError
from ..storage.queue import EndpointInfo, QueueState, WorkerInfo
from ..storage.samples import Sample, Samples, superfluous
from ..storage.store import Books, RunStore
from .fleet.endpoints import endpoints_of, together
from .outcome import storable

if TYPE_CHECKING:
    from .progress import Progress
    from .run import Run

LOG = logging.getLogger(__name__)
FIRST, USUAL, MOST = 0.25, 5.0, 30.0  # seconds between two samples: of a start's first seconds, minutes, weeks
REST = 50.0  # times as long as it took are the books not counted again: large runs take a moment
WORKERS = 100  # workers that are told of one by one, those with a problem first


@asynccontextmanager
async def sampled(run: Run, progress: Progress) -> AsyncIterator[None]:
    """Keeps the series of `run` while the block runs, up to its last moment unless the store fails."""
    sampler = Sampler(run, progress)
    keeping = asyncio.create_task(sampler.keep())
    whole = True
    try:
        yield
    except (StoreError, asyncio.CancelledError):
        whole = False
        raise
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await sampler.close(last=whole)


class Sampler:
    """Takes the samples of one start."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._samples = Samples(run.store)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gristmill-samples")
        self._reader: RunStore | None = None
        self._before: Sample | None = None  # the last of an earlier start
        self._moments: list[tuple[int, float]] = []
        self._began = time.monotonic()
        self._counting = 0.0
        self._broken = False

    async def keep(self) -> None:
        """Takes samples until it is cancelled."""
        while not self._broken:
            await self.take()
            await asyncio.sleep(max(interval(time.monotonic() - self._began), REST * self._counting))

    async def take(self) -> None:
        """Takes one; a store that cannot be read or written now costs this one."""
        try:
            books, duplicates = await asyncio.get_running_loop().run_in_executor(self._thread, self._count)
            sample = self._sample(books, duplicates)
            moments = [*self._moments, (sample.at, sample.seconds)]
            dropped = set(superfluous(moments))
            await self._samples.add(sample, self._latest(), sorted(dropped))
            self._moments = [one for one in moments if one[0] not in dropped]  # now: what failed is dropped next time
        except GristmillError as error:
            LOG.info("the run's time series lacks a moment: %s", error)
        except Exception:  # a mistake in here must not end a campaign
            self._broken = True
            LOG.warning("the run's time series ends here; the campaign goes on", exc_info=True)

    async def close(self, *, last: bool) -> None:
        """Takes a `last` sample, and closes what it reads by."""
        if last and not self._broken:
            await self.take()
        self._thread.submit(self._close)
        self._thread.shutdown(wait=last)

    def _count(self) -> tuple[Books, int]:
        if self._reader is None:
            self._reader = self._run.store.reader()
            there = Samples(self._reader).since()
            self._moments = [(sample.at, sample.seconds) for sample in there]
            self._before = there[-1] if there else None
        began = time.monotonic()
        found = Samples(self._reader).counted()
        self._counting = time.monotonic() - began
        return found

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close_reading()

    def _sample(self, books: Books, duplicates: int) -> Sample:
        run, before, used, spent = self._run, self._before, self._run.meter.total, self._run.budget.spent
        last = self._moments[-1][0] if self._moments else 0
        values: dict[str, Any] = {
            "at": max(time.time_ns() // 1_000_000, last + 1),  # a clock that is put back tells no earlier moment
            "start": 1 if before is None else before.start + 1,
            "phase": self._progress.phase_name,
            "done": self._progress.done,
            "total": self._progress.total,
            **asdict(books),
            "duplicates": duplicates,
            "calls": used.calls + (0 if before is None else before.calls),
            "cached_calls": used.cached_calls + (0 if before is None else before.cached_calls),
            "tokens": spent.tokens,
            "usd": round(spent.usd, 6),
            "seconds": round(spent.seconds, 3),
        }
        return Sample(**values, **self._at_work(run), **self._covered(run))

    def _at_work(self, run: Run) -> dict[str, Any]:
        if run.fleet is None:
            return {"running": run.loop.in_flight if run.loop is not None else 0, "slots": run.spec.concurrency}
        state, heard = self._queue(run), self._heard(run)
        return {
            "running": sum(worker.running for worker in heard),
            "slots": sum(worker.slots for worker in heard),
            "workers": len(heard),
            "troubled": sum(bool(worker.problem) for worker in heard),
            "ready": state.ready,
            "results": state.results,
            "dead": state.dead,
        }

    def _covered(self, run: Run) -> dict[str, Any]:
        if run.plan is None:
            before = self._before  # what earlier starts have touched, until the plan knows it again
            names = ("chunks", "all_chunks", "entities", "all_entities", "spread")
            return {} if before is None else {name: getattr(before, name) for name in names}
        coverage, (chunks, entities) = run.plan.coverage, run.plan.extent
        return {
            "chunks": coverage.chunks.touched,
            "all_chunks": chunks,
            "entities": coverage.entities.touched,
            "all_entities": entities,
            "spread": round((coverage.entities if entities else coverage.chunks).spread, 1),
        }

    def _latest(self) -> dict[str, Any]:
        """What is told of the present alone: who works, and how their model servers do."""
        run = self._run
        endpoints: tuple[EndpointInfo, ...] = endpoints_of(run.limiters)
        workers: list[WorkerInfo] = []
        if run.fleet is not None:
            state = self._queue(run)
            endpoints = together(state.workers) or endpoints
            workers = sorted(state.workers, key=lambda one: (not one.problem, one.name))[:WORKERS]
        return {
            "endpoints": [one.model_dump(mode="json", exclude_defaults=True) for one in endpoints],
            "workers": [
                {**one.model_dump(mode="json", exclude={"endpoints"}), "problem": storable(one.problem)}
                for one in workers
            ],
            "order": self._queue(run).order if run.fleet is not None else "",
            "lease": run.fleet.lease if run.fleet is not None else 0.0,
        }

    def _queue(self, run: Run) -> QueueState:
        return QueueState() if run.dispatcher is None else run.dispatcher.state

    def _heard(self, run: Run) -> list[WorkerInfo]:
        lease = 0.0 if run.fleet is None else run.fleet.lease
        return [worker for worker in self._queue(run).workers if worker.age <= lease]


def interval(seconds: float) -> float:
    """Returns how many seconds pass until the next sample, `seconds` after the start.

    A campaign of three seconds has a dozen of them, one of weeks two a minute.
    """
    return min(max(FIRST, seconds / 20), max(USUAL, seconds / 10_000), MOST)
