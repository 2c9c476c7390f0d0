"""What the direct runner leaves to LangGraph: flows that are not plain, or turn out not to be."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, RetryPolicy, Send
from small_flows import Graph, State, both, chain, fan, says

from gristmill.graphs.flows.direct import DirectGraph, NeedsLangGraph
from gristmill.graphs.flows.runner import FlowRunner, runner_of
from gristmill.storage.records import Message


async def with_config(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"one": config["metadata"]["langgraph_step"] + 5}


def with_subgraph() -> Graph:
    inner = chain(says(one=7)).compile()
    graph = Graph(State).add_node("inner", inner).add_edge(START, "inner")
    return graph


def with_join() -> Graph:
    graph = fan(says(log=["a"]), says(log=["b"])).add_node("join", says(one=9))
    return graph.add_edge(["n0", "n1"], "join")


@pytest.mark.parametrize(
    "graph",
    [
        chain(with_config),
        with_subgraph(),
        with_join(),
        Graph(State).add_node("n", says(one=2), retry_policy=RetryPolicy()).add_edge(START, "n"),
        Graph(State).add_node("n", says(one=2), defer=True).add_edge(START, "n"),
        Graph(State).add_node("n", says(one=2), destinations=("n",)).add_edge(START, "n"),
        Graph(State).add_node("n", RunnableLambda(lambda state: {"one": 3})).add_edge(START, "n"),
    ],
    ids=["config", "subgraph", "join", "retry", "defer", "destinations", "runnable"],
)
async def test_a_graph_that_is_not_plain_runs_on_langgraph(graph: Graph) -> None:
    ours, theirs = await both(graph, {"one": 1}, direct=False)
    assert ours == theirs
    assert ours["one"] != 1


async def sends(state: State) -> list[Send]:
    return [Send("n1", {"one": 4})]


def sending() -> Graph:
    graph = Graph(State).add_node("n0", says(log=["sent"])).add_node("n1", says(log=["got"])).add_edge(START, "n0")
    return graph.add_conditional_edges("n0", sends)


async def commands(state: State) -> Command[Any]:
    return Command(update={"one": 5})


async def configured(state: State) -> dict[str, Any]:
    return {"one": get_config()["metadata"]["langgraph_step"] + 10}


async def runs_in(state: State) -> dict[str, Any]:
    return {"two": str(get_runtime().context)}


async def informed(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    assert runtime.execution_info is not None
    return {"one": runtime.execution_info.node_attempt + 20}


async def writes(state: State) -> dict[str, Any]:
    get_stream_writer()("something")
    return {"one": 30}


async def groups(state: State) -> Any:
    async with asyncio.TaskGroup() as group:
        found = group.create_task(configured(state))
    return found.result()


async def nests(state: State) -> Any:
    return await chain(says(one=40)).compile().ainvoke(state)


async def wrongs(state: State) -> Any:
    return "no dict"


async def interrupted(state: State) -> None:
    raise GraphInterrupt(())


def careful(state: State) -> dict[str, Any]:
    """A plain function in a thread that expects no config; only LangGraph may say whether there is one."""
    try:
        return {"one": get_config()["metadata"]["langgraph_step"] + 50}
    except Exception:
        return {"one": -1}


@pytest.mark.parametrize(
    "node", [commands, configured, runs_in, informed, writes, groups, nests, wrongs, interrupted, careful, "sending"]
)
async def test_what_turns_out_not_to_be_plain_starts_over_on_langgraph(
    node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    graph = sending() if node == "sending" else chain(says(log=["before"]), node)
    runner = runner_of(graph)
    assert isinstance(runner, FlowRunner)
    assert runner.direct is not None
    reference = runner_of(graph, runtime="langgraph")
    ends: list[Any] = []
    with caplog.at_level(logging.INFO):
        for run in (runner, runner, reference):
            try:
                ends.append(await run({"one": 1}, "context"))  # type: ignore[typeddict-unknown-key, arg-type]
            except Exception as error:
                ends.append((type(error), str(error)))
    assert ends[0] == ends[1] == ends[2]
    assert runner.direct is None
    assert len(caplog.records) == 1
    assert "node 'n" in caplog.text


async def test_tracing_runs_on_langgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(chain(says(one=2)))
    assert isinstance(runner, FlowRunner)
    assert runner.direct is not None
    monkeypatch.setattr("gristmill.graphs.flows.runner.tracing_is_enabled", lambda: True)
    traced = runner_of(chain(says(one=2)))
    assert isinstance(traced, FlowRunner)
    assert traced.direct is None


def test_what_is_not_plain_says_why() -> None:
    with pytest.raises(NeedsLangGraph, match="node 'n0' takes config"):
        DirectGraph(chain(with_config), recursion_limit=5)


async def test_a_key_that_the_state_lacks_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async def node(state: State) -> dict[str, Any]:
        return {"oen": 2}

    graph: Graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    runner = runner_of(graph, recursion_limit=8)
    for _ in range(2):
        await runner({"one": 1}, "context")  # type: ignore[arg-type]
    assert [record.getMessage() for record in caplog.records] == [
        "node 'node' returns 'oen', which is no key of the state; did you mean 'one'?"
    ]


async def test_a_record_in_place_of_a_dict_fails_with_the_mend() -> None:
    async def node(state: State) -> Any:
        return Message(role="user", content="text")

    graph: Graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    with pytest.raises(TypeError, match="node 'node' returned a Message, which has none of the state's keys"):
        await runner_of(graph, recursion_limit=8)({"one": 1}, "context")  # type: ignore[arg-type]
