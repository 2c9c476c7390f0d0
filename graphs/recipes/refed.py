"""`refed`: feedback on a few references, asked for once each, guides many new instructions and mends their responses.

One task is a new instruction after a reference, an instruction with a response that somebody chose. Feedback on the
reference is asked for once; the instruction is written by it, its response drafted and then rewritten by it.

After Reference-Level Feedback and its data set REFED (Mehri et al. 2025, arXiv:2502.04511).
Faithful: feedback is collected on references and not on samples, on the instruction and on the response; new
instructions are written by the reference and the feedback on its instruction; every response is drafted, then
rewritten by the feedback on the reference's response, the same for all that come of it.
Not faithful: both kinds of feedback are one call; an instruction is one call (there several at once), which differs
from its siblings by its seed, and rewordings of the reference are dropped. Nothing else is filtered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ...agents.attributes.choices import no_copy
from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.preparer import preparer
from ...agents.refiner import refiner
from ...agents.responder import responder
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.variables import last_draft, passage_text
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.seeds import column, rows
from .base import Recipe

NAME = "refed"


class RefedOptions(Options):
    """Options of `refed`.

    response:      the column with a reference's response; its text is the instruction.
    per_reference: instructions that come of one reference.
    """

    response: Annotated[str, Column()] = "response"
    per_reference: int = Field(default=10, ge=1)


@lazily
def plan_refed(view: PlanView, rng: random.Random, options: RefedOptions) -> Iterator[Task]:
    """Draws every reference once before any twice; draws of a reference differ in their seed."""
    references = rows(view, NAME)
    for number in range(options.per_reference):
        for chunk in references:
            # A list makes no cell: a response is nothing to steer by.
            response = [column(view, chunk, options.response, NAME)]
            yield Task.of("reference", chunks=(chunk.id,), attributes={"reference": response}, seed=number)


def _response(state: FlowState) -> str:
    return str(state["task"].attributes["reference"][0])


def refed_flow(options: RefedOptions) -> Flow:
    """Builds the flow: feedback, instruction, checks, response, its refinement."""
    reference = {"reference_instruction": passage_text}
    return reference_flow(
        proposer=preparer(
            prompt="refed-feedback",
            variables=(),
            fields=("instruction_feedback", "response_feedback"),
            given={**reference, "reference_response": _response},
            role="critic",
            shared=True,
        ),
        generator=in_turn(
            generator(
                prompt="refed-instruction",
                variables=("instruction_feedback",),
                given=reference,
                messages=instruction_response,
            ),
            no_copy("instruction", of=lambda state: [passage_text(state)]),
            novelty(fields=("instruction",)),
            responder(),
            refiner(
                suggest=None,
                edit="refed-refine",
                variables=("instruction", "response", "response_feedback"),
                messages=instruction_response,
                fields=("response",),
                adds={"instruction": lambda state: last_draft(state).fields["instruction"]},
            ),
            anew=True,
        ),
        critic=None,
    )


REFED = Recipe(
    name=NAME,
    summary="New instructions and responses by the feedback on a few references, which is asked for once each.",
    paper="Reference-Level Feedback (REFED), arXiv:2502.04511",
    gives="sft",
    needs=frozenset({"seeds"}),
    roles=("critic", "generator", "responder", "refiner"),
    options=RefedOptions,
    planner=plan_refed,
    flow=refed_flow,
)
