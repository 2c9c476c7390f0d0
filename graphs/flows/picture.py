"""Draws a flow as Mermaid text. It never renders an image: LangGraph's way to do that sends the graph to a server."""

from __future__ import annotations

import re

from langchain_core.runnables.graph import Edge, Graph, Node
from langgraph.graph import END, START

from ...errors import FlowError
from .check import AnyFlow, builder_of, infos_of

_PLAIN = re.compile(r"[^\w .,/-]")


def mermaid(graph: AnyFlow) -> str:
    """Returns LangGraph's Mermaid text of `graph`, with each node's roles and prompts on its label.

    Names are escaped as Mermaid entity codes, and edges are sorted, so equal flows give equal text.

    Raises:
        FlowError: the graph does not compile; `check_flow` says why in more words.
    """
    builder = builder_of(graph)
    try:
        drawn = builder.compile().get_graph()
    except ValueError as error:
        raise FlowError(f"the flow cannot be drawn, because LangGraph refuses it: {error}") from error
    nodes = {key: _labelled(node, builder) for key, node in drawn.nodes.items()}
    edges = sorted(
        (Edge(edge.source, edge.target, _escaped(edge.data), edge.conditional) for edge in drawn.edges),
        key=lambda edge: (edge.source != START, edge.source, edge.target == END, edge.target, edge.data or ""),
    )
    return Graph(nodes=nodes, edges=edges).draw_mermaid()


def _labelled(node: Node, builder: AnyFlow) -> Node:
    known = builder_of(builder).nodes.get(node.id)
    infos = [] if known is None else list(infos_of(known))
    told = {
        "role": ", ".join(dict.fromkeys(info.role for info in infos if info.role)),
        "prompt": ", ".join(dict.fromkeys(info.prompt for info in infos if info.prompt)),
    }
    metadata = {key: text for key, text in told.items() if text}  # metadata is escaped by draw_mermaid, names are not
    return Node(node.id, _escaped(node.name) or node.name, node.data, metadata or None)


def _escaped(text: object) -> str | None:
    return None if text is None else _PLAIN.sub(lambda match: f"#{ord(match[0])};", str(text))
