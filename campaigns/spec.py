"""What a campaign is, as data: the same keys in a TOML file and in Python, validated before anything is spent."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..agents.extraction.point_settings import POINT, PointSettings
from ..agents.extraction.point_settings import SCHEMA as POINTS
from ..agents.extraction.schema import DEFAULT, EntityType, EntityTypes, GraphSchema, RelationType, RelationTypes
from ..errors import ConfigError
from ..evals.contamination.scan import ScanSettings
from ..evals.contamination.settings import ContaminationSettings
from ..graphs.recipes.catalogue import settings_of
from ..graphs.resolution.settings import ResolutionSettings
from ..models.redact import redact
from ..models.spec import ModelSpec
from .gating.novelty import NoveltySpec
from .shards import Shard
from .steering.spec import AttributesSpec, SteerSpec
from .training.spec import TrainSpec

LONGEST_NAME = 100


class Part(BaseModel):
    """Base of all parts of a campaign: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChunkSpec(Part):
    """How documents are cut: at most `max_tokens` tokens a chunk, `overlap` of them shared with the one before."""

    max_tokens: int = Field(default=512, ge=16, le=100_000)
    overlap: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if self.overlap >= self.max_tokens:
            raise ValueError(f"overlap {self.overlap} must be smaller than max_tokens {self.max_tokens}")
        return self


class GraphSpec(Part):
    """How the knowledge graph is extracted: types as tables of `name = "description"`, the built-in ones when empty.

    seed:           a knowledge graph of the user's own, which becomes a part of this one.
    entity_fallback, relation_fallback: what a type that is not listed becomes, the last one when empty.
    outside_pairs:  what becomes of a relation whose ends are none of its type's pairs.
    claims:         whether statements about single entities are asked for.
    extractor:      `model`; `terms`, rules that ask none; `mixed`: a model reads `model_share` of what `share_of`
                    names, the rules the rest; or `points`: each row is a problem, and what solving it takes is read.
    rescue:         whether the rules read a chunk that a model failed on.
    min_chunks:     a term that only the rules found stays when this many chunks have it.
    max_gleanings:  how often at most a chunk is asked for what was missed; none follows one that brought less than
                    `min_yield` of the first answer.
    call_tokens:    how many tokens of chunks that follow each other in a document a model reads in one call; a larger
                    chunk is read alone, as each is with 0.
    context_tokens: how much of the chunk before is shown, for what pronouns and short names mean.
    summary_tokens: entities whose descriptions are longer together are summarised.
    points:         how knowledge points are read.
    resolution:     how names are put together.
    """

    seed: str = ""
    entity_types: EntityTypes = ()
    relation_types: RelationTypes = ()
    entity_fallback: str = ""
    relation_fallback: str = ""
    outside_pairs: Literal["retype", "drop"] = "retype"
    claims: bool = True
    extractor: Literal["model", "terms", "mixed", "points"] = "model"
    model_share: float = Field(default=0.2, gt=0, le=1)
    share_of: Literal["documents", "chunks"] = "documents"
    rescue: bool = False
    min_chunks: int = Field(default=2, ge=1)
    max_gleanings: int = Field(default=1, ge=0, le=10)
    min_yield: float = Field(default=0.2, ge=0, le=1)
    call_tokens: int = Field(default=1024, ge=0, le=32_000)
    context_tokens: int = Field(default=0, ge=0, le=4000)
    summary_tokens: int = Field(default=300, ge=50, le=3000)
    points: PointSettings = PointSettings()
    resolution: ResolutionSettings = ResolutionSettings()

    def check(self) -> None:
        """Raises `ConfigError` for types that cannot be, and for keys that say nothing beside the others."""
        self.types.check()
        share = GraphSpec.model_fields["model_share"].default
        if self.extractor != "mixed" and (self.model_share != share or self.share_of != "documents"):
            raise ConfigError(
                f"graph.model_share {self.model_share} of {self.share_of} is what a model reads of a mixed graph, and "
                f'graph.extractor is "{self.extractor}"; set extractor = "mixed", or leave model_share and share_of out'
            )
        if self.extractor in ("terms", "points") and self.rescue:
            why = "no model reads" if self.extractor == "terms" else "a problem names none of the points that it takes"
            raise ConfigError(
                f"graph.rescue lets the rules read what a model failed on, and with graph.extractor = "
                f'"{self.extractor}" {why}; leave rescue out, or set extractor = "mixed" or "model"'
            )
        if self.extractor == "points" and (self.entity_types or self.relation_types):
            raise ConfigError(
                f'graph.extractor = "points" reads what solving a problem takes, all of the type "{POINT}"; '
                f"leave entity_types and relation_types out"
            )
        if self.extractor != "points" and self.points != PointSettings():
            raise ConfigError(
                f'graph.points says how knowledge points are read, and graph.extractor is "{self.extractor}"; '
                f'set extractor = "points", or leave points out'
            )

    @property
    def types(self) -> GraphSchema:
        """The schema to extract by."""
        if self.extractor == "points":
            return POINTS
        return GraphSchema(
            entity_types=self.entity_types or DEFAULT.entity_types,
            relation_types=self.relation_types or DEFAULT.relation_types,
            entity_fallback=self.entity_fallback,
            relation_fallback=self.relation_fallback,
            outside_pairs=self.outside_pairs,
        )


class BudgetSpec(Part):
    """Limits of what the whole run may spend, resumes included. None is no limit."""

    tokens: int | None = Field(default=None, gt=0)
    usd: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)


class StopSpec(Part):
    """When a campaign gives up. Each rule looks at the last `window` finished tasks, and not before `after` of them.

    rejection_ratio:   stop when more than this share was not accepted: the flow or the model does not fit the task.
    saturation_ratio:  stop when more than this share was rejected as a duplicate: nothing new is left to draw.
    """

    rejection_ratio: float = Field(default=0.98, gt=0, le=1)
    saturation_ratio: float = Field(default=0.8, gt=0, le=1)
    after: int = Field(default=100, ge=10)
    window: int = Field(default=200, ge=10)


class ExportSpec(Part):
    """What is written when the campaign ends. `validation` is the share of items held out, split by document; a file
    that grows beyond `part_mb` megabytes goes on in another.
    """

    formats: tuple[str, ...] = ("jsonl", "chat")
    validation: float = Field(default=0.0, ge=0, lt=1)
    license: str = ""
    part_mb: int = Field(default=500, ge=1, le=100_000)


class PrecedentSpec(Part):
    """How many decisions of people, marked as precedents, a critic is shown before an item: `most` of them, in
    `max_tokens` tokens. 0 shows none.
    """

    most: int = Field(default=8, ge=0, le=100)
    max_tokens: int = Field(default=2000, ge=0, le=100_000)


class CampaignSpec(Part):
    """A whole campaign as data.

    name:       the run's name; the run's folder is `runs/name`.
    documents:  files, folders and globs, relative to the campaign file; with `graph.seed`, or for a recipe
                that starts from nothing, they may be left out.
    recipe:     a recipe by name, or `module:attribute` of the user's own; with `flow` given it may be left out, then
                one task is planned for each chunk.
    flow:       `module:attribute` of the user's own StateGraph, run in place of the recipe's flow.
    planner:    `module:attribute` of the user's own planner, in place of the recipe's.
    options:    the recipe's own options.
    models:     models by name. One called `default` stands in for every role that `roles` does not name.
    roles:      role → model name.
    prompts:    folders whose templates win over the built-in ones of the same name.
    target:     stop at this many accepted items; None means until tasks or budget are spent.
    max_tasks:  plan at most this many tasks.
    concurrency: tasks in flight at most.
    runtime:    what runs the flow: `auto` (plain graphs directly, others on LangGraph) or `langgraph` always.
    home:       the folder in which modules are looked up that are named here, before the working folder; that of the
                file where a campaign is read from one.
    shard:      `3/64` takes a 64th of the documents and of the limits; `make_spec` adds it to the name.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    documents: tuple[str, ...] = ()
    recipe: str = ""
    flow: str = ""
    planner: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, ModelSpec] = Field(default_factory=dict)
    roles: dict[str, str] = Field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    target: int | None = Field(default=None, gt=0)
    max_tasks: int | None = Field(default=None, gt=0)
    seed: int = 0
    concurrency: int = Field(default=32, ge=1, le=10_000)
    runtime: Literal["auto", "langgraph"] = "auto"
    runs: str = "runs"
    home: str = ""
    text_field: str = "text"
    shard: str = ""
    chunks: ChunkSpec = ChunkSpec()
    graph: GraphSpec = GraphSpec()
    budget: BudgetSpec = BudgetSpec()
    stop: StopSpec = StopSpec()
    export: ExportSpec = ExportSpec()
    precedents: PrecedentSpec = PrecedentSpec()
    steer: SteerSpec = SteerSpec()
    contamination: ContaminationSettings = ContaminationSettings()
    pii: ScanSettings = ScanSettings()
    attributes: AttributesSpec = AttributesSpec()
    novelty: NoveltySpec = NoveltySpec()
    train: TrainSpec = TrainSpec()

    @field_validator("documents", "prompts", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            raise ValueError(f"must be a list, write [{str(value)!r}]")
        return value

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for role, model in self.roles.items():
            if self.models and model not in self.models:
                raise ValueError(
                    f"roles.{role} names model '{model}', but models has {_listed(self.models)}; "
                    f"name one of them, or add [models.{model}]"
                )
        return self

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.runs) / self.name

    @property
    def identity(self) -> dict[str, Any]:
        """What must stay the same when a run is resumed: the rest (target, budget, models, ...) may change.

        The least scores of the critics may change too: a new round begins then.
        """
        data = self.model_dump(mode="json", include={"recipe", "flow", "planner", "options", "seed", "chunks"})
        data["options"].pop("minimum", None)
        # Another path of the same file is no other campaign.
        data["options"] = with_files(data["options"], lambda name: Path(name).name)
        if self.attributes != AttributesSpec():
            data["attributes"] = self.attributes.model_dump(mode="json")
        return {**data, "graph": self._graph_identity, "text_field": self.text_field}

    @property
    def _graph_identity(self) -> dict[str, Any]:
        """Settings of what a graph does not use are no part of it: runs of before they were there go on."""
        data = self.graph.model_dump(mode="json", exclude={"seed"})
        if self.graph.extractor != "points":
            del data["points"]
        if not self.graph.resolution.alike:
            del data["resolution"]["alike"], data["resolution"]["embedder"]
        return data


def make_spec(values: dict[str, Any], *, where: str = "campaign") -> CampaignSpec:
    """Validates `values`, with what the recipe sets where they say nothing.

    Raises:
        ConfigError: one line for each key that is wrong, and its mend.
    """
    try:
        spec = CampaignSpec.model_validate(_over(settings_of(str(values.get("recipe"))), values))
    except ValidationError as error:
        lines = [f"  {_line(problem)}" for problem in error.errors()]
        raise ConfigError(f"{where} cannot run:\n" + "\n".join(lines)) from None
    return _divided(spec, Shard.parse(spec.shard)) if spec.shard else spec


def _over(settings: Mapping[str, Any], values: Any) -> Any:
    """Returns `values` with those of `settings` that they say nothing of, tables key by key."""
    if not settings or not isinstance(values, Mapping):
        return values
    return {
        **values,
        **{
            key: _over(one, values[key]) if key in values and isinstance(one, Mapping) else values.get(key, one)
            for key, one in settings.items()
        },
    }


def _divided(spec: CampaignSpec, shard: Shard) -> CampaignSpec:
    """Returns the campaign of one shard: a name of its own, and its part of what the whole campaign may do and spend.

    Raises:
        ConfigError: the name becomes too long, or a limit is too small to be divided.
    """
    name = shard.name(spec.name)
    if len(name) > LONGEST_NAME:
        raise ConfigError(f"name: '{name}' has more than {LONGEST_NAME} characters with the shard in it; shorten it")
    for key, whole in (("target", spec.target), ("max_tasks", spec.max_tasks), ("budget.tokens", spec.budget.tokens)):
        if whole is not None and not shard.part(whole):
            raise ConfigError(f"{key} {whole} leaves nothing for shard {shard}; take fewer shards, or raise it")
    budget = spec.budget.model_copy(
        update={
            "tokens": spec.budget.tokens and shard.part(spec.budget.tokens),
            "usd": spec.budget.usd and spec.budget.usd / shard.count,
        }
    )
    return spec.model_copy(
        update={
            "name": name,
            "target": spec.target and shard.part(spec.target),
            "max_tasks": spec.max_tasks and shard.part(spec.max_tasks),
            "budget": budget,
        }
    )


def with_files(options: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Returns a recipe's options with what `change` makes of each file that they name: `taxonomy`, and the `scores` of
    draws, at any depth."""
    changed = dict(options)
    if isinstance(taxonomy := options.get("taxonomy"), str | os.PathLike):
        changed["taxonomy"] = change(os.fspath(taxonomy))
    if isinstance(draws := options.get("draws"), Mapping):
        changed["draws"] = {name: _with_scores(table, change) for name, table in draws.items()}
    return changed


def _with_scores(table: Any, change: Callable[[str], str]) -> Any:
    if not isinstance(table, Mapping):
        return table
    changed = {key: _with_scores(value, change) for key, value in table.items()}
    if isinstance(scores := table.get("scores"), str | os.PathLike):
        changed["scores"] = change(os.fspath(scores))
    return changed


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "none"


def _line(problem: Any) -> str:
    """Turns one of pydantic's problems into `key: what is wrong; mend`."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location) or "campaign"
    if problem["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        near = difflib.get_close_matches(location[-1], known, 1)
        mend = f"did you mean '{near[0]}'?" if near else f"known keys here are {', '.join(sorted(known))}"
        return f"{key}: no such key; {mend}"
    if problem["type"] == "missing":
        return f"{key}: is missing; add it"
    return f"{key}: {plain_message(problem)}"


def plain_message(problem: Any) -> str:
    """Words one of pydantic's problems as what the value must be, and what it is."""
    if problem["type"] == "value_error":  # our own validators name the value themselves, or leave it out on purpose
        return redact(str(problem["msg"]).removeprefix("Value error, "))
    given = problem.get("input")
    shown = "" if isinstance(given, dict | BaseModel) or given is None else f", not {given!r:.80}"
    return redact(str(problem["msg"]).replace("Input should be", "must be") + shown)


NAMED: dict[str, type[BaseModel]] = {
    "models": ModelSpec,
    "entity_types": EntityType,
    "relation_types": RelationType,
}
"""What stands in the tables whose keys are the user's own names."""


def _keys_at(location: list[str]) -> list[str]:
    model: type[BaseModel] = CampaignSpec
    for part in location:
        field = model.model_fields.get(part)
        if part in NAMED:
            model = NAMED[part]
        elif field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return list(model.model_fields)
