"""A flow whose critic is the built-in one, for tests of what people's decisions teach. Loaded by name too."""

from __future__ import annotations

import json
import re
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from gristmill import Draft, FlowContext, FlowState, Message, describe
from gristmill.agents.critic import critic

EARLIER = re.compile(r"Earlier draft \d+:\n.*?People decided: (\w+)", re.DOTALL)


@describe(reads=("chunks",), writes=("drafts",))
async def write(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    passage = state["chunks"][0].text
    question = f"Which valve is this? {passage.partition(':')[0]}"
    messages = (Message(role="user", content=question), Message(role="assistant", content=passage))
    return {"drafts": [Draft(index=0, by="generator", messages=messages, fields={"question": question})]}


def flow() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write)
    graph.add_node("judge", critic(prompt="row-judge", variables=("passage", "question")))
    graph.add_edge(START, "write")
    graph.add_edge("write", "judge")
    graph.add_edge("judge", END)
    return graph


def said(decision: str, *reasons: str, score: float = 0.5) -> dict[str, Any]:
    """A critic's answer."""
    scores = [{"name": "clear", "value": score}]
    return {"decision": decision, "scores": scores, "reasons": list(reasons), "comment": "", "evidence": []}


def obedient(text: str) -> dict[str, Any]:
    """What a critic answers that rejects everything until it is shown how people decide, and then decides like them.

    Rows of an even number are good to people (`truth`): an accepted even one among the earlier drafts tells it so.
    """
    earlier, _, asked = text.rpartition("End of the earlier drafts.")
    taught = any(
        int(number) % 2 == 0 and decision == "accept"
        for number, decision in re.findall(r"\? Row (\d+)\n.*?People decided: (\w+)", earlier, re.DOTALL)
    )
    number = int(re.findall(r"\? Row (\d+)", asked)[-1])
    return said("accept") if taught and truth(number) else said("reject", "trivial")


def truth(number: int) -> bool:
    """What people say of row `number`."""
    return number % 2 == 0


def answer(body: dict[str, Any]) -> str:
    """The same for a `MockServer`."""
    return json.dumps(obedient(body["messages"][-1]["content"]))
