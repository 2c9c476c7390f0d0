"""`gsdp`: problems that need knowledge points which seed problems never brought together, solved, and scored by a jury.

Before the tasks come, knowledge points are read out of the seed problems, two calls a seed, and equal ones are joined.
One task is then a combination: two points that one problem takes (`hop1`), two that only others bring together (`hop2`,
`hop3`), or members of a community. A writer, who sees a seed of each point, makes a problem that needs them all; one
that by its own list needs fewer, rewords a seed, or is another item's ends there. A solver solves it, and the models of
a jury score problem and solution: their mean decides.

After GSDP, "A Graph-Based Synthetic Data Pipeline for Scaling High-Quality Reasoning Instructions" (Wang et al. 2024,
arXiv:2412.08864); `graph-reasoning` is its short form on documents.
Faithful: up to ten knowledge points are read out of each seed problem; a model scores them for relevance and clarity
and poor ones go; an embedder puts duplicates together; the graph joins the points that one problem takes, by how many
do; explicit pairs (hop1) and implicit ones (hop2, hop3, and communities) are drawn, each at a share and a quota of its
own; a model writes a problem that needs all points of a combination, a model solves it, and several models score both
together against a threshold; it ends when the quotas are met or the combinations are exhausted.
Not faithful: what the paper's filter, embedder and threshold were is not known here, so 0.5, the embedder that needs no
server (name a model: `hashed` sees wording, not meaning) and 0.7 stand in; a community gives combinations of `points`
points each. Added: the writer sees a seed problem of each point and must not reword it, what it names as needed must be
all points, and a novelty gate stands before the solver. `[graph.points]` and `[graph.resolution]` hold the settings.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from ...agents.attributes.choices import names_all, no_copy
from ...agents.generator import generator
from ...agents.jury import jury
from ...agents.messages import reasoning
from ...agents.solver import ANSWERS, solver
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.verifiers.agreement import majority_agrees, value
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import PlanView, lazily
from ..planners.combinations import CombinationOptions, combined
from ..planners.groups import task_of, within
from ..sampling.draws import Draw
from .base import Recipe

NAME = "gsdp"
MOST_SEEDS = 8  # problems that show one combination: one for each of its points at most
JUDGED = ("points", "problem", "reasoning", "answer")


class GsdpOptions(CombinationOptions):
    """Options of `gsdp`.

    shares:       how the accepted items divide among `hop1`, `hop2`, `hop3`, `community` and any other sampler by its
                  name; 0 leaves one out.
    quotas:       how many accepted items of a relation are enough; one without a quota is drawn until it is exhausted.
    between:      whether a problem of hop2 and hop3 needs the points between the two ends as well.
    points:       how many points of a community one problem needs.
    combinations: how many such combinations a community gives, at most.
    weight:       which points come first: those that few items touch, those with many relations, or none.
    solutions:    how often a problem is solved; with 2 or more the answer needs `least_share` of the votes.
    least_share:  share of the solutions that must agree on the answer.
    judges:       the roles of the jury; bind them to different models, for one model gives one score for all its roles.
    threshold:    least joint score of problem and solution.
    minimum:      the same by relation, in place of `threshold`.
    """

    relations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hop1": {"sampler": "pair"},
        "hop2": {"sampler": "distant", "hops": 2},
        "hop3": {"sampler": "distant", "hops": 3},
        "community": {"sampler": "community"},
    }

    quotas: dict[str, PositiveInt] = Field(default_factory=dict)
    between: bool = False
    judges: tuple[str, ...] = Field(default=("judge", "second-judge", "third-judge"), min_length=1)
    threshold: float = Field(default=0.7, ge=0, le=1)
    minimum: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _relations_are_drawn(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        self.require_drawn("quotas")
        self.require_drawn("minimum")
        return self


@lazily
def plan_gsdp(view: PlanView, rng: random.Random, options: GsdpOptions) -> Iterator[Task | None]:
    """Draws combinations of points, each relation at its share, until quotas are met or all are exhausted."""

    def make(draw: Draw) -> Task | None:
        return task_of(draw if options.between else _ends(draw), max_chunks=MOST_SEEDS)

    return combined(view, rng, NAME, options, make=make, refuse=within(MOST_SEEDS), quotas=options.quotas)


def _ends(draw: Draw) -> Draw:
    """The draw without what stands between its ends."""
    return draw if draw.through == draw.numbers else Draw(draw.graph, draw.kind, draw.numbers)


def gsdp_flow(options: GsdpOptions) -> Flow:
    """Builds the flow: problem writer, checks that cost nothing, solver, vote, and jury."""

    def names(state: FlowState) -> list[str]:
        return [entity.name for entity in state.get("entities", [])]

    def seeds(state: FlowState) -> list[str]:
        return [chunk.text for chunk in state.get("chunks", [])]

    vote = [majority_agrees(value(ANSWERS), least_share=options.least_share)] if options.solutions > 1 else []
    return reference_flow(
        proposer=None,
        generator=in_turn(
            generator(
                prompt="write-point-problem",
                variables=("points", "relation"),
                messages=reasoning,
                given={"examples": seeds},
                fields=("needs",),
            ),
            names_all("needs", of=names),
            no_copy("problem", of=seeds),
            novelty(fields=("problem",), attempts=None),
            solver(prompt="solve-point-problem", variables=("problem",), samples=options.solutions),
            anew=True,
        ),
        verifiers=vote,
        critic=jury(
            options.judges,
            prompt="judge-point-problem",
            variables=JUDGED,
            scores=("problem", "solution"),
            least=lambda state: options.minimum.get(state["task"].kind, options.threshold),
        ),
        max_rounds=0,
    )


GSDP = Recipe(
    name=NAME,
    summary="Problems that need knowledge points of different seed problems together, solved and scored by a jury.",
    paper="GSDP, arXiv:2412.08864",
    gives="reasoning",
    needs=frozenset({"seeds", "graph"}),
    roles=("generator", "solver", "judge", "second-judge", "third-judge"),
    options=GsdpOptions,
    planner=plan_gsdp,
    flow=gsdp_flow,
    settings={"chunks": {"max_tokens": 4000}, "graph": {"extractor": "points", "resolution": {"alike": 0.9}}},
)
