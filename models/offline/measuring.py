"""Answers the prompts of measures: scores, comparisons, groups of texts, short answers and checks of them.

All by words alone. A text is taken for better when it has whole sentences, words that do not repeat, and enough of
them; texts are alike when they share content words; an answer is the sentence that shares most with the question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...prompts.schemas import (
    AnswerCheck,
    Comparison,
    Difference,
    Differences,
    Group,
    GroupCheck,
    Groups,
    RubricScore,
    RubricScores,
    ShortAnswer,
)
from .judging import share, texts
from .sentences import content_stems, one_line, words

READ = 8_000  # characters of a text that are read
ENOUGH = 60  # words of a text that says enough
EQUAL = 0.02  # texts whose worth differs by less are equal
ALIKE, RELATED = 0.25, 0.1  # shares of content words in common
SURE, WRONG = 0.8, 0.3
UNKNOWN = "I do not know."


def score(variables: Mapping[str, Any]) -> RubricScores:
    """Answers `score-by-rubric`: the same worth for every criterion, on its scale."""
    value = worth(str(variables["text"]))
    scores = []
    for criterion in variables["criteria"]:
        given = criterion if isinstance(criterion, Mapping) else {"name": str(criterion)}
        scale = [number for one in given.get("anchors", ()) if (number := _number(one)) is not None] or [0.0, 1.0]
        placed = min(scale) + value * (max(scale) - min(scale))
        scores.append(
            RubricScore(
                name=str(given.get("name", "")), reason="by length and repetition alone", value=round(placed, 2)
            )
        )
    return RubricScores(scores=scores)


def compare(variables: Mapping[str, Any]) -> Comparison:
    """Answers `compare-two-texts`."""
    first, second = worth(str(variables["first"])), worth(str(variables["second"]))
    better = "tie" if abs(first - second) < EQUAL else "first" if first > second else "second"
    return Comparison(reason="by length and repetition alone", better=better)  # type: ignore[arg-type]


def differences(variables: Mapping[str, Any]) -> Differences:
    """Answers `name-differences`: what the rules can see."""
    return Differences(
        criteria=[
            Difference(name="subject", description="which content words the texts share"),
            Difference(name="length", description="how many words a text has"),
        ]
    )


def group(variables: Mapping[str, Any]) -> Groups:
    """Answers `group-texts`: a text joins the first group whose first text shares enough content words with it."""
    heads: list[tuple[frozenset[str], list[int]]] = []
    for number, text in enumerate(texts(variables["texts"]), start=1):
        stems = content_stems(text[:READ])
        found = next((members for head, members in heads if _likeness(head, stems) >= ALIKE), None)
        if found is None:
            heads.append((stems, [number]))
        else:
            found.append(number)
    return Groups(
        groups=[
            Group(reason=f"share words such as {', '.join(sorted(head)[:4]) or 'none'}", members=members)
            for head, members in heads
        ]
    )


def check_group(variables: Mapping[str, Any]) -> GroupCheck:
    """Answers `check-group`: every text shares words with the first."""
    stems = [content_stems(text[:READ]) for text in texts(variables["texts"])]
    least = min((_likeness(stems[0], other) for other in stems[1:]), default=1.0)
    return GroupCheck(reason=f"the texts share {least:.0%} of their words at least", valid=least >= RELATED)


def answer(variables: Mapping[str, Any]) -> ShortAnswer:
    """Answers `answer-question`: the sentence of the passage that shares most words with the question."""
    asked = content_stems(str(variables["question"])[:READ])
    passage = str(variables.get("passage", ""))[:READ]
    sentences = [one_line(one) for one in passage.replace("\n\n", ". ").split(". ") if one.strip()]
    best = max(sentences, key=lambda one: len(content_stems(one) & asked), default="")
    return ShortAnswer(answer=best if content_stems(best) & asked else UNKNOWN)


def check_answer(variables: Mapping[str, Any]) -> AnswerCheck:
    """Answers `check-answer`: are the answer's words in the passage."""
    passage, given = str(variables.get("passage", ""))[:READ], content_stems(str(variables["answer"])[:READ])
    if not passage.strip() or not given:
        return AnswerCheck(reason="there is nothing to check it by", verdict="unsure")
    found = share(given, content_stems(passage))
    verdict = "correct" if found >= SURE else "incorrect" if found < WRONG else "unsure"
    return AnswerCheck(
        reason=f"{found:.0%} of the answer's words are in the source",
        verdict=verdict,  # type: ignore[arg-type]
    )


def worth(text: str) -> float:
    """In [0, 1]: enough words, few of them again, an end."""
    found = [word.lower() for word in words(text[:READ])]
    if not found:
        return 0.0
    length = min(1.0, len(found) / ENOUGH)
    fresh = min(1.0, len(set(found)) / min(len(found), ENOUGH))
    ended = 1.0 if text.rstrip().endswith((".", "!", "?", '"', "\u201d")) else 0.5
    return round((length + fresh + ended) / 3, 4)


def _number(anchor: object) -> float | None:
    try:
        value = float(str(anchor.get("score", "") if isinstance(anchor, Mapping) else anchor))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _likeness(left: frozenset[str], right: frozenset[str]) -> float:
    together = left | right
    return len(left & right) / len(together) if together else 1.0
