"""`maga`: each document written anew for several pairs of a genre and an audience, for pretraining.

One task is a chunk and the number of a pair. A proposer names `pairs` genres and audiences for the chunk, once for all
its tasks; a writer writes the chunk anew for its pair. A copy is dropped by a program, a text that lost the content by
a judge. A proposer that gives fewer pairs ends the tasks of the others as `unsuitable`, at no price.

After MAGA, "MAssive Genre-Audience Reformulation to Pretraining Corpus Expansion" (Hao et al. 2025, arXiv:2502.04235).
Faithful: two steps a document: a small model proposes five pairs of a genre and an audience that suit it, then the
document is written anew for each; a judge scores whether a text is consistent with its document within limits: one that
lost the content is dropped, and so is one that hardly differs.
Not faithful: a chunk stands for the document; that a text hardly differs is measured by a program (shares of copied
words) and not by the judge. Added: a novelty gate. Mixing with the originals, and the paper's repetition budgets, are
left to the trainer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from pydantic import Field

from ...agents.brainstormer import PLACE, brainstormer
from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import pretraining
from ...agents.state import FlowState
from ...agents.verifiers.novelty import novelty
from ...agents.verifiers.rewriting import rewriting
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe


class MagaOptions(Options):
    """Options of `maga`.

    pairs:       pairs of genre and audience a chunk is written for, 20 at most; they are proposed in one call.
    most_copied: largest share of a text's words in runs that its source has.
    longest:     most words of a text for each word of its source.
    minimum:     least score by name (`consistent`, `style`, `fluent`) for the judge's acceptance.
    """

    pairs: int = Field(default=5, ge=1, le=20)
    most_copied: float = Field(default=0.5, ge=0, le=1)
    longest: float = Field(default=6.0, gt=0.2)
    minimum: dict[str, float] = Field(default_factory=lambda: {"consistent": 0.5})


@lazily
def plan_maga(view: PlanView, rng: random.Random, options: MagaOptions) -> Iterator[Task]:
    """Draws the first pair of every chunk, in an order by chance, then the second of every chunk, and so on."""
    order = list(range(len(view.chunks)))
    rng.shuffle(order)
    for pair in range(options.pairs):
        for place in order:
            yield Task.of("pair", chunks=(view.chunks[place].id,), attributes={PLACE: pair})


def maga_flow(options: MagaOptions) -> Flow:
    """Builds the flow: proposer of pairs, writer, checks of copies and novelty, judge of limited consistency."""

    genre, audience = _proposed("genre"), _proposed("audience")

    def wanted(state: FlowState) -> str:
        return f"{genre(state)} Written for: {audience(state)}"

    return reference_flow(
        proposer=brainstormer(
            prompt="propose-audiences",
            variables=("passage",),
            given={"count": lambda _: options.pairs},
            listed="pairs",
            fields=("genre", "audience"),
            most=options.pairs,
        ),
        generator=generator(
            prompt="rewrite-for-audience",
            variables=("passage", "genre", "audience"),
            messages=pretraining,
            adds={"genre": genre, "audience": audience},
        ),
        verifiers=(
            rewriting("text", longest=options.longest, most_copied=options.most_copied, least_figures=0.0),
            novelty(fields=("text",), attempts=None),
        ),
        critic=critic(
            prompt="judge-rewriting",
            variables=("passage", "text"),
            given={"style_description": wanted},
            minimum=options.minimum,
        ),
    )


def _proposed(name: str) -> Callable[[FlowState], str]:
    return lambda state: str(state.get("proposal", {}).get(name, ""))


MAGA = Recipe(
    name="maga",
    summary="Each document written anew for pairs of a genre and an audience that a model proposes, for pretraining.",
    paper="MAGA, arXiv:2502.04235",
    gives="pretraining",
    needs=frozenset({"documents"}),
    roles=("proposer", "generator", "critic"),
    options=MagaOptions,
    planner=plan_maga,
    flow=maga_flow,
)
