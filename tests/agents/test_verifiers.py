"""Programmatic verifiers, run as nodes of a compiled LangGraph."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field

from gristmill.agents.attributes.choices import no_copy
from gristmill.agents.state import FlowContext, FlowState, Node, info_of
from gristmill.agents.verifiers.agreement import answer_match, attribute, draft_field, majority_agrees, value
from gristmill.agents.verifiers.form import language, length, pattern, schema
from gristmill.agents.verifiers.grounding import grounding
from gristmill.agents.verifiers.verifier import Finding, verifier, verify
from gristmill.errors import ConfigError, FlowError
from gristmill.storage.records import Chunk, Decision, Draft, Span, Task, Verdict

PASSAGE = "The mill at Ashford was built in 1820. It ground grain for three villages until 1911."
CHUNK = Chunk.of("doc", 0, 0, len(PASSAGE), PASSAGE)


async def outcome(
    node: Node,
    fields: Mapping[str, Any],
    *,
    evidence: tuple[Span, ...] = (),
    attributes: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Runs `node` alone in a real flow over one draft; returns the state at the end."""
    graph = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("check", node)
    graph.add_edge(START, "check")
    graph.add_edge("check", END)
    drafts = [
        Draft(index=0, by="generator", messages=(), fields={"answer": "an old draft"}),
        Draft(index=1, by="refiner", messages=(), fields=dict(fields), evidence=evidence),
    ]
    state = {
        "task": Task.of("chunk", chunks=(CHUNK.id,), attributes=attributes),
        "chunks": [CHUNK],
        "drafts": drafts,
        "values": values or {},
    }
    return dict(await graph.compile().ainvoke(state, context=FlowContext(models={})))


async def verdict(node: Node, fields: Mapping[str, Any], **more: Any) -> Verdict:
    (found,) = (await outcome(node, fields, **more))["verdicts"]
    assert isinstance(found, Verdict)
    assert found.draft == 1
    return found


async def reasons(node: Node, fields: Mapping[str, Any], **more: Any) -> tuple[str, ...]:
    return (await verdict(node, fields, **more)).reasons


class Answer(BaseModel):
    answer: str = Field(min_length=2)
    steps: list[int]


JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "minLength": 2},
        "steps": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["answer", "steps"],
}


@pytest.mark.parametrize("shape", [Answer, JSON_SCHEMA])
async def test_schema_accepts_and_refuses_alike_for_pydantic_and_json_schema(shape: Any) -> None:
    assert await reasons(schema(shape), {"answer": "ok", "steps": [1]}) == ()
    found = await verdict(schema(shape), {"answer": "x" * 5000, "steps": ["one"]})
    assert found.reasons == ("schema",)
    assert "steps" in found.text
    assert len(found.text) <= 500
    assert await reasons(schema(shape, field="code"), {"code": '{"answer": "ok", "steps": []}'}) == ()
    assert await reasons(schema(shape, field="code"), {"code": '{"answer": '}) == ("schema",)
    assert await reasons(schema(shape, field="code"), {}) == ("schema",)


async def test_a_json_schema_is_checked_when_the_flow_is_built_and_never_fetched() -> None:
    with pytest.raises(ConfigError, match="not a valid JSON schema"):
        schema({"type": "strin"})
    with pytest.raises(ConfigError, match="does not contain"):
        await outcome(schema({"$ref": "http://127.0.0.1:9/schema.json"}), {"answer": "a"})


async def test_a_text_nested_without_end_fails_the_schema_and_not_the_task() -> None:
    tree = {"$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "$ref": "#/$defs/node"}
    assert await reasons(schema(tree, field="code"), {"code": "[[], [[]]]"}) == ()
    assert await reasons(schema(tree, field="code"), {"code": "[" * 900 + "]" * 900}) == ("schema",)
    assert await reasons(schema(tree, field="code"), {"code": "[" * 100_000}) == ("schema",)


async def test_length_counts_words_characters_and_tokens() -> None:
    fields = {"answer": "It ground grain."}
    assert await reasons(length("answer", minimum=3, maximum=3), fields) == ()
    assert await reasons(length("answer", minimum=4), fields) == ("too_short",)
    assert await reasons(length("answer", maximum=15, unit="characters"), fields) == ("too_long",)
    assert await reasons(length("answer", maximum=8, unit="tokens", count=lambda text: len(text) // 2), fields) == ()
    assert await reasons(length("answer", maximum=7, unit="tokens", count=lambda text: len(text) // 2), fields) == (
        "too_long",
    )
    assert await reasons(length("question"), fields) == ("missing_field",)
    assert await reasons(length("answer"), {"answer": ["a list"]}) == ("missing_field",)
    with pytest.raises(ConfigError, match="give count="):
        length("answer", unit="tokens")
    with pytest.raises(ConfigError, match="minimum=5 and maximum=2"):
        length("answer", minimum=5, maximum=2)


async def test_language_is_the_one_asked_for_or_the_source_s() -> None:
    german = {"answer": "Die Mühle wurde im Jahr 1820 von den Bewohnern gebaut."}
    english = {"answer": "The mill was built by the people of the village."}
    assert await reasons(language("answer", ["de", "fr"]), german) == ()
    assert await reasons(language("answer", ["de"]), english) == ("wrong_language",)
    assert await reasons(language("answer"), english) == ()
    assert await reasons(language("answer"), german) == ("wrong_language",)
    assert await reasons(language("answer", ["de"]), {"answer": 1820}) == ()  # a number has no language
    with pytest.raises(ConfigError, match="not the string 'de'"):
        language("answer", "de")


async def test_patterns_are_required_or_forbidden_in_linear_time() -> None:
    assert await reasons(pattern("answer", must_match=r"(?i)^the\b"), {"answer": "The mill"}) == ()
    assert await reasons(pattern("answer", must_match=r"\d"), {"answer": "The mill"}) == ("pattern_missing",)
    refused = await verdict(pattern("answer", must_not_match=r"as an AI"), {"answer": "Well, as an AI I \ud800"})
    assert refused.reasons == ("pattern_forbidden",)
    started = time.process_time()
    assert await reasons(pattern("answer", must_match=r"^(a+)+$"), {"answer": "a" * 100_000 + "!"}) == (
        "pattern_missing",
    )
    assert time.process_time() - started < 2
    for bad in (r"(?=x)", r"(", r"(a)\1"):
        with pytest.raises(ConfigError, match="no RE2 expression"):
            pattern("answer", must_match=bad)
    with pytest.raises(ConfigError, match="needs must_match"):
        pattern("answer")


async def test_grounding_keeps_the_spans_it_found_and_names_what_it_did_not() -> None:
    quote = "built in 1820"
    found = await verdict(grounding(), {"answer": "In 1820.", "evidence": [quote, "three villages"]})
    assert found.reasons == ()
    assert [span.quote for span in found.evidence] == [quote, "three villages"]
    assert found.scores == {"grounded": 1.0}

    found = await verdict(grounding(), {"answer": "In 1820.", "evidence": [quote, "built by monks of the abbey"]})
    assert found.reasons == ("ungrounded",)
    assert found.scores == {"grounded": 0.5}
    assert "monks" in found.text

    assert await reasons(grounding(), {"answer": "In 1820.", "evidence": []}) == ("no_evidence",)
    assert await reasons(grounding(at_least=2), {"evidence": [quote, "  BUILT in 1820"]}) == ("no_evidence",)
    assert await reasons(grounding(evidence=None), {"answer": "In 1820."}) == ()


async def test_what_an_answer_quotes_must_stand_in_the_source() -> None:
    node = grounding(evidence=None)
    assert await reasons(node, {"answer": 'It says "It ground grain for three villages".'}) == ()
    assert await reasons(node, {"answer": "It says \u201cit burned down in 1911\u201d."}) == ("ungrounded",)
    assert await reasons(node, {"answer": 'It is called the "Old Lady".'}) == ()  # a name, not a quotation


async def test_evidence_spans_of_the_draft_are_checked_against_the_chunk() -> None:
    true = Span(chunk=CHUNK.id, start=4, end=8, quote="mill")
    assert (await verdict(grounding(), {}, evidence=(true,))).evidence == (true,)
    for false in (
        Span(chunk=CHUNK.id, start=5, end=9, quote="mill"),
        Span(chunk="chunk-x", start=4, end=8, quote="mill"),
    ):
        assert "ungrounded" in await reasons(grounding(), {}, evidence=(false,))


async def test_a_field_may_have_to_be_made_of_the_source_s_words() -> None:
    node = grounding(evidence=None, minimum_fraction={"answer": 0.8})
    assert await reasons(node, {"answer": "It ground grain for three villages"}) == ()
    found = await verdict(node, {"answer": "It ground grain and made everybody in the region quite rich"})
    assert found.reasons == ("low_grounding",)
    assert found.scores["grounded_answer"] == pytest.approx(3 / 11)
    with pytest.raises(ConfigError, match="share in"):
        grounding(minimum_fraction={"answer": 80})


async def test_answers_are_matched_with_a_known_one() -> None:
    gold = {"attributes": {"gold": "1820"}}
    assert await reasons(answer_match(attribute("gold")), {"answer": "1,820"}, **gold) == ()
    assert await reasons(answer_match(attribute("gold")), {"answer": "1911"}, **gold) == ("incorrect",)
    assert await reasons(answer_match(attribute("gold"), how="numeric"), {"answer": "Built in 1820."}, **gold) == ()
    assert await reasons(answer_match(attribute("gold"), how="exact"), {"answer": "in 1820"}, **gold) == ("incorrect",)
    assert await reasons(answer_match(attribute("silver")), {"answer": "1820"}, **gold) == ("nothing_expected",)
    assert await reasons(answer_match(draft_field("check")), {"answer": "7", "check": 7.0}) == ()
    assert await reasons(answer_match(value("solved")), {"answer": "x"}, values={"solved": ["y", "X."]}) == ()
    with pytest.raises(ConfigError, match="how='fuzzy'"):
        answer_match(attribute("gold"), how="fuzzy")  # type: ignore[arg-type]  # what a user's typo does


async def test_the_majority_of_answers_must_be_the_draft_s() -> None:
    node = majority_agrees(value("answers"))

    async def against(answer: str, *votes: str) -> Verdict:
        return await verdict(node, {"answer": answer}, values={"answers": list(votes)})

    agreed = await against("42", "42.0", "41", "42 km")
    assert (agreed.reasons, agreed.scores) == ((), {"agreement": pytest.approx(2 / 3)})
    assert (await against("41", "42.0", "41", "42 km")).reasons == ("incorrect",)
    assert (await against("a", "a", "b", "c", "d")).reasons == ("no_majority",)
    assert (await against("a", "a", "b")).reasons == ("no_majority",)
    assert (await against("a", "", " ")).reasons == ("no_majority",)
    assert (await against("a", "a")).reasons == ("too_few_answers",)


async def test_a_failed_check_decides_and_a_passed_one_leaves_that_to_the_critic() -> None:
    passed = await outcome(length("answer"), {"answer": "fine"})
    assert "decision" not in passed
    assert passed["verdicts"][0].decision is Decision.ACCEPT
    failed = await outcome(length("answer", minimum=9, on_fail="revise"), {"answer": "short"})
    assert (failed["decision"], failed["reasons"]) == (Decision.REVISE, ("too_short",))
    with pytest.raises(ConfigError, match="choose 'reject' or 'revise'"):
        length("answer", on_fail="accept")


async def test_verify_runs_all_checks_in_one_step_and_takes_the_gravest_decision() -> None:
    node = verify(
        length("answer", minimum=3, on_fail="revise"),
        pattern("answer", must_not_match="TODO"),
        length("answer", maximum=100),
    )
    state = await outcome(node, {"answer": "TODO"})
    assert [one.decision for one in state["verdicts"]] == [Decision.REVISE, Decision.REJECT, Decision.ACCEPT]
    assert (state["decision"], state["reasons"]) == (Decision.REJECT, ("too_short", "pattern_forbidden"))
    assert (await outcome(node, {"answer": "Too short"}))["decision"] is Decision.REVISE
    assert "decision" not in await outcome(node, {"answer": "It is long enough"})
    info = info_of(node)
    assert info is not None
    assert info.writes == {"verdicts", "decision", "reasons"}
    assert len(info.parts) == 3
    with pytest.raises(ConfigError, match="at least one"):
        verify()


async def test_a_user_s_own_check_is_a_plain_function() -> None:
    def shouts(draft: Draft, _: FlowState) -> Finding:
        return Finding(("shouting",) if str(draft.fields["answer"]).isupper() else ())

    assert await reasons(verifier("calm", shouts), {"answer": "HELP"}) == ("shouting",)
    assert await reasons(verifier("calm", shouts), {"answer": "help"}) == ()


async def test_a_verifier_before_any_draft_is_a_mistake_in_the_flow() -> None:
    graph = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("check", length("answer"))
    graph.add_edge(START, "check")
    with pytest.raises(FlowError, match="generator"):
        await graph.compile().ainvoke({"task": Task.of("chunk")}, context=FlowContext(models={}))


async def test_a_copy_of_what_was_shown_is_found_and_nothing_is_a_copy_of_nothing() -> None:
    shown = no_copy("question", of=lambda state: [chunk.text for chunk in state.get("chunks", [])])
    assert await reasons(shown, {"question": PASSAGE.upper()}) == ("copied",)
    assert await reasons(shown, {"question": "Which village had no mill?"}) == ()
    for nothing in ([], [""], ["?!"]):  # a task without chunks has shown no text
        assert await reasons(no_copy("question", of=lambda _, them=nothing: them), {"question": "Why?"}) == ()
