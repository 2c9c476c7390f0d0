"""The simulation of a fleet agrees with queueing theory where there is a formula, loses no task, and repeats itself."""

from __future__ import annotations

import math
import random
import tomllib
from dataclasses import replace

import pytest
import simpy
from fleet_model import Costs, FleetModel, Line, Shape, bounds, simulate
from places import BENCHMARKS


@pytest.fixture(scope="module")
def costs() -> Costs:
    """The measured ones."""
    found = tomllib.loads((BENCHMARKS / "calibration.toml").read_text())
    names = ("coordinator_ms", "worker_ms", "coordinator_ms_per_kb", "redis_ms_per_kb")
    return Costs(**{name: found["task"][name] for name in names}, redis=found["redis"])


def wait(servers: int, load: float, fixed: bool, jobs: int = 150_000) -> float:
    """Mean wait before a `Line` with Poisson arrivals and services of mean 1, fixed or exponential."""
    env, draw = simpy.Environment(), random.Random(3)
    line = Line(env, servers)

    def arrivals() -> object:
        for _ in range(jobs):
            yield env.timeout(draw.expovariate(load * servers))
            line.take(1.0 if fixed else draw.expovariate(1.0))

    env.process(arrivals())
    env.run()
    return line.waited / line.jobs


def erlang_c(servers: int, offered: float) -> float:
    """The probability that a job of an M/M/c queue waits (Erlang 1917)."""
    below = sum(offered**k / math.factorial(k) for k in range(servers))
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (below + last)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_server_with_fixed_times_waits_as_m_d_1(load: float) -> None:
    assert wait(1, load, fixed=True) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (4, 0.8), (64, 0.95)])
def test_many_servers_wait_as_m_m_c(servers: int, load: float) -> None:
    expected = erlang_c(servers, load * servers) / (servers * (1 - load))
    assert wait(servers, load, fixed=False) == pytest.approx(expected, rel=0.08)


def test_a_line_counts_what_it_did_and_not_what_stands_before_it() -> None:
    env = simpy.Environment()
    line = Line(env, 2)
    assert [line.take(4.0) for _ in range(3)] == [4.0, 4.0, 8.0]
    env.run(until=2.0)
    assert line.utilisation(2.0) == pytest.approx(1.0)
    line.reset()
    env.run(until=10.0)
    assert line.utilisation(8.0) == pytest.approx((2 + 2 + 4) / 16)


@pytest.mark.parametrize(("workers", "endpoints"), [(1, 1), (20, 3), (20, 40)])
def test_no_task_is_lost_or_made_twice(costs: Costs, workers: int, endpoints: int) -> None:
    shape = Shape(workers, endpoints, mean=0.5)
    outcome = FleetModel(shape, costs).run(5.0, warm_up=5.0)
    assert outcome.done > 0
    assert outcome.planned == outcome.done + outcome.out
    assert outcome.out == 2 * workers * shape.slots  # the window is full, and never more than that


def test_equal_seeds_give_equal_fleets(costs: Costs) -> None:
    shape = Shape(10, 4, mean=0.5)
    first, again, other = (FleetModel(shape, costs, seed).run(5.0, 5.0) for seed in (1, 1, 2))
    assert first == again
    assert first != other


FAST = Shape(40, 100, mean=0.2)


@pytest.mark.parametrize(
    ("shape", "limit", "changed"),
    [
        (Shape(2, 100, mean=1.0), "slots", {}),
        (Shape(20, 2, mean=0.5), "endpoints", {}),
        (FAST, "coordinator", {"coordinator_ms": 3.0}),
        (FAST, "redis", {"coordinator_ms": 0.1}),
        (Shape(2, 100, mean=0.05), "workers", {"worker_ms": 20.0}),
    ],
)
def test_the_part_that_is_too_small_is_named_and_bounds_the_fleet(
    costs: Costs, shape: Shape, limit: str, changed: dict[str, float]
) -> None:
    priced = replace(costs, **changed)
    if limit == "redis":
        priced = replace(priced, redis={name: 4 * ms for name, ms in costs.redis.items()})
    most = bounds(shape, priced)
    assert min(most, key=lambda name: most[name]) == limit
    outcome = simulate(shape, priced)
    assert outcome.saturates == limit
    assert 0.75 * most[limit] <= outcome.tasks_per_s <= 1.04 * most[limit]


def test_half_a_fleet_each_is_a_fleet_as_large(costs: Costs) -> None:
    """Shards share nothing: where the coordinator is too small, two do twice as much."""
    priced = replace(costs, coordinator_ms=4.0)
    whole, half = (
        simulate(Shape(workers, endpoints, mean=0.2), priced) for workers, endpoints in ((40, 100), (20, 50))
    )
    assert whole.saturates == half.saturates == "coordinator"
    assert 2 * half.tasks_per_s == pytest.approx(2 * whole.tasks_per_s, rel=0.05)
