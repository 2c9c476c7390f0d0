"""States and models that play the roles of the reference flow."""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph

from gristmill.agents.state import FlowContext, FlowState, Node
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Chunk, Task

PROBLEM_VARIABLES = ("passages", "points", "relation", "path")


TEXT = "The mill at Aldbrook was built in 1742. It ground oats for three villages until the river changed its course."


CHUNK = Chunk.of("doc-1", 0, 0, len(TEXT), TEXT, headings=("Aldbrook", "The mill"))


TASK = Task.of("chunk", chunks=(CHUNK.id,), attributes={"kind": "fact"})


GOOD = {
    "question": "When was the mill at Aldbrook built?",
    "answer": "In 1742.",
    "evidence": ["The mill at Aldbrook was built in 1742."],
}


REJECT = {"decision": "reject", "reasons": ["trivial"]}


def state_of(task: Task = TASK, **more: Any) -> FlowState:
    state: FlowState = {"task": task, "chunks": [CHUNK]}
    state.update(more)  # type: ignore[typeddict-item]  # tests add any key
    return state


async def run(flow: StateGraph[Any, Any, Any, Any], model: Scripted, pool: Any = None, **more: Any) -> dict[str, Any]:
    context = FlowContext(models={"default": model}, pool=pool)
    return await flow.compile().ainvoke(state_of(**more), context=context)


async def run_node(node: Node, model: Scripted, **more: Any) -> dict[str, Any]:
    flow = StateGraph(FlowState, context_schema=FlowContext)
    flow.add_node("only", node)
    flow.add_edge(START, "only")
    flow.add_edge("only", END)
    return await run(flow, model, **more)
