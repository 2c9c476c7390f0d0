"""Proposes and writes questions: `propose-question` and `write-question-answer`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...prompts.schemas import Proposal, QuestionAnswer
from .forms import of_sentence, stands_alone, summaries
from .lexicon import word_list
from .reading import Reading, read
from .stated import Candidate

MAX_SENTENCES_ASKED = 120
KINDS = ("definition", "fact", "number", "cause", "comparison", "list", "relation", "cloze", "true-false", "summary")
# how other taxonomies call these kinds; the first word found in a kind's name or description decides
_CUES: tuple[tuple[str, str], ...] = (
    ("true-false", "true-false"), ("true or false", "true-false"), ("true/false", "true-false"),
    ("cloze", "cloze"), ("fill in", "cloze"), ("blank", "cloze"), ("defin", "definition"), ("meaning", "definition"),
    ("compar", "comparison"), ("contrast", "comparison"), ("differ", "comparison"), ("cause", "cause"),
    ("caus", "cause"), ("why", "cause"), ("reason", "cause"), ("effect", "cause"), ("number", "number"),
    ("numer", "number"), ("quantit", "number"), ("how many", "number"), ("enumerat", "list"), ("list", "list"),
    ("relation", "relation"), ("connect", "relation"), ("summar", "summary"), ("main point", "summary"),
)  # fmt: skip
# kinds of the built-in taxonomy that ask for more than extraction can give: no question of such a kind is made
BEYOND = word_list("beyond")
_NARROWED = {"attribution": r"\bby\?$|the authors", "purpose": r"\bfor\?$|^Why\b"}
_NEAREST = {"attribution": "fact", "property": "fact", "example": "list", "purpose": "fact", "explanation": "summary"}


def kind_called(kind: str, description: str = "") -> str:
    """Returns which of `KINDS` a user's question kind is nearest to; `fact` when nothing is near."""
    if kind in KINDS:
        return kind
    if kind in _NEAREST:
        return _NEAREST[kind]
    for text in (kind.lower().replace("_", "-"), description.lower()):
        for cue, found in _CUES:
            if cue in text:
                return found
    return "fact"


def draw(count: int, *parts: object) -> int:
    """Returns a number below `count` that depends on `parts` alone; small ones are likelier."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return min(int.from_bytes(digest[:4], "big") % count, int.from_bytes(digest[4:], "big") % count)


def candidates(passage: str, headings: tuple[str, ...] = ()) -> tuple[Candidate, ...]:
    """Returns every question that a passage answers, best first, each question once."""
    found = _of_passage(passage)
    if not headings:
        return found
    return tuple(sorted({*found, *summaries(read(passage), headings)}, key=_rank))


@lru_cache(maxsize=128)
def _of_passage(passage: str) -> tuple[Candidate, ...]:
    reading = read(passage)
    found: dict[tuple[str, str], Candidate] = {}
    for sentence in reading.sentences[:MAX_SENTENCES_ASKED]:
        for candidate in of_sentence(reading, sentence.index):
            found.setdefault((candidate.kind, candidate.question), candidate)
    for candidate in summaries(reading, ()):
        found.setdefault((candidate.kind, candidate.question), candidate)
    return tuple(sorted(found.values(), key=_rank))


def _rank(candidate: Candidate) -> tuple[float, tuple[int, ...], str, str]:
    return -candidate.score, candidate.evidence, candidate.kind, candidate.question


def propose(variables: Mapping[str, Any], seed: int) -> Proposal:
    """Answers `propose-question`: a sentence, its topic and what to ask about it; unsuitable when no rule fits."""
    passage = str(variables["passage"])
    kind = kind_called(str(variables.get("kind", "")), str(variables.get("kind_description", "")))
    wanted = str(variables.get("kind", ""))
    if wanted in BEYOND:
        return Proposal(suitable=False, angle=f"The offline model has no rule for kind '{wanted}'; bind a real model.")
    fitting = [c for c in candidates(passage, _headings(variables)) if c.kind == kind and c.score > 0.3]
    if wanted in {"attribution", "purpose"}:
        fitting = [c for c in fitting if re.search(_NARROWED[wanted], c.question)]
    if not fitting:
        return Proposal(suitable=False, angle=f"No sentence of the passage carries a question of kind '{kind}'.")
    chosen = fitting[draw(len(fitting), passage, kind, seed)]
    return Proposal(
        suitable=True,
        topic=chosen.topic,
        quote=read(passage).sentences[chosen.evidence[0]].quote,
        angle=f"Ask for {chosen.angle}."
        if not chosen.angle.startswith(("a ", "the blank"))
        else f"Use {chosen.angle}.",
    )


def write(variables: Mapping[str, Any], seed: int) -> QuestionAnswer:
    """Answers `write-question-answer` for the proposed sentence and angle.

    Where another model proposed something that no rule makes, the nearest question of that sentence stands in, and at
    last one about the topic, answered with the sentence.
    """
    passage = str(variables["passage"])
    kind = kind_called(str(variables.get("kind", "")), str(variables.get("kind_description", "")))
    reading = read(passage)
    angle = str(variables.get("angle", ""))
    topic = str(variables.get("topic", ""))
    index = reading.find(str(variables.get("quote", "")))
    every = candidates(passage, _headings(variables))
    here = [c for c in every if index is not None and c.evidence[0] == index]
    for fitting in (
        [c for c in here if c.kind == kind and c.angle in angle and (not topic or c.topic == topic)],
        [c for c in here if c.kind == kind],
        [c for c in every if c.kind == kind and topic and topic.lower() in c.question.lower()],
        [c for c in here if c.kind == "fact"],
    ):
        if fitting:
            chosen = fitting[0] if fitting[0].angle in angle else fitting[draw(len(fitting), passage, kind, seed)]
            return answer_of(reading, chosen)
    return about(reading, index, topic)


def answer_of(reading: Reading, chosen: Candidate) -> QuestionAnswer:
    """Returns a candidate as an answer, with its sentences as verbatim evidence, in the passage's order."""
    evidence = [reading.sentences[i].quote for i in sorted(chosen.evidence)]
    return QuestionAnswer(question=chosen.question, answer=chosen.answer, evidence=evidence)


def about(reading: Reading, index: int | None, topic: str) -> QuestionAnswer:
    """Returns the plainest grounded question: what the passage says about a topic, answered with a sentence."""
    if index is None:
        named = [s for s in reading.sentences if topic and topic.lower() in s.text.lower()]
        choice = (
            next((s for s in named if stands_alone(s)), None)
            or next((s for s in reading.sentences if stands_alone(s)), None)
            or next(iter(reading.sentences), None)
        )
        if choice is None:
            text = " ".join(reading.passage.split())[:300] or "(the passage is empty)"
            return QuestionAnswer(question="What does the passage say?", answer=text, evidence=[])
        index = choice.index
    sentence = reading.sentences[index]
    topic = topic or reading.topic(index)
    return QuestionAnswer(
        question=f"What does the passage say about {topic}?", answer=sentence.text, evidence=[sentence.quote]
    )


def _headings(variables: Mapping[str, Any]) -> tuple[str, ...]:
    value = variables.get("headings") or ()
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value) if isinstance(value, Sequence) else ()
