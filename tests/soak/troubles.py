"""What the soak does to its world, each trouble with its weight. Every one heals what it broke before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from processes import gone
from world import World

Harm = Callable[[World, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Trouble:
    """`part` is what it harms, so that two do not at a time; empty for a worker of its own choice."""

    name: str
    weight: float
    part: str
    harm: Harm


async def worker_killed(world: World, chance: random.Random) -> None:
    async with _victim(world, chance, "kill -9") as pid:
        world.in_flight += world.plan.most
        _send(pid, signal.SIGKILL)


async def worker_frozen(world: World, chance: random.Random) -> None:
    leases = chance.uniform(1, 3)
    async with _victim(world, chance, f"SIGSTOP for {leases:.1f} leases") as pid:
        world.in_flight += world.plan.most
        _send(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(leases * world.plan.lease)
        finally:
            _send(pid, signal.SIGCONT)


async def worker_dismissed(world: World, chance: random.Random) -> None:
    """It finishes what it holds and leaves; `World.keep_up` starts another."""
    async with _victim(world, chance, "SIGTERM") as pid:
        _send(pid, signal.SIGTERM)
        for _ in range(100):
            if gone(pid):
                return
            await asyncio.sleep(0.1)


async def coordinator_killed(world: World, chance: random.Random) -> None:
    coordinator = world.coordinator
    if coordinator is None or coordinator.process.returncode is not None:
        return
    world.say(f"kill -9 the coordinator {coordinator.pid}")
    world.in_flight += world.plan.local * world.plan.most
    await coordinator.killed()
    await asyncio.sleep(chance.uniform(0, 2))
    if coordinator.process.returncode == -signal.SIGKILL:  # else it had ended by itself in that moment
        await world.lead()


async def redis_killed(world: World, chance: random.Random) -> None:
    await _redis_killed(world, chance, forget=False)


async def redis_emptied(world: World, chance: random.Random) -> None:
    await _redis_killed(world, chance, forget=True)


async def _redis_killed(world: World, chance: random.Random, *, forget: bool) -> None:
    pause = chance.uniform(0, 3)
    world.say(f"kill -9 Redis for {pause:.1f} s" + (", and it forgets all" if forget else ""))
    # What was answered in the last second, or ever for a task that is still out, is not in the cache any more.
    world.in_flight += 2 * 2 * world.plan.concurrency if forget else world.everyone
    await asyncio.to_thread(world.redis.kill)
    try:
        if forget:
            await world.forget_redis()
        await asyncio.sleep(pause)
    finally:  # the faults may end while it is gone
        await asyncio.to_thread(world.redis.start)


async def redis_frozen(world: World, chance: random.Random) -> None:
    pause = chance.uniform(1, 5)
    pid = world.redis.pid
    world.say(f"SIGSTOP Redis for {pause:.1f} s")
    world.in_flight += world.everyone
    _send(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(pause)
    finally:
        _send(pid, signal.SIGCONT)


async def network_cut(world: World, chance: random.Random) -> None:
    pause = chance.uniform(1, 6)
    world.say(f"no network between Redis and the workers outside for {pause:.1f} s")
    world.in_flight += world.plan.slots * len(world.outside())
    world.proxy.cut()
    try:
        await asyncio.sleep(pause)
    finally:
        world.proxy.heal(lost=chance.random() < 0.5)


async def server_dead(world: World, chance: random.Random) -> None:
    pause = chance.uniform(1, 6)
    world.say(f"the model server is dead for {pause:.1f} s")
    world.in_flight += world.server.in_flight
    await world.server.stop()
    try:
        await asyncio.sleep(pause)
    finally:
        await world.server.listen()


def server_sick(share: float, *faults: str) -> Harm:
    """The model server answers `share` of the calls with one of `faults`, for some seconds."""

    async def harm(world: World, chance: random.Random) -> None:
        fault, pause = chance.choice(faults), chance.uniform(1, 5)
        world.say(f"the model server answers {fault} to {share:.0%} for {pause:.1f} s")
        world.server.faults = {fault: share}
        try:
            await asyncio.sleep(pause)
        finally:
            world.server.faults = {}

    return harm


# A reply that cannot be read is asked for three times more within a second: were all spoiled, the rows would fail, and
# rightly. So these are a share, and failed rows are tried again at the end.
TROUBLES = (
    Trouble("worker killed", 2, "", worker_killed),
    Trouble("worker frozen", 2, "", worker_frozen),
    Trouble("worker dismissed", 1, "", worker_dismissed),
    Trouble("coordinator killed", 0.5, "coordinator", coordinator_killed),
    Trouble("server dead", 1.5, "server", server_dead),
    Trouble("server refuses", 2, "server", server_sick(1.0, "http500", "http502", "http429", "http429_bare")),
    Trouble("server breaks off", 1, "server", server_sick(1.0, "reset", "truncated")),
    Trouble("server spoils", 1, "server", server_sick(0.3, "html", "shape", "null", "empty")),
    Trouble("server hangs", 1, "server", server_sick(0.3, "hang", "drip", "slow_headers")),
)
OVER_REDIS = (
    Trouble("Redis killed", 0.7, "redis", redis_killed),
    Trouble("Redis emptied", 0.7, "redis", redis_emptied),
    Trouble("Redis frozen", 1.5, "redis", redis_frozen),
    Trouble("network cut", 2, "network", network_cut),
)


async def trouble(world: World, seed: int) -> None:
    """One fault every `plan.every` seconds from the first row's end on, until cancelled; then all is healed.

    Later where `plan.overlap` of them fell and no row has ended since: what they cost is paid first. None after
    `plan.faults`.
    """
    chance = random.Random(seed)
    known = TROUBLES if world.plan.sqlite else (*TROUBLES, *OVER_REDIS)
    ended, since = 0, world.plan.overlap  # rows that had ended at the last look, and faults since another one did
    async with asyncio.TaskGroup() as group:
        while not world.plan.faults or world.faults.total() < world.plan.faults:
            await asyncio.sleep(world.plan.every)
            if world.ended > ended:
                ended, since = world.ended, 0
            if since == world.plan.overlap:
                continue
            since += 1
            possible = [one for one in known if not one.part or one.part not in world.harmed]
            (one,) = chance.choices(possible, [each.weight for each in possible])
            world.faults[one.name] += 1
            group.create_task(_do(world, one, random.Random(chance.getrandbits(32))))


async def _do(world: World, one: Trouble, chance: random.Random) -> None:
    world.harmed.add(one.part)
    try:
        await one.harm(world, chance)
    finally:
        world.harmed.discard(one.part)


@asynccontextmanager
async def _victim(world: World, chance: random.Random, what: str) -> AsyncIterator[int]:
    """A worker that nothing harms yet; one that is not there is not harmed."""
    there = [pid for pid in world.workers() if pid not in world.harmed]
    pid = chance.choice(there) if there else 0
    world.say(f"{what}: worker {pid}" if there else f"{what}: no worker is there")
    world.harmed.add(pid)
    try:
        yield pid
    finally:
        world.harmed.discard(pid)


def _send(pid: int, number: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):  # it has left meanwhile
            os.kill(pid, number)
