"""The texts of one row of an evaluation set, or of one item: nested values flattened, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...storage.records import Draft, Item, Message

DEEPEST = 32
# What a set calls the column that a model has to give. Their short texts ("Paris", "none of the above") prove nothing.
ANSWERS = frozenset(
    {"answer", "answers", "answerkey", "target", "targets", "label", "labels", "choices", "options", "endings"}
    | {"output", "outputs", "completion", "response", "solution", "chosen", "rejected", "best_answer"}
    | {"mc1_targets", "mc2_targets", "correct_answer", "correct_answers", "incorrect_answers"}
    | {"distractor1", "distractor2", "distractor3"}
)
_SAID_BY_MODEL = frozenset({"assistant", "gpt", "model", "bot"})


@dataclass(frozen=True, slots=True)
class Cell:
    """One text with its place, e.g. `question` or `messages.1.content`; `answer` says that a model has to give it."""

    place: str
    text: str
    answer: bool = False


def cells_of(value: Any, place: str = "", *, answer: bool = False) -> Iterator[Cell]:
    """Yields every text in a JSON value, in its order; what lies deeper than 32 levels is left out."""
    waiting: list[tuple[Any, str, bool, int]] = [(value, place, answer, 0)]
    while waiting:
        one, at, is_answer, depth = waiting.pop()
        if isinstance(one, str):
            if one:
                yield Cell(at, one, is_answer)
        elif depth < DEEPEST:
            waiting += reversed([(inner, *rest, depth + 1) for inner, *rest in _inside(one, at, is_answer)])


def _inside(value: Any, at: str, answer: bool) -> Iterator[tuple[Any, str, bool]]:
    before = f"{at}." if at else ""
    if isinstance(value, Mapping):
        who = value.get("role", value.get("from"))
        said = answer or (isinstance(who, str) and who.lower() in _SAID_BY_MODEL)
        for key, inner in value.items():
            yield inner, f"{before}{key}", said or str(key).lower() in ANSWERS
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield inner, f"{before}{number}", answer


def selected(row: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Cell]:
    """Yields the texts of `columns` of a row, of all when there are none; raises `KeyError` for one that it lacks."""
    if not columns:
        yield from cells_of(row)
        return
    for column in columns:
        answer = any(part.lower() in ANSWERS for part in column.split("."))
        yield from cells_of(_inner(row, column), column, answer=answer)


def _inner(row: Mapping[str, Any], column: str) -> Any:
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(column)
    return value


Texts = str | Message | Draft | Item | Mapping[str, Any]
"""What can be compared: a text, or a record with texts."""


def texts_of(one: Texts) -> list[Cell]:
    """Returns the texts of an item or a draft: those of its messages, `messages.0` on, or else of its fields.

    A text of its own has the place "". Of another mapping every text in it is meant.
    """
    if isinstance(one, str):
        return [Cell("", one)] if one else []
    if isinstance(one, Message):
        return [Cell("content", one.content)]
    if isinstance(one, Draft | Item):
        if one.messages:
            told = enumerate(one.messages)
            return [Cell(f"messages.{place}", message.content) for place, message in told if message.content]
        return list(cells_of(one.fields, "fields"))
    return list(cells_of(one))


def every_text_of(one: Texts) -> list[Cell]:
    """Returns the texts of the messages and, beside them, those of the fields that no message repeats as they are."""
    found = texts_of(one)
    if isinstance(one, Draft | Item) and one.messages:
        shown = {cell.text for cell in found}
        found += [cell for cell in cells_of(one.fields, "fields") if cell.text not in shown]
    return found
