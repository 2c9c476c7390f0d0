"""`synth-ie`: texts written from triples of the graph, for training the reverse: triples from text.

One task is a group of entities with the relations among them. A writer sees the triples alone and states them in a
text; a reader sees the text alone and lists what it states. What is missing or added drops the text (`misses_fact`,
`adds_fact`). The item asks for the triples of the text. A graph of your own (`[graph] seed`) needs no documents.

After SynthIE, "Exploiting Asymmetry for Synthetic Training Data Generation" (Josifoski et al. 2023, arXiv:2303.04132).
Faithful: the output comes first: coherent sets of triples are drawn from a graph of the allowed entities and relations,
rare types of relation and entities that few items have early, so that all are covered; a model does the easy
direction, a fluent text that states all of them and no more; the item is the hard one, text in and exactly these
triples out. The labels are the graph's, never a model's.
Not faithful: the graph is the campaign's, built from documents or the user's own by `[graph] seed`, in place of
Wikidata; examples in the prompt are left out. Added: a reader who does not see the triples reads them back out of the
text, and a text with one missing or one too many is dropped (the paper checked a sample by hand); a novelty gate.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, model_validator

from ...agents.generator import generator
from ...agents.messages import extraction
from ...agents.reverse import reverse_check, stated_triples
from ...agents.state import FlowState
from ...agents.verifiers.form import length
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.groups import WeightName, graph_of, opened, require_some, samplers_of, task_of, weight_of, within
from ..planners.shares import Shares, by_shares
from ..sampling.sampler import Sampler
from ..sampling.weights import by_rare_relation, product
from .base import Recipe

NAME = "synth-ie"
DRAWS: dict[str, dict[str, Any]] = {
    "pair": {"sampler": "pair"},
    "triple": {"sampler": "triple"},
    "around": {"sampler": "ego", "max_nodes": 5},
}
LEAST_AROUND = 4  # smaller surroundings are what `pair` and `triple` draw


class SynthIEOptions(Options):
    """Options of `synth-ie`.

    shares:          how the accepted items divide among `pair`, `triple` and `around` (an entity with up to four that
                     are related to it), any other sampler by its name, and what `draws` defines.
    draws:           samplers with options, under names of your own.
    weight:          what comes first: entities that few items touch and types of relation that few were drawn of, or
                     entities with many relations, or none.
    max_chunks:      groups whose mentions need more chunks are left out.
    least_recall:    least share of a set's triples that the reader finds in the text.
    least_precision: least share of what the reader finds that is of the set.
    """

    shares: dict[str, float] = Field(default_factory=lambda: {"pair": 1.0, "triple": 2.0, "around": 1.0})
    draws: dict[str, dict[str, Any]] = Field(default_factory=dict)
    weight: WeightName = "coverage"
    max_chunks: int = Field(default=12, ge=1)
    least_recall: float = Field(default=1.0, ge=0, le=1)
    least_precision: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _draws_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("draw", self.shares, {})
        self.samplers()
        return self

    def samplers(self) -> dict[str, Sampler]:
        """Returns the sampler of each draw that has a share; what joins is always a stated relation."""
        return samplers_of(self.shares, self.draws, DRAWS, "relation")


@lazily
def plan_synth_ie(view: PlanView, rng: random.Random, options: SynthIEOptions) -> Iterator[Task]:
    """Draws groups of related entities by their shares until all are exhausted; a group without a relation is none."""
    graph = graph_of(view, NAME)
    shares = Shares("draw", options.shares, view.coverage)
    stated: Counter[str] = Counter()  # type of relation → tasks
    weight = weight_of(options.weight, view)
    if options.weight == "coverage":
        weight = product(weight, by_rare_relation(graph, stated))
    sources = opened(view, graph, rng, options.samplers(), weight=weight, refuse=within(options.max_chunks))
    for name, draw in by_shares(sources, shares):
        if name == "around" and len(draw.entities) < LEAST_AROUND:
            continue
        task = task_of(draw, max_chunks=options.max_chunks)
        if task is not None and task.relations:
            codes = {graph.relation_type_codes[number] for number in draw.relation_numbers}
            stated.update(graph.relation_types[code] for code in codes)
            yield task
    require_some(NAME, sources)


def synth_ie_flow(options: SynthIEOptions) -> Flow:
    """Builds the flow: a writer who sees triples alone, checks of length and novelty, the reverse check."""

    def facts(state: FlowState) -> list[str]:
        return [" - ".join(one.values()) for one in stated_triples(state)]

    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="state-triples",
            variables=(),
            given={"facts": facts, "style": lambda state: str(state["task"].attributes.get("style", ""))},
            messages=extraction,
            adds={"triples": stated_triples},
        ),
        verifiers=(length("text", minimum=3), novelty(fields=("text",), attempts=None)),
        critic=reverse_check(least_recall=options.least_recall, least_precision=options.least_precision),
    )


SYNTH_IE = Recipe(
    name=NAME,
    summary="Texts written from triples of the graph and read back by a checker, to train extraction of triples.",
    paper="SynthIE, arXiv:2303.04132",
    gives="extraction",
    needs=frozenset({"documents", "graph"}),
    roles=("generator", "critic"),
    options=SynthIEOptions,
    planner=plan_synth_ie,
    flow=synth_ie_flow,
)
