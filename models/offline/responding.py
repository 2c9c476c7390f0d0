"""Responds to instructions of any sort, and judges responses: by the instruction's words, for nothing else is known.

What can be done is done: a sum is worked out, a program of a known family is written. Else the response says what is
asked for, in forms that hold for anything; so it is on the subject, and worth nothing to a reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...prompts.schemas import Judgement, Mark, Marks, Ratings
from .asked import Asked
from .measuring import worth
from .programs import asks_for_program, solution
from .solving import NO_ANSWER, worked
from .sums import found
from .wording import capital, covered, joined, judged, sentences, topics

_FORMS = (
    "What is asked for has to do with {0}.",
    "One begins with {1}, since what follows rests on it.",
    "Then comes {0}, for which {1} has to be known.",
    "Between {0} and {1} there is a link that is easily missed: each is told by the other.",
    "Whoever asks about {0} will want an example, and {1} is a fair one.",
    "Against that one can say that {1} is not the whole of {0}.",
    "It helps to set {0} down in writing before {1} is touched.",
    "In the end {0} decides how much of {1} is needed.",
    "A careful reader checks {1} twice, and {0} once more.",
)
_LIMIT = "More than its words say about {0} is not known here."
ENOUGH = 45  # words of a response that says enough


def respond(asked: Asked) -> str:
    """Answers `respond-to-instruction`, `sample-response` and `write-response`."""
    instruction = asked.text("instruction")
    if asks_for_program(instruction):
        return solution(asked, instruction)
    if re.search(r"\d", instruction) and found(instruction) is not None and "?" in instruction:
        steps, answer = worked(instruction, asked)
        return f"{steps} So the answer is {answer}."
    return _said(instruction, asked, 1 if asked.weak else asked.rng.randint(3, 5))


def _said(instruction: str, asked: Asked, count: int, besides: str = "") -> str:
    """Returns sentences of the forms above on what `instruction` is about, and how little is known of it."""
    names = topics(instruction, 6) or ["this"]
    missing = [name for name in names if covered(name, besides) < 1.0] or names
    forms = asked.rng.sample(_FORMS, count)
    made = []
    for number, form in enumerate(forms):
        one = missing[(2 * number) % len(missing)]
        other = missing[(2 * number + 1) % len(missing)]
        made.append(capital(form.format(one, other if other != one else "what belongs to it")))
    if asked.weak:
        return " ".join(made)
    return " ".join((*made, _LIMIT.format(joined(names))))


def improve(asked: Asked) -> str:
    """Answers `improve-response` and `merge-responses`: what the responses say, each sentence once, and what they
    leave out of the instruction's words."""
    instruction, given = asked.text("instruction"), asked.texts("responses")
    if found(instruction) is not None and any(char.isdigit() for one in given for char in one):
        return respond(asked)
    kept = list(
        dict.fromkeys(sentence for one in given for sentence in sentences(one) if "is not known" not in sentence)
    )
    kept = kept[: 2 if asked.weak else 6]
    return " ".join((*kept, _said(instruction, asked, 1 if asked.weak else 2, " ".join(kept))))


def refine(asked: Asked) -> str:
    """Returns a response with one more sentence on what it left out."""
    kept = [one for one in sentences(asked.text("response")) if not one.startswith(_LIMIT[:20])]
    return " ".join((*kept, _said(asked.text("instruction"), asked, 1, " ".join(kept))))


def _value(instruction: str, response: str) -> float:
    """In [0, 1]: how many of the instruction's words a response takes up, whether it says enough, repeats itself, and
    where the instruction is a sum, whether the result is in it."""
    said = response.split()
    if not said:
        return 0.0
    sum_ = found(instruction) if "?" in instruction else None
    if sum_ is not None:
        figures = re.findall(r"-?\d+(?:\.\d+)?(?:/\d+)?", response)
        return 0.95 if sum_.answer in figures[-2:] else 0.2
    if NO_ANSWER in response:
        return 0.1
    taken = covered(" ".join(topics(instruction, 8)), response)
    return 0.45 * taken + 0.35 * min(1.0, len(said) / ENOUGH) + 0.2 * worth(response)


def compare(asked: Asked) -> Ratings:
    """Answers `compare-responses`."""
    instruction = asked.text("instruction")
    first, second = (round(10 * _value(instruction, asked.text(name)), 1) for name in ("first", "second"))
    return Ratings(reason="by words in common and length alone", first=first, second=second)


def reward(asked: Asked) -> Marks:
    """Answers `reward-response`: one value for all criteria, a little less for all but the first of a short text."""
    instruction, response = asked.text("instruction"), asked.text("response")
    value, whole = _value(instruction, response), min(1.0, len(response.split()) / ENOUGH)
    criteria: list[Mapping[str, Any]] = list(asked.variables.get("criteria") or [{"name": "quality"}])
    marks = [
        Mark(name=str(one.get("name", "")), value=round(10 * value * (0.8 + 0.2 * whole if number else 1.0), 1))
        for number, one in enumerate(criteria)
    ]
    return Marks(reason="by words in common and length alone", marks=marks)


def reward_number(asked: Asked) -> str:
    """Answers `reward-conversation`: a number about 0, as reward models give."""
    return f"{6 * (_value(asked.text('instruction'), asked.text('response')) - 0.5):.3f}"


def judge(asked: Asked) -> Judgement:
    """Answers `judge-instruction-response`."""
    instruction, response = asked.text("instruction"), asked.text("response")
    count = len(instruction.split())
    whole = count >= 4 and instruction.rstrip().endswith((".", "?", "!"))
    value = _value(instruction, response)
    quality = 0.9 if whole else 0.3
    return judged(
        {"quality": quality, "difficulty": min(1.0, count / 25), "correct": value, "safe": 1.0},
        {
            "unclear": not whole,
            "too_short": whole and len(response.split()) < 8,
            "incorrect": whole and len(response.split()) >= 8 and value < 0.5,
        },
    )
