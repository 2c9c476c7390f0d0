"""Chooses how a flow's graph is run: directly where it is plain, on LangGraph's runtime otherwise."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langsmith.utils import tracing_is_enabled

from ...agents.state import FlowContext, FlowState
from .check import AnyFlow, builder_of
from .direct import Around, DirectGraph, NeedsLangGraph
from .entering import entered_at_refine

Runner = Callable[[FlowState, FlowContext], Awaitable[FlowState]]
STEP_LIMIT = 100  # supersteps that a task may take
LOG = logging.getLogger(__name__)


def runner_of(
    graph: AnyFlow,
    *,
    runtime: Literal["auto", "langgraph"] = "auto",
    recursion_limit: int = STEP_LIMIT,
    around: Around | None = None,
) -> Runner:
    """Returns the function that runs one task of `graph` from its first state to its last.

    With `auto`, a plain graph (see direct.py) runs without LangGraph's loop. A graph that is not plain runs on it, and
    so does everything while LangSmith traces, which sees only what LangGraph runs. Should a node turn out to need
    LangGraph when it runs (it returns a `Command`, asks for `get_config()`), its task is started over there, and all
    further tasks run there. Model calls that were made are in the call cache by then. `around` makes, of a node's name,
    the block that the node runs in (a span of a trace); LangGraph's runtime does not know it.

    The function raises what the flow's nodes raise, and `GraphRecursionError` after `recursion_limit` supersteps.
    """
    builder = builder_of(graph)
    compiled = builder.compile()
    if runtime == "langgraph":
        return FlowRunner(compiled, None, recursion_limit)
    if tracing_is_enabled():
        LOG.info("LangSmith traces, so the flow runs on LangGraph's runtime")
        return FlowRunner(compiled, None, recursion_limit)
    try:
        direct = DirectGraph(builder, recursion_limit=recursion_limit, around=around)
    except NeedsLangGraph as need:
        LOG.info("the flow runs on LangGraph's runtime: %s", need)
        return FlowRunner(compiled, None, recursion_limit)
    return FlowRunner(compiled, direct, recursion_limit)


def refine_runner_of(
    graph: AnyFlow, *, runtime: Literal["auto", "langgraph"] = "auto", around: Around | None = None
) -> Runner | None:
    """Returns the function that runs `graph` from its refine node on; None for a graph that has none."""
    entered = entered_at_refine(graph)
    return None if entered is None else runner_of(entered, runtime=runtime, around=around)


class FlowRunner:
    """What `runner_of` returns. `direct` is None where, or as soon as, the flow runs on LangGraph's runtime."""

    def __init__(
        self, compiled: CompiledStateGraph[Any, Any, Any, Any], direct: DirectGraph | None, recursion_limit: int
    ) -> None:
        self.direct = direct
        self._compiled = compiled
        self._config = RunnableConfig(recursion_limit=recursion_limit)

    async def __call__(self, state: FlowState, context: FlowContext) -> FlowState:
        if self.direct is not None:
            try:
                return cast(FlowState, await self.direct.run(state, context))
            except NeedsLangGraph as need:
                if self.direct is not None:  # the tasks beside this one may need it too: said once
                    LOG.warning("the flow runs on LangGraph's runtime from here on: %s", need)
                self.direct = None
        # What `ainvoke` does, without the updates that it gathers beside the values for other callers.
        stream = self._compiled.astream(state, context=context, config=self._config, stream_mode="values")
        async for values in stream:
            state = cast(FlowState, values)
        return state
