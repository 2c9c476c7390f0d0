"""`bare`: a base model writes diverse raw examples from a few seeds, an instruct model mends each.

One task is a draw of seeds: the base model goes on after them with a raw example, and an instruct model mends it. Seeds
stand in the base model's prompt as they are, without data tags, which it would go on with; a row has to fit into one
chunk (`[chunks] max_tokens`).

After BARE (Zhu et al. 2025, arXiv:2502.01697).
Faithful: the base model sees examples one after another on a raw completion endpoint and no instruction; few examples
(3), one new item a call; the instruct model mends each draft by itself and is told to keep its idea; light curation.
Not faithful: the examples are drawn anew for each call from all seeds (there they are fixed), which costs nothing and
adds to the diversity; copies of an example are dropped. A seed is a row: its text is the instruction, a column has the
response.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from ...agents.attributes.choices import finished, no_copy
from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.refiner import refiner
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.seeds import chance, example, rows
from .base import Recipe

NAME = "bare"


class BareOptions(Options):
    """Options of `bare`.

    shots:    examples that the base model goes on after.
    response: the column of a row that has the response to its text; a row without one is an instruction alone.
    shown:    whether the instruct model sees the examples too, for the form.
    tasks:    how many drafts to ask for at most.
    """

    shots: int = Field(default=3, ge=1, le=50)
    response: Annotated[str, Column(needed=False)] = "response"
    shown: bool = True
    tasks: int = Field(default=100_000, ge=1)


@lazily
def plan_bare(view: PlanView, rng: random.Random, options: BareOptions) -> Iterator[Task]:
    """Draws `shots` different seeds, `tasks` times; equal draws differ in their seed."""
    seeds = rows(view, NAME, options.shots)
    start = rng.getrandbits(64)
    for number in range(options.tasks):
        drawn = [seeds[place] for place in chance(NAME, start, number).sample(range(len(seeds)), options.shots)]
        examples = [example(view, chunk, options.response) for chunk in drawn]
        chunks = tuple(chunk.id for chunk in drawn)
        yield Task.of("shots", chunks=chunks, attributes={"examples": examples}, seed=number)


def _examples(state: FlowState) -> list[dict[str, Any]]:
    return list(state["task"].attributes["examples"])


def bare_flow(options: BareOptions) -> Flow:
    """Builds the flow: base draft, instruct refinement, checks against copies, novelty gate."""
    form = {"examples": _examples if options.shown else lambda _: []}
    return reference_flow(
        proposer=None,
        generator=in_turn(
            generator(
                role="base", prompt="bare-draft", variables=("examples",), messages=instruction_response, text_as="raw"
            ),
            finished("raw", whole=False),
            refiner(
                suggest=None,
                edit="bare-refine",
                variables=("raw",),
                given=form,
                messages=instruction_response,
                fields=("response",),
            ),
            anew=True,
        ),
        verifiers=(
            no_copy("instruction", of=lambda state: [one["instruction"] for one in _examples(state)]),
            novelty(fields=("instruction",)),
        ),
        critic=None,
    )


BARE = Recipe(
    name=NAME,
    summary="Raw drafts of a base model after a few seeds, each mended by an instruct model that keeps its idea.",
    paper="BARE, arXiv:2502.01697",
    gives="sft",
    needs=frozenset({"seeds", "base model"}),
    roles=("base", "refiner"),
    options=BareOptions,
    planner=plan_bare,
    flow=bare_flow,
)
