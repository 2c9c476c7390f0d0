"""Runs a plain StateGraph without LangGraph's loop: the same supersteps, channels and errors at a tenth of the CPU.

LangGraph's loop carries checkpoints, streams, callbacks, retries and task configs through every step; a flow that uses
none of them pays about 0.25 ms a step for them. Here are the steps alone, as langgraph/pregel defines them: the nodes
of a step see one snapshot, their updates are applied in the order of the nodes' names by LangGraph's own channels, a
branch sees its own node's writes, and the first failure cancels the rest of its step. What stands outside this is not
imitated: it raises `NeedsLangGraph`, and runner.py starts the task over on LangGraph.

Two things differ. Nodes that run alone in their step share the task's contextvars, where LangGraph copies them. A node
that returns a record with none of the state's keys (a `Draft` in place of a dict) fails; LangGraph goes on without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Never

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.channels import BinaryOperatorAggregate, LastValue
from langgraph.channels.base import BaseChannel
from langgraph.errors import GraphBubbleUp, GraphRecursionError, NodeCancelledError
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send
from pydantic import BaseModel

LOG = logging.getLogger(__name__)
Builder = StateGraph[Any, Any, Any, Any]
Around = Callable[[str], AbstractContextManager[object]]
Channels = dict[str, BaseChannel[Any, Any, Any]]
Writes = list[tuple[str, Any]]
_EMPTY: Any = LastValue(Any).checkpoint()  # what LangGraph passes for "nothing yet"
# Settings of a node that LangGraph's loop acts on, and this one does not.
_POLICIES = ("retry_policy", "cache_policy", "timeout", "error_handler_node", "is_error_handler", "defer", "ends")


class NeedsLangGraph(BaseException):
    """A flow asks for what only LangGraph's runtime has. No `Exception`, so that no node catches it by accident."""


class _OnlyInLangGraph:
    """Stands where LangGraph puts its config and execution info; to look into it is to need LangGraph."""

    def __getattr__(self, name: str) -> Never:
        raise NeedsLangGraph(f"reads '{name}' of LangGraph's config")

    def __getitem__(self, key: object) -> Never:
        raise NeedsLangGraph(f"reads '{key}' of LangGraph's config")


_ABSENT: Any = _OnlyInLangGraph()


@dataclass(frozen=True, slots=True)
class _Function:
    """A node's or a branch's function, and the state keys that it reads."""

    call: Callable[..., Awaitable[Any]]
    takes_runtime: bool
    keys: tuple[str, ...]

    def __call__(self, state: dict[str, Any], runtime: Runtime[Any]) -> Awaitable[Any]:
        return self.call(state, runtime=runtime) if self.takes_runtime else self.call(state)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A conditional edge. `passes` says that what its node returned beside the state's keys reaches it too."""

    path: _Function
    ends: Mapping[Any, str] | None
    passes: bool


@dataclass(frozen=True, slots=True)
class _Node:
    """A node with its edges; START has no function."""

    name: str
    function: _Function | None
    writes: frozenset[str]
    targets: tuple[str, ...]
    branches: tuple[_Branch, ...]


class DirectGraph:
    """A plain graph, ready to run: `await graph.run(state, context)` gives what LangGraph's `ainvoke` would.

    Plain is: TypedDict schemas; keys that hold the last value or have a reducer; nodes and routes that are functions of
    (state) or (state, runtime); no policies, subgraphs, joins, deferred nodes or declared `Command` targets.

    Args:
        builder: a graph that `compile()` has checked.
        recursion_limit: supersteps a run may take.
        around: makes, of a node's name, the block that the node runs in.

    Raises:
        NeedsLangGraph: the graph is not plain; the message says why.
    """

    def __init__(self, builder: Builder, *, recursion_limit: int, around: Around | None = None) -> None:
        self._limit = recursion_limit
        self._around = around
        self._warned: set[tuple[str, str]] = set()
        self._specs = _plain_channels(builder)
        if builder.waiting_edges:
            raise NeedsLangGraph("has an edge that waits for several nodes")
        self._input = frozenset(builder.schemas[builder.input_schema])
        self._output = tuple(builder.schemas[builder.output_schema])
        self._nodes = {name: _plain_node(builder, name) for name in (START, *builder.nodes)}

    async def run(self, state: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Runs one task; raises what its nodes raise, `GraphRecursionError` past the limit, and `NeedsLangGraph`."""
        token = var_child_runnable_config.set(_ABSENT)
        try:
            return await self._run(state, context)
        finally:
            var_child_runnable_config.reset(token)

    async def _run(self, state: Mapping[str, Any], context: Any) -> dict[str, Any]:
        runtime = Runtime(context=context, execution_info=_ABSENT, control=_ABSENT)
        channels = {key: spec.from_checkpoint(_EMPTY) for key, spec in self._specs.items()}
        given = {key: value for key, value in state.items() if key in self._input}
        writes, targets = await self._leave(self._nodes[START], given, channels, runtime)
        _apply(channels, writes)
        for _ in range(self._limit):
            nodes = [self._nodes[name] for name in sorted(targets) if name in self._nodes]
            if not nodes:
                return {key: channels[key].get() for key in self._output if channels[key].is_available()}
            if len(nodes) == 1:
                results = [await self._task(nodes[0], channels, runtime)]
            else:
                results = await _together([self._task(node, channels, runtime) for node in nodes])
            _apply(channels, (write for writes, _ in results for write in writes))
            targets = {target for _, targets in results for target in targets}
        raise GraphRecursionError(f"the flow took more than {self._limit} supersteps without an end")

    async def _task(self, node: _Node, channels: Channels, runtime: Runtime[Any]) -> tuple[Writes, set[str]]:
        """Runs one node and its branches; returns its writes and where it leads."""
        assert node.function is not None  # noqa: S101  # only START has none, and no edge leads there
        try:
            running = node.function(_read(channels, node.function.keys), runtime)
            if self._around is None:
                update = await running
            else:
                with self._around(node.name):
                    update = await running
            if update is not None and not isinstance(update, dict):
                if isinstance(update, BaseModel) and node.writes.isdisjoint(type(update).model_fields):
                    raise TypeError(
                        f"node '{node.name}' returned a {type(update).__name__}, which has none of the state's keys; "
                        f"return a dict such as {{'drafts': [draft]}}"
                    )
                raise NeedsLangGraph(f"returns a {type(update).__name__}")
            return await self._leave(node, update, channels, runtime)
        except NeedsLangGraph as need:
            raise NeedsLangGraph(f"node '{node.name}' {need}") from need
        except GraphBubbleUp as error:
            raise NeedsLangGraph(f"node '{node.name}' raises {type(error).__name__}") from error
        except BaseExceptionGroup as group:  # a node's own TaskGroup wraps what its tasks raise
            if group.subgroup(NeedsLangGraph) is None:
                raise
            raise NeedsLangGraph(f"node '{node.name}' reads LangGraph's config") from group
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise NodeCancelledError(node.name) from error

    async def _leave(
        self, node: _Node, update: dict[str, Any] | None, channels: Channels, runtime: Runtime[Any]
    ) -> tuple[Writes, set[str]]:
        writes = [(key, value) for key, value in update.items() if key in node.writes] if update else []
        if update and len(writes) < len(update) and node.function is not None:
            self._warn(node, update)
        targets = set(node.targets)
        for branch in node.branches:
            keys = branch.path.keys
            fresh = dict(channels)
            for key, value in writes:
                if key in keys:
                    fresh[key] = channels[key].copy()
                    fresh[key].update([value])
            seen = _read(fresh, keys)
            if branch.passes and update:
                seen = {**update, **seen}
            targets |= _targets(branch, await branch.path(seen, runtime))
        return writes, targets

    def _warn(self, node: _Node, update: Mapping[str, Any]) -> None:
        """Names keys that the state does not have, once each: LangGraph drops them without a word."""
        for key in update.keys() - node.writes:
            if (node.name, key) not in self._warned:
                self._warned.add((node.name, key))
                near = get_close_matches(str(key), node.writes, n=1)
                meant = f"; did you mean '{near[0]}'?" if near else ""
                LOG.warning("node '%s' returns '%s', which is no key of the state%s", node.name, key, meant)


def _read(channels: Channels, keys: Iterable[str]) -> dict[str, Any]:
    return {key: channels[key].get() for key in keys if channels[key].is_available()}


def _apply(channels: Channels, writes: Iterable[tuple[str, Any]]) -> None:
    by_key: dict[str, list[Any]] = {}
    for key, value in writes:
        by_key.setdefault(key, []).append(value)
    for key, values in by_key.items():
        channels[key].update(values)


def _targets(branch: _Branch, result: Any) -> set[str]:
    """Names the nodes that a route's answer leads to, by LangGraph's rules; a name without a node leads nowhere."""
    answers = result if isinstance(result, list | tuple) else [result]
    if any(isinstance(answer, Send | Runnable) for answer in answers):
        raise NeedsLangGraph("routes by Send")
    found = [branch.ends[answer] for answer in answers] if branch.ends else answers
    if any(target is None or target == START for target in found):
        raise ValueError("a route did not return a valid destination")
    return {f"{target}" for target in found if target != END}


async def _together(runs: list[Coroutine[Any, Any, tuple[Writes, set[str]]]]) -> list[tuple[Writes, set[str]]]:
    """Runs the tasks of one step side by side; the first that fails cancels the others, and they are waited for."""
    tasks = [asyncio.create_task(run) for run in runs]
    failed: list[BaseException] = []
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [error for task in tasks if task in done and (error := task.exception()) is not None]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise failed[0]
    return [task.result() for task in tasks]


def _plain_channels(builder: Builder) -> Channels:
    if builder.managed:
        raise NeedsLangGraph(f"has the managed values {', '.join(sorted(builder.managed))}")
    for schema in builder.schemas:
        if not (isinstance(schema, type) and issubclass(schema, dict)):
            raise NeedsLangGraph(f"has the schema {getattr(schema, '__name__', schema)}, which is no TypedDict")
    for key, channel in builder.channels.items():
        if type(channel) not in (LastValue, BinaryOperatorAggregate):
            raise NeedsLangGraph(f"keeps '{key}' in a {type(channel).__name__}")
    return builder.channels


def _plain_node(builder: Builder, name: str) -> _Node:
    targets = tuple(target for source, target in builder.edges if source == name and target != END)
    spec = builder.nodes.get(name)
    schema = builder.state_schema if spec is None else spec.input_schema
    try:
        function = None if spec is None else _function(spec.runnable, tuple(builder.schemas[schema]))
        branches = []
        for branch in builder.branches.get(name, {}).values():
            keys = tuple(builder.schemas[branch.input_schema or schema])
            branches.append(_Branch(_function(branch.path, keys), branch.ends, branch.input_schema is None))
        for policy in _POLICIES:
            if getattr(spec, policy, None):
                raise NeedsLangGraph(f"has {policy}")
    except NeedsLangGraph as need:
        raise NeedsLangGraph(f"node '{name}' {need}") from None
    writes = frozenset(builder.channels if spec else builder.schemas[builder.input_schema])
    return _Node(name, function, writes, targets, tuple(branches))


def _function(runnable: Any, keys: tuple[str, ...]) -> _Function:
    """Takes the function out of LangGraph's wrapper of functions, which runs a plain one in a thread.

    Other runnables (subgraphs, LangChain's) lack `func_accepts`.
    """
    accepts = getattr(runnable, "func_accepts", None)
    if accepts is None or runnable.kwargs or runnable.explode_args:
        raise NeedsLangGraph(f"is a {type(runnable).__name__}, no function")
    if unknown := sorted(accepts.keys() - {"runtime"}):
        raise NeedsLangGraph(f"takes {', '.join(unknown)}")
    return _Function(runnable.afunc, "runtime" in accepts, keys)
