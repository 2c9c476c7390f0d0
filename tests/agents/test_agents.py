"""The roles and the reference flow, as real compiled graphs with scripted models."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.graph import StateGraph
from role_states import CHUNK, GOOD, PROBLEM_VARIABLES, REJECT, TASK, TEXT, run, run_node, state_of

from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.agents.messages import messages_of, pretraining, question_on_passage, reasoning
from gristmill.agents.panel import panel
from gristmill.agents.proposer import proposer
from gristmill.agents.refiner import refiner
from gristmill.agents.state import FlowContext
from gristmill.agents.turns import in_turn
from gristmill.agents.variables import gather, relation_lines
from gristmill.agents.verifiers.grounding import grounding
from gristmill.agents.verifiers.novelty import novelty
from gristmill.errors import ConfigError, FlowError, Overloaded
from gristmill.evals.duplicates.exact import ExactPool
from gristmill.graphs.flows.check import require_flow
from gristmill.graphs.flows.reference import reference_flow
from gristmill.models.scripted import Scripted
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.records import Decision, Draft, Entity, Relation, Task, Verdict

PROPOSAL = {
    "suitable": True,
    "topic": "the mill",
    "quote": "The mill at Aldbrook was built in 1742.",
    "angle": "ask when",
}
VAGUE = {"question": "When was it built?", "answer": "In 1742.", "evidence": ["was built in 1742"]}
INVENTED = {
    "question": "Who owned the mill?",
    "answer": "A duke.",
    "evidence": ["The duke owned the mill and all its land."],
}
ACCEPT = {"decision": "accept", "scores": [{"name": "grounded", "value": 0.9}], "reasons": []}
REVISE = {
    "decision": "revise",
    "scores": [{"name": "Grounded", "value": 0.8}],
    "reasons": ["unclear"],
    "comment": "say which mill",
    "evidence": ["The mill at Aldbrook", "words that stand nowhere"],
}
SUGGEST = {"suggestions": ["Name the mill."]}


def qa_flow(max_rounds: int = 2, **more: Any) -> StateGraph[Any, Any, Any, Any]:
    parts: dict[str, Any] = {
        "proposer": proposer(given={"kind_description": lambda _: "asks for a fact"}),
        "generator": generator(given={"kind_description": lambda _: "asks for a fact"}),
        "verifiers": [grounding(), novelty()],
        "critic": critic(),
        "refiner": refiner(),
        "max_rounds": max_rounds,
        **more,
    }
    return reference_flow(**parts)


def prompts_of(model: Scripted) -> list[str]:
    return [request.prompt for request in model.requests]


@pytest.mark.parametrize(
    ("said", "found"),
    [("was built in 1742", 1), (["was built in 1742", 3], 1), (True, 0), ({"quote": "x"}, 0), (None, 0)],
)
async def test_evidence_of_another_type_is_read_as_far_as_it_is_text(said: Any, found: int) -> None:
    end = await run_node(generator(adds={"evidence": lambda _: said}), Scripted([GOOD]))
    (draft,) = end["drafts"]
    assert len(draft.evidence) == found


async def test_accepts_a_good_draft_with_its_spans_and_lineage() -> None:
    model = Scripted({"propose-question": PROPOSAL, "write-question-answer": GOOD, "judge-question-answer": ACCEPT})
    end = await run(qa_flow(), model, pool=ExactPool())
    assert (end["decision"], end["reasons"]) == (Decision.ACCEPT, ())
    (draft,) = end["drafts"]
    assert [message.role for message in draft.messages] == ["user", "assistant"]
    assert draft.messages[1].content == "In 1742."
    (span,) = draft.evidence
    assert TEXT[span.start : span.end] == span.quote == GOOD["evidence"][0]
    assert draft.prompt == f"write-question-answer@{PromptLibrary().get('write-question-answer').version}"
    assert draft.model == "scripted"
    assert end["verdicts"][-1].by == "critic"
    assert end["verdicts"][-1].scores == {"grounded": 0.9}
    assert prompts_of(model) == ["propose-question", "write-question-answer", "judge-question-answer"]
    asked = model.requests[1]
    assert asked.variables["topic"] == "the mill"
    assert asked.variables["headings"] == ["Aldbrook", "The mill"]
    assert (asked.role, asked.task, asked.sampling.seed) == ("generator", TASK.id, TASK.seed)


async def test_an_unsuitable_passage_costs_one_call() -> None:
    model = Scripted({"propose-question": {"suitable": False}})
    end = await run(qa_flow(), model)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("unsuitable",))
    assert prompts_of(model) == ["propose-question"]
    assert end["drafts"] == []


async def test_a_verifier_rejects_before_the_critic_is_paid() -> None:
    model = Scripted({"propose-question": PROPOSAL, "write-question-answer": INVENTED})
    end = await run(qa_flow(), model)
    assert end["decision"] is Decision.REJECT
    assert "ungrounded" in end["reasons"]
    assert "judge-question-answer" not in prompts_of(model)


async def test_a_verifier_that_asks_for_a_revision_spares_the_critic_one_call() -> None:
    model = Scripted(
        {
            "propose-question": PROPOSAL,
            "write-question-answer": INVENTED,
            "suggest-edits": SUGGEST,
            "edit-question-answer": GOOD,
            "judge-question-answer": [ACCEPT],
        }
    )
    end = await run(qa_flow(verifiers=grounding(on_fail="revise")), model)
    assert end["decision"] is Decision.ACCEPT
    assert prompts_of(model)[2:] == ["suggest-edits", "edit-question-answer", "judge-question-answer"]
    assert "ungrounded" in model.requests[2].variables["reasons"]


async def test_a_draft_is_refined_until_the_critic_accepts() -> None:
    model = Scripted(
        {
            "propose-question": PROPOSAL,
            "write-question-answer": VAGUE,
            "suggest-edits": SUGGEST,
            "edit-question-answer": GOOD,
            "judge-question-answer": [REVISE, ACCEPT],
        }
    )
    end = await run(qa_flow(), model, pool=ExactPool())
    assert (end["decision"], end["reasons"], end["round"]) == (Decision.ACCEPT, (), 1)
    assert [draft.index for draft in end["drafts"]] == [0, 1]
    assert end["drafts"][1].by == "refiner"
    assert end["drafts"][1].note == "Name the mill."
    by_critic = [verdict for verdict in end["verdicts"] if verdict.by == "critic"]
    assert [(verdict.draft, verdict.decision) for verdict in by_critic] == [(0, "revise"), (1, "accept")]
    assert [span.quote for span in by_critic[0].evidence] == ["The mill at Aldbrook"]
    assert "quotes not found in the source: 1" in by_critic[0].text
    suggested = next(request for request in model.requests if request.prompt == "suggest-edits")
    assert suggested.variables["reasons"] == ["unclear"]
    assert suggested.variables["comment"].startswith("say which mill")
    edited = next(request for request in model.requests if request.prompt == "edit-question-answer")
    assert edited.variables["suggestions"] == ["Name the mill."]
    assert edited.variables["question"] == VAGUE["question"]


@pytest.mark.parametrize("rounds", [0, 1, 3])
async def test_the_last_round_rejects_with_the_critics_last_reasons(rounds: int) -> None:
    last = {**REVISE, "reasons": ["wrong_kind"]}
    model = Scripted(
        {
            "propose-question": PROPOSAL,
            "write-question-answer": VAGUE,
            "suggest-edits": SUGGEST,
            "edit-question-answer": GOOD,
            "judge-question-answer": [REVISE] * rounds + [last],
        }
    )
    end = await run(qa_flow(max_rounds=rounds), model)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("wrong_kind",))
    assert end.get("round", 0) == rounds
    assert len(end["drafts"]) == rounds + 1


@pytest.mark.parametrize("rounds", [0, 2])
async def test_a_verifier_that_always_asks_for_a_revision_ends_too(rounds: int) -> None:
    model = Scripted({"write-question-answer": INVENTED, "suggest-edits": SUGGEST, "edit-question-answer": INVENTED})
    end = await run(qa_flow(rounds, proposer=None, verifiers=grounding(on_fail="revise")), model)
    assert end["decision"] is Decision.REJECT
    assert "ungrounded" in end["reasons"]
    assert len(end["drafts"]) == rounds + 1


async def test_the_critic_rejects_at_once() -> None:
    model = Scripted({"propose-question": PROPOSAL, "write-question-answer": GOOD, "judge-question-answer": REJECT})
    end = await run(qa_flow(), model)
    assert (end["decision"], end["reasons"], len(end["drafts"])) == (Decision.REJECT, ("trivial",), 1)


async def test_without_refiner_or_critic_the_flow_still_decides() -> None:
    model = Scripted({"write-question-answer": GOOD, "judge-question-answer": REVISE})
    bare: dict[str, Any] = {"proposer": None, "verifiers": (), "refiner": None}
    end = await run(qa_flow(**bare), model)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("unclear",))
    end = await run(qa_flow(**bare, critic=None), model)
    assert (end["decision"], end["reasons"]) == (Decision.ACCEPT, ())


async def test_a_twin_is_rejected_before_the_critic_and_named() -> None:
    pool = ExactPool([("when was the mill at aldbrook built", "task-twin")])
    model = Scripted({"propose-question": PROPOSAL, "write-question-answer": GOOD})
    end = await run(qa_flow(), model, pool=pool)
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("duplicate",))
    assert "task-twin" in end["verdicts"][-1].text
    assert end["verdicts"][-1].by == "novelty"


async def test_a_refined_draft_is_no_twin_of_its_own_task() -> None:
    model = Scripted(
        {
            "propose-question": PROPOSAL,
            "write-question-answer": GOOD,
            "suggest-edits": SUGGEST,
            "edit-question-answer": {**GOOD, "answer": "It was built in 1742."},
            "judge-question-answer": [REVISE, ACCEPT],
        }
    )
    assert (await run(qa_flow(), model, pool=ExactPool()))["decision"] is Decision.ACCEPT


async def test_a_failing_model_fails_the_task_with_its_own_error() -> None:
    model = Scripted({"propose-question": PROPOSAL, "write-question-answer": Overloaded("busy", status=503)})
    with pytest.raises(Overloaded, match="busy"):
        await run(qa_flow(), model)


async def test_made_up_and_absent_reasons_are_counted_under_fixed_codes() -> None:
    made_up = {"decision": "reject", "reasons": ["Wrong Kind", "the mill is ugly"]}
    model = Scripted({"judge-question-answer": [made_up, {"decision": "reject"}], "write-question-answer": GOOD})
    flow = qa_flow(proposer=None, verifiers=())
    end = await run(flow, model)
    assert end["reasons"] == ("wrong_kind", "other")
    assert "the mill is ugly" in end["verdicts"][0].text
    assert (await run(flow, model))["reasons"] == ("unstated",)


async def test_a_low_or_missing_score_turns_an_acceptance_into_a_revision() -> None:
    model = Scripted({"judge-question-answer": ACCEPT, "write-question-answer": GOOD})
    end = await run(
        qa_flow(proposer=None, critic=critic(minimum={"grounded": 0.95, "clear": 0.5}), refiner=None), model
    )
    assert (end["decision"], end["reasons"]) == (Decision.REJECT, ("low_grounded", "low_clear"))
    assert "no score was given for: clear" in end["verdicts"][-1].text
    with pytest.raises(ConfigError, match="minimum"):
        critic(minimum={"grounded": 1.5})


@pytest.mark.parametrize(
    ("decisions", "agree", "expected"),
    [
        (("accept", "accept", "accept"), None, Decision.ACCEPT),
        (("accept", "accept", "reject"), None, Decision.REJECT),
        (("accept", "accept", "reject"), 2, Decision.ACCEPT),
        (("accept", "accept", "revise"), None, Decision.REVISE),
        (("accept", "reject", "reject"), 2, Decision.REJECT),
        (("accept", "revise", "reject"), 2, Decision.REVISE),
    ],
)
async def test_a_panel_decides_by_agreement(decisions: tuple[str, ...], agree: int | None, expected: Decision) -> None:
    judges = {"relevance": "one", "correctness": "two", "difficulty": "three"}
    says = dict(zip(judges, decisions, strict=True))

    def judge(request: Any) -> dict[str, Any]:
        decision = says[request.variables["judge"]]
        return {"decision": decision, "reasons": [] if decision == "accept" else ["incorrect"]}

    model = Scripted({"write-problem": {"problem": "How long?"}, "judge-problem": judge})
    node = in_turn(
        generator(prompt="write-problem", variables=PROBLEM_VARIABLES),
        panel(judges, agree=agree),
    )
    end = await run_node(node, model)
    assert end["decision"] is expected
    assert [verdict.by for verdict in end["verdicts"]] == ["one:relevance", "two:correctness", "three:difficulty"]
    assert end["reasons"] == (() if expected is Decision.ACCEPT else ("incorrect",))
    assert {request.role for request in model.requests[1:]} == {"one", "two", "three"}


async def test_a_flow_runs_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    def refuse(*_: Any) -> None:
        raise AssertionError("LangGraph runs a plain function in a thread, which costs more than the function")

    monkeypatch.setattr(loop, "run_in_executor", refuse)
    last = {**REVISE, "reasons": ["wrong_kind"]}
    model = Scripted(
        {
            "propose-question": PROPOSAL,
            "write-question-answer": VAGUE,
            "suggest-edits": SUGGEST,
            "edit-question-answer": GOOD,
            "judge-question-answer": [REVISE, last],
        }
    )
    assert (await run(qa_flow(max_rounds=1), model))["reasons"] == ("wrong_kind",)


def test_the_reference_flow_passes_the_flow_check() -> None:
    roles = {"proposer", "generator", "critic", "refiner"}
    require_flow(qa_flow(), roles=roles, prompts=PromptLibrary())
    with pytest.raises(FlowError, match="critic"):
        require_flow(qa_flow(), roles=roles - {"critic"}, prompts=PromptLibrary())


@pytest.mark.parametrize("rounds", [-1, 31])
def test_rounds_without_a_limit_are_refused(rounds: int) -> None:
    with pytest.raises(FlowError, match="max_rounds"):
        qa_flow(max_rounds=rounds)


def test_the_longest_flow_fits_the_steps_of_a_campaign() -> None:
    # propose and generate, then verify, criticise and refine each round, and the last verify, criticise and settle
    assert 2 + 3 * 30 + 3 <= 100


async def test_a_user_prompt_without_the_schema_is_named(tmp_path: Any) -> None:
    (tmp_path / "judge-mine.md").write_text("---\ndescription: x\n---\n## user\nJudge {{ question | data }}\n")
    context = FlowContext(
        models={"default": Scripted({"write-question-answer": GOOD, "judge-mine": "fine"})},
        prompts=PromptLibrary.of([tmp_path]),
    )
    flow = qa_flow(proposer=None, verifiers=(), critic=critic(prompt="judge-mine", variables=("question",)))
    with pytest.raises(FlowError, match="schema: Judgement"):
        await flow.compile().ainvoke(state_of(), context=context)


async def test_a_prompt_without_schema_gives_its_text(tmp_path: Any) -> None:
    (tmp_path / "rewrite.md").write_text(
        "---\ndescription: x\n---\n## user\nRewrite as {{ tone }}: {{ passage | data }}\n"
    )
    model = Scripted({"rewrite": "A new text."})
    context = FlowContext(models={"default": model}, prompts=PromptLibrary.of([tmp_path]))
    node = generator(prompt="rewrite", variables=("passage", "tone"), messages=messages_of("text"))
    flow = qa_flow(proposer=None, generator=node, verifiers=(), critic=None, refiner=None)
    task = Task.of("chunk", chunks=(CHUNK.id,), attributes={"tone": "a letter"})
    end = await flow.compile().ainvoke(state_of(task), context=context)
    assert end["drafts"][0].fields == {"text": "A new text."}
    assert end["drafts"][0].messages[1].content == "A new text."
    assert model.requests[0].variables["tone"] == "a letter"


def test_an_unknown_variable_is_named_with_the_mend() -> None:
    with pytest.raises(FlowError, match=r"'persona'.*task attribute"):
        gather(state_of(), ("persona",))
    assert gather(state_of(values={"persona": "a miller"}), ("persona",)) == {"persona": "a miller"}
    assert gather(state_of(), ("persona",), {"persona": lambda state: state["task"].kind}) == {"persona": "chunk"}
    with pytest.raises(FlowError, match="put a generator before it"):
        gather(state_of(), ("question",))


def test_reasons_are_those_of_the_newest_draft_only() -> None:
    drafts = [Draft(index=index, by="generator", messages=()) for index in (0, 1)]
    verdicts = [
        Verdict(by="critic", draft=0, decision=Decision.REVISE, reasons=("trivial",), text="old"),
        Verdict(by="grounding", draft=1, decision=Decision.REVISE, reasons=("ungrounded",)),
        Verdict(by="critic", draft=1, decision=Decision.REVISE, reasons=("unclear", "ungrounded"), text="new"),
        Verdict(by="length", draft=1, decision=Decision.ACCEPT, reasons=("note",)),
    ]
    values = gather(state_of(drafts=drafts, verdicts=verdicts), ("reasons", "comment"))
    assert values == {"reasons": ["ungrounded", "unclear"], "comment": "new"}


def test_relations_read_as_lines() -> None:
    mill, river = (Entity(id=f"entity-{name}", name=name, type="thing") for name in ("mill", "river"))
    relations = [
        Relation(id="r1", source=mill.id, target=river.id, type="driven by", description="The river drove the wheel."),
        Relation(id="r2", source=mill.id, target="entity-elsewhere", type="near", description="It stood near a ford."),
    ]
    state = state_of(entities=[mill, river], relations=relations)
    assert relation_lines(state) == ["mill - driven by - river: The river drove the wheel.", "It stood near a ford."]
    assert gather(state, ("path", "points"))["path"] == ["mill", "river"]


def test_fields_become_messages() -> None:
    fields = {"title": "T", "text": "Text.", "questions": [{"question": "Q?", "answer": "A."}]}
    (message,) = pretraining(fields, state_of())
    assert (message.role, message.content) == ("assistant", "T\n\nText.\n\nQuestion: Q?\nAnswer: A.")
    user, assistant = question_on_passage(GOOD, state_of())
    assert user.content == f"{TEXT}\n\n{GOOD['question']}"
    assert assistant.content == GOOD["answer"]
    assert [message.content for message in reasoning({"problem": "P", "answer": "4"}, state_of())] == ["P", "4"]
    with pytest.raises(ConfigError, match="did you mean 'pretraining'"):
        messages_of("pretrainin")
