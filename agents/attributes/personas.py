"""Who an item is written for: a persona read off a passage, or one reached from there by how people are related.

After Persona Hub (Ge et al. 2024, arXiv:2406.20094): text-to-persona, then persona-to-persona some hops on.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ...evals.folding import words
from ...prompts.schemas import Personas
from ...storage.records import Decision
from ..asking import parsed_as
from ..proposer import UNSUITABLE
from ..state import FlowContext, FlowState, Node, NodeInfo, describe
from ..variables import passage_text
from .attributes import LONGEST, distinct

OF_TEXT, OF_PERSONA = "propose-personas", "relate-persona"
PERSONA, STEPS = "persona", "steps"


def persona(*, role: str = PERSONA, of_text: int = 4, related: int = 3) -> Node:
    """Returns a node that writes `values["persona"]`, by the task's attribute `steps`: which persona, counted from 0,
    of those of the passage, then which of each one's relations.

    Every question is asked once for all tasks on the way. A way that ends too early ends the task as `unsuitable`.

    Args:
        of_text: personas that are asked for of a passage.
        related: people that are asked for of a persona.
    """
    parts = (
        NodeInfo(role, OF_TEXT, frozenset({"passage", "count"}), answer=Personas),
        NodeInfo(role, OF_PERSONA, frozenset({PERSONA, "count"}), answer=Personas),
    )

    @describe(reads=("task", "chunks"), writes=("values", "decision", "reasons"), parts=parts)
    async def find(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        task = state["task"]
        prompt, given = OF_TEXT, {"passage": passage_text(state), "count": of_text}
        found = ""
        for step in task.attributes[STEPS]:
            reply = await runtime.context.ask(role, prompt, given, task=task, shared=True)
            answered = parsed_as(Personas, reply, role, prompt).personas
            people = distinct(one for each in answered if words(one := " ".join(each.split())) and len(one) <= LONGEST)
            if not 0 <= step < len(people):
                return {"decision": Decision.REJECT, "reasons": (UNSUITABLE,)}
            found = people[step]
            prompt, given = OF_PERSONA, {PERSONA: found, "count": related}
        return {"values": {PERSONA: found}}

    return find
