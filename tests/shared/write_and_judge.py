"""A flow of two calls for the campaign tests: write an instruction for a row, judge it. Loaded by name too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from places import BENCHMARKS

from gristmill import Decision, Draft, FlowContext, FlowState, Message, Verdict, describe
from gristmill.agents.verifiers.novelty import novelty
from gristmill.prompts.schemas import Judgement

PROMPTS = BENCHMARKS / "prompts"


@describe(role="generator", prompt="row-write", variables=("passage",), reads=("chunks",), writes=("drafts",))
async def write(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    passage = state["chunks"][0].text
    reply = await runtime.context.ask("generator", "row-write", {"passage": passage}, task=state["task"])
    messages = (Message(role="user", content=reply.text), Message(role="assistant", content=passage))
    return {"drafts": [Draft(index=0, by="generator", messages=messages, model=reply.model)]}


@describe(
    role="critic",
    prompt="row-judge",
    variables=("passage", "question"),
    reads=("chunks", "drafts"),
    writes=("verdicts",),
)
async def judge(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    question = state["drafts"][-1].messages[0].content
    variables = {"passage": state["chunks"][0].text, "question": question}
    reply = await runtime.context.ask("critic", "row-judge", variables, task=state["task"])
    assert isinstance(reply.parsed, Judgement)
    decision = Decision(reply.parsed.decision)
    return {"verdicts": [Verdict(by="critic", draft=0, decision=decision, reasons=tuple(reply.parsed.reasons))]}


def flow() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write)
    graph.add_node("judge", judge)
    graph.add_edge(START, "write")
    graph.add_edge("write", "judge")
    graph.add_edge("judge", END)
    return graph


def rows(folder: Path, count: int) -> Path:
    """Writes `count` rows of different text and returns the file."""
    path = folder / "rows.jsonl"
    path.write_text(
        "".join(f'{{"text": "Row {n}: the valve number {n} opens at {n + 20} degrees."}}\n' for n in range(count))
    )
    return path


def judged(decision: str = "accept", *reasons: str) -> dict[str, Any]:
    """A critic's answer."""
    return {"decision": decision, "scores": [], "reasons": list(reasons), "comment": "", "evidence": []}


@describe(role="generator", prompt="row-write", variables=("passage",), reads=("chunks",), writes=("drafts",))
async def write_a_question(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    written: dict[str, Any] = await write(state, runtime)
    (draft,) = written["drafts"]
    return {"drafts": [draft.model_copy(update={"fields": {"question": draft.messages[0].content}})]}


def gated_flow() -> StateGraph[Any, Any, Any, Any]:
    """As `flow`, with a novelty gate before the critic: what is too like another question ends there."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write_a_question)
    graph.add_node("gate", novelty(fields=("question",), attempts=0))
    graph.add_node("judge", judge)
    graph.add_edge(START, "write")
    graph.add_edge("write", "gate")
    graph.add_conditional_edges("gate", lambda state: END if state.get("decision") else "judge", ["judge", END])
    graph.add_edge("judge", END)
    return graph
