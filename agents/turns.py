"""Runs several nodes as one node, or one of several.

A LangGraph step costs about 0.2 ms, more than most checks that it would carry.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..storage.records import Decision, Verdict
from .state import FlowContext, FlowState, Node, NodeInfo, describe, info_of, merge
from .variables import objections
from .verifiers.duplicates import DUPLICATE

_REDUCERS: dict[str, Callable[[Any, Any], Any]] = {"drafts": operator.add, "verdicts": operator.add, "values": merge}


def in_turn(*nodes: Node, anew: bool = False) -> Node:
    """Returns a node that runs `nodes` one after another, each seeing what the ones before it wrote.

    It stops at the first verdict that rejects, or that sends a duplicate back to the generator, so put the cheap nodes
    first, and does nothing when the newest draft had such a verdict before. Before there is a draft it stops at a
    decision to reject. A key of a user's own state is replaced by the later node, whatever
    reducer the state gives it.

    Nodes that write a flow's draft are given with `anew`: they run also after such a verdict, which sent the task back
    to them.

    Raises:
        ConfigError: no node is given.
    """
    if not nodes:
        raise ConfigError("in_turn needs at least one node")
    told = [info_of(node) or NodeInfo() for node in nodes]
    infos = tuple(part for info in told for part in (info.parts or (info,)))
    reads = sorted(frozenset[str]().union(*(info.reads for info in told)))
    writes = sorted(frozenset[str]().union(*(info.writes for info in told)))

    @describe(reads=tuple(reads), writes=tuple(writes), parts=infos)
    async def run(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        if (
            not anew
            and state.get("drafts")
            and state.get("decision") != Decision.ACCEPT
            and any(map(_ends, objections(state)))
        ):
            return {}
        seen: dict[str, Any] = dict(state)
        written: dict[str, Any] = {}
        for node in nodes:
            update = await node(cast(FlowState, seen), runtime)
            for key, value in update.items():
                combine = _REDUCERS.get(key)
                written[key] = combine(written[key], value) if combine and key in written else value
                seen[key] = combine(seen[key], value) if combine and key in seen else value
            if update.get("decision") == Decision.REJECT and not seen.get("drafts"):
                break
            # a panel may accept although one judge rejects
            if update.get("decision") != Decision.ACCEPT and any(map(_ends, update.get("verdicts", ()))):
                break
        return written

    return run


def by_kind(nodes: Mapping[str, Node]) -> Node:
    """Returns a node that runs the one of `nodes` that is there for the task's kind, and none for another kind.

    Raises:
        ConfigError: no node is given.
    """
    if not nodes:
        raise ConfigError("by_kind needs at least one node, as {'facet': node}")
    told = [info_of(node) or NodeInfo() for node in nodes.values()]
    infos = tuple(part for info in told for part in (info.parts or (info,)))
    writes = sorted(frozenset[str]().union(*(info.writes for info in told)))

    @describe(reads=("task",), writes=tuple(writes), parts=infos)
    async def choose(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        node = nodes.get(state["task"].kind)
        return {} if node is None else await node(state, runtime)

    return choose


def _ends(verdict: Verdict) -> bool:
    again = verdict.decision is Decision.REVISE and DUPLICATE in verdict.reasons
    return again or verdict.decision is Decision.REJECT
