"""The direct runner against LangGraph: the same flow, the same first state, the same end."""

from __future__ import annotations

import asyncio
import enum
import operator
from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.errors import GraphRecursionError, InvalidUpdateError, NodeCancelledError
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite
from small_flows import Graph, State, both, chain, fan, says

from gristmill.graphs.flows.runner import runner_of


def mutating(left: list[str], right: list[str]) -> list[str]:
    left.extend(right)
    return left


class Part(TypedDict, total=False):
    one: int
    log: Annotated[list[str], operator.add]


class Broken(Exception):
    pass


async def same(graph: Graph, state: Any | None = None, *, limit: int = 8) -> Any:
    ours, theirs = await both(graph, state or {"one": 1}, limit=limit)
    assert ours == theirs
    return ours


# random graphs

NAMES = ("b", "a", "d", "c")
KEYS = st.sampled_from(("log", "seen", "most", "one", "two", "round", "unknown"))
UPDATES = st.one_of(st.none(), st.sets(KEYS, max_size=3), st.just({"log", "seen"}))
TARGETS = st.sampled_from((*NAMES, END))
EXITS = st.fixed_dictionaries(
    {
        "static": st.sets(TARGETS, max_size=2),
        "routes": st.lists(
            st.fixed_dictionaries(
                {
                    "answers": st.lists(st.lists(TARGETS, min_size=1, max_size=2), min_size=1, max_size=3),
                    "as": st.sampled_from(("str", "list", "tuple", "bool")),
                    "mapped": st.booleans(),
                    "sync": st.booleans(),
                    "typed": st.booleans(),
                }
            ),
            max_size=2,
        ),
    }
)
NODES = st.fixed_dictionaries(
    {
        "update": UPDATES,
        "part": st.booleans(),
        "runtime": st.booleans(),
        "sync": st.integers(0, 5).map(lambda draw: draw == 0),
        "pause": st.integers(0, 2),
        "fails": st.integers(0, 7).map(lambda draw: draw == 0),
        "exits": EXITS,
    }
)
VALUES: dict[str, Callable[[str, Any], Any]] = {
    "log": lambda name, state: [f"{name}:{sorted(state)}:{len(state.get('log', []))}"],
    "seen": lambda name, state: [name],
    "most": lambda name, state: len(name) + len(state.get("log", [])),
    "one": lambda name, state: state.get("one", 0) + 1,
    "two": lambda name, state: name,
    "round": lambda name, state: state.get("round", 0) + 1,
    "unknown": lambda name, state: "no such key",
}


def node_of(name: str, plan: dict[str, Any]) -> Callable[..., Any]:
    def update(state: dict[str, Any]) -> dict[str, Any] | None:
        if plan["fails"]:
            raise Broken(name)
        keys = plan["update"]
        return None if keys is None else {key: VALUES[key](name, state) for key in sorted(keys)}

    if plan["sync"]:
        return update
    if plan["part"]:

        async def partial(state: Part) -> Any:
            await pause(plan)
            return update(dict(state))

        return partial
    if plan["runtime"]:

        async def running(state: State, runtime: Runtime[Any]) -> Any:
            await pause(plan)
            assert runtime.context == "context"
            return update(dict(state))

        return running

    async def plain(state: State) -> Any:
        await pause(plan)
        return update(dict(state))

    return plain


async def pause(plan: dict[str, Any]) -> None:
    for _ in range(plan["pause"]):
        await asyncio.sleep(0)


def route_of(plan: dict[str, Any]) -> Callable[..., Any]:
    """A route that goes by what it sees of the state: the log's length picks the answer."""

    def answer(state: Any) -> Any:
        answers = plan["answers"][len(state.get("log", [])) % len(plan["answers"])]
        if plan["as"] == "bool":
            return bool(len(state.get("log", [])) % 2)
        if plan["as"] == "str":
            return answers[0]
        return answers if plan["as"] == "list" else tuple(answers)

    async def typed(state: Part) -> Any:
        return answer(state)

    async def untyped(state):  # type: ignore[no-untyped-def]
        return answer({**state, "log": [*state.get("log", []), *(["x"] if "unknown" in state else [])]})

    return typed if plan["typed"] else answer if plan["sync"] else untyped


def graph_of(plans: dict[str, Any], entry: dict[str, Any]) -> Graph:
    graph = Graph(State)
    for name, plan in plans.items():
        graph.add_node(name, node_of(name, plan))
    graph.add_edge(START, "a")
    for name, exits in (("__start__", entry), *((name, plan["exits"]) for name, plan in plans.items())):
        for target in sorted(exits["static"]):
            graph.add_edge(name, target)
        for number, plan in enumerate(exits["routes"]):
            ends: Any = None
            if plan["as"] == "bool":
                ends = {True: plan["answers"][0][0], False: plan["answers"][-1][0]}
            elif plan["mapped"]:
                ends = {target: target for target in (*NAMES, END)}
            route = route_of(plan)
            route.__name__ = f"route{number}"
            graph.add_conditional_edges(name, route, ends)
    return graph


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plans=st.fixed_dictionaries(dict.fromkeys(NAMES, NODES)),
    entry=EXITS,
    state=st.sampled_from(({"one": 1}, {"log": ["given"], "seen": ["given"], "two": "x"}, {"round": 0, "odd": 1})),
    limit=st.integers(1, 7),
)
def test_random_graphs_end_as_on_langgraph(plans: Any, entry: Any, state: Any, limit: int) -> None:
    graph = graph_of(plans, entry)
    fresh = {key: list(value) if isinstance(value, list) else value for key, value in state.items()}

    async def compare() -> None:
        ours, theirs = await both(graph, fresh, limit=limit)
        assert ours == theirs

    asyncio.run(compare())


# what random graphs do not reach


async def test_two_writes_of_one_key_in_a_step_are_refused() -> None:
    assert await same(fan(says(one=1), says(one=2))) is InvalidUpdateError


async def test_a_step_sees_one_snapshot_and_is_applied_by_name() -> None:
    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"log": [f"slow saw {state['log']}"]}

    async def quick(state: State) -> dict[str, Any]:
        return {"log": [f"quick saw {state['log']}"]}

    end = await same(fan(slow, quick), {"log": ["given"]})
    assert end["log"] == ["given", "slow saw ['given']", "quick saw ['given']"]


async def test_the_limit_counts_supersteps() -> None:
    three = chain(says(one=1), says(one=2), says(one=3))
    assert [await same(three, limit=limit) for limit in (2, 3)] == [GraphRecursionError, GraphRecursionError]
    assert (await same(three, limit=4))["one"] == 3


async def test_overwrite_replaces_what_a_reducer_gathered() -> None:
    end = await same(chain(says(log=["a"]), says(log=Overwrite(["b"]))), {"log": ["given"]})
    assert end["log"] == ["b"]


async def test_a_reducer_that_changes_in_place_starts_afresh_in_each_run() -> None:
    class Mutating(TypedDict, total=False):
        one: int
        log: Annotated[list[str], mutating]

    graph = StateGraph(Mutating).add_node("n", lambda state: {"log": ["a"]}).add_edge(START, "n")
    for _ in range(2):
        assert await same(graph) == {"one": 1, "log": ["a"]}


async def test_a_node_that_changes_its_state_changes_nothing() -> None:
    async def careless(state: State) -> None:
        state["one"] = 5
        state["round"] = 5

    assert await same(chain(careless)) == {"one": 1, "log": [], "seen": []}


async def test_the_first_failure_cancels_the_step() -> None:
    ended: list[str] = []

    async def fails(state: State) -> None:
        await asyncio.sleep(0.01)
        raise Broken

    async def waits(state: State) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    assert await same(fan(waits, fails, waits)) is Broken
    assert ended == ["cancelled"] * 4


async def test_a_cancelled_run_cancels_its_nodes_and_a_node_that_cancels_itself_fails() -> None:
    ended: list[str] = []

    async def waits(state: State) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    for graph in (chain(waits), fan(waits, waits)):
        task = asyncio.ensure_future(runner_of(graph)({"one": 1}, "context"))  # type: ignore[typeddict-unknown-key, arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["cancelled"] * 3

    async def cancels(state: State) -> None:
        raise asyncio.CancelledError

    assert await same(chain(cancels)) is NodeCancelledError


class Exit(enum.StrEnum):
    AGAIN = "again"
    DONE = "done"


async def test_routes_by_enum_and_refused_destinations() -> None:
    async def route(state: State) -> Exit:
        return Exit.DONE if state["one"] > 3 else Exit.AGAIN

    async def count(state: State) -> dict[str, Any]:
        return {"one": state["one"] + 1}

    graph = Graph(State).add_node("n", count).add_edge(START, "n")
    graph.add_conditional_edges("n", route, {Exit.AGAIN: "n", Exit.DONE: END})
    assert (await same(graph))["one"] == 4

    for answer, error in ((None, ValueError), (START, ValueError), ("nowhere", None)):
        other = Graph(State).add_node("n", count).add_edge(START, "n")
        other.add_conditional_edges("n", lambda state, answer=answer: answer)
        end = await same(other)
        assert end is error if error else end["one"] == 2
    mapped = Graph(State).add_node("n", count).add_edge(START, "n")
    mapped.add_conditional_edges("n", lambda state: "nowhere", {"n": "n"})
    assert await same(mapped) is KeyError


async def test_parallel_nodes_keep_their_contextvars_apart() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")

    async def one(state: State) -> dict[str, Any]:
        name.set("one")
        await asyncio.sleep(0.01)
        return {"log": [name.get()]}

    async def two(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"log": [name.get()]}

    assert (await same(fan(one, two)))["log"] == ["one", "nobody"]
