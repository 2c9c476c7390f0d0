"""A flow entered in the middle: at its refine node, for an item that a person sent back with a note."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

from langgraph.graph import START, StateGraph

from .check import AnyFlow, builder_of
from .routing import REFINE

NAMES = (REFINE, "refiner")  # what a flow may call the node that mends a draft by objections


def entered_at_refine(graph: AnyFlow) -> StateGraph[Any, Any, Any, Any] | None:
    """Returns the same flow with START leading to its refine node alone; None for a flow that has no such node.

    The graph that is given stays as it is. Nodes that only START led to are still there, and are not reached.
    """
    builder = builder_of(graph)
    node = next((name for name in NAMES if name in builder.nodes), None)
    if node is None:
        return None
    entered = copy.copy(builder)
    entered.edges = {edge for edge in builder.edges if edge[0] != START} | {(START, node)}
    entered.branches = defaultdict(dict, {name: found for name, found in builder.branches.items() if name != START})
    entered.waiting_edges = {edge for edge in builder.waiting_edges if START not in edge[0]}
    entered.compiled = False
    return entered
