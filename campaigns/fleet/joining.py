"""How a process joins a fleet as a worker: loads the campaign, compares versions, builds models, serves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...agents.state import Pool
from ...errors import ConfigError, StoreError
from ...evals.duplicates import ExactPool
from ...evals.shared_pool import RedisPool
from ...graphs.flows.runner import runner_of
from ...models.fleet.shared import SharedLayers
from ...models.layers.budget import Allowance, Budget
from ...models.layers.cache import CallStore
from ...models.layers.limiter import MakeLimiter, limiter_here
from ...models.layers.meter import Meter
from ...storage.leases import QUEUE_FILE, SqliteWorkerQueue
from ...storage.queue import WorkerQueue
from ...storage.redis_connection import RedisConnection
from ...storage.redis_queue import RedisWorkerQueue
from ...storage.store import RunStore
from ..collector import calm_collector
from ..prepare import bind, context_of, prepare
from ..spec import CampaignSpec
from ..worker import Worker
from .manifest import lease_of, manifest_of, require_same, require_same_run
from .member import Member

GOODBYE = 2.0  # seconds for each of the things that a leaving worker tells
PATIENCE = 60.0  # seconds to wait for a coordinator that has not said yet what it runs


@dataclass(frozen=True)
class Place:
    """A worker's place in a fleet: its name, its slots, the fleet's lease and the grace of a drain, in seconds.

    `share` is how many workers divide budgets and requests in flight between them where nothing is shared by Redis;
    `parent` is the pid of the process that this one must not outlive, 0 for none.
    """

    name: str = ""
    slots: int = 32
    share: int = 1
    lease: float = 30.0
    grace: float = 30.0
    parent: int = 0

    @property
    def known_as(self) -> str:
        return self.name or f"{socket.gethostname()}-{os.getpid()}"


async def join_here(folder: Path, place: Place) -> str:
    """Works for the run in `folder`, on this machine, until told to drain; returns what stopped it early, or "".

    Raises:
        ConfigError: this worker would run something else than the coordinator; names what differs.
    """
    if not (folder / QUEUE_FILE).is_file():
        raise ConfigError(f"no fleet works on {folder}; start one with `gristmill run CAMPAIGN --workers 2`")
    store = RunStore.join(folder)
    queue = SqliteWorkerQueue(folder, place.known_as, lease=place.lease)
    try:
        spec = _share_of_servers(CampaignSpec.model_validate(store.mark("campaign")), place.share)
        budget = _share_of_budget(spec, store, place.share)
        pool = ExactPool()
        await pool.restore(await asyncio.to_thread(lambda: list(store.claims())))
        return await _serve(spec, queue, place, pool, store, budget, limiter_here)
    finally:
        await queue.close()
        await store.close()


async def join_redis(spec: CampaignSpec, url: str, place: Place) -> str:
    """Works for the campaign of `spec` over the Redis at `url`, from any machine; see `join_here`.

    Raises:
        ConfigError: as `join_here`, or the URL cannot work.
        RedisUnavailable: Redis was not there for longer than its patience.
    """
    connection = RedisConnection(url)
    shared = SharedLayers(connection, spec.name, tokens=spec.budget.tokens, usd=spec.budget.usd)
    queue = RedisWorkerQueue(url, spec.name, place.known_as, lease=place.lease)
    try:
        pool = RedisPool(connection, spec.name)
        return await _serve(spec, queue, place, pool, shared.calls, shared.budget, shared.limiter)
    finally:
        for goodbye in (queue.close, shared.aclose, connection.aclose):
            await _in_time(goodbye())


async def _in_time(goodbye: Awaitable[None]) -> None:
    """Says goodbye, but does not wait for a Redis that is gone: what is held there ends by itself."""
    with suppress(TimeoutError, StoreError):
        async with asyncio.timeout(GOODBYE):
            await goodbye


async def _serve(
    spec: CampaignSpec,
    queue: WorkerQueue,
    place: Place,
    pool: Pool,
    calls: CallStore,
    budget: Allowance,
    make_limiter: MakeLimiter,
) -> str:
    prepared = prepare(spec)
    mine = manifest_of(spec, prepared)
    said = await _said(queue)
    require_same(said, mine)

    def agree(now: Mapping[str, Any]) -> None:
        require_same_run(said, now)
        require_same(now, mine)

    lease = lease_of(said, place.lease)
    queue.pace(lease)
    meter = Meter()
    models, close = bind(spec, {}, calls=lambda _: calls, budget=budget, meter=meter, make_limiter=make_limiter)
    try:
        flow = runner_of(prepared.flow, runtime=spec.runtime)
        worker = Worker(flow, replace(context_of(prepared, models), pool=pool), meter=meter, kind=prepared.kind)
        member = Member(
            queue,
            worker,
            place.known_as,
            place.slots,
            pool=pool,
            pool_shared=isinstance(pool, RedisPool),
            agree=agree,
            lease=lease,
            grace=place.grace,
            parent=place.parent,
        )
        running = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            running.add_signal_handler(number, member.stop)
        with calm_collector():
            return await member.serve()
    finally:
        await close()


async def _said(queue: WorkerQueue) -> dict[str, object]:
    try:
        async with asyncio.timeout(PATIENCE):
            while (manifest := await queue.manifest()) is None:  # noqa: ASYNC110  # another process says it
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise ConfigError(
            f"no coordinator has said for {PATIENCE:g} s what it runs; start one with `gristmill run CAMPAIGN`, on the "
            f"same Redis where there is one, and this worker again"
        ) from None
    return dict(manifest)


def _share_of_servers(spec: CampaignSpec, share: int) -> CampaignSpec:
    """Without a Redis the workers do not see each other's requests: each may have its part of those in flight."""
    models = {
        name: model.model_copy(update={"max_in_flight": max(1, model.max_in_flight // share)})
        for name, model in spec.models.items()
    }
    return spec.model_copy(update={"models": models})


def _share_of_budget(spec: CampaignSpec, store: RunStore, share: int) -> Budget:
    """What the run has left, divided: together the workers cannot pass the limit."""
    spent = store.mark("spent") or {}
    tokens, usd = spec.budget.tokens, spec.budget.usd
    return Budget(
        tokens=None if tokens is None else max(1, int((tokens - spent.get("tokens", 0)) // share)),
        usd=None if usd is None else max(1e-9, (usd - spent.get("usd", 0.0)) / share),
    )
