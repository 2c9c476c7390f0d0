"""Everything that is checked before anything is spent: recipe, options, flow, prompts, roles, models."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from langgraph.graph import StateGraph
from pydantic import BaseModel, ValidationError

from ..agents.attributes import attributes
from ..agents.extraction import extractor, points
from ..agents.precedents import PROMPT as SHOWING
from ..agents.state import FlowContext, Guard, NodeInfo
from ..agents.variables import TAKEN
from ..errors import ConfigError, PromptError
from ..graphs.exchange.seeds import read_seed, require_seed
from ..graphs.flows.check import builder_of, infos_of, require_asked, require_flow
from ..graphs.flows.loading import flow_of, load_flow
from ..graphs.knowledge import summarise
from ..graphs.planners.base import Options, Planner
from ..graphs.recipes.base import ROWS, SOURCES, LastWord, Recipe
from ..graphs.recipes.catalogue import recipe as recipe_by_name
from ..graphs.recipes.rows import RowsOptions
from ..graphs.resolution import judging
from ..graphs.resolution.types import Types
from ..graphs.sampling.base import Foreseen
from ..graphs.sampling.sampler import Sampler
from ..models.contract import Model
from ..models.factory import build, wrap
from ..models.layers.budget import Allowance
from ..models.layers.cache import CallStore
from ..models.layers.limiter import AnyLimiter, MakeLimiter, limiter_here
from ..models.layers.meter import Meter
from ..models.probe import check
from ..models.replicas import Router
from ..models.spec import ModelSpec
from ..models.tracing import Tracer
from ..prompts.library import PromptLibrary
from ..prompts.named import load_named, look_in
from ..storage.datasets.export import require_formats
from ..storage.returns import MARKS
from .checking.apart import groups_of, require_apart
from .checking.rows import RowsWanted, row_of
from .gating.guards import guards_of, seeing
from .gating.novelty import NoveltySpec
from .spec import CampaignSpec, plain_message
from .training.serving import Serving

Flow = StateGraph[Any, Any, Any, Any]


@dataclass(frozen=True)
class Prepared:
    """A campaign that can run. `kind` is what its items train; `roles` are those that its flow and its graph ask.

    `guards` judge every draft; those that compare vectors get the embedder of `novelty` with the models.
    `last_word` decides on what a flow accepted.
    `gated` are the draft fields whose text must be new: the campaign's, or those of the flow's own gate.
    `rows` says what the recipe's planner wants of the rows.
    """

    flow: Flow
    planner: Planner
    options: BaseModel
    kind: str
    needs_graph: bool
    roles: frozenset[str]
    prompts: PromptLibrary
    guards: tuple[Guard, ...] = ()
    novelty: NoveltySpec = field(default_factory=NoveltySpec)
    gated: tuple[str, ...] = ()
    last_word: LastWord | None = None
    rows: RowsWanted = field(default_factory=RowsWanted)


def prepare(
    spec: CampaignSpec,
    *,
    flow: Flow | Callable[[], Flow] | None = None,
    planner: Planner | None = None,
    given: Mapping[str, Model] | None = None,
) -> Prepared:
    """Resolves names and checks that everything fits together. Spends nothing and reaches no server.

    `flow` and `planner` are objects given in Python, in place of the names in `spec`; `given` are models by name that
    are objects too.

    Raises:
        ConfigError, FlowError, PromptError: what does not fit, and the mend.
    """
    look_in(spec.home)
    require_formats(spec.export.formats)
    if spec.graph.seed:
        require_seed(spec.graph.seed)
    _require_prices(spec)
    prompts = PromptLibrary.of(spec.prompts)
    if not spec.recipe and not spec.flow and flow is None:
        raise ConfigError("the campaign names no recipe and no flow; give `recipe` (see docs/recipes.md) or `flow`")
    found = None if flow is None else flow_of(flow, getattr(flow, "__qualname__", type(flow).__name__))
    chosen = recipe_by_name(spec.recipe or "rows")
    options = _options(chosen.options, spec.options, chosen.name)
    if found is None:
        if spec.flow:
            found = load_flow(spec.flow)
        elif chosen.flow is not None:
            found = chosen.flow(options)
        else:
            raise ConfigError(
                f"recipe '{chosen.name}' plans tasks but has no flow of its own; write one (docs/flows.md) and give "
                'flow = "my_flow:build"'
            )
    own = planner is not None or bool(spec.planner)
    if not own:
        _require_source(spec, chosen, options)
    if planner is None:
        planner = _load_planner(spec.planner) if spec.planner else chosen.planner
    given = given or {}
    bound = frozenset(spec.roles) | frozenset(spec.models) | frozenset(given)
    require_flow(found, roles=bound, prompts=prompts)
    roles = roles_of(found)
    require_apart(spec, groups_of(chosen, found, roles), given)
    needs_graph = "graph" in chosen.needs
    if needs_graph:
        if spec.graph.extractor != "terms":
            roles |= {"extractor"}
        if spec.graph.extractor == "points":
            roles |= {points.FILTER} if spec.graph.points.filters else set()
        spec.graph.check()
        Types.check_near(spec.graph.types, spec.graph.resolution.near_types)
        if spec.graph.resolution.use_model:
            roles |= {"resolver"}
    if spec.attributes.asks:
        roles |= {attributes.ROLE}
    require_asked(_asked_beside(spec, graph=needs_graph), prompts)
    spec.steer.check()
    _require_names("attributes", (*spec.attributes.values, *spec.attributes.propose))
    if isinstance(options, RowsOptions):
        _require_names("options.attributes", options.attributes)
    _require_asked(spec.roles, roles, found)
    last_word = None if own or chosen.last_word is None else chosen.last_word(options)
    gated = spec.novelty.fields or _gated(found)
    guards, novelty = guards_of(spec), spec.novelty
    wanted = RowsWanted() if own else RowsWanted.of(chosen, options, spec.text_field)
    return Prepared(
        found, planner, options, chosen.gives, needs_graph, roles, prompts, guards, novelty, gated, last_word, wanted
    )


def _asked_beside(spec: CampaignSpec, *, graph: bool) -> Iterator[NodeInfo]:
    """What is asked outside of the flow: by the knowledge graph, where there is one, and for attributes."""
    if graph:
        if spec.graph.extractor == "points":
            yield from points.ASKS if spec.graph.points.filters else points.ASKS[:1]
        elif spec.graph.extractor != "terms":
            yield from extractor.ASKS
        yield from summarise.ASKS
        if spec.graph.resolution.use_model:
            yield from judging.ASKS
    if spec.attributes.asks:
        yield from attributes.ASKS


def _require_names(key: str, names: Collection[str]) -> None:
    """Raises `ConfigError` for an attribute that no prompt would see: the variable of that name says something else."""
    if hidden := [name for name in names if name in TAKEN or name in MARKS]:
        raise ConfigError(
            f"{key}: an attribute '{hidden[0]}' would be seen by no prompt: the variable of that name is the flow's "
            f"own (docs/prompts.md); give it another name, such as '{hidden[0]}_given'"
        )


def _gated(flow: Flow) -> tuple[str, ...]:
    return next((info.gates for info in asks_of(flow) if info.gates), ())


def require_draws(spec: CampaignSpec, options: BaseModel) -> None:
    """Raises `ConfigError` when a sampler of the recipe asks for what the graph cannot have, or for a file that is not
    there. Only where tasks are planned: workers have no such files. A seed graph is read where its types matter."""
    if isinstance(options, Options):
        for name, one in options.samplers().items():
            try:
                _check_draw(spec, one)
            except ConfigError as error:
                raise ConfigError(f"draws.{name}: {error}" if name != one.kind.name else str(error)) from error


def _check_draw(spec: CampaignSpec, one: Sampler) -> None:
    listed = tuple(kind.name for kind in spec.graph.types.entity_types)
    try:
        one.check(Foreseen(listed))
    except ConfigError:
        if not spec.graph.seed:
            raise
        one.check(Foreseen((*listed, *_seed_types(spec))))


def _seed_types(spec: CampaignSpec) -> list[str]:
    """The types of a seed's entities that the schema does not list: they stay what they are."""
    kinds = {node.type for node in read_seed(spec.graph.seed).nodes.values() if node.type}
    return sorted(kind for kind in kinds if not spec.graph.types.entity_type(kind)[1])


def roles_of(flow: Flow) -> frozenset[str]:
    """Returns the roles that a flow's nodes say they ask."""
    return frozenset(info.role for info in asks_of(flow) if info.role)


def _require_source(spec: CampaignSpec, chosen: Recipe, options: BaseModel) -> None:
    """Raises `ConfigError` for a recipe that works from documents or rows and gets none."""
    if spec.documents or spec.graph.seed or not chosen.needs & SOURCES:
        return
    if chosen.needs & ROWS:
        raise ConfigError(
            f"there is nothing to work from: recipe '{chosen.name}' needs {', '.join(sorted(chosen.needs & SOURCES))}; "
            f'add documents = ["rows.jsonl"], a file of lines such as {row_of(chosen, options, spec.text_field)}'
        )
    raise ConfigError(
        f"there is nothing to work from: recipe '{chosen.name}' needs {', '.join(sorted(chosen.needs & SOURCES))}; "
        'add documents, or a knowledge graph of your own: [graph] seed = "kg.graphml"'
    )


def _require_prices(spec: CampaignSpec) -> None:
    """Raises `ConfigError` for a budget of money that nothing would ever be booked on."""
    if spec.budget.usd is not None and not any(model.price_in or model.price_out for model in spec.models.values()):
        raise ConfigError(
            f"budget.usd is {spec.budget.usd:g}, but no model has a price, so it would never stop anything; "
            f"give a model price_in and price_out (US dollars per million tokens), or set budget.tokens"
        )


def _require_asked(given: Collection[str], asked: frozenset[str], flow: Flow) -> None:
    """Raises `ConfigError` for a role that gets a model and is asked by nobody: most likely it is misspelt."""
    if not all(any(infos_of(node)) for node in builder_of(flow).nodes.values()):
        return  # a node that tells nothing may ask any role
    for role in sorted(set(given) - asked):
        raise ConfigError(
            f"roles.{role}: no node asks the role '{role}'{_meant(role, asked)} "
            f"(roles of this campaign: {', '.join(sorted(asked)) or 'none'})"
        )


def _meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _load_planner(name: str) -> Planner:
    found = load_named(name, "planner")
    if not callable(found):
        raise ConfigError(
            f"planner '{name}' is a {type(found).__name__}; it has to be a function (see docs/own-recipe.md)"
        )
    return cast(Planner, found)


def bind(
    spec: CampaignSpec,
    given: Mapping[str, Model],
    *,
    calls: Callable[[str], CallStore],
    budget: Allowance | None,
    meter: Meter,
    make_limiter: MakeLimiter = limiter_here,
    limiters: dict[tuple[str, str], AnyLimiter] | None = None,
    tracer: Tracer | None = None,
) -> tuple[dict[str, Model], Callable[[], Any]]:
    """Builds each model's stack of layers once, and binds roles to them. `calls` gives a model's cache by its name,
    `make_limiter` the limiters that a fleet shares. `limiters` is filled with them, by server and model.

    Returns the models by role (each model's own name is a role too), and a function that closes them all.
    """
    # Shared: roles on one server learn together what it can take, and whether it is there.
    limiters = {} if limiters is None else limiters
    routers: dict[tuple[str, ...], Router] = {}

    def stack(source: ModelSpec, name: str = "default") -> Model:
        return build(
            source,
            calls=calls(name),
            budget=budget,
            meter=meter,
            limiters=limiters,
            routers=routers,
            make_limiter=make_limiter,
            tracer=tracer,
        )

    stacks = {name: stack(source, name) for name, source in spec.models.items()}
    stacks |= {
        name: wrap(model, calls=calls(name), budget=budget, meter=meter, tracer=tracer) for name, model in given.items()
    }
    by_role = {**stacks, **{role: stacks[name] for role, name in spec.roles.items() if name in stacks}}
    for role, name in spec.roles.items():
        if name not in stacks:
            raise ConfigError(f"roles.{role}: no model is called '{name}'; there are {', '.join(sorted(stacks))}")

    serving = Serving(by_role, spec, stack)

    async def close() -> None:
        await serving.aclose()
        for one in stacks.values():
            await one.aclose()

    return serving, close


async def check_models(spec: CampaignSpec, prepared: Prepared) -> None:
    """Asks every server that the campaign will use whether it is there, takes the key, and has the model.

    Raises:
        ConfigError: the first that does not, with its address and the mend.
    """
    used = {spec.roles.get(role, role if role in spec.models else "default") for role in prepared.roles}
    if not prepared.roles:  # a flow whose nodes tell nothing may ask any of them
        used = set(spec.models)
    for name in sorted(used & set(spec.models)):
        await check(spec.models[name])
    if (spec.novelty.semantic or spec.contamination.semantic) and spec.novelty.embedder in spec.models:
        await check(spec.models[spec.novelty.embedder], embeds=True)


def versions_of(spec: CampaignSpec, prepared: Prepared, besides: Collection[str] = ()) -> dict[str, str]:
    """Returns name → version of the prompts that a campaign asks as far as its roles tell, and of those `besides`."""
    told = [*asks_of(prepared.flow), *_asked_beside(spec, graph=prepared.needs_graph)]
    names = {SHOWING, *(info.prompt for info in told if info.prompt)}
    found = {name: prepared.prompts.get(name).version for name in sorted(names)}
    for name in besides:
        with suppress(PromptError):  # one that nothing asks any more may be gone
            found.setdefault(name, prepared.prompts.get(name).version)
    return found


def asks_of(flow: Flow) -> Iterator[NodeInfo]:
    """Yields what a flow's nodes and their parts tell."""
    return (info for node in builder_of(flow).nodes.values() for info in infos_of(node))


def context_of(prepared: Prepared, models: Mapping[str, Model]) -> FlowContext:
    """Makes the context that flows and extractors run in."""
    return FlowContext(
        models=models, prompts=prepared.prompts, guards=seeing(prepared.guards, prepared.novelty, models)
    )


def _options(model: type[BaseModel], values: Mapping[str, Any], name: str) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        known = ", ".join(model.model_fields) or "none"
        lines = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                lines.append(f"  options.{key}: no such option{_meant(key, model.model_fields)}")
            else:
                lines.append(f"  options.{key}: {plain_message(problem)}")
        raise ConfigError(f"recipe '{name}' has options {known}:\n" + "\n".join(lines)) from None
