"""Solves problems and judges solutions, where the problem is a sum in words; of others it says that it cannot.

Each answer is worked out from the figures that are there. A share of them is wrong on purpose (`Asked.slips`): what
looks for wrong answers has to have some.
"""

from __future__ import annotations

import random
import re

from ...prompts.schemas import (
    Instruction,
    Judgement,
    KnowledgePoints,
    PointScore,
    PointScores,
    Problem,
    QueryAnswer,
    ReferenceAnswer,
    Solution,
)
from .asked import Asked
from .sums import OPERATIONS, Sum, found, pose
from .wording import covered, judged, topics

UNSOLVED = "This is no sum that can be worked out from the figures that are there."
NO_ANSWER = "unknown"
_OPENINGS = (
    "What is given first: {0}.", "The figures to work with are {0}.", "We write down what is known: {0}.",
    "Of all that is said, these figures count: {0}.", "We begin with {0}.", "The problem names {0}.",
)  # fmt: skip
_REASONS = (
    "The wording calls for {0}.", "What is asked for takes {0}.", "So the way there is {0}.",
    "By what the sentence says this is a matter of {0}.", "This is done by {0}.", "It comes down to {0}.",
)  # fmt: skip
_WORKINGS = (
    "Worked out, {0} gives {1}.", "That makes {0} = {1}.", "So {0} comes to {1}.", "We reckon {0}, which is {1}.",
    "In figures: {0} = {1}.", "The sum {0} has the value {1}.",
)  # fmt: skip
_ENDINGS = (
    "Nothing else is asked.", "That is what was to be found.", "No figure is left over.", "This ends it.",
    "The result has the size that one would expect.", "Done again from the end, it holds.",
)  # fmt: skip


def worked(problem: str, asked: Asked) -> tuple[str, str]:
    """Returns the steps of a solution, in words that chance takes, and its final answer; wrong where `asked` slips."""
    sum_ = found(problem)
    if sum_ is None:
        return UNSOLVED, NO_ANSWER
    if asked.slips():
        sum_ = sum_.mistaken(asked.rng)
    return _told(sum_, asked.rng), sum_.answer


def _told(sum_: Sum, rng: random.Random) -> str:
    ways = _ways(sum_)
    said = (
        (_OPENINGS, (", ".join(sum_.figures),)),
        (_REASONS, (ways,)),
        (_WORKINGS, (sum_.expression, sum_.answer)),
        (_ENDINGS, ()),
    )
    return " ".join(rng.choice(forms).format(*parts) for forms, parts in said)


def _ways(sum_: Sum) -> str:
    return " and ".join(dict.fromkeys(OPERATIONS[sign] for sign in sum_.signs))


def step_by_step(asked: Asked) -> str:
    """Answers `solve-step-by-step`."""
    steps, answer = worked(asked.text("instruction"), asked)
    return f"{steps}\n\n\\boxed{{{answer}}}"


_PRINTED = re.compile(r"```output\n(.*?)\n?```", re.DOTALL)
_NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")
_CODE_OPENINGS = (
    "We let a program work it out, by {0}.", "A short program does it; it takes {0}.",
    "This is {0}, which Python does.",
    "The figures go into a program that does {0}.", "For {0} we need no more than a line or two.",
)  # fmt: skip


def with_code(asked: Asked) -> str:
    """Answers `solve-with-code`: one program, then the answer that it printed."""
    if printed := _PRINTED.findall(asked.text("so_far")):
        answer = printed[-1].strip().splitlines()[-1] if printed[-1].strip() else NO_ANSWER
        return f"{asked.rng.choice(_ENDINGS)} The answer is \\boxed{{{answer}}}."
    sum_ = found(asked.text("instruction"))
    if sum_ is None:
        return f"{UNSOLVED} So it stays \\boxed{{{NO_ANSWER}}}."
    if asked.slips():
        sum_ = sum_.mistaken(asked.rng)
    named = _NAMES[: len(sum_.figures)]
    whole = " ".join(part for pair in zip(named, (*sum_.signs, ""), strict=True) for part in pair).strip()
    lines = [f"{name} = {figure}" for name, figure in zip(named, sum_.figures, strict=True)]
    if "/" in sum_.signs:
        exact = (f"{name} = Fraction('{figure}')" for name, figure in zip(named, sum_.figures, strict=True))
        lines = ["from fractions import Fraction", *exact]
    result = asked.rng.choice(("result", "answer", "total", "wanted"))
    program = "\n".join((*lines, f"{result} = {whole}", f"print({result})"))
    opening = asked.rng.choice(_CODE_OPENINGS).format(
        " and ".join(dict.fromkeys(OPERATIONS[one] for one in sum_.signs))
    )
    given = asked.rng.choice(_OPENINGS).format(", ".join(sum_.figures))
    return f"{given} {opening}\n```python\n{program}\n```\n"


def answer_query(asked: Asked) -> QueryAnswer:
    """Answers `answer-query`."""
    steps, answer = worked(asked.text("instruction"), asked)
    return QueryAnswer(response=f"{steps} So it is {answer}.", answer=answer)


def answer_for_reference(asked: Asked) -> ReferenceAnswer:
    """Answers `answer-for-reference`: only a sum has an answer that is known, and this one is right."""
    sum_ = found(asked.text("instruction"))
    if sum_ is None:
        return ReferenceAnswer(valid=False)
    return ReferenceAnswer(valid=True, response=_told(sum_, asked.rng), answer=sum_.answer)


def query(asked: Asked) -> Instruction:
    """Answers `reverse-gen-query`: a sum on the topic, for it is all that has an answer that can be checked."""
    return Instruction(instruction=pose(asked.rng, about=" ".join(topics(asked.text("topic"), 3)) or "all"))


def rewritten(asked: Asked) -> Instruction:
    """Answers `rewrite-question`: a further step for `difficulty` where the sum bears it, else one demand more."""
    question = asked.text("instruction").rstrip()
    sum_ = found(question)
    if asked.text("aim") == "difficulty" and sum_ is not None and sum_.signs == ("*",):
        return Instruction(
            instruction=f"{question} Of all of them {asked.rng.randint(2, 11)} are sold before you count."
        )
    return Instruction(instruction=f"{question} Give one number, and use all figures that are named.")


def judge_question(asked: Asked) -> Judgement:
    """Answers `judge-new-question`: it can be solved when it asks for a sum, and is harder the more figures it has."""
    question = asked.text("instruction")
    sum_ = found(question)
    whole = question.rstrip().endswith((".", "?", "!"))
    hard = 0.0 if sum_ is None else min(1.0, 0.25 * len(sum_.signs) + len(question.split()) / 100)
    solvable = 0.0 if sum_ is None else 0.9 if whole else 0.4
    return judged(
        {"solvable": solvable, "difficulty": hard},
        {"unanswerable": sum_ is None, "unclear": sum_ is not None and not whole},
    )


def points(asked: Asked) -> KnowledgePoints:
    """Answers `extract-points`: the operations that a problem takes, then what it is about."""
    problem = asked.text("problem")
    sum_ = found(problem)
    named = [] if sum_ is None else [OPERATIONS[sign] for sign in dict.fromkeys(sum_.signs)]
    most = asked.count("most")
    return KnowledgePoints(points=[*named, *topics(problem, most)][:most])


def score_points(asked: Asked) -> PointScores:
    """Answers `score-points`: a point is relevant when it is an operation of the problem, or stands in it."""
    problem = asked.text("problem")
    sum_ = found(problem)
    operations = {OPERATIONS[sign] for sign in sum_.signs} if sum_ is not None else set()
    return PointScores(
        scores=[
            PointScore(
                number=number,
                relevance=1.0 if point in operations else 0.8 * covered(point, problem),
                clarity=1.0 if point in operations else 0.8 if 3 < len(point) < 40 else 0.3,
            )
            for number, point in enumerate(asked.texts("points"), start=1)
        ]
    )


def _named(asked: Asked) -> list[str]:
    given = asked.variables.get("points") or []
    return [str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in given]


def point_problem(asked: Asked) -> Problem:
    """Answers `write-point-problem`: a sum of the operations among the points, about the others."""
    names = _named(asked)
    signs = [sign for sign, name in OPERATIONS.items() if name in (one.lower() for one in names)]
    others = [name for name in names if name.lower() not in OPERATIONS.values()]
    return Problem(problem=pose(asked.rng, about=" and ".join(others), signs=signs), needs=names)


def solve(asked: Asked) -> Solution:
    """Answers `solve-point-problem`."""
    steps, answer = worked(asked.text("problem"), asked)
    return Solution(reasoning=steps, answer=answer)


def judge_point_problem(asked: Asked) -> Judgement:
    """Answers `judge-point-problem`: by an own attempt, which does not slip."""
    problem, answer = asked.text("problem"), asked.text("answer").strip()
    sum_ = found(problem)
    right = sum_ is not None and sum_.answer == answer
    others = [name for name in _named(asked) if name.lower() not in OPERATIONS.values()]
    about = sum(covered(name, problem) for name in others) / len(others) if others else 1.0
    clear = 0.4 + 0.5 * about if sum_ is not None else 0.0
    return judged(
        {"problem": clear, "solution": 0.95 if right else 0.1},
        {"unanswerable": sum_ is None, "misses_entity": about < 0.5, "incorrect": sum_ is not None and not right},
    )
