"""The flow that benchmarks run: generate, judge. Two LangGraph nodes, two model calls a row."""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from gristmill.agents.state import FlowContext, FlowState, describe
from gristmill.storage.records import Decision, Draft, Message, Verdict


@describe(role="generator", prompt="row-write", variables=("passage",), reads=("chunks",), writes=("drafts",))
async def generate(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    passage = state["chunks"][0].text
    reply = await runtime.context.ask("generator", "row-write", {"passage": passage}, task=state["task"])
    messages = (Message(role="user", content=reply.text), Message(role="assistant", content=passage))
    return {"drafts": [Draft(index=0, by="generator", messages=messages, model=reply.model)]}


@describe(
    role="critic",
    prompt="row-judge",
    variables=("passage", "question"),
    reads=("chunks", "drafts"),
    writes=("verdicts", "decision"),
)
async def judge(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    question = state["drafts"][-1].messages[0].content
    variables = {"passage": state["chunks"][0].text, "question": question}
    reply = await runtime.context.ask("critic", "row-judge", variables, task=state["task"])
    # The mock server draws a random decision; a benchmark counts calls, so every row is kept.
    return {
        "verdicts": [Verdict(by="critic", draft=0, decision=Decision.ACCEPT, model=reply.model)],
        "decision": Decision.ACCEPT,
    }


def flow() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("generate", generate)
    graph.add_node("judge", judge)
    graph.add_edge(START, "generate")
    graph.add_edge("generate", "judge")
    graph.add_edge("judge", END)
    return graph
