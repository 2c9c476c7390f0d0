"""`entigraph`: new texts that relate entities of the documents to each other, for continued pretraining.

After EntiGraph, "Synthetic continued pretraining" (Yang et al. 2024, arXiv:2409.07431).
Faithful: entities are extracted first, then a model writes about pairs and triples of them, from the source text, with
questions on the group at the end of each text; every linked pair before any is written about again; coverage of pairs
is the measure of progress; the text names its subject, so that it stands by itself.
Not faithful: pairs and triples are those that a relation links (or a shared chunk, by option), over all documents, not
all combinations within one document; `distant` pairs, written about with a neighbour that both have, join documents;
the model reads the chunks that mention the group, not the whole document; texts have several forms. Added: a novelty
gate, a critic and a refiner (the paper filters nothing). Replay data and the training are left to the trainer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.grounding import grounding
from ...agents.messages import pretraining
from ...agents.novelty import novelty
from ...agents.refiner import refiner
from ...agents.verifiers import length
from ...storage.records import Decision, Task
from ..flows.reference import Flow, reference_flow
from ..knowledge.draws import Draw
from ..knowledge.graph import KnowledgeGraph, Link
from ..knowledge.samplers import draw_distant_pairs, draw_entities, draw_pairs, draw_triples
from .base import Options, PlanView, Recipe, lazily
from .groups import WeightName, graph_of, group_rng, patiently, task_of, weight_of
from .shares import Shares, by_shares, shares_of

NAME = "entigraph"
DRAWS = ("entity", "pair", "distant", "triple")
FORMS = ("article", "explanation", "comparison", "dialogue", "lesson", "report")
WRITE = ("passages", "entities", "relations", "form")
JUDGE = ("passages", "entities", "title", "text", "questions", "evidence", "form")
REVISE = (*WRITE, "title", "text", "questions", "evidence", "reasons", "comment")


class EntiGraphOptions(Options):
    """Options of `entigraph`.

    shares:     how the accepted items divide among `entity`, `pair` (linked), `distant` (two that only a
                third joins, and the third) and `triple`; 0 or absent leaves a draw out.
    forms:      forms of text, in plain words; each group starts with another and gets `passes` of them.
    passes:     how many texts a group gets.
    weight:     which entities come first: those that few items touch, those with many relations, or none.
    link:       what joins entities: a stated `relation`, a shared chunk (`cooccurrence`), or `any` of them. The wider
                links give more groups, and more of which the source says nothing.
    max_chunks: a group whose mentions need more chunks than this is left out: the prompt would not hold them.
    min_words:  shorter texts are sent back.
    max_rounds: how often a draft may be refined.
    minimum:    least score by name (`grounded`, `relates`, `fluent`) for the critic's acceptance.
    """

    shares: dict[str, float] = Field(default_factory=lambda: {"pair": 2.0, "distant": 1.0, "triple": 1.0})
    forms: tuple[str, ...] = Field(default=FORMS, min_length=1)
    passes: int = Field(default=1, ge=1)
    weight: WeightName = "coverage"
    link: Link = "relation"
    max_chunks: int = Field(default=4, ge=1)
    min_words: int = Field(default=40, ge=1)
    max_rounds: int = Field(default=1, ge=0, le=30)
    minimum: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _draws_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("draw", shares_of(DRAWS, self.shares), {})
        return self


@lazily
def plan_entigraph(view: PlanView, rng: random.Random, options: EntiGraphOptions) -> Iterator[Task]:
    """Draws groups by their shares until all are exhausted; a next pass gives each group its next form."""
    graph = graph_of(view, NAME)
    shares = Shares("draw", {name: options.shares.get(name, 0.0) for name in DRAWS}, view.coverage)
    for turn in range(options.passes):
        sources = _sources(graph, view, rng, options)
        for kind, draw in by_shares(sources, shares):
            members = draw.entities if kind != "distant" else _with_middle(graph, draw.entities, options.link)
            first = group_rng("form", kind, sorted(members)).randrange(len(options.forms))
            form = options.forms[(first + turn) % len(options.forms)]
            task = task_of(
                graph,
                kind,
                members,
                ordered=kind == "distant",
                max_chunks=options.max_chunks,
                attributes={"form": form},
                seed=turn,
            )
            if task is not None:
                yield task


def _with_middle(graph: KnowledgeGraph, ends: tuple[str, ...], link: Link) -> tuple[str, ...]:
    """Puts a neighbour that both ends have between them: without it nothing in the source relates them."""
    first, last = sorted(ends)
    shared = sorted(set(graph.neighbours(first, link=link)) & set(graph.neighbours(last, link=link)))
    return (first, group_rng("middle", first, last).choice(shared), last)


def _sources(
    graph: KnowledgeGraph, view: PlanView, rng: random.Random, options: EntiGraphOptions
) -> dict[str, Iterator[Draw]]:
    """Opens one sampler a kind of draw, each with a random source of its own, so that none disturbs the others."""
    weight = weight_of(options.weight, view)
    seeds = {name: random.Random(rng.getrandbits(64)) for name in DRAWS}  # noqa: S311  # reproducible draws
    draws = {
        "entity": draw_entities(graph, seeds["entity"], weight=weight),
        "pair": draw_pairs(graph, seeds["pair"], weight=weight, link=options.link),
        "distant": draw_distant_pairs(graph, seeds["distant"], weight=weight, link=options.link),
        "triple": draw_triples(graph, seeds["triple"], weight=weight, link=options.link),
    }
    return {name: patiently(found, graph, max_chunks=options.max_chunks) for name, found in draws.items()}


def entigraph_flow(options: EntiGraphOptions) -> Flow:
    """Builds the flow: writer, checks of length, evidence and novelty, critic, and a writer that revises."""
    return reference_flow(
        proposer=None,
        generator=generator(prompt="write-entity-passage", variables=WRITE, messages=pretraining),
        verifiers=(
            length("text", minimum=options.min_words, on_fail=Decision.REVISE),
            grounding(quoted_in=(), on_fail=Decision.REVISE),
            novelty(fields=("text",)),
        ),
        critic=critic(prompt="judge-entity-passage", variables=JUDGE, minimum=options.minimum),
        refiner=refiner(suggest=None, edit="revise-entity-passage", variables=REVISE, messages=pretraining),
        max_rounds=options.max_rounds,
    )


ENTIGRAPH = Recipe(
    name=NAME,
    summary="Texts that relate pairs and triples of entities, with questions on them, for continued pretraining.",
    paper="EntiGraph, arXiv:2409.07431",
    gives="pretraining",
    needs=frozenset({"documents", "graph"}),
    roles=("generator", "critic", "refiner"),
    options=EntiGraphOptions,
    planner=plan_entigraph,
    flow=entigraph_flow,
)
