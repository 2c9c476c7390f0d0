"""The questions and answers of the offline model: what it makes of a text with known facts, and how it mends."""

from __future__ import annotations

from typing import Any

import pytest

from gristmill.models.contract import Request, Sampling
from gristmill.models.offline.model import Offline
from gristmill.models.offline.questions import KINDS, candidates, kind_called
from gristmill.models.offline.sentences import one_line
from gristmill.prompts.schemas import Judgement, Proposal, QuestionAnswer, Suggestions

PASSAGE = """# The Forth Bridge

The Forth Bridge is a cantilever bridge across the Firth of Forth in Scotland. It was designed by
John Fowler and opened in 1890. The bridge is 2,467 metres long and carries about 200 trains in a
day. The towers stand on granite piers.

A cantilever is a beam that is fixed at one end only. Cantilever bridges include the Forth Bridge,
the Quebec Bridge and Howrah Bridge. The Quebec Bridge is longer than the Forth Bridge in its main
span. The steel expands in summer because the sun warms it. Painting the Forth Bridge was a proverb
for a task that never ends, but a new coat of epoxy paint lasts 25 years."""

EXPECTED = {
    "definition": [
        ("What is the Forth Bridge?", "a cantilever bridge across the Firth of Forth in Scotland"),
        ("What is a cantilever?", "a beam that is fixed at one end only"),
    ],
    "fact": [("Where do the towers stand?", "on granite piers")],
    "number": [("How long is the Forth Bridge?", "2,467 metres")],
    "cause": [("Why does the steel expand in summer?", "because the sun warms it")],
    "list": [("What do cantilever bridges include?", "the Forth Bridge, the Quebec Bridge and Howrah Bridge")],
    "comparison": [
        (
            "How does the passage compare the Quebec Bridge with the Forth Bridge?",
            "The Quebec Bridge is longer than the Forth Bridge in its main span.",
        )
    ],
}


async def ask(prompt: str, schema: type[Any], seed: int = 0, sample: int = 0, **variables: Any) -> Any:
    request = Request(prompt=prompt, variables=variables, schema=schema, sampling=Sampling(seed=seed), sample=sample)
    return schema.model_validate_json((await Offline().complete(request)).text)


@pytest.mark.parametrize("kind", EXPECTED)
def test_finds_the_questions_that_the_text_answers(kind: str) -> None:
    found = {c.question: c.answer for c in candidates(PASSAGE) if c.kind == kind}
    for question, answer in EXPECTED[kind]:
        assert found.get(question) == answer, sorted(found.items())


def test_a_pronoun_is_named_and_its_sentence_quoted() -> None:
    made = next(c for c in candidates(PASSAGE) if c.question == "Who was the Forth Bridge designed by?")
    assert made.answer == "John Fowler"
    assert made.evidence == (1, 0)  # the sentence, and the one that names what "It" is


@pytest.mark.parametrize("kind", KINDS)
async def test_proposal_and_answer_of_every_kind_are_grounded_and_accepted(kind: str) -> None:
    given = {"passage": PASSAGE, "headings": ["The Forth Bridge"], "kind": kind, "kind_description": ""}
    accepted = 0
    for seed in range(6):
        proposal = await ask("propose-question", Proposal, seed, **given)
        assert proposal.suitable
        assert proposal.quote in PASSAGE
        made = await ask(
            "write-question-answer", QuestionAnswer, seed, **given,
            topic=proposal.topic, quote=proposal.quote, angle=proposal.angle,
        )  # fmt: skip
        assert made.evidence
        assert all(quote in PASSAGE for quote in made.evidence)
        told = made.answer.removeprefix("True. ").removeprefix("False. ")
        if kind == "summary":
            assert all(one_line(quote) in told for quote in made.evidence)
        else:
            assert told in one_line(PASSAGE)
        verdict = await ask("judge-question-answer", Judgement, **given, **made.model_dump())
        accepted += verdict.decision == "accept"
    assert accepted >= 5, kind


async def test_the_answer_keeps_to_the_proposed_sentence_and_angle() -> None:
    made = await ask(
        "write-question-answer", QuestionAnswer, passage=PASSAGE, headings=[], kind="number", kind_description="",
        topic="", quote="The bridge is 2,467 metres long and carries about 200 trains in a day.", angle="",
    )  # fmt: skip
    assert (made.question, made.answer) == ("How long is the Forth Bridge?", "2,467 metres")


async def test_a_passage_without_a_fitting_sentence_is_unsuitable() -> None:
    passage = "Blue. Green paint!\n\n- red\n- white\n\nNobody came?"
    for kind in KINDS:
        proposal = await ask("propose-question", Proposal, passage=passage, headings=[], kind=kind, kind_description="")
        assert not proposal.suitable
        assert kind in proposal.angle


async def test_a_kind_beyond_extraction_is_unsuitable_and_an_unknown_one_is_a_fact() -> None:
    given = {"passage": PASSAGE, "headings": [], "kind_description": ""}
    assert not (await ask("propose-question", Proposal, kind="hypothetical", **given)).suitable
    assert (await ask("propose-question", Proposal, kind="trivia", **given)).suitable


@pytest.mark.parametrize(
    ("kind", "description", "expected"),
    [
        ("cause", "", "cause"), ("True or False", "", "true-false"), ("gap", "a sentence with a blank", "cloze"),
        ("listing", "", "list"), ("attribution", "asks who found something", "fact"), ("whatever", "", "fact"),
    ],
)  # fmt: skip
def test_kinds_are_known_by_other_names(kind: str, description: str, expected: str) -> None:
    assert kind_called(kind, description) == expected


async def test_same_seed_same_answer_and_other_samples_differ() -> None:
    given = {"passage": PASSAGE, "headings": [], "kind": "cloze", "kind_description": ""}
    first = [await ask("propose-question", Proposal, 3, sample=n, **given) for n in range(8)]
    again = [await ask("propose-question", Proposal, 3, sample=n, **given) for n in range(8)]
    assert first == again
    assert len({(p.quote, p.angle) for p in first}) > 1


S1 = "The Forth Bridge is a cantilever bridge across the Firth of Forth in Scotland."
S3 = "The bridge is 2,467 metres long and carries about 200 trains in a day."
BROKEN = [
    ("What is it?", "a cantilever bridge across the Firth of Forth in Scotland", [S1], "definition"),
    ("What is the Forth Bridge?", "a famous arch of Roman stone", [S1], "definition"),
    ("How long is the Forth Bridge?", "very", [S3], "number"),
    ("How long is the Forth Bridge?", "2,467 metres", ["The bridge is 2.4 kilometres long."], "number"),
    ("What is a cantilever?", "What is a cantilever?", [], "definition"),
    ("Where do the towers stand?", "on granite piers", [], "fact"),
]


@pytest.mark.parametrize(("question", "answer", "evidence", "kind"), BROKEN, ids=[b[1][:20] for b in BROKEN])
async def test_suggestions_name_the_fault_and_the_edit_mends_it(
    question: str, answer: str, evidence: list[str], kind: str
) -> None:
    item = {"passage": PASSAGE, "question": question, "answer": answer, "evidence": evidence, "kind": kind}
    verdict = await ask("judge-question-answer", Judgement, **item)
    assert verdict.decision != "accept"
    suggested = await ask("suggest-edits", Suggestions, **item, reasons=verdict.reasons, comment=verdict.comment)
    assert suggested.suggestions
    mended = await ask(
        "edit-question-answer", QuestionAnswer, **item, suggestions=suggested.suggestions, reasons=verdict.reasons
    )
    after = await ask("judge-question-answer", Judgement, passage=PASSAGE, kind=kind, **mended.model_dump())
    assert after.decision == "accept", (mended, after)


async def test_the_smallest_mend_is_taken_first() -> None:
    mended = await ask(
        "edit-question-answer", QuestionAnswer, passage=PASSAGE, kind="fact", suggestions=[], reasons=["ungrounded"],
        question="Where do the towers stand?", answer="on granite piers", evidence=[],
    )  # fmt: skip
    assert mended.question == "Where do the towers stand?"
    assert mended.answer == "on granite piers"
    assert mended.evidence == ["The towers stand on granite piers."]
