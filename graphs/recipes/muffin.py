"""`muffin`: many instructions on one input, from its facets and from instructions that people wrote for others.

One task is a chunk and either the number of a facet or an instruction that people wrote for something else. A proposer
names the chunk's facets with an instruction on each, once for all its tasks; of a written instruction another call says
whether it applies to the chunk at all (else `unsuitable`). A writer carries the instruction out, a critic judges.

After MUFFIN, "Curating Multi-Faceted Instructions for Improving Instruction-Following" (Lou et al. 2023,
arXiv:2312.02436).
Faithful: tasks are scaled per input: a model names the facets of an input text and an instruction on each; instructions
that people wrote elsewhere are matched with inputs to which a model says that they apply; then the outputs are written.
Not faithful: facets and their instructions come in one call, not in two; wrong options for classification tasks are not
made; a matched instruction is judged alone, not in a batch. Added: an empty output drops the item, so does one that a
critic finds wrong, and an instruction that comes twice on equal inputs. `[novelty] near` is 0 where the campaign does
not say: the instructions on one input share all of it, and an instruction that fits many inputs shares itself and often
its output.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from ...agents.brainstormer import PLACE, brainstormer
from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import instruction_on_input
from ...agents.proposer import proposer
from ...agents.state import FlowState
from ...agents.turns import by_kind
from ...agents.variables import passage_text
from ...agents.verifiers.form import length
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe

FACET, MATCHED = "facet", "matched"


class MuffinOptions(Options):
    """Options of `muffin`.

    facets:       instructions that an input gets from its facets, 30 at most, in one call.
    instructions: instructions that people wrote for other inputs.
    matches:      how many of these are tried on an input, drawn by chance.
    minimum:      least score by name (`correct`, `valid`) for the critic's acceptance.
    """

    facets: int = Field(default=4, ge=0, le=30)
    instructions: tuple[str, ...] = ()
    matches: int = Field(default=2, ge=0)
    minimum: dict[str, float] = Field(default_factory=lambda: {"correct": 0.6})


@lazily
def plan_muffin(view: PlanView, rng: random.Random, options: MuffinOptions) -> Iterator[Task]:
    """Draws, input by input in an order by chance, all facets of one and the instructions that are tried on it."""
    order = list(range(len(view.chunks)))
    rng.shuffle(order)
    given = list(dict.fromkeys(options.instructions))
    for place in order:
        chunks = (view.chunks[place].id,)
        for facet in range(options.facets):
            yield Task.of(FACET, chunks=chunks, attributes={PLACE: facet})
        for number in rng.sample(range(len(given)), min(options.matches, len(given))):
            yield Task.of(MATCHED, chunks=chunks, attributes={"instruction": given[number]})


def muffin_flow(options: MuffinOptions) -> Flow:
    """Builds the flow: facets or a match, writer of outputs, checks of length and novelty, critic."""

    def instruction(state: FlowState) -> str:
        return str(state["task"].attributes.get("instruction") or state.get("values", {}).get("instruction", ""))

    given = {"instruction": instruction}
    facets = brainstormer(
        prompt="name-facets",
        variables=("passage",),
        given={"count": lambda _: options.facets},
        listed="facets",
        fields=("instruction",),
        most=options.facets,
    )
    return reference_flow(
        proposer=by_kind(
            {FACET: facets, MATCHED: proposer(prompt="match-instruction", variables=("passage",), given=given)}
        ),
        generator=generator(
            prompt="carry-out-instruction",
            variables=("passage",),
            given=given,
            messages=instruction_on_input,
            fields=("output",),
            adds={**given, "input": passage_text, "facet": lambda state: state.get("values", {}).get("facet", "")},
        ),
        verifiers=(length("output", minimum=1), novelty(fields=("input", "instruction"))),
        critic=critic(
            prompt="judge-instruction",
            variables=("passage", "instruction", "output"),
            given={"needs_source": lambda _: True},
            minimum=options.minimum,
        ),
    )


MUFFIN = Recipe(
    name="muffin",
    summary="Many instructions on one input, from its facets and from instructions that people wrote, with outputs.",
    paper="MUFFIN, arXiv:2312.02436",
    gives="sft",
    needs=frozenset({"documents"}),
    roles=("proposer", "generator", "critic"),
    options=MuffinOptions,
    planner=plan_muffin,
    flow=muffin_flow,
    settings={"novelty": {"near": 0.0}},
)
