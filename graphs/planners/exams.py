"""How the student of a round does on gold rows: a classifier that is made for it, or a model that tasks asked.

An exam is JSON values, a round's note: `items` accepted before it, `accuracy`, and what is `wrong`: pairs of the id of
a row's chunk and what the student took it for. Places would be those of other rows after a refresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...agents.student import PREDICTED, RIGHT
from ...errors import ConfigError
from ...evals.student.classifier import Student, examine
from .base import PlanView
from .ends import Ends
from .rounds import ROUND, ROUNDS, labelled


def examined(view: PlanView, rows: Sequence[tuple[str, str]], seed: int, recipe: str) -> dict[str, Any]:
    """Examines a classifier that is taught all that is accepted.

    Raises:
        ConfigError: nothing is accepted.
    """
    taught = [labelled(item) for item in view.accepted.every()]
    if not taught:
        raise ConfigError(
            f"'{recipe}' has nothing to train its student on: none of the first texts was accepted; `gristmill status` "
            f"says why, mend the prompts, the model or options.labels"
        )
    exam = examine(Student.taught(taught, seed=seed), rows)
    wrong = [[view.chunks[place].id, said] for place, said in exam.wrong]
    return {"items": len(taught), "accuracy": exam.accuracy, "wrong": wrong}


def answered(view: PlanView, turn: int, recipe: str) -> dict[str, Any]:
    """Counts how a model did from the ends of the round's tasks, each on a row. Rows whose task failed do not count.

    Raises:
        ConfigError: all failed.
    """
    known = dict.fromkeys(chunk.id for chunk in view.chunks)
    wrong: dict[str, str] = {}
    right = set[str]()
    for _, item in Ends(view).new():
        row = item.chunks[0] if item.chunks and item.attributes.get(ROUND) == str(turn) else None
        if row is None or row not in known:
            continue
        if RIGHT in item.reasons:
            right.add(row)
        elif item.drafts and (said := item.drafts[0].fields.get(PREDICTED)):
            wrong[row] = str(said)
    if not right and not wrong:
        raise ConfigError(
            f"the student of '{recipe}' gave no label to any of {len(known)} gold rows; `gristmill status` says why"
        )
    accuracy = len(right) / (len(right) + len(wrong))
    return {
        "items": len(view.accepted),
        "accuracy": accuracy,
        "wrong": [[row, wrong[row]] for row in known if row in wrong],
    }


def stalled(view: PlanView, turn: int, patience: int) -> bool:
    """Whether the accuracies of the last `patience` rounds are none above the best before them."""
    known = [view.notes[ROUNDS][str(number)]["accuracy"] for number in range(1, turn + 1)]
    return len(known) > patience and max(known[-patience:]) <= max(known[:-patience])
