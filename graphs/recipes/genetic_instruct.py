"""`genetic-instruct`: programming instructions that evolve from a few seeds by crossover and mutation, under a judge.

One task is a child: a new instruction out of several members of a colony (crossover; its children share that call), or
one member changed by one operation (mutation). A coder solves it and a judge scores both; what it accepts is a member
from the next step on, and of all colonies from the next generation on. Rows are the seeds.

After Genetic-Instruct (Majumdar et al. 2024, arXiv:2407.21077), and for the mutations Evol-Instruct.
Faithful: the population is the seeds and what survived; crossover shows the instructor several members, which writes
several new instructions; mutation changes one member by one operation (among them: add wrong code); a coder solves each
instruction, a judge's decision is the fitness, survivors join the population; colonies evolve apart from the same seeds
and are merged after each generation; duplicates and what is like a benchmark (`[contamination]`) go.
Not faithful: a colony breeds in steps, and sees its own survivors of earlier steps; a step begins when the one before
has ended in all colonies, so that what is drawn hangs on the books and not on which task was ready first. Sizes are
smaller than the paper's. Added: operators keep their shares of what survives, and solutions may have to run.
`[novelty] near` is 0.9 where the campaign does not say, in place of 0.8: a mutant keeps what its parent says, and 20
new words on 150 leave a likeness of 0.88. A copy of a parent is refused whatever stands there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any, Self

from pydantic import Field, model_validator

from ...agents.attributes.choices import finished, no_copy
from ...agents.brainstormer import PLACE
from ...agents.critic import critic
from ...agents.drafter import drafter
from ...agents.messages import code
from ...agents.preparer import preparer
from ...agents.programs.execution import runs
from ...agents.responder import responder
from ...agents.state import FlowState
from ...agents.turns import by_kind, in_turn
from ...agents.verifiers.agreement import attribute
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ...storage.returns import NOTE
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, cell, lazily
from ..planners.population import (
    CHILD,
    COLONY,
    GENERATION,
    OPERATOR,
    STEP,
    Member,
    Members,
    Place,
    Population,
    place_of,
)
from ..planners.seeds import chance, rows
from ..planners.shares import Shares
from .base import Recipe

NAME = "genetic-instruct"
CROSSOVER, MUTATION = "crossover", "mutation"
MUTATIONS = {
    "constrain": "add one more constraint or requirement that changes what a solution has to do.",
    "replace": "replace a common requirement by a rarer and more specific one.",
    "deepen": "make the task take more steps of thought, where few would solve it as it stands.",
    "wrong-code": "add a piece of code that is wrong, as a reference that misleads, and say that it is to be mended.",
    "complexity": "ask for a bound on time or space that a simple solution does not meet.",
}


class GeneticInstructOptions(Options):
    """Options of `genetic-instruct`.

    generations: how often the colonies are merged; the last merge is the data set.
    colonies:    populations that evolve apart until they are merged.
    steps:       how often a colony breeds in one generation.
    brood:       instructions that a colony is asked for in one step.
    shots:       members that a crossover shows.
    offspring:   instructions that one crossover writes, each of them a task.
    crossover:   the share of crossover among what survives; mutations have the rest, in equal parts.
    mutations:   name → the operation in words; five of Evol-Instruct's when empty.
    execute:     whether a solution, in Python then, must also run to its end in the sandbox.
    minimum:     least score by name (`correct`, `quality`) for the judge's acceptance.
    """

    generations: int = Field(default=10, ge=1)
    colonies: int = Field(default=4, ge=1)
    steps: int = Field(default=2, ge=1)
    brood: int = Field(default=64, ge=1)
    shots: int = Field(default=3, ge=2, le=20)
    offspring: int = Field(default=3, ge=1, le=20)
    crossover: float = Field(default=0.5, ge=0, le=1)
    mutations: dict[str, str] = Field(default_factory=dict)
    execute: bool = False
    minimum: dict[str, float] = Field(default_factory=lambda: {"correct": 0.6})

    @model_validator(mode="after")
    def _operators_differ(self) -> Self:
        """Raises `ValueError` for a mutation that is called as crossover is."""
        if CROSSOVER in self.mutations:
            raise ValueError(f"mutations names '{CROSSOVER}', which is an operator of its own; give it another name")
        return self

    @property
    def operators(self) -> dict[str, float]:
        """Operator → its share."""
        known = self.mutations or MUTATIONS
        return {CROSSOVER: self.crossover, **dict.fromkeys(known, (1 - self.crossover) / len(known))}


@lazily
def plan_genetic_instruct(view: PlanView, rng: random.Random, options: GeneticInstructOptions) -> Iterator[Task | None]:
    """Draws brood after brood; each waits for the one before, whatever became of it."""
    population = Population(view, rows(view, NAME, options.shots), "instruction")
    start = rng.getrandbits(64)
    for generation in range(population.last, options.generations + 1):
        population.merge(before=generation)
        counts = {cell(OPERATOR, name): count for name, count in population.accepted.items()}
        for step in range(options.steps):
            brood, new = dict[str, Place](), ""
            for task in _brood(
                population, options, Shares(OPERATOR, options.operators, counts), start, generation, step
            ):
                brood[task.id] = place_of(task)
                if not view.is_planned(task.id):
                    new = task.id
                    yield task
            if new and not view.is_planned(new):
                yield None  # hands over what was drawn: only then is it known as planned, and waited for
            while not population.all_ended(generation, brood):
                yield None


def _brood(
    population: Population, options: GeneticInstructOptions, shares: Shares, start: int, generation: int, step: int
) -> Iterator[Task]:
    """The children of one step, colony by colony in turn, but for those of which the end is known."""
    mutations = [name for name in shares.names if name != CROSSOVER]
    members = {
        colony: population.visible(generation, step, colony) for colony in map(str, range(1, options.colonies + 1))
    }
    for first, colony in product(range(0, options.brood, options.offspring), members):
        operator = shares.pick(shares.names)
        for child in range(first, min(first + options.offspring, options.brood)):
            if child > first:  # the children of one crossover, or as many mutants
                operator = shares.pick([CROSSOVER] if operator == CROSSOVER else mutations)
            if population.has_ended(generation, (step, colony, child)):
                continue
            crossed = operator == CROSSOVER
            draw = chance(NAME, start, generation, step, colony, first if crossed else child)
            attributes = {GENERATION: str(generation), STEP: step, COLONY: colony, CHILD: child, OPERATOR: operator}
            yield _task(_parents(members[colony], options.shots if crossed else 1, draw), attributes, child - first)


def _parents(members: Members, count: int, draw: random.Random) -> list[Member]:
    return [members[place] for place in draw.sample(range(len(members)), count)]


def _task(parents: list[Member], attributes: dict[str, Any], place: int) -> Task:
    lineage = {"parents": [parent.id for parent in parents], "members": [parent.text for parent in parents]}
    chunks = tuple(parent.id for parent in parents if parent.seed)
    if attributes[OPERATOR] == CROSSOVER:
        return Task.of(CROSSOVER, chunks=chunks, attributes={**attributes, **lineage, PLACE: place})
    seed = chance(MUTATION, *attributes.values()).getrandbits(31)  # one member may be changed alike twice
    return Task.of(MUTATION, chunks=chunks, attributes={**attributes, **lineage}, seed=seed)


def _litter(state: FlowState) -> int:
    """A number that the children of one crossover have in common, and no others: the same parents may meet again."""
    made = state["task"].attributes
    first = int(made[CHILD]) - int(made[PLACE])
    return chance(CROSSOVER, made[GENERATION], made[STEP], made[COLONY], first).getrandbits(31)


def genetic_instruct_flow(options: GeneticInstructOptions) -> Flow:
    """Builds the flow: crossover or mutation, checks of copies and novelty, coder, perhaps the sandbox, judge."""
    known = options.mutations or MUTATIONS

    def operation(state: FlowState) -> str:
        return known.get(str(state["task"].attributes[OPERATOR]), "")

    cross = preparer(
        role="instructor",
        prompt="genetic-crossover",
        variables=("members",),
        given={"count": lambda _: options.offspring},
        shared=True,
        sample=_litter,
        pick={"instruction": "instructions"},
        place=PLACE,
    )
    mutate = preparer(
        role="instructor",
        prompt="genetic-mutate",
        variables=("members",),
        fields=("instruction",),
        given={"operation": operation},
    )
    parents = attribute("members")
    return reference_flow(
        proposer=by_kind({CROSSOVER: cross, MUTATION: mutate}),
        generator=in_turn(
            drafter(("instruction",), by="instructor", messages=code),
            by_kind(
                {
                    CROSSOVER: no_copy("instruction", of=parents),
                    MUTATION: no_copy("instruction", of=parents, exactly=True),
                }
            ),
            novelty(fields=("instruction",)),
            responder(role="coder", prompt="genetic-code", variables=("instruction", NOTE), messages=code),
            anew=True,
        ),
        verifiers=(finished("response"), *([runs("response")] if options.execute else [])),
        critic=critic(
            role="judge", prompt="judge-code", variables=("instruction", "response"), minimum=options.minimum
        ),
    )


GENETIC_INSTRUCT = Recipe(
    name=NAME,
    summary="Programming instructions and solutions that evolve from seeds: crossover, mutation, a judge's fitness.",
    paper="Genetic-Instruct, arXiv:2407.21077",
    gives="code",
    needs=frozenset({"seeds"}),
    roles=("instructor", "coder", "judge"),
    options=GeneticInstructOptions,
    planner=plan_genetic_instruct,
    flow=genetic_instruct_flow,
    settings={"novelty": {"near": 0.9}},
)
