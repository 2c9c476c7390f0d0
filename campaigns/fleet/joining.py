"""How a process joins a fleet as a worker: loads the campaign, compares versions, builds models, serves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...agents.state import Pool
from ...errors import ConfigError, StoreError
from ...evals.duplicates.shared import RedisPool
from ...graphs.flows.runner import refine_runner_of, runner_of
from ...models.contract import Model
from ...models.fleet.shared import SharedLayers
from ...models.layers.budget import Allowance, Budget
from ...models.layers.cache import CallStore
from ...models.layers.latency import Latencies
from ...models.layers.limiter import AnyLimiter, MakeLimiter, limiter_here
from ...models.layers.meter import Meter
from ...models.tracing import Tracer, tracer_of
from ...storage.leases import QUEUE_FILE, SqliteWorkerQueue
from ...storage.precedents import mark_of
from ...storage.queue import WorkerQueue
from ...storage.redis_connection import RedisConnection
from ...storage.redis_queue import RedisWorkerQueue
from ...storage.store import RunStore
from ..collector import calm_collector
from ..gating.gate import embedder_of, open_pool, rules_of
from ..prepare import Prepared, bind, context_of, prepare
from ..rounds import Contexts
from ..spec import CampaignSpec
from ..telemetry.exposition import Exposition, exposed
from ..telemetry.metrics import calls_source, member_source, process_source
from ..telemetry.tasks import node_spans
from ..telemetry.telemetry import Telemetry
from ..worker import Worker
from .allowances import allowance_of
from .endpoints import endpoints_of
from .manifest import lease_of, manifest_of, require_same, require_same_run
from .member import Member
from .precedents import RedisPrecedents

GOODBYE = 2.0  # seconds for each of the things that a leaving worker tells
PATIENCE = 60.0  # seconds to wait for a coordinator that has not said yet what it runs


@dataclass(frozen=True)
class Place:
    """A worker's place in a fleet: its name, its slots, the fleet's lease and the grace of a drain, in seconds.

    `share` is how many workers divide budgets and requests in flight between them where nothing is shared by Redis;
    `parent` is the pid of the process that this one must not outlive, 0 for none; `telemetry` is what others see of it.
    """

    name: str = ""
    slots: int = 32
    share: int = 1
    lease: float = 30.0
    grace: float = 30.0
    parent: int = 0
    telemetry: Telemetry = field(default_factory=Telemetry)

    @property
    def known_as(self) -> str:
        return self.name or f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True)
class _Seen:
    """How others see this worker: what a scrape gets, and who makes spans; None for neither."""

    exposition: Exposition | None
    tracer: Tracer | None


@dataclass(frozen=True)
class _Layers:
    """What stands around the model calls of a worker, its own or shared with the fleet."""

    pool: Callable[[Prepared, Mapping[str, Model]], Awaitable[Pool]]
    calls: CallStore
    budget: Allowance
    make_limiter: MakeLimiter
    precedents: Callable[[str], Awaitable[object]]
    pace: Callable[[float], None] = lambda lease: None  # with the lease in seconds, once the coordinator has said it


async def join_here(folder: Path, place: Place, url: str = "") -> str:
    """Works for the run in `folder`, on this machine, until told to drain; returns what stopped it early, or "".

    Raises:
        ConfigError: this worker would run something else than the coordinator; names what differs.
    """
    if not (folder / QUEUE_FILE).is_file():
        raise ConfigError(f"no fleet works on {folder}; start one with `gristmill run CAMPAIGN --workers 2`")
    async with _in_sight(folder.name, place) as seen:
        store = RunStore.join(folder, url)
        queue = SqliteWorkerQueue(folder, place.known_as, lease=place.lease)
        try:
            spec = _share_of_servers(CampaignSpec.model_validate(store.mark("campaign")), place.share)
            budget = _share_of_budget(spec, store, place)

            async def pool(prepared: Prepared, models: Mapping[str, Model]) -> Pool:
                return await open_pool(spec.novelty, store, prepared.gated, models)

            async def told(version: str) -> object:
                return store.mark(mark_of(version))

            return await _serve(spec, queue, place, _Layers(pool, store, budget, limiter_here, told), seen)
        finally:
            await queue.close()
            await store.close()


async def join_redis(spec: CampaignSpec, url: str, place: Place) -> str:
    """Works for the campaign of `spec` over the Redis at `url`, from any machine; see `join_here`.

    Raises:
        ConfigError: as `join_here`, or the URL cannot work.
        RedisUnavailable: Redis was not there for longer than its patience.
    """
    async with _in_sight(spec.name, place) as seen:
        connection = RedisConnection(url)
        shared = SharedLayers(connection, spec.name, tokens=spec.budget.tokens, usd=spec.budget.usd)
        queue = RedisWorkerQueue(url, spec.name, place.known_as, lease=place.lease)

        async def pool(prepared: Prepared, models: Mapping[str, Model]) -> Pool:
            return RedisPool(connection, spec.name, spec.novelty.likeness, embedder_of(spec.novelty, models))

        try:
            layers = _Layers(
                pool,
                shared.calls,
                shared.budget,
                shared.limiter,
                RedisPrecedents(connection, spec.name).get,
                shared.pace,
            )
            return await _serve(spec, queue, place, layers, seen)
        finally:
            for goodbye in (queue.close, shared.aclose, connection.aclose):
                await _in_time(goodbye())


async def _in_time(goodbye: Awaitable[None]) -> None:
    """Says goodbye, but does not wait for a Redis that is gone: what is held there ends by itself."""
    with suppress(TimeoutError, StoreError):
        async with asyncio.timeout(GOODBYE):
            await goodbye


@asynccontextmanager
async def _in_sight(run: str, place: Place) -> AsyncIterator[_Seen]:
    """Serves metrics and makes spans while the block runs. The last spans leave after it, when the fleet is told."""
    resource = {"gristmill.run": run, "gristmill.process": "worker", "service.instance.id": place.known_as}
    tracer = tracer_of(place.telemetry.traces, resource)
    try:
        with exposed(place.telemetry) as exposition:
            if exposition is not None:
                exposition.add(process_source(run, "worker"))
            yield _Seen(exposition, tracer)
    finally:
        if tracer is not None:
            await tracer.aclose()


async def _serve(spec: CampaignSpec, queue: WorkerQueue, place: Place, layers: _Layers, seen: _Seen) -> str:
    prepared = prepare(spec)
    mine = manifest_of(spec, prepared)
    said = await _said(queue)
    require_same(said, mine)

    def agree(now: Mapping[str, Any]) -> None:
        require_same_run(said, now)
        require_same(now, mine)

    lease = lease_of(said, place.lease)
    queue.pace(lease)
    layers.pace(lease)
    meter = Meter()
    limiters: dict[tuple[str, str], AnyLimiter] = {}
    models, close = bind(
        spec,
        {},
        calls=lambda _: layers.calls,
        budget=layers.budget,
        meter=meter,
        make_limiter=layers.make_limiter,
        limiters=limiters,
        tracer=seen.tracer,
    )
    try:
        around = node_spans(seen.tracer)
        flow = runner_of(prepared.flow, runtime=spec.runtime, around=around)
        refine = refine_runner_of(prepared.flow, runtime=spec.runtime, around=around)
        pool = await layers.pool(prepared, models)
        context = replace(context_of(prepared, models), pool=pool, gate=rules_of(spec.novelty))
        contexts = Contexts(context, layers.precedents)
        member = Member(
            queue,
            Worker(flow, contexts, meter=meter, kind=prepared.kind, refine=refine, tracer=seen.tracer),
            place.known_as,
            place.slots,
            pool=pool,
            pool_shared=isinstance(pool, RedisPool),
            agree=agree,
            endpoints=lambda: endpoints_of(limiters),
            lease=lease,
            grace=place.grace,
            parent=place.parent,
        )
        if seen.exposition is not None:
            meter.latencies = Latencies()
            seen.exposition.add(calls_source(meter, models, limiters))
            seen.exposition.add(member_source(member))
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
    """Without a Redis the workers do not see each other's requests: each has its part of them and of the rates."""
    models = {
        name: model.model_copy(
            update={
                "max_in_flight": max(1, model.max_in_flight // share),
                "requests_per_minute": model.requests_per_minute / share,
                "tokens_per_minute": model.tokens_per_minute / share,
            }
        )
        for name, model in spec.models.items()
    }
    return spec.model_copy(update={"models": models})


def _share_of_budget(spec: CampaignSpec, store: RunStore, place: Place) -> Budget:
    """What the coordinator gave this worker, or for one that it did not start its share of what the run has left."""
    spent, share = store.mark("spent") or {}, place.share
    tokens, usd = spec.budget.tokens, spec.budget.usd
    if (given := allowance_of(store, place.known_as)) is not None:
        return Budget(None if tokens is None else given.tokens, None if usd is None else given.usd)
    return Budget(
        tokens=None if tokens is None else max(1, int((tokens - spent.get("tokens", 0)) // share)),
        usd=None if usd is None else max(1e-9, (usd - spent.get("usd", 0.0)) / share),
    )
