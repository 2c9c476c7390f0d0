"""A discrete-event model of a fleet, for `simulate.py`: one coordinator, one Redis, workers with slots, model servers.

Assumptions, all of them:

- Redis is one server with a single queue, first come first served; a script's time is the server CPU that
  `calibrate.py` measured for it alone. Redis's own threads for sockets (`io-threads`) are off, as by default.
- The coordinator is one server too: it takes up to 500 results at once, spends its measured CPU on each (take, commit,
  plan, feed), confirms them and feeds as many tasks in their place; each second it looks at the workers. Its disk keeps
  up: results that come together share a commit.
- A worker's event loop is one server: its CPU for a task in equal parts, one before each call and one at the end.
- A model server answers `slots` requests at once and queues the rest; how long one takes is log-normal. A share of the
  requests fails and is sent again after a second. A request goes to the one of two servers, drawn at random, that is
  less busy (Mitzenmacher 2001), which is about what spilling by prefix does.
- With fewer servers than a worker has slots a worker's permits of one server travel together, `slots / servers` at a
  time at most four; each exchange names all that the worker holds there.
- A worker asks for tasks when it has a free slot. When there are none it asks again after half a second, and whenever
  something is fed: all that wait do so at the same moment.
- Heartbeats come every third of a lease, at most every second; the search for lost leases and the look at the workers
  every sixth of a lease, at most twice a second. Nobody dies.
- The coordinator keeps two tasks out for each slot. A round trip to Redis takes `rtt`; a call makes three before it and
  one after it, whatever they carry.
- All times are those of the calibrating machine; a faster core moves both knees by as much.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

Wait = Generator[simpy.Event, Any, None]
TOGETHER = 4.0  # exchanges of a limiter that travel as one, at most
RETRY = 1.0  # seconds before a failed request is sent again
FULL = 0.9  # busy for this share of the time: saturated
RESULTS = 500  # that the coordinator takes at once


class Line:
    """A queue before `servers` equal servers, first come first served. `take` answers how long a job is there.

    Its time is known when it comes, so that one event is enough for wait and service (the recursion of Lindley 1952).
    """

    def __init__(self, env: simpy.Environment, servers: int = 1) -> None:
        self.env = env
        self.servers = servers
        self.busy = 0.0
        self.waited = 0.0
        self.jobs = 0
        self._free = [0.0] * servers

    def take(self, service: float) -> float:
        """Seconds from now until a job of `service` seconds has been served."""
        now = self.env.now
        start = max(now, self._free[0])
        heapq.heapreplace(self._free, start + service)
        self.busy += service
        self.waited += start - now
        self.jobs += 1
        return start + service - now

    @property
    def load(self) -> float:
        """Seconds of work that stand before a job that came now."""
        return max(0.0, self._free[0] - self.env.now)

    def reset(self) -> None:
        """Counts anew from here. What stands in the queue is work of the time that comes."""
        self.busy = sum(max(0.0, free - self.env.now) for free in self._free)
        self.waited, self.jobs = 0.0, 0

    def utilisation(self, seconds: float) -> float:
        """The share of `seconds` in which a server was busy; what is still to be done does not count."""
        left = sum(max(0.0, free - self.env.now) for free in self._free)
        return (self.busy - left) / seconds / self.servers


@dataclass(frozen=True)
class Costs:
    """What things cost, in ms, as `calibration.toml` has them; `redis` by the name of a step."""

    coordinator_ms: float
    worker_ms: float
    coordinator_ms_per_kb: float
    redis_ms_per_kb: float
    redis: dict[str, float]


@dataclass(frozen=True)
class Shape:
    """One fleet. `mean` and `spread` are the seconds of a model call and their standard deviation by the mean."""

    workers: int
    endpoints: int
    slots: int = 32  # of a worker
    endpoint_slots: int = 64
    mean: float = 2.0
    spread: float = 0.6
    failures: float = 0.01
    calls: int = 2
    lease: float = 30.0
    rtt: float = 0.0005
    limiter: bool = True
    cache: bool = True
    budget: bool = True
    beat: float = 1.0  # seconds between two heartbeats, at most
    herd: bool = True  # whether all that wait ask at once when something is fed
    watch: float = 0.5  # seconds between two looks of the coordinator at the workers, at most
    larger_kb: float = 0.0  # of a result, beyond the calibrated one


@dataclass
class Outcome:
    """What a simulated fleet did in the time that is looked at. `redis_parts` are shares of Redis's time by purpose."""

    tasks_per_s: float
    redis: float
    coordinator: float
    endpoints: float
    worker: float
    redis_wait_ms: float
    endpoint_wait_s: float
    starved: float
    planned: int
    done: int
    out: int
    redis_parts: dict[str, float] = field(default_factory=dict)

    @property
    def saturates(self) -> str:
        """What is busy nearly all the time; `slots` when nothing is: all slots wait for answers."""
        shares = {
            "redis": self.redis,
            "coordinator": self.coordinator,
            "endpoints": self.endpoints,
            "workers": self.worker,
        }
        first = max(shares, key=shares.__getitem__)
        return first if shares[first] >= 0.9 else "slots"


def bounds(shape: Shape, costs: Costs) -> dict[str, float]:
    """The most tasks a second that each part lets through, were the others free (asymptotic bounds of operational
    analysis: Denning and Buzen 1978). `slots`: all slots busy, nothing queues; `redis` is 0 when heartbeats and
    searches alone fill it.
    """
    redis = costs.redis
    call = sum(call_ms(shape, costs).values())
    steps = ("collect_ms", "pool_ms", "confirm_ms", "feed_ms", "finish_ms")
    task = sum(redis[step] for step in steps) + call * shape.calls + costs.redis_ms_per_kb * shape.larger_kb
    task += max(0.0, redis["lease_ms"] - redis["lease_none_ms"])  # many leased at once; beats may find slots empty
    held = shape.workers * shape.slots
    looks = 1 / min(shape.lease / 6, shape.watch)  # a second
    fixed = (redis["reclaim_ms_per_worker"] + redis["state_ms_per_worker"]) * shape.workers * looks
    beats = 1 / min(shape.lease / 3, shape.beat)
    fixed += shape.workers * redis["beat_ms"] * beats
    busy = shape.calls * shape.mean * (1 + shape.failures)
    own = costs.coordinator_ms + costs.coordinator_ms_per_kb * shape.larger_kb
    looking = redis["state_own_ms_per_worker"] * shape.workers * looks / 1000
    return {
        "redis": max(0.0, 1000 - fixed) / task,
        "coordinator": max(0.0, 1 - looking) * 1000 / own,
        "endpoints": shape.endpoints * shape.endpoint_slots / busy,
        "workers": shape.workers * 1000 / costs.worker_ms,
        "slots": held / busy,
    }


def simulate(shape: Shape, costs: Costs, seed: int = 0) -> Outcome:
    """Runs a fleet until it is steady, then long enough for a few thousand tasks, twenty seconds at least."""
    most = bounds(shape, costs)
    fastest = max(1e-3, min(most.values()))
    model = FleetModel(shape, costs, seed)
    seconds = min(max(20.0, 3000 / fastest), 600.0)
    if fastest < min(most["endpoints"], most["slots"]):  # what the slots do not need stands before the coordinator
        model.results = max(0, model.ready - int(1.5 * fastest * shape.calls * shape.mean) - shape.workers)
        model.ready -= model.results
    return model.run(seconds, warm_up=15.0 * shape.calls * shape.mean)


def call_ms(shape: Shape, costs: Costs) -> dict[str, float]:
    """Milliseconds of Redis for one model call, by what for."""
    redis = costs.redis
    on_each = shape.slots / shape.endpoints  # requests that a worker has at one server
    permit = redis["limiter_ms"] + redis["limiter_ms_per_held"] * max(1.0, on_each)
    return {
        "cache": redis["cache_ms"] * shape.cache,
        "budget": redis["budget_ms"] * shape.budget,
        "limiter": permit / min(TOGETHER, max(1.0, on_each)) * shape.limiter,
    }


class _Slots:
    """The free slots of a worker, and an event for when one becomes free."""

    def __init__(self, env: simpy.Environment, free: int) -> None:
        self.env, self.free = env, free
        self._freed: simpy.Event | None = None

    def wait(self) -> simpy.Event:
        self._freed = self.env.event()
        return self._freed

    def give_back(self) -> None:
        self.free += 1
        if self._freed is not None:
            freed, self._freed = self._freed, None
            freed.succeed()


class FleetModel:
    """Runs one fleet. Equal seeds give equal outcomes."""

    def __init__(self, shape: Shape, costs: Costs, seed: int = 0) -> None:
        self.shape, self.costs = shape, costs
        self.env = simpy.Environment()
        self.random = random.Random(seed)
        self.redis, self.coordinator = Line(self.env), Line(self.env)
        self.endpoints = [Line(self.env, shape.endpoint_slots) for _ in range(shape.endpoints)]
        self.parts: dict[str, float] = {}
        self.ready = 2 * shape.workers * shape.slots
        self.planned, self.done, self.held, self.results = self.ready, 0, 0, 0
        self.fed, self.came = self.env.event(), self.env.event()
        self.waiting = 0
        self.looks: list[int] = []
        self.ramp = 0.0
        variance = math.log(1 + shape.spread**2)
        self._log = (math.log(shape.mean) - variance / 2, math.sqrt(variance))
        self._shares = call_ms(shape, costs)

    def ask(self, part: str, ms: float) -> float:
        """Seconds until Redis has done a step of `ms` and answered."""
        self.parts[part] = self.parts.get(part, 0.0) + ms / 1000
        return self.redis.take(ms / 1000) + self.shape.rtt

    def ask_all(self, steps: list[tuple[str, float]]) -> float:
        """Seconds until Redis has done several steps that were sent together."""
        return max((self.ask(part, ms) for part, ms in steps), default=0.0)

    def run(self, seconds: float, warm_up: float) -> Outcome:
        """Simulates `warm_up` seconds that do not count, then `seconds` that do. Workers join in the first quarter."""
        shape = self.shape
        self.ramp = warm_up / 4
        loops = [Line(self.env) for _ in range(shape.workers)]
        for loop in loops:
            self.env.process(self.worker(loop))
        for part in (self.commit, self.watch):
            self.env.process(part())
        self.env.run(until=warm_up)
        for line in (self.redis, self.coordinator, *self.endpoints, *loops):
            line.reset()
        self.parts = {}
        self.looks, before = [], self.done
        self.env.run(until=warm_up + seconds)
        calls = sum(line.jobs for line in self.endpoints)
        return Outcome(
            tasks_per_s=(self.done - before) / seconds,
            redis=self.redis.utilisation(seconds),
            coordinator=self.coordinator.utilisation(seconds),
            endpoints=sum(line.utilisation(seconds) for line in self.endpoints) / shape.endpoints,
            worker=sum(line.utilisation(seconds) for line in loops) / shape.workers,
            redis_wait_ms=1000 * self.redis.waited / max(1, self.redis.jobs),
            endpoint_wait_s=sum(line.waited for line in self.endpoints) / max(1, calls),
            starved=sum(self.looks) / max(1, len(self.looks)) / shape.workers,
            planned=self.planned,
            done=self.done,
            out=self.ready + self.held + self.results,
            redis_parts={part: spent / seconds for part, spent in self.parts.items()},
        )

    def worker(self, loop: Line) -> Wait:
        """Asks for tasks whenever a slot is free."""
        env, redis = self.env, self.costs.redis
        slots = _Slots(env, self.shape.slots)
        env.process(self.beats(slots))
        begun = 0
        yield env.timeout(self.random.random() * self.ramp)
        while True:
            if not slots.free:
                yield slots.wait()
                continue
            count = min(slots.free, self.ready)  # what Redis has now; the script runs a moment later
            self.ready -= count
            self.held += count
            slots.free -= count
            each = max(0.0, redis["lease_ms"] - redis["lease_none_ms"])
            yield env.timeout(self.ask("lease", redis["lease_none_ms"] + count * each))
            for _ in range(count):
                env.process(self.task(loop, slots, begun < self.shape.slots))
                begun += 1
            if not count:
                self.waiting += 1
                again = env.timeout(0.5)
                yield (again | self.fed) if self.shape.herd else again
                self.waiting -= 1

    def task(self, loop: Line, slots: _Slots, first: bool) -> Wait:
        """Runs one task: its calls, then its result to the coordinator."""
        env, shape, costs = self.env, self.shape, self.costs
        own = costs.worker_ms / 1000 / (shape.calls + 1)
        asked = [(part, ms / 2) for part, ms in self._shares.items() if ms]  # half before the call, half after it
        # A worker's first tasks are met anywhere on their way, as in a fleet that has run for long.
        for _ in range(self.random.randrange(shape.calls) if first else 0, shape.calls):
            yield env.timeout(loop.take(own))
            waits = (len(asked) - 1) * (self.redis.load + shape.rtt)  # one after the other, each finds the same queue
            yield env.timeout(self.ask_all(asked) + max(0.0, waits))
            yield from self.call()
            yield env.timeout(self.ask_all(asked))  # sent together
        yield env.timeout(loop.take(own))
        yield env.timeout(self.ask("results", costs.redis["finish_ms"] + costs.redis_ms_per_kb * shape.larger_kb))
        slots.give_back()
        self.held -= 1
        self.results += 1
        if not self.came.triggered:
            self.came.succeed()

    def call(self) -> Wait:
        """One model call, sent again when it fails."""
        while True:
            one, other = self.random.choice(self.endpoints), self.random.choice(self.endpoints)
            chosen = one if one.load <= other.load else other
            yield self.env.timeout(chosen.take(self.random.lognormvariate(*self._log)))
            if self.random.random() >= self.shape.failures:
                return
            yield self.env.timeout(RETRY)

    def commit(self) -> Wait:
        """Takes results, commits them, confirms them, and feeds as many tasks in their place."""
        env, redis = self.env, self.costs.redis
        own = (self.costs.coordinator_ms + self.costs.coordinator_ms_per_kb * self.shape.larger_kb) / 1000
        asked = sum(redis[step] for step in ("collect_ms", "pool_ms", "confirm_ms", "feed_ms"))
        while True:
            if not self.results:
                self.came = env.event()
                yield self.came
            count = min(RESULTS, self.results)
            yield env.timeout(self.coordinator.take(count * own))
            yield env.timeout(self.ask("coordinator", count * asked))
            self.results -= count
            self.done += count
            self.planned += count
            self.ready += count
            if self.waiting:
                before, self.fed = self.fed, env.event()
                before.succeed()

    def beats(self, slots: _Slots) -> Wait:
        every = min(self.shape.lease / 3, self.shape.beat)
        yield self.env.timeout(self.random.random() * every)
        while True:
            redis = self.costs.redis
            held = self.shape.slots - slots.free
            yield self.env.timeout(self.ask("heartbeats", redis["beat_ms"] + redis["beat_ms_per_lease"] * held))
            yield self.env.timeout(every)

    def watch(self) -> Wait:
        """The coordinator's search for lost leases and its look at the workers."""
        redis = self.costs.redis
        while True:
            yield self.env.timeout(min(self.shape.lease / 6, self.shape.watch))
            workers = self.shape.workers
            self.looks.append(self.waiting)
            yield self.env.timeout(self.ask("search", redis["reclaim_ms"] + redis["reclaim_ms_per_worker"] * workers))
            yield self.env.timeout(self.ask("watch", redis["state_ms"] + redis["state_ms_per_worker"] * workers))
            yield self.env.timeout(self.coordinator.take(redis["state_own_ms_per_worker"] * workers / 1000))
