"""The write-and-judge flow with a node that ends its process for one row, as a segmentation fault would."""

from __future__ import annotations

import os
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from write_and_judge import judge, write

from gristmill import FlowContext, FlowState, describe


@describe(reads=("chunks",))
async def trap(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    poison = os.environ.get("GRISTMILL_TEST_POISON")
    if poison and state["chunks"][0].text.startswith(poison):
        os._exit(9)
    return {}


def flow() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("trap", trap)
    graph.add_node("write", write)
    graph.add_node("judge", judge)
    graph.add_edge(START, "trap")
    graph.add_edge("trap", "write")
    graph.add_edge("write", "judge")
    graph.add_edge("judge", END)
    return graph
