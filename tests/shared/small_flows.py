"""Small flows over a state of their own: chains, fans and both."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from gristmill.graphs.flows.runner import FlowRunner, runner_of

Graph = StateGraph[Any, Any, Any, Any]


def newest_first(left: list[str], right: list[str]) -> list[str]:
    return [*right, *left]


def newest(left: int | None, right: int) -> int:
    return right if left is None else max(left, right)


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    seen: Annotated[list[str], newest_first]
    most: Annotated[int | None, newest]
    one: int
    two: str
    round: int


async def both(graph: Graph, state: Any, *, limit: int = 8, direct: bool = True) -> tuple[Any, Any]:
    """Runs `graph` directly and on LangGraph; returns the two ends: a state, or the type of an error."""
    runner = runner_of(graph, recursion_limit=limit)
    assert isinstance(runner, FlowRunner)
    assert (runner.direct is not None) == direct
    ends: list[Any] = []
    for run in (runner, runner_of(graph, runtime="langgraph", recursion_limit=limit)):
        try:
            ends.append(await run(dict(state), "context"))  # type: ignore[arg-type]
        except Exception as error:
            ends.append(type(error))
    if direct:
        assert runner.direct is not None, "the direct run fell back"
    return ends[0], ends[1]


def chain(*nodes: Callable[..., Any]) -> Graph:
    graph = Graph(State)
    previous = START
    for number, node in enumerate(nodes):
        graph.add_node(f"n{number}", node)
        graph.add_edge(previous, f"n{number}")
        previous = f"n{number}"
    graph.add_edge(previous, END)
    return graph


def fan(*nodes: Callable[..., Any]) -> Graph:
    graph = Graph(State)
    for number, node in enumerate(nodes):
        graph.add_node(f"n{number}", node)
        graph.add_edge(START, f"n{number}")
    return graph


def says(**update: Any) -> Callable[..., Any]:
    async def node(state: State) -> dict[str, Any]:
        return update

    return node
