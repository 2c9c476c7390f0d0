"""A campaign: a recipe over documents until a target of accepted items, a budget, or saturation is reached.

`Campaign(...)` in Python and a TOML file say the same. Running it again resumes it: nothing that is committed is done
twice, and only calls that were in flight when a process died are made again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Self

from ..errors import ConfigError, require_kind
from ..evals.numeric import np
from ..graphs.planners.base import Planner
from ..graphs.recipes.catalogue import recipe
from ..models.layers.latency import Latencies
from ..models.layers.limiter import AnyLimiter
from ..models.layers.meter import Meter
from ..models.redact import redact_values
from ..models.tracing import Tracer, tracer_of
from ..storage.people import Shift
from ..storage.records import Usage
from ..storage.store import Books, RunStore
from .checking.given import AnyModel, require_object, told_documents, told_models
from .checking.lacking import require_answers, require_asked
from .checking.settings import require_same_settings
from .fleet.fleet import Fleet
from .gating.gate import require_embedder, require_sources
from .ingest import Ingested
from .knowledge.building import reread_failed
from .prepare import Flow, Prepared, bind, check_models, context_of, prepare, require_draws
from .progress import Progress
from .report import people_of
from .run import Run
from .sampling import sampled
from .spec import CampaignSpec, make_spec
from .spec_file import load_spec
from .spending import open_budget, spent_before
from .stops import Stop
from .telemetry.exposition import Exposition, exposed
from .telemetry.metrics import calls_source, process_source, run_source
from .telemetry.telemetry import Telemetry
from .training.handover import Hook, Trainer, load_hook


@dataclass(frozen=True)
class CampaignReport:
    """How a campaign ended. `usage` is what this start spent; `reasons` counts items by (status, first reason).

    `people` says by how much people's decisions moved the number of accepted items; `accepted` is what counts.
    """

    name: str
    folder: Path
    stop: Stop
    books: Books
    reasons: dict[tuple[str, str], int]
    usage: Usage
    seconds: float
    ingested: Ingested
    people: Shift

    @property
    def accepted(self) -> int:
        """The items that count as accepted: accepted tasks, and what people made of them."""
        return self.books.accepted + self.people.total


class Campaign:
    """A campaign that can be run.

    Args:
        name: the run's name.
        documents: files, folders and globs; with a seed graph (`graph={"seed": "kg.graphml"}`) they may be left out.
        flow: a StateGraph, a function that returns one, or the `module:attribute` of either; in place of the
            recipe's flow.
        planner: a planner, or its `module:attribute`; in place of the recipe's planner.
        trainer: a function that a round's items are handed to (`campaigns.training.handover.Hook`), in place of
            `train.hook`.
        models: by name, each a string such as `openai_api/Qwen/Qwen2.5-7B-Instruct`, a table of its keys as the
            campaign file has it, a `ModelSpec`, or a `Model`.
        values: the other keys of `CampaignSpec`.

    Raises:
        ConfigError: a key is wrong; names it and the mend.
    """

    def __init__(
        self,
        name: str,
        documents: Sequence[str | Path] = (),
        *,
        flow: Flow | Callable[[], Flow] | str = "",
        planner: Planner | str = "",
        trainer: Hook | None = None,
        models: Mapping[str, AnyModel] | None = None,
        **values: Any,
    ) -> None:
        specs, self.models = told_models({} if models is None else models)
        for key, value in (("flow", flow), ("planner", planner), ("trainer", trainer)):
            require_object(key, value)
        self.spec = make_spec(
            {
                "name": name,
                "documents": told_documents(documents),
                "flow": flow if isinstance(flow, str) else "",
                "planner": planner if isinstance(planner, str) else "",
                "models": specs,
                **values,
            }
        )
        self._flow = None if isinstance(flow, str) else flow
        self._planner = None if isinstance(planner, str) else planner
        self._trainer = trainer

    @classmethod
    def from_spec(cls, spec: CampaignSpec) -> Self:
        """Makes a campaign of a validated spec; raises `ConfigError` for anything else."""
        require_kind("spec", spec, CampaignSpec, "give a CampaignSpec, or make the campaign by Campaign(name, ...)")
        campaign = cls.__new__(cls)
        campaign.spec, campaign.models, campaign._flow, campaign._planner = spec, {}, None, None
        campaign._trainer = None
        return campaign

    @classmethod
    def load(cls, path: str | Path, **overrides: Any) -> Self:
        """Reads a campaign from a TOML file; `overrides` replace its top-level keys."""
        require_kind("path", path, (str, Path), "give the campaign file's path")
        return cls.from_spec(load_spec(path, **overrides))

    def prepare(self) -> Prepared:
        """Checks that recipe, flow, prompts and roles fit together; spends nothing, reaches no server."""
        names = {*self.spec.models, *self.models}
        if not names:
            raise ConfigError('the campaign has no model; add [models.default] with model = "offline", or a real one')
        for role, name in self.spec.roles.items():
            if name not in names:
                raise ConfigError(f"roles.{role}: no model is called '{name}'; there are {', '.join(sorted(names))}")
        prepared = prepare(self.spec, flow=self._flow, planner=self._planner, given=self.models)
        require_answers(self.spec, prepared.flow, self.models)
        require_sources(self.spec.novelty, names, prepared.gated, vectors=bool(self.spec.contamination.semantic))
        if prepared.needs_graph and (resolution := self.spec.graph.resolution).alike:
            require_embedder(resolution.embedder, names, "graph.resolution.embedder")
            _ = np.float32  # says here what to install, not when all points are paid for
        if self._planner is None and not self.spec.planner:
            require_draws(self.spec, prepared.options)
            require_asked(recipe(self.spec.recipe or "rows"), prepared.options, self.spec.seed)
            self._require_handover()
        return prepared

    @property
    def _hook(self) -> Hook | None:
        return self._trainer or load_hook(self.spec.train.hook)

    def _require_handover(self) -> None:
        """Raises `ConfigError` for a trainer that would never be called, or cannot be."""
        if self._hook is not None and not recipe(self.spec.recipe or "rows").hands_over:
            raise ConfigError(
                f"train.hook: recipe '{self.spec.recipe or 'rows'}' hands no round over, so the trainer would never be "
                f"called; leave it out"
            )

    def run(
        self,
        progress: Progress | None = None,
        *,
        fleet: Fleet | None = None,
        telemetry: Telemetry | None = None,
        store: str = "",
    ) -> CampaignReport:
        """Runs the campaign to its end, resuming it when it was started before. See `execute`."""
        return asyncio.run(self.execute(progress, fleet=fleet, telemetry=telemetry, store=store))

    async def execute(
        self,
        progress: Progress | None = None,
        *,
        retry_failed: bool = False,
        refresh: bool = False,
        fleet: Fleet | None = None,
        telemetry: Telemetry | None = None,
        store: str = "",
    ) -> CampaignReport:
        """Runs the campaign on the current event loop; with a `fleet`, tasks run in worker processes.

        `telemetry` says what others see of it: metrics, traces. Traces are kept without it, too, where OpenTelemetry's
        environment variables say where they go.
        `store` is the URL of a PostgreSQL database to keep the run in; empty for where it is kept already, or SQLite.

        Ctrl-C and SIGTERM drain it: tasks in flight finish, the rest stays pending. A second one ends it at once.

        Raises:
            ConfigError: something does not fit; nothing was spent.
            RunLocked: another process works on this run.
            AccessDenied: a server refuses the key or has no quota left; the run can be resumed.
            StoreError: the store refused, e.g. a full disk; the run can be resumed.
        """
        require_kind("progress", progress := progress or Progress(), Progress, "give a Progress, or leave it out")
        require_kind("fleet", fleet, (Fleet, NoneType), "give fleet=Fleet(workers=2), or leave it out")
        require_kind("telemetry", telemetry, (Telemetry, NoneType), "give Telemetry(...), or leave it out")
        require_kind("store", store, str, "give the URL of a PostgreSQL database, or leave it out")
        prepared = self.prepare()
        if fleet is not None and (self.models or self._flow is not None):
            raise ConfigError("workers cannot be sent objects: give models as specs and the flow as 'module:attribute'")
        telemetry = telemetry or Telemetry()
        workers = 0 if fleet is None else fleet.workers
        tracer = tracer_of(telemetry.traces, {"gristmill.run": self.spec.name, "gristmill.process": "coordinator"})
        try:
            with exposed(telemetry, workers=workers, folder=self.spec.folder) as exposition:
                await check_models(self.spec, prepared)
                began = time.monotonic()
                async with self._open(prepared, tracer, store) as run:
                    if exposition is not None:
                        self._expose(run, progress, exposition)
                    if retry_failed:
                        again = await run.store.retry_failed()
                        left = run.store.books().failed
                        kept = f"; {left} stay: people decided their items, and may undo that" if left else ""
                        progress.say(f"{again} failed tasks are pending again{kept}")
                        if prepared.needs_graph and (chunks := await reread_failed(run.store)):
                            progress.say(f"{chunks} chunks that extraction failed on are read again")
                    run.refresh = refresh
                    run.fleet, run.telemetry, run.exposition = fleet, telemetry, exposition
                    if (hook := self._hook) is not None:
                        run.trainer = Trainer(hook, run.store, minutes=self.spec.train.minutes, stopping=run.stopping)
                    async with sampled(run, progress):
                        stop, ingested = await run.go(progress)
                    return CampaignReport(
                        name=self.spec.name,
                        folder=self.spec.folder,
                        stop=stop,
                        books=run.store.books(),
                        reasons=run.store.reasons(),
                        usage=run.meter.total,
                        seconds=time.monotonic() - began,
                        ingested=ingested,
                        people=people_of(run.store),
                    )
        finally:
            if tracer is not None:
                await tracer.aclose()

    def _expose(self, run: Run, progress: Progress, exposition: Exposition) -> None:
        run.meter.latencies = Latencies()
        exposition.add(process_source(self.spec.name, "coordinator"))
        exposition.add(run_source(run.store, run.budget, self.spec.budget, progress))
        exposition.add(calls_source(run.meter, run.context.models, run.limiters))

    @asynccontextmanager
    async def _open(self, prepared: Prepared, tracer: Tracer | None, url: str) -> AsyncIterator[Run]:
        spec = self.spec
        store = RunStore.open(spec.folder, url)
        try:
            require_same_settings(store, spec)
            seconds = spent_before(store).seconds
            budget = open_budget(spec.budget, store)
            await store.set_mark("campaign", redact_values(spec.model_dump(mode="json")))
            await store.set_mark("identity", redact_values(spec.identity))
            meter = Meter()
            limiters: dict[tuple[str, str], AnyLimiter] = {}
            models, close = bind(
                spec,
                self.models,
                calls=lambda _: store,
                budget=budget,
                meter=meter,
                limiters=limiters,
                tracer=tracer,
            )
            try:
                context = context_of(prepared, models)
                yield Run(spec, prepared, store, meter, budget, context, seconds, limiters=limiters, tracer=tracer)
            finally:
                await close()
        finally:
            await store.close()
