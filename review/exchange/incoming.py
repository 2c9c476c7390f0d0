"""Decisions that another tool made, read line by line: a bad line is named and costs no other.

Every decision has an event id that is made from its content, or from the id that the line gives, so a file that is
read twice, or again after a crash, counts once. Nothing of a file stays in memory but a few hundred lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...storage.records import Item, Message, Record, content_id
from ...storage.reviews import Action
from ...storage.store import RunStore
from ..desk import Desk, Outcome, Wanted

AT_ONCE = 500  # decisions of one transaction
LONGEST = 64_000_000  # bytes of a line, or of an element of an array
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Given:
    """What one line gives: a decision, nothing (`wanted` None), or an error. `line` is its number, from 1.

    `item` is empty where the line does not even name one. `finish`, when given, completes the decision from the item.
    """

    line: int
    item: str = ""
    wanted: Wanted | None = None
    error: str = ""
    finish: Callable[[Wanted, Item], Wanted] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that decided nothing, and why; `item` is empty where the line names none."""

    line: int
    item: str
    why: str


@dataclass(slots=True)
class Taken:
    """How many lines decided, had decided before, left their item undecided, and were refused."""

    decided: int = 0
    already: int = 0
    undecided: int = 0
    refused: int = 0
    _items: dict[bytes, int] = field(default_factory=dict)  # of a dry run: what an earlier line would have decided


class Decide(Record):
    """What a line says under `decide`."""

    action: Literal["accept", "edit", "reject", "send_back"]
    reviewer: str = Field("", max_length=100)
    note: str = ""
    reasons: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()
    messages: tuple[Message, ...] = ()
    event: str = ""


class Line(BaseModel):
    """What is read of a line; the rest of it, which an export wrote, means nothing here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(pattern=f"^{ID.pattern}$")
    last: str | None = None
    number: int = Field(0, ge=0, le=2**62)
    decide: Decide | None = None


async def take_in(
    store: RunStore, given: Iterable[Given], *, dry_run: bool = False, say: Callable[[Refused], None]
) -> Taken:
    """Takes decisions in, some hundred in a transaction; `say` hears of each line that was refused."""
    taken, lines = Taken(), iter(given)
    while batch := list(islice(lines, AT_ONCE)):
        for refused in await _take(store, batch, taken, dry_run=dry_run):
            taken.refused += 1
            say(refused)
    return taken


async def _take(store: RunStore, batch: list[Given], taken: Taken, *, dry_run: bool) -> list[Refused]:
    refused = [Refused(one.line, one.item, one.error) for one in batch if one.error]
    finished = _finished(store, [one for one in batch if one.wanted is not None])
    taken.undecided += sum(one.wanted is None and not one.error for one in batch)
    outcomes = await Desk(store).decide_all([wanted for _, wanted in finished], dry_run=dry_run)
    for (line, wanted), outcome in zip(finished, outcomes, strict=True):
        if dry_run and not outcome.again and outcome.event is not None:
            outcome = _as_if_written(taken, line, wanted, outcome)
        if outcome.event is None:
            refused.append(Refused(line, wanted.item, outcome.why))
        elif outcome.again:
            taken.already += 1
        else:
            taken.decided += 1
    return sorted(refused, key=lambda one: one.line)


def _finished(store: RunStore, given: list[Given]) -> list[tuple[int, Wanted]]:
    """Returns the decisions with their lines, those that need their item completed, and all with an event id."""
    items = store.items_of([one.item for one in given if one.finish is not None])
    found = []
    for one in given:
        wanted = one.wanted
        if wanted is None:
            continue
        if one.finish is not None and one.item in items:
            wanted = one.finish(wanted, items[one.item])
        found.append((one.line, replace(wanted, event=_event(wanted))))
    return found


def _event(wanted: Wanted) -> str:
    if wanted.event:
        return content_id("event", wanted.item, wanted.event)
    messages = [message.model_dump() for message in wanted.messages]
    return content_id(
        "event", wanted.item, wanted.seen or "", wanted.action.value, wanted.reviewer, wanted.note,
        list(wanted.reasons), messages,
    )  # fmt: skip


def _as_if_written(taken: Taken, line: int, wanted: Wanted, outcome: Outcome) -> Outcome:
    """What a line would come to after those before it, which a dry run did not write."""
    key = bytes.fromhex(content_id("", wanted.item)[1:17])
    first = taken._items.setdefault(key, line)
    if first == line:
        return outcome
    return Outcome(None, f"line {first} of this file decides it")


def decisions_of(lines: Iterable[tuple[int, bytes, str]], reviewer: str) -> Iterator[Given]:
    """Reads JSON lines (number, text, error), of which `reviewer` decided those that name nobody."""
    for number, text, error in lines:
        if error:
            yield Given(number, error=error)
            continue
        try:
            line = Line.model_validate_json(text)
        except ValidationError as wrong:
            yield Given(number, error=said(wrong))
            continue
        yield _given(number, line, reviewer)


def _given(number: int, line: Line, reviewer: str) -> Given:
    decide = line.decide
    if decide is None:
        return Given(number, line.id)
    action = Action(decide.action)
    if decide.messages and action is not Action.EDIT:
        return Given(number, line.id, error=f"decide.messages: they go with edit, and the action is {action.value}")
    wanted = Wanted(
        item=line.id,
        action=action,
        reviewer=decide.reviewer or reviewer,
        seen=line.last,
        event=decide.event,
        note=decide.note,
        reasons=decide.reasons,
        messages=decide.messages,
        number=line.number,
    )
    return Given(number, line.id, wanted)


def lines_of(file: BinaryIO) -> Iterator[tuple[int, bytes, str]]:
    """Yields (number, text, error) of lines that are not blank, from 1; one that is too long comes with an error."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
            yield number, b"", f"a line of more than {LONGEST:,} bytes; one item stands in a line"
            continue
        text = line.removeprefix(BOM).strip() if number == 1 else line.strip()
        if text:
            yield number, text, ""


def said(error: ValidationError) -> str:
    """Returns the first finding with its place, and the mend for what is no JSON at all."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "json_invalid":
        return f"{first['msg']}; write one JSON object a line"
    return f"{where or 'the line'}: {first['msg']}"


def summary(taken: Taken) -> Mapping[str, Any]:
    """Returns the counts as JSON values."""
    return {name: getattr(taken, name) for name in ("decided", "already", "undecided", "refused")}
