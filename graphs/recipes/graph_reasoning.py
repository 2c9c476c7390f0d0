"""`graph-reasoning`: problems that need several knowledge points at once, solved, and judged by several judges.

One task is a combination of knowledge points: two that a relation joins (`hop1`), the points of a path of two or three
steps without a short cut (`hop2`, `hop3`), or members of one community. A writer makes a problem that needs them all;
one that another item has already ends there. A solver solves it, and judges, each of whom looks at one thing, must
agree.

After GSDP, "A Graph-Based Synthetic Data Pipeline for Scaling High-Quality Reasoning Instructions" (Wang et al. 2024,
arXiv:2412.08864).
Faithful: knowledge points are nodes, joined where the source brings them together; explicit pairs (hop1) and the
implicit relations hop2, hop3 and community each have a share of their own; a model writes a problem that needs all
points of a combination, a model solves it, and several judges score problem and solution; a campaign ends when the
quota is met or the combinations are exhausted.
Not faithful: points come from the user's documents, not from 7,500 problems in mathematics, so a problem is solved from
the passages that mention its points; points are joined by stated relations, since a chunk mentions more that has
nothing to do with each other than a problem does (`link = "cooccurrence"` is the paper's); they are merged by
normalised name, not by embeddings; a hop combination has the points between its ends as well; a community gives
combinations of `points` points each, not all of it. Added: evidence quotes, a novelty gate before the solver is paid,
a vote over `solutions` answers, and judges that must agree, where the paper keeps what scores above a threshold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from ...agents.context.packing import CONTEXT_TOKENS, Packing
from ...agents.generator import generator
from ...agents.messages import reasoning
from ...agents.panel import panel
from ...agents.solver import ANSWERS, solver
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.verifiers.agreement import majority_agrees, value
from ...agents.verifiers.grounding import grounding
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..knowledge.graph import Link
from ..planners.base import PlanView, lazily
from ..planners.combinations import CombinationOptions, combined
from ..planners.groups import graph_of, samplers_of, task_of, within
from ..planners.room import Room
from ..sampling.draws import Draw
from ..sampling.sampler import Sampler
from .base import Recipe

NAME = "graph-reasoning"
DRAWS: dict[str, dict[str, Any]] = {
    "hop1": {"sampler": "path", "hops": 1},
    "hop2": {"sampler": "path", "hops": 2, "chordless": True},
    "hop3": {"sampler": "path", "hops": 3, "chordless": True},
    "community": {"sampler": "community"},
}
WRITE = ("passages", "points", "relation", "path")


class GraphReasoningOptions(CombinationOptions):
    """Options of `graph-reasoning`.

    shares:      how the accepted items divide among `hop1`, `hop2`, `hop3`, `community`, any other sampler by its
                 name, and what `draws` defines; 0 leaves one out.
    draws:       samplers with options, under names of your own: `{"bridge": {"sampler": "meeting-path", "hops": 3}}`.
    points:      how many knowledge points of a community one problem combines; so with every draw that is no path.
    combinations: how many such combinations a community gives, at most.
    weight:      which points come first: those that few items touch, those with many relations, or none.
    link:        what joins points on a path: a stated `relation`, a shared chunk (`cooccurrence`), or `any` of them.
    max_chunks:  a combination whose mentions need more chunks than this is used only where the sentences that show it
                 fit into `context_tokens`.
    context_tokens: how many tokens of source text, and of lines on the points, a prompt may hold; of more, whole chunks
                 give way to the sentences that hold the evidence.
    solutions:   how often a problem is solved; with 2 or more the answer needs `least_share` of the votes.
    least_share: share of the solutions that must agree on the answer.
    judges:      judge → role. `relevance`, `correctness` and `difficulty` are known to the prompt, others are
                 judged as their name says; bind the roles to different models for independent judgements.
    agree:       how many judges must accept; all when absent.
    minimum:     least score by judge for its acceptance.
    """

    relations: ClassVar[Mapping[str, Mapping[str, Any]]] = DRAWS

    draws: dict[str, dict[str, Any]] = Field(default_factory=dict)
    link: Link = "relation"
    max_chunks: int = Field(default=4, ge=1)
    context_tokens: int = Field(default=CONTEXT_TOKENS, ge=100)
    judges: dict[str, str] = Field(
        default_factory=lambda: {"relevance": "judge", "correctness": "judge", "difficulty": "judge"}, min_length=1
    )
    agree: int | None = Field(default=None, ge=1)
    minimum: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _judges_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        if self.agree is not None and self.agree > len(self.judges):
            raise ConfigError(f"agree is {self.agree}; there are only {len(self.judges)} judges")
        return self

    def samplers(self) -> dict[str, Sampler]:
        """Returns the sampler of each draw that has a share."""
        return samplers_of(self.all_shares, self.draws, DRAWS, self.link)


@lazily
def plan_graph_reasoning(view: PlanView, rng: random.Random, options: GraphReasoningOptions) -> Iterator[Task | None]:
    """Draws combinations of knowledge points, each relation type by its share, until all are exhausted."""
    most = options.max_chunks
    room = Room(view, graph_of(view, NAME), options.context_tokens)

    def make(draw: Draw) -> Task | None:
        return task_of(draw, max_chunks=most, room=room)

    return combined(view, rng, NAME, options, make=make, refuse=within(most, room))


def _path(state: FlowState) -> list[str]:
    """The points' names in their order; none for a community, which has no order."""
    return [] if state["task"].kind == "community" else [entity.name for entity in state.get("entities", [])]


def graph_reasoning_flow(options: GraphReasoningOptions) -> Flow:
    """Builds the flow: problem writer, novelty gate and solver in one step, checks, and the panel of judges."""
    packing = Packing(options.context_tokens)
    given = packing.given("passages", "points")
    checks = [grounding(quoted_in=(), shown=packing)]
    if options.solutions > 1:
        checks.append(majority_agrees(value(ANSWERS), least_share=options.least_share))
    return reference_flow(
        proposer=None,
        generator=in_turn(
            generator(prompt="write-problem", variables=WRITE, messages=reasoning, given={**given, "path": _path}),
            novelty(fields=("problem",), attempts=None),
            solver(samples=options.solutions, given=given),
            anew=True,
        ),
        verifiers=checks,
        critic=panel(options.judges, given=given, agree=options.agree, minimum=options.minimum),
        refiner=None,
        max_rounds=0,
    )


GRAPH_REASONING = Recipe(
    name=NAME,
    summary="Problems that need several connected knowledge points, solved from the documents and judged by a panel.",
    paper="GSDP, arXiv:2412.08864",
    gives="reasoning",
    needs=frozenset({"documents", "graph"}),
    roles=("generator", "solver", "judge"),
    options=GraphReasoningOptions,
    planner=plan_graph_reasoning,
    flow=graph_reasoning_flow,
)
