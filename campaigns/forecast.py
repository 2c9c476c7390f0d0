"""A forecast before the money is spent: a few pilot tasks run for real, and their cost is projected on the campaign.

The pilot works in a scratch store, but its replies are kept in the run's own call cache: when the campaign then runs,
what the pilot paid for is not paid again.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ..agents.precedents import Precedents
from ..errors import ConfigError
from ..evals.duplicates.gate import GatePool
from ..graphs.flows.runner import runner_of
from ..graphs.planners.base import Planner, PlanView
from ..models.layers.meter import Meter
from ..models.spec import ModelSpec
from ..storage.precedents import Round
from ..storage.records import Chunk, Status, Task, Usage
from ..storage.store import RunStore
from .admission import Admission, Local
from .campaign import Campaign
from .checking.compared import Compared, compared_with
from .gating.gate import embedder_of, rules_of
from .ingest import ingest
from .knowledge.building import build_graph
from .outcome import Outcome
from .planning.planning import Plan
from .prepare import bind, check_models, context_of
from .rounds import Contexts, set_now
from .spec import CampaignSpec
from .spending import open_budget
from .worker import Worker

PILOT_CHUNKS = 8
COUNT_LIMIT = 20_000
CONFIDENCE = 0.8  # of the range that is given for the share of accepted items


class PilotCalls:
    """The run's call cache, as a pilot sees it: a hit is free to the run, but the forecast must count what it cost."""

    def __init__(self, store: RunStore, spec: ModelSpec | None) -> None:
        self.store = store
        self.spec = spec
        self.hits = Usage()

    async def get(self, key: str) -> bytes | None:
        raw = await self.store.get(key)
        if raw is not None:
            usage = orjson.loads(raw).get("usage") or {}
            tokens_in, tokens_out = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
            usd = 0.0
            if self.spec is not None:
                usd = (tokens_in * self.spec.price_in + tokens_out * self.spec.price_out) / 1e6
            self.hits += Usage(calls=1, input_tokens=tokens_in, output_tokens=tokens_out, usd=usd)
        return raw

    async def put(self, key: str, raw: bytes) -> None:
        await self.store.put(key, raw)


@dataclass(frozen=True)
class Forecast:
    """What a campaign will take.

    tasks:   (low, expected, high): a target needs more tasks than it has items, by the share that is accepted.
    total:   the cost of the expected number of tasks, the graph's included; `graph` is that part alone.
    seconds: wall time at the campaign's concurrency.
    drawn:   tasks that the recipe can draw, counted up to `COUNT_LIMIT`; of a graph only the pilot's part is known,
             and with a student only what is drawn before it has to learn.
    pilot:   what the pilot tasks cost; `paid` is what this forecast spent, the graph's pilot included.
    compared: what items will be held against, read in full.
    """

    chunks: int
    pilot_tasks: int
    pilot_accepted: int
    pilot_reasons: dict[str, int]
    pilot: Usage
    graph: Usage
    tasks: tuple[int, int, int]
    drawn: int
    total: Usage
    seconds: float
    paid: Usage
    compared: tuple[Compared, ...] = ()


async def forecast(campaign: Campaign, *, pilot: int = 5, store: str = "") -> Forecast:
    """Runs `pilot` tasks and projects them; `store` as for `Campaign.execute`.

    Raises what `Campaign.execute` raises.
    """
    spec, prepared = campaign.spec, campaign.prepare()
    compared = await asyncio.to_thread(
        lambda: tuple(compared_with(spec.novelty.against, prepared.gated, prepared.guards))
    )
    await check_models(spec, prepared)
    opened = RunStore.open(spec.folder, store)
    try:
        with tempfile.TemporaryDirectory(prefix="gristmill-pilot-") as scratch_folder:
            scratch = RunStore.open(Path(scratch_folder))
            meter, calls = Meter(), {}

            def calls_of(name: str) -> PilotCalls:
                calls[name] = PilotCalls(opened, spec.models.get(name))
                return calls[name]

            budget = open_budget(spec.budget, opened, timed=False)
            models, close = bind(spec, campaign.models, calls=calls_of, budget=budget, meter=meter)

            def spent() -> Usage:
                return replace(meter.total, cached_calls=0) + sum((one.hits for one in calls.values()), Usage())

            try:
                await ingest(spec, scratch, wanted=prepared.rows)
                chunks = scratch.chunks()
                context = context_of(prepared, models)
                graph, extraction = None, Usage()
                if prepared.needs_graph:
                    some = _some(chunks, PILOT_CHUNKS, spec.seed)
                    graph = await build_graph(
                        spec.graph,
                        scratch,
                        some,
                        context,
                        concurrency=spec.concurrency,
                        stopping=asyncio.Event(),
                        on_chunk=lambda _: None,
                    )
                    extraction = _scaled(spent(), len(chunks) / len(some))
                before, began = spent(), time.monotonic()
                plan = Plan(
                    scratch,
                    prepared.planner,
                    prepared.options,
                    chunks=chunks,
                    graph=graph,
                    seed=spec.seed,
                    window=max(pilot, 1),
                    max_tasks=None,
                )
                pool = GatePool(spec.novelty.likeness, embedder_of(spec.novelty, models))
                flow = runner_of(prepared.flow, runtime=spec.runtime)
                found = set_now(spec, opened, prepared.prompts)  # else the kept replies would be to other prompts
                contexts = Contexts(replace(context, pool=pool, gate=rules_of(spec.novelty)))
                contexts.add(Precedents.of(found))
                worker = Worker(flow, contexts, meter=meter, kind=prepared.kind)
                round_ = Round(version=found.version)
                runner = Local(worker, Admission(scratch, pool, prepared.kind, prepared.gated), graph, round_)
                outcomes = await _run_pilot(plan, runner, pilot)
                wall, cost = time.monotonic() - began, _minus(spent(), before)
                hits = sum(one.hits.calls for one in calls.values())
                wall, extraction = await _remembered(opened, wall, extraction, hits)
                view = PlanView(chunks, graph, meta=lambda chunk: scratch.document(chunk.document).meta)
                drawn = _count(prepared.planner, view, spec.seed, prepared.options)
            finally:
                await close()
                await scratch.close()
    finally:
        await opened.close()
    projected = _project(spec, len(chunks), outcomes, extraction, cost, wall, drawn, meter.total)
    return replace(projected, compared=compared)


def _count(planner: Planner, view: PlanView, seed: int, options: Any) -> int:
    """Counts what the planner draws, up to `COUNT_LIMIT`; nothing is stored, so it must not be asked twice for one.

    Nothing is accepted either: a planner that cannot go on without is counted up to there.
    """
    seen: set[str] = set()
    view = replace(view, is_planned=seen.__contains__)
    rng = random.Random(seed)  # noqa: S311  # as Plan draws
    while len(seen) < COUNT_LIMIT:
        try:
            new = {task.id for task in planner(view, 1000, rng, options)} - seen
        except ConfigError:
            if not seen:
                raise
            break
        if not new:
            break
        seen |= new
    return len(seen)


async def _run_pilot(plan: Plan, runner: Local, pilot: int) -> list[Outcome]:
    tasks: list[Task] = []
    while len(tasks) < pilot and (task := await plan.next()) is not None:
        tasks.append(task)
    running = [asyncio.create_task(runner.run(task)) for task in tasks]
    try:
        return list(await asyncio.gather(*running))
    finally:  # when one stops the pilot, none goes on over stores that are closed
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _remembered(store: RunStore, wall: float, extraction: Usage, hits: int) -> tuple[float, Usage]:
    """Returns the times of the pilot that did the calls: a pilot that is answered from the cache takes none."""
    before = store.mark("pilot")
    if hits and before is not None:
        return max(wall, before["wall"]), replace(extraction, seconds=max(extraction.seconds, before["extraction"]))
    await store.set_mark("pilot", {"wall": wall, "extraction": extraction.seconds})
    return wall, extraction


def _project(
    spec: CampaignSpec,
    chunks: int,
    outcomes: list[Outcome],
    extraction: Usage,
    cost: Usage,
    wall: float,
    drawn: int,
    paid: Usage,
) -> Forecast:
    accepted = sum(outcome.status is Status.ACCEPTED for outcome in outcomes)
    most = min(spec.max_tasks or math.inf, math.inf if extraction.calls or drawn >= COUNT_LIMIT else drawn)
    if spec.target is None:
        wanted = [float(spec.max_tasks or drawn)] * 3
    else:
        wanted = [spec.target / share for share in _share(accepted, len(outcomes))]
    low, expected, high = (math.ceil(min(count, most)) for count in wanted)
    # The pilot ran all its tasks at once, so its wall time is about one task's; more of them run side by side later.
    side_by_side = max(1, min(spec.concurrency, expected))
    return Forecast(
        chunks=chunks,
        pilot_tasks=len(outcomes),
        pilot_accepted=accepted,
        pilot_reasons=dict(Counter(outcome.reason for outcome in outcomes if outcome.reason)),
        pilot=cost,
        graph=extraction,
        tasks=(low, expected, high),
        drawn=drawn,
        total=_scaled(cost, expected / max(1, len(outcomes))) + extraction,
        seconds=wall * expected / side_by_side + extraction.seconds / max(1, min(spec.concurrency, chunks)),
        paid=paid,
    )


def _share(accepted: int, of: int) -> tuple[float, float, float]:
    """Returns (high, middle, low) of the Wilson interval of a share, none of them zero (Wilson 1927)."""
    if of == 0:
        return (1.0, 1.0, 1.0)
    z = statistics.NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    p = accepted / of
    centre = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (min(centre + half, 1.0), p or centre, max(centre - half, 0.01))


def _some(chunks: Sequence[Chunk], count: int, seed: int) -> Sequence[Chunk]:
    if len(chunks) <= count:
        return chunks
    chosen = random.Random(seed).sample(range(len(chunks)), count)  # noqa: S311  # a sample, no secret
    return [chunks[place] for place in sorted(chosen)]


def _scaled(usage: Usage, factor: float) -> Usage:
    return Usage(
        calls=round(usage.calls * factor),
        input_tokens=round(usage.input_tokens * factor),
        output_tokens=round(usage.output_tokens * factor),
        usd=usage.usd * factor,
        seconds=usage.seconds * factor,
    )


def _minus(left: Usage, right: Usage) -> Usage:
    return Usage(
        calls=left.calls - right.calls,
        input_tokens=left.input_tokens - right.input_tokens,
        output_tokens=left.output_tokens - right.output_tokens,
        usd=left.usd - right.usd,
        seconds=left.seconds - right.seconds,
    )
