"""Mends questions and answers: `suggest-edits` and `edit-question-answer`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...prompts.schemas import QuestionAnswer, Suggestions
from .judging import check, share, texts, verbatim
from .questions import about, answer_of, candidates, draw, kind_called
from .reading import Reading, read
from .sentences import content_stems, words
from .stated import possessive

TRIES = 12
_ADVICE = {
    "ungrounded": "Take the answer word for word from the passage and quote the sentence that states it.",
    "unanswerable": "Ask about what the quoted sentence states, in its own words.",
    "trivial": "Ask for something that the question does not give away.",
    "duplicate": "Say it in the form of a question, and answer with the shortest part that answers it.",
    "unclear": "Name what the question is about instead of pointing at it, and keep to one question.",
    "wrong_kind": "Change question and answer to the kind that was asked for.",
}
_PRONOUN = re.compile(r"\b(it|its|they|their|them|he|she|his|her|this \w+|these \w+|those \w+|this)\b", re.IGNORECASE)
_POSSESSIVE = frozenset({"its", "their", "his", "her"})


def suggest(variables: Mapping[str, Any]) -> Suggestions:
    """Answers `suggest-edits` with one line for each fault that the checks find, then the critic's own reasons."""
    kind = kind_called(str(variables.get("kind", "")), "")
    found = check(
        str(variables["passage"]),
        str(variables["question"]),
        str(variables["answer"]),
        texts(variables.get("evidence")),
        kind,
    )
    lines = [
        f"{fault.comment[0].upper()}{fault.comment[1:]}. {_ADVICE.get(fault.reason, '')}".strip()
        for fault in found.faults
    ]
    known = {fault.reason for fault in found.faults}
    lines += [
        _ADVICE[reason] for reason in texts(variables.get("reasons")) if reason in _ADVICE and reason not in known
    ]
    if not lines:
        mended = edit({**variables, "suggestions": []}, 0)
        lines = [f"Ask instead: {mended.question}"]
    return Suggestions(suggestions=list(dict.fromkeys(lines))[:6])


def edit(variables: Mapping[str, Any], seed: int) -> QuestionAnswer:
    """Answers `edit-question-answer`: the smallest mend that passes the checks, else another question of the kind."""
    passage = str(variables["passage"])
    kind = kind_called(str(variables.get("kind", "")), "")
    reasons = set(texts(variables.get("reasons")))
    reading = read(passage)
    before = (str(variables["question"]), str(variables["answer"]))
    first: QuestionAnswer | None = None
    for number, attempt in enumerate(_attempts(reading, variables, kind, reasons, seed)):
        if number >= TRIES:
            break
        first = first or attempt
        if (attempt.question, attempt.answer) == before and "ungrounded" not in reasons:
            continue
        if check(passage, attempt.question, attempt.answer, attempt.evidence, kind).decision == "accept":
            return attempt
    return first or about(reading, None, "")


def _attempts(
    reading: Reading, variables: Mapping[str, Any], kind: str, reasons: set[str], seed: int
) -> Iterator[QuestionAnswer]:
    """Yields mends from the smallest on."""
    question, answer = str(variables["question"]), str(variables["answer"])
    inside, _ = verbatim(texts(variables.get("evidence")), [reading.passage])
    index = reading.find(inside[0]) if inside else None
    if index is None:
        index = reading.find(answer) if len(words(answer)) > 2 else None
    if index is None:
        index = _nearest(reading, f"{question} {answer}")
    if index is not None:
        sentence = reading.sentences[index]
        evidence = list(dict.fromkeys([*inside, sentence.quote]))
        named = _name_pronouns(question, reading.topic(index))
        yield QuestionAnswer(question=named, answer=answer, evidence=evidence)
        if "trivial" not in reasons:
            yield QuestionAnswer(question=named, answer=sentence.text, evidence=[sentence.quote])
    asked = content_stems(question)
    fitting = [c for c in candidates(reading.passage) if c.kind == kind and c.question != question]
    nearby = [c for c in fitting if index is not None and c.evidence[0] == index]
    for candidate in sorted(nearby, key=lambda c: (-share(asked, content_stems(c.question)), -c.score)):
        yield answer_of(reading, candidate)
    others = [c for c in fitting if c not in nearby]
    if others:
        start = draw(len(others), reading.passage, question, seed)
        for candidate in (others[start:] + others[:start])[:4]:
            yield answer_of(reading, candidate)
    yield about(reading, index, "" if index is None else reading.topic(index))


def _nearest(reading: Reading, text: str) -> int | None:
    wanted = content_stems(text)
    scored = [(len(wanted & content_stems(s.text)), -s.index) for s in reading.sentences if s.complete]
    best = max(scored, default=(0, 0))
    return -best[1] if best[0] else None


def _name_pronouns(question: str, topic: str) -> str:
    """Puts the topic in the place of the first pronoun, with the article that fits a name or a common noun."""
    article = "" if topic[:1].isupper() or topic.endswith("s") else "the "

    def name(match: re.Match[str]) -> str:
        owner = f"{article}{topic}"
        return owner + possessive(owner) if match.group(1).lower() in _POSSESSIVE else owner

    return _PRONOUN.sub(name, question, count=1)
