"""The proposer: says what to ask of a passage, or that the passage cannot carry it."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..prompts.schemas import Proposal
from ..storage.records import Decision
from .asking import ask, parsed_as
from .state import FlowContext, FlowState, Node, describe
from .variables import OF_REVIEWER, TRAITS, Given

UNSUITABLE = "unsuitable"


def proposer(
    *,
    role: str = "proposer",
    prompt: str = "propose-question",
    variables: tuple[str, ...] = ("passage", "headings", "kind", "kind_description"),
    given: Given | None = None,
) -> Node:
    """Returns a node that writes `proposal`, or ends the task with the reason `unsuitable`.

    Asking this first is cheap (a short answer) and spares the generator, the critic and the refiner their calls on a
    passage that has nothing to ask for. Besides `variables` the prompt gets what a person asks for who sent an earlier
    attempt back: `reviewer_note`, `earlier_attempt`.
    """

    names = tuple(dict.fromkeys((*variables, *OF_REVIEWER, TRAITS, *(given or {}))))

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "chunks"),
        writes=("proposal", "decision", "reasons"),
        answer=Proposal,
    )
    async def propose(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given)
        proposal = parsed_as(Proposal, reply, role, prompt)
        update: dict[str, Any] = {"proposal": proposal.model_dump(mode="json")}
        if not proposal.suitable:
            update |= {"decision": Decision.REJECT, "reasons": (UNSUITABLE,)}
        return update

    return propose
