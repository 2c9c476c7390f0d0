"""The write-and-judge flow with a node that ends its process for one row, as a segmentation fault would.

Or that stops it, once, in the middle of a transaction of the queue's file or the run's: as SIGSTOP at the worst moment.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
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
    locked = os.environ.get("GRISTMILL_TEST_LOCK")
    if locked and first(Path(f"{locked}.stopped")):
        connection = sqlite3.connect(locked, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        os.kill(os.getpid(), signal.SIGSTOP)
        connection.close()
    return {}


def first(mark: Path) -> bool:
    """Whether nobody has made `mark` before; makes it."""
    try:
        mark.mkdir()
    except FileExistsError:
        return False
    return True


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
