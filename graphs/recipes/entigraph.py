"""`entigraph`: new texts that relate entities of the documents to each other, for continued pretraining.

One task is a group of entities of the knowledge graph and a form of text. A writer relates the entities in a new text,
with one to three questions at its end; the text, its quotes and its length are checked, and a critic looks whether it
is supported and relates all of them.

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
from typing import Any, Self

from pydantic import Field, model_validator

from ...agents.context.packing import CONTEXT_TOKENS, Packing
from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import pretraining
from ...agents.refiner import refiner
from ...agents.verifiers.form import length
from ...agents.verifiers.grounding import grounding
from ...agents.verifiers.novelty import novelty
from ...storage.records import Decision, Task
from ..flows.reference import Flow, reference_flow
from ..knowledge.graph import Link
from ..planners.base import Options, PlanView, lazily
from ..planners.groups import (
    WeightName,
    graph_of,
    group_rng,
    opened,
    require_some,
    samplers_of,
    task_of,
    weight_of,
    within,
)
from ..planners.room import Room
from ..planners.shares import Shares, by_shares
from ..sampling.sampler import Sampler
from .base import Recipe

NAME = "entigraph"
DRAWS = {name: {"sampler": name} for name in ("entity", "pair", "distant", "triple")}
FORMS = ("article", "explanation", "comparison", "dialogue", "lesson", "report")
WRITE = ("passages", "entities", "relations", "form")
JUDGE = ("passages", "entities", "title", "text", "questions", "evidence", "form")
REVISE = (*WRITE, "title", "text", "questions", "evidence", "reasons", "comment")


class EntiGraphOptions(Options):
    """Options of `entigraph`.

    shares:     how the accepted items divide among `entity`, `pair` (linked), `distant` (two that only a
                third joins, and the third), `triple`, any other sampler by its name, and what `draws` defines; 0 or
                absent leaves a draw out.
    draws:      samplers with options, under names of your own: `{"bridge": {"sampler": "path", "hops": 3}}`.
    forms:      forms of text, in plain words; each group starts with another and gets `passes` of them.
    passes:     how many texts a group gets.
    weight:     which entities come first: those that few items touch, those with many relations, or none.
    link:       what joins entities: a stated `relation`, a shared chunk (`cooccurrence`), or `any` of them. The wider
                links give more groups, and more of which the source says nothing.
    max_chunks: a group whose mentions need more chunks than this is left out, but where the sentences that show it fit
                into `context_tokens`.
    context_tokens: how many tokens of source text, and of lines on entities and relations, a prompt may hold; of more,
                whole chunks give way to the sentences that hold the evidence.
    min_words:  shorter texts are sent back.
    max_rounds: how often a draft may be refined.
    minimum:    least score by name (`grounded`, `relates`, `fluent`) for the critic's acceptance.
    """

    shares: dict[str, float] = Field(default_factory=lambda: {"pair": 2.0, "distant": 1.0, "triple": 1.0})
    draws: dict[str, dict[str, Any]] = Field(default_factory=dict)
    forms: tuple[str, ...] = Field(default=FORMS, min_length=1)
    passes: int = Field(default=1, ge=1)
    weight: WeightName = "coverage"
    link: Link = "relation"
    max_chunks: int = Field(default=4, ge=1)
    context_tokens: int = Field(default=CONTEXT_TOKENS, ge=100)
    min_words: int = Field(default=40, ge=1)
    max_rounds: int = Field(default=1, ge=0, le=30)
    minimum: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _draws_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("draw", self.shares, {})
        self.samplers()
        return self

    def samplers(self) -> dict[str, Sampler]:
        """Returns the sampler of each draw that has a share."""
        return samplers_of(self.shares, self.draws, DRAWS, self.link)


@lazily
def plan_entigraph(view: PlanView, rng: random.Random, options: EntiGraphOptions) -> Iterator[Task]:
    """Draws groups by their shares until all are exhausted; a next pass gives each group its next form."""
    graph = graph_of(view, NAME)
    chosen = options.samplers()
    shares = Shares("draw", options.shares, view.coverage)
    weight = weight_of(options.weight, view)
    room = Room(view, graph, options.context_tokens)
    for turn in range(options.passes):
        sources = opened(view, graph, rng, chosen, weight=weight, refuse=within(options.max_chunks, room))
        for kind, draw in by_shares(sources, shares):
            first = group_rng("form", kind, sorted(draw.bridged)).randrange(len(options.forms))
            form = options.forms[(first + turn) % len(options.forms)]
            task = task_of(draw, max_chunks=options.max_chunks, room=room, attributes={"form": form}, seed=turn)
            if task is not None:
                yield task
        require_some(NAME, sources)


def entigraph_flow(options: EntiGraphOptions) -> Flow:
    """Builds the flow: writer, checks of length, evidence and novelty, critic, and a writer that revises."""
    packing = Packing(options.context_tokens)
    writing, judging = packing.given("passages", "entities", "relations"), packing.given("passages", "entities")
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="write-entity-passage", variables=WRITE, messages=pretraining, given=writing, fields=("evidence",)
        ),
        verifiers=(
            length("text", minimum=options.min_words, on_fail=Decision.REVISE),
            grounding(quoted_in=(), shown=packing, on_fail=Decision.REVISE),
            novelty(fields=("text",), attempts=None),
        ),
        critic=critic(prompt="judge-entity-passage", variables=JUDGE, given=judging, minimum=options.minimum),
        refiner=refiner(
            suggest=None,
            edit="revise-entity-passage",
            variables=REVISE,
            messages=pretraining,
            given=writing,
            fields=("evidence",),
        ),
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
