"""Draws a flow small, for people who read about it: its steps, whom each asks, and what leads back.

`picture.py` has LangGraph's own drawing, edge by edge. Here the node that settles a task and the end are one, and an
edge says why it is taken where a route of `routing.py` decides it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from langgraph.graph import END, START, StateGraph

from ...agents.state import NodeInfo
from . import routing
from .check import AnyFlow, Edge, builder_of, edges_of, infos_of

_PLAIN = re.compile(r"[^\w .,:()/-]")
_WHY = {
    (routing.PROPOSE, END): "unsuitable",
    (routing.VERIFY, END): "rejected",
    (routing.VERIFY, routing.GENERATE): "a duplicate",
    (routing.VERIFY, routing.REFINE): "to be mended",
    (routing.CRITICISE, routing.REFINE): "to be mended",
}


def sketch(graph: AnyFlow) -> str:
    """Returns the Mermaid text of `graph`: a box a node with the roles and prompts that it asks. Equal flows give equal
    text; every name is escaped."""
    builder = builder_of(graph)
    # In the order of the flow, which is the order of reading.
    names = _in_order(builder)
    ids = {START: "task", END: "done"} | {name: f"n{number}" for number, name in enumerate(names, 1)}
    lines = ["flowchart TD", "    task([a task])"]
    lines += [f'    {ids[name]}["{"<br/>".join(_lines(name, builder))}"]' for name in names]
    lines.append("    done([accepted or rejected])")
    place = {name: number for number, name in enumerate([START, *names, END])}
    for edge in sorted(set(_shown(builder)), key=lambda edge: (place[edge.source], place[edge.target])):
        why = _why(edge, builder)
        back = place[edge.target] <= place[edge.source]
        arrow = f"-. {why} .->" if why else "-.->" if back and edge.conditional else "-->"
        lines.append(f"    {ids[edge.source]} {arrow} {ids[edge.target]}")
    return "\n".join(lines) + "\n"


def _shown(builder: StateGraph[Any, Any, Any, Any]) -> Iterator[Edge]:
    """The edges, those that lead to the node that settles a task as if they led to the end."""
    for edge in edges_of(builder):
        if edge.source != routing.SETTLE:
            yield edge._replace(target=END) if edge.target == routing.SETTLE else edge


def _in_order(builder: StateGraph[Any, Any, Any, Any]) -> list[str]:
    """The names of the nodes that are drawn, as a walk from the start meets them."""
    edges = list(_shown(builder))
    order, waiting = list(builder.nodes), [START]
    found: list[str] = []
    while waiting:
        source = waiting.pop(0)
        ahead = {edge.target for edge in edges if edge.source == source} - {END, source, *found, *waiting}
        waiting += sorted(ahead, key=lambda name: order.index(name) if name in order else len(order))
        found += [] if source == START else [source]
    return [*found, *(name for name in order if name not in found and name != routing.SETTLE)]


def _lines(name: str, builder: StateGraph[Any, Any, Any, Any]) -> Iterator[str]:
    """The name of a node, then a line for each role with a prompt that it asks, and what it keeps new."""
    infos: list[NodeInfo] = list(infos_of(builder.nodes[name])) if name in builder.nodes else []
    yield _escaped(name)
    asked = Counter((info.role, info.prompt) for info in infos if info.role)
    for (role, prompt), times in asked.items():
        again = f", {times} times" if times > 1 else ""
        yield _escaped(f"{role}: {prompt}{again}" if prompt else f"{role}{again}")
    if not asked and infos:
        yield "checks, no model"
    for gates in dict.fromkeys(info.gates for info in infos if info.gates):
        yield _escaped(f"new by {', '.join(gates)}")


def _why(edge: Edge, builder: StateGraph[Any, Any, Any, Any]) -> str:
    """Says why an edge is taken, where it is a route of `routing.py` that takes it, else nothing."""
    paths = [branch.path for branch in builder.branches.get(edge.source, {}).values()]
    if any(_module(path) != routing.__name__ for path in paths):
        return ""
    if (edge.source, edge.target) == (routing.VERIFY, END) and routing.CRITICISE not in builder.nodes:
        return ""
    return _WHY.get((edge.source, edge.target), "")


def _module(path: Any) -> str:
    function = getattr(path, "afunc", None) or getattr(path, "func", None)
    return str(getattr(function, "__module__", ""))


def _escaped(text: str) -> str:
    return _PLAIN.sub(lambda match: f"#{ord(match[0])};", text)
