"""How a process joins a fleet as a worker: loads the campaign, compares versions, builds models, serves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError
from ..evals.duplicates import ExactPool
from ..graphs.flows.runner import runner_of
from ..models.layers.budget import Budget
from ..models.layers.meter import Meter
from ..storage.leases import QUEUE_FILE, SqliteWorkerQueue
from ..storage.queue import WorkerQueue
from ..storage.store import RunStore
from .manifest import manifest_of, require_same
from .member import Member
from .prepare import bind, context_of, prepare
from .spec import CampaignSpec
from .worker import Worker

PATIENCE = 60.0  # seconds to wait for a coordinator that has not said yet what it runs


async def join(folder: Path, *, name: str, slots: int, share: int, lease: float, grace: float, parent: int = 0) -> str:
    """Works for the run in `folder` until told to drain; returns what stopped it early, or an empty string.

    `share` is how many workers divide budgets and requests in flight between them.

    Raises:
        ConfigError: this worker would run something else than the coordinator; names what differs.
    """
    if not (folder / QUEUE_FILE).is_file():
        raise ConfigError(f"no fleet works on {folder}; start one with `gristmill run CAMPAIGN --workers N`")
    store = RunStore.join(folder)
    queue = SqliteWorkerQueue(folder, name or f"{socket.gethostname()}-{os.getpid()}", lease=lease)
    try:
        spec = CampaignSpec.model_validate(store.mark("campaign"))
        return await _serve(spec, store, queue, name, slots, share, lease, grace, parent)
    finally:
        await queue.close()
        await store.close()


async def _serve(
    spec: CampaignSpec,
    store: RunStore,
    queue: WorkerQueue,
    name: str,
    slots: int,
    share: int,
    lease: float,
    grace: float,
    parent: int,
) -> str:
    prepared = prepare(spec)
    require_same(await _said(queue), manifest_of(spec, prepared))
    budget = _share_of_budget(spec, store, share)
    meter = Meter()
    models, close = bind(_share_of_servers(spec, share), {}, calls=lambda _: store, budget=budget, meter=meter)
    try:
        context = replace(context_of(prepared, models), pool=ExactPool())
        worker = Worker(runner_of(prepared.flow, runtime=spec.runtime), context, meter=meter, kind=prepared.kind)
        member = Member(queue, worker, name, slots, lease=lease, grace=grace, parent=parent)
        running = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            running.add_signal_handler(number, member.stop)
        return await member.serve()
    finally:
        await close()


async def _said(queue: WorkerQueue) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE):
        while (manifest := await queue.manifest()) is None:  # noqa: ASYNC110  # another process says it
            await asyncio.sleep(0.2)
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
