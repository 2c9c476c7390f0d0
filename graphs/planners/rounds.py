"""What recipes share that work in rounds with a student: when a round has ended, and what is written down of it.

Within a round tasks end in any order. The next is drawn from what all of them gave, and what it was drawn from is kept
in the run's notes, so that a restart draws the same: no student is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...errors import ConfigError
from ...storage.records import Item
from .base import PlanView
from .seeds import column, rows

ROUND = "round"  # the attribute of a task that says which round drew it, counted from 0, as text
SERVED = "served"  # the attribute of a task that says which model answers a role: what a trainer gave
ROUNDS = "rounds"  # the note of what each round was drawn from


def ended(view: PlanView) -> Iterator[None]:
    """Waits until every task that was drawn has ended; for a planner's `yield from`."""
    yield None  # the tasks drawn before are planned first
    while view.pending():
        yield None


def noted(view: PlanView, number: int, made: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what a round is drawn from, JSON values: as it was written down, else as `made` now, and keeps it.

    What was written down stands although more items are accepted since: failed tasks that ran again, what people sent
    back. They teach the next student.
    """
    rounds = view.notes.setdefault(ROUNDS, {})
    if str(number) not in rounds:
        rounds[str(number)] = dict(made())
    return dict(rounds[str(number)])


def gold(view: PlanView, label: str, recipe: str) -> list[tuple[str, str]]:
    """Returns the rows as gold: each text with its label, the column `label`.

    Raises:
        ConfigError: a row has no label, or all have the same.
    """
    found = [(chunk.text.strip(), column(view, chunk, label, recipe)) for chunk in rows(view, recipe)]
    if len(said := {name for _, name in found}) < 2:
        raise ConfigError(
            f"'{recipe}' needs gold rows of two labels at least, and all {len(found)} have '{min(said, default='')}'"
        )
    return found


def classes(known: Mapping[str, str], examples: list[tuple[str, str]], recipe: str) -> dict[str, str]:
    """Returns the labels with what they mean: those given, else those of the examples, sorted.

    Raises:
        ConfigError: an example has another label than those given.
    """
    said = {label for _, label in examples}
    if known and (odd := said - known.keys()):
        raise ConfigError(
            f"'{recipe}' has rows with the label '{min(odd)}', which options.labels does not list "
            f"({', '.join(known)}); add it there, or mend the rows"
        )
    return dict(known) or dict.fromkeys(sorted(said), "")


def labelled(item: Item) -> tuple[str, str]:
    """An accepted item as an example: its text and its label."""
    return str(item.fields.get("text", "")), str(item.fields.get("label", ""))


def served(view: PlanView, role: str, turn: int) -> dict[str, Any]:
    """The attributes of a task of the round `turn` that say which model answers `role`: the newest that a trainer gave
    before it; none where it gave none. A mapping makes no cell."""
    known = view.trained or {}
    for number in sorted(known, reverse=True):
        if number < turn and (known[number]["model"] or known[number]["base_url"]):
            return {SERVED: {role: {name: known[number][name] for name in ("model", "base_url")}}}
    return {}
