"""The queue over Redis Streams, for workers on many machines.

A lease is an entry in the pending list of a consumer group; every step is one script, by the server's clock
(`redis_scripts`). Redis keeps nothing that the store cannot fill in again: at most a window of tasks, and results until
the store has them. What comes out of Redis is checked as any foreign input.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import orjson
from pydantic import Field, ValidationError

from ..errors import ConfigError, RedisUnavailable, StoreError
from . import redis_scripts as scripts
from .queue import Dead, Lease, QueueState, Result, Work, WorkerInfo
from .records import Record
from .redis_campaign import CampaignKeys, as_text, require_name
from .redis_connection import Arg, Script
from .stopping import stopped

LOG = logging.getLogger(__name__)
ORDERS = ("run", "pause", "drain")
BATCH = 200  # tasks in one script: Redis does nothing else meanwhile, about 2 ms
PAGE = 1000  # tasks of one lost worker that one script brings back
BRIEF = 2.0  # seconds that a worker's lease waits for a server that is gone before the worker may look around


class _Mark(Record):
    """What stands against a task, as the scripts keep it: strikes, (ms, line) of each, how many may run together."""

    strikes: int = Field(ge=0)
    group: int = 1
    history: tuple[tuple[float, str], ...]


class RedisWorkerQueue:
    """A worker's side. `worker` is a name of its own in the fleet; `lease` in seconds, the same for all.

    `wait` is how long `lease` waits for tasks, in seconds. Heartbeats are due every third of a lease or sooner.

    Raises:
        ConfigError: redis-py is not installed, or the URL, a name or a password cannot work.
    """

    def __init__(
        self, url: str, campaign: str, worker: str, *, lease: float = 30.0, wait: float = 0.5, patience: float = 300.0
    ) -> None:
        require_name("worker", worker)
        self._campaign = CampaignKeys(url, campaign, lease=lease, patience=patience)
        self._worker = worker
        self._lease = lease
        self._wait = wait
        self._patience = patience
        self._brief = min(BRIEF, lease / 3)
        self._silent_since: float | None = None
        self._held: dict[tuple[str, str], tuple[Lease, int]] = {}  # (task, token) → lease, number of the next beat
        self._beats = 0
        self._released = asyncio.Event()
        self._finishing: list[tuple[tuple[Arg, ...], asyncio.Future[bool]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def manifest(self) -> Mapping[str, Any] | None:
        """Returns what the coordinator runs, or None before it has said so."""
        said = await self._campaign.connection.call("GET", self._campaign.key["manifest"])
        return None if said is None else _mapping(said)

    def pace(self, lease: float) -> None:
        """Takes over the fleet's lease, in seconds."""
        self._lease = lease
        self._brief = min(BRIEF, lease / 3)
        self._campaign.pace(lease)

    async def lease(self, count: int) -> Sequence[Lease]:
        """Takes up to `count` tasks, waiting up to `wait` seconds when there are none.

        While the server is gone it takes nothing and comes back soon, so that a worker can stop meanwhile.

        Raises:
            RedisUnavailable: the server was gone for longer than `patience` seconds.
        """
        until = monotonic() + self._wait
        while count > 0:
            try:
                found = await self._take(count, until)
            except RedisUnavailable:
                self._silent_since = self._silent_since or monotonic()
                if monotonic() - self._silent_since > self._patience:
                    raise
                return []
            self._silent_since = None
            if found or monotonic() >= until:
                return found
        return []

    async def _take(self, count: int, until: float) -> list[Lease]:
        """Asks once; with nothing to be had, waits until that may have changed."""
        campaign = self._campaign
        # Only this process's monotonic clock and the server's own time go in: a wrong wall clock does not matter.
        wanted = int(campaign.ahead_ms + (monotonic() + campaign.connection.timeout) * 1000) if campaign.ahead_ms else 0
        alone = any(lease.alone for lease, _ in self._held.values())
        self._released.clear()
        word, ready, suspects, rows = await campaign.run(
            scripts.LEASE, self._worker, count, len(self._held), int(alone), wanted, patience=self._brief
        )
        leases = [lease for row in rows if (lease := await self._read(row)) is not None]
        for lease in leases:
            self._held[lease.work.task.id, lease.token] = (lease, self._beats + 1)
        left = until - monotonic()
        if rows or left <= 0:
            return leases
        if word == b"none" and ready:
            await campaign.block(
                {"ready": as_text(ready), "suspects": as_text(suspects)}, 1, left, patience=self._brief
            )
        else:  # told to wait, or to end what runs first
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._released.wait()
        return leases

    async def _read(self, row: Sequence[bytes]) -> Lease | None:
        """Checks a leased row; one that is no task of ours is set aside with the reason, for `dead` to show."""
        task, epoch, place, body = row
        try:
            work = Work.model_validate_json(body)
            if work.task.id != as_text(task):
                raise ValueError(f"its body is that of {work.task.id}")
        except ValueError as error:
            why = f"the queue's record of it cannot be read: {_brief(error)}"
            LOG.error("%s is set aside: %s", as_text(task), why)
            await self._campaign.run(scripts.SET_ASIDE, task, "", why)
            return None
        token = f"{self._campaign.generation} {as_text(place)}"
        return Lease(work=work, epoch=int(epoch), alone=place.startswith(b"s"), token=token)

    async def beat(self, info: WorkerInfo, held: Sequence[Lease]) -> str:
        """Renews the leases of `held` that are still this worker's; returns the order.

        Raises:
            RedisUnavailable: the server was gone for a third of a lease.
        """
        running = {(lease.work.task.id, lease.token) for lease in held}
        for key, (_, due) in list(self._held.items()):
            if key not in running and due <= self._beats:  # dropped without a word; it comes back when its lease ends
                self._release(key)
        self._beats += 1
        args = [value for lease in held for value in _named(lease)]
        body = info.model_dump_json()
        (order,) = await self._campaign.run(scripts.BEAT, self._worker, body, *args, patience=self._lease / 3)
        return as_text(order)

    async def finish(self, lease: Lease, result: Result) -> bool:
        """Hands a result in, together with those that end in the same moment; False when the lease was lost.

        It is sent also when the caller is cancelled meanwhile: it may have been paid for.

        Raises:
            ValueError: the result cannot be written as JSON, or is another task's. Nothing was sent.
        """
        if result.task != lease.work.task.id or result.epoch != lease.epoch:
            raise ValueError(f"result of {result.task} (lease {result.epoch}) for {lease.work.task.id} ({lease.epoch})")
        generation = lease.token.partition(" ")[0]
        row = (*_named(lease), generation, result.model_dump_json())
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._finishing.append((row, done))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        try:
            return await done
        finally:
            self._release((lease.work.task.id, lease.token))

    async def _send(self) -> None:
        await asyncio.sleep(0)  # all that end in this round of the loop go together
        try:
            while self._finishing:
                group, self._finishing = self._finishing[:BATCH], self._finishing[BATCH:]
                try:
                    (answers,) = await self._campaign.run(scripts.FINISH, *(v for row, _ in group for v in row))
                except Exception as error:
                    for _, done in group:
                        if not done.done():
                            done.set_exception(error)
                            done.exception()  # marks it as seen: who asked may have been cancelled
                else:
                    for (_, done), kept in zip(group, answers, strict=True):
                        if not done.done():
                            done.set_result(kept == 1)
        finally:
            self._sending = None

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Returns tasks that were not finished: ready again at once, not as suspects. Lost leases are left alone."""
        for start in range(0, len(leases), BATCH):
            part = leases[start : start + BATCH]
            args = [value for lease in part for value in _named(lease)]
            await self._campaign.run(scripts.GIVE_BACK, *args, patience=self._lease)
            for lease in part:
                self._release((lease.work.task.id, lease.token))

    async def close(self) -> None:
        """Sends what is still to be sent, gives back what is held, and leaves. Without a server it just closes."""
        with contextlib.suppress(RedisUnavailable, TimeoutError):
            async with asyncio.timeout(self._lease / 3):
                if self._sending is not None:
                    await asyncio.shield(self._sending)
                await self.give_back([lease for lease, _ in self._held.values()])
                await self._campaign.run(scripts.LEAVE, self._worker, patience=self._brief)
        if self._sending is not None:
            await stopped(self._sending)
        await self._campaign.connection.aclose()

    def _release(self, key: tuple[str, str]) -> None:
        if self._held.pop(key, None) is not None:
            self._released.set()


class RedisCoordinatorQueue:
    """The coordinator's side. A task that ends its worker `strikes` times, running alone, is set aside.

    `window` bounds how many tasks Redis holds. Call `reclaim` every third of a lease. `leader` is the name
    under which this coordinator leads the campaign: once another does, every call raises `RunLocked`. Without a name it
    only looks and gives orders.

    Raises:
        ConfigError: redis-py is not installed, or the URL, a name or a password cannot work.
    """

    def __init__(
        self,
        url: str,
        campaign: str,
        *,
        lease: float = 30.0,
        strikes: int = 3,
        window: int = 100_000,
        wait: float = 0.5,
        patience: float = 300.0,
        leader: str = "",
    ) -> None:
        self._campaign = CampaignKeys(url, campaign, lease=lease, patience=patience, leader=leader)
        self._name = campaign
        self._strikes = strikes
        self._window = window
        self._wait = wait
        self._manifest = ""
        self._order = "run"
        self._entries: dict[str, str] = {}  # task → entry of its result, for those not confirmed
        self._known = ""

    @property
    def generation(self) -> str:
        """Name of the data in Redis, '' before the first call. A new one says that they were lost: feed again."""
        return self._campaign.generation

    async def _run(self, script: Script, *args: Arg) -> list[Any]:
        answer = await self._campaign.run(script, *args)
        known, self._known = self._known, self._campaign.generation
        if known and known != self._known and self._manifest:
            LOG.warning("Redis lost the queue of %s; tasks that are pending must be fed again", self._name)
            await self._campaign.run(scripts.BEGIN, self._manifest, self._order)
        return answer

    async def begin(self, manifest: Mapping[str, Any]) -> None:
        """Opens the queue and says what is run. Leases of live workers go on, results wait to be taken."""
        self._manifest = orjson.dumps(manifest).decode()
        self._order = "run"
        await self._run(scripts.BEGIN, self._manifest, self._order)

    async def feed(self, work: Sequence[Work]) -> None:
        """Makes tasks ready, in order; those that are in the queue already stay as they are.

        Raises:
            StoreError: the window has no room for them; some may have been taken.
            StoreFull: Redis has reached its `maxmemory`.
        """
        for start in range(0, len(work), BATCH):
            part = work[start : start + BATCH]
            args = [text for one in part for text in (one.task.id, one.model_dump_json())]
            (taken,) = await self._run(scripts.FEED, self._window, *args)
            if not taken:
                raise StoreError(
                    f"the queue of {self._name} has no room for {len(part)} more tasks (window {self._window}); "
                    f"confirm results first, or give a larger window"
                )

    async def withdraw(self, tasks: Sequence[str]) -> Sequence[str]:
        """Forgets those of `tasks` that no worker holds and that have no result; returns which. Strikes are kept."""
        gone: list[str] = []
        for start in range(0, len(tasks), BATCH):
            (part,) = await self._run(scripts.WITHDRAW, *tasks[start : start + BATCH])
            gone += map(as_text, part)
        return gone

    async def results(self, limit: int = 500) -> Sequence[Result]:
        """Returns results that are not confirmed, the oldest first, waiting up to `wait` seconds when there are none.

        One that cannot be read is set aside with its task, for `dead` to show.
        """
        found = []
        for entry, fields in await self._campaign.block({"results": "0-0"}, limit, self._wait):
            task = as_text(fields.get(b"t", b""))
            try:
                result = Result.model_validate_json(fields.get(b"r", b""))
                if result.task != task:
                    raise ValueError(f"it is the result of {result.task}")
            except ValueError as error:
                why = f"its result cannot be read: {_brief(error)}"
                LOG.error("%s is set aside: %s", task, why)
                await self._run(scripts.SET_ASIDE, task, entry, why)
            else:
                self._entries[task] = as_text(entry)
                found.append(result)
        return found

    async def confirm(self, results: Sequence[Result]) -> None:
        """Forgets results that the store has committed, and their tasks."""
        parts = [results[start : start + BATCH] for start in range(0, len(results), BATCH)]
        await asyncio.gather(*(self._forget(part) for part in parts))  # they travel together

    async def _forget(self, results: Sequence[Result]) -> None:
        named = [(one.task, self._entries.get(one.task, "")) for one in results]
        await self._run(scripts.CONFIRM, *(text for pair in named for text in pair))
        for task, _ in named:
            self._entries.pop(task, None)

    async def bury(self, worker: str) -> None:
        """Says that a worker's process has ended: the next `reclaim` need not wait for its leases."""
        await self._run(scripts.LEAVE, worker)

    async def reclaim(self) -> int:
        """Makes tasks of silent workers ready again, as suspects; sets aside those with too many strikes.

        A worker is silent without a heartbeat for a lease. After a time in which nobody was heard (the server was
        frozen, restarted, or the fleet stopped) all workers get one lease to come back first.
        """
        count = 0
        for kind in ("s", "r"):
            more = 1
            while more:
                moved, more = await self._run(scripts.RECLAIM, self._strikes, kind, PAGE)
                count += moved
        return count

    async def dead(self) -> Sequence[Dead]:
        """Returns the tasks that are set aside, by id, with their history."""
        (rows,) = await self._run(scripts.DEAD)
        return sorted((_dead(as_text(task), mark) for task, mark in rows), key=lambda one: one.task)

    async def requeue(self, tasks: Sequence[str] = ()) -> int:
        """Gives dead tasks another chance: alone, with no strikes. All of them, or those named; returns how many."""
        (count,) = await self._run(scripts.REQUEUE, *tasks)
        return int(count)

    async def order(self, order: str) -> None:
        """Tells all workers to `run`, `pause` or `drain`."""
        if order not in ORDERS:
            raise ConfigError(f"order {order!r}: give one of {', '.join(ORDERS)}")
        self._order = order
        await self._campaign.run(scripts.ORDER, order)

    async def state(self) -> QueueState:
        """Counts what the queue holds, `bytes` of Redis memory, and its workers by age of their last sign of life."""
        ready, leased, suspect, dead, results, order, size, workers = await self._run(scripts.STATE)
        return QueueState(
            ready=ready,
            leased=leased,
            suspect=suspect,
            dead=dead,
            results=results,
            order=as_text(order),
            workers=tuple(_worker(as_text(name), age, info) for name, age, info in workers),
            bytes=size,
            generation=self.generation,
        )

    async def clear(self, *, workers_left: bool = True) -> None:
        """Forgets the campaign, for one that has ended and whose results are committed.

        For a week two things may stay: what stands against suspects that are pending in the store and, unless
        `workers_left`, the order to drain, which a worker that was frozen or cut off hears when it comes back.
        """
        self._manifest = ""  # its data are gone because they shall be
        await self._campaign.run(scripts.CLEAR, int(not workers_left))

    async def remove(self) -> None:
        """Deletes all of the campaign's queue from Redis, for another run of its name."""
        await self._campaign.connection.call("DEL", *self._campaign.keys)

    async def close(self) -> None:
        """Closes the connection; what is in Redis stays."""
        await self._campaign.connection.aclose()


def _named(lease: Lease) -> tuple[str, str, str]:
    """Returns task, epoch and place: what the scripts compare."""
    return lease.work.task.id, str(lease.epoch), lease.token.partition(" ")[2]


def _dead(task: str, said: bytes) -> Dead:
    try:
        mark = _Mark.model_validate_json(said)
    except ValidationError as error:
        return Dead(task=task, strikes=0, history=(f"its history cannot be read: {_brief(error)}",))
    lines = (f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ} {line}" for ms, line in mark.history)
    return Dead(task=task, strikes=mark.strikes, history=tuple(lines))


def _worker(name: str, age_ms: int, said: bytes) -> WorkerInfo:
    """What a worker says of itself; its name and age are the queue's."""
    try:
        info = WorkerInfo.model_validate_json(said) if said else WorkerInfo(name=name)
    except ValidationError as error:
        info = WorkerInfo(name=name, problem=f"what it says cannot be read: {_brief(error)}", problem_code="error")
    return info.model_copy(update={"name": name, "age": round(max(0, age_ms) / 1000, 1)})


def _mapping(said: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(said)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise StoreError("the queue's manifest is no JSON object; start the coordinator again to write it anew")
    return value


def _brief(error: ValueError) -> str:
    """The first finding, without the foreign value itself."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:300]
    return str(error)[:300]
