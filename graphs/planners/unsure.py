"""What a student is least sure of: by a classifier that is made for a round, or by what a model said of new texts."""

from __future__ import annotations

import random
from typing import Any

from ...agents.student import SURE
from ...evals.student.classifier import Student
from ...storage.records import Decision, Item, Verdict
from ..recipes.base import LastWord
from .base import PlanView
from .rounds import ROUND, gold, labelled
from .students import STUDENT

ENTROPY = "entropy"


def by_classifier(view: PlanView, label: str, recipe: str, turn: int, count: int) -> dict[str, Any]:
    """The round's note: how many `items` taught its student, its mean `entropy` of them, and the `count` texts of them
    that it is least sure of, each with its label (`unsure`)."""
    known = sorted(_known(view, label, recipe, turn))
    said = Student.taught(known).guesses([text for text, _ in known])
    entropies = [guess.entropy for guess in said]
    hardest = sorted(range(len(known)), key=lambda at: -entropies[at])[:count]
    mean = sum(entropies) / len(entropies)
    return {"items": len(known), ENTROPY: mean, "unsure": [list(known[at]) for at in hardest]}


def by_model(
    view: PlanView, rows: list[tuple[str, str]], turn: int, count: int, least: int, draw: random.Random
) -> dict[str, Any]:
    """As `by_classifier`, of the texts that were kept before: of these a model was asked, by what it said then.

    Where fewer than `least` are kept, rows that chance takes stand beside them, of which it was not asked.
    """
    kept = [
        (verdict.scores[ENTROPY], *labelled(item))
        for item in view.accepted.every()
        for verdict in item.verdicts
        if int(item.attributes[ROUND]) < turn and verdict.by == STUDENT and ENTROPY in verdict.scores
    ]
    hardest = [[text, label] for _, text, label in sorted(kept, key=lambda one: (-one[0], one[1]))[:count]]
    if len(hardest) < least:
        hardest += [list(row) for row in draw.sample(rows, min(len(rows), max(least, count) - len(hardest)))]
    mean = sum(one[0] for one in kept) / len(kept) if kept else None
    return {"items": len(kept), ENTROPY: mean, "unsure": hardest}


def keeps_unsure(label: str, recipe: str, least_entropy: float) -> LastWord:
    """Returns what decides on accepted items: the classifier of their round, made when a round is first asked of."""
    students: dict[int, Student] = {}

    def judge(view: PlanView, item: Item) -> Verdict:
        turn = int(item.attributes[ROUND])
        if turn not in students:
            students.clear()  # rounds come one after another
            students[turn] = Student.taught(_known(view, label, recipe, turn))
        (guess,) = students[turn].guesses([labelled(item)[0]])
        sure = guess.entropy < least_entropy
        return Verdict(
            by=STUDENT,
            draft=item.drafts[-1].index,
            decision=Decision.REJECT if sure else Decision.ACCEPT,
            reasons=(SURE,) if sure else (),
            scores={ENTROPY: guess.entropy},
            text=f"takes it for {guess.label}"[:500],
        )

    return judge


def _known(view: PlanView, label: str, recipe: str, turn: int) -> list[tuple[str, str]]:
    """What the student of a round is taught: the rows, and what the rounds before it had accepted."""
    before = (item for item in view.accepted.every() if int(item.attributes[ROUND]) < turn)
    return [*gold(view, label, recipe), *map(labelled, before)]
