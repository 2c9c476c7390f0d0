"""What a person asks the queue for: filters, an order, a place to go on from; and the SQL that these become."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from ...storage.records import Record

# Items keep the ids that entities had when they were made; `led` has those that lead elsewhere by now.
OF_ENTITY = (
    "SELECT DISTINCT seq FROM tags, (SELECT coalesce((SELECT now FROM led WHERE id = ?), ?) AS it) "
    "WHERE kind = 'entity' AND value IN (SELECT it UNION ALL SELECT id FROM led WHERE now = it)"
)


class Sort(StrEnum):
    """Orders of the queue. `TEACHES`: what a decision teaches most about the critics comes first.

    `SAMPLE` is spread evenly over the whole run, whatever the items are: its start is a fair sample.
    """

    TEACHES = "teaches"
    NEWEST = "newest"
    OLDEST = "oldest"
    SCORE = "score"
    SAMPLE = "sample"


class Stage(StrEnum):
    """Where items stand with the people: not decided, skipped by this reviewer, decided, made again after a note."""

    OPEN = "open"
    SKIPPED = "skipped"
    DECIDED = "decided"
    RETURNED = "returned"
    ALL = "all"


class Filters(Record):
    """Which items. Empty means any; `status` is by default what the critics did not accept.

    `text` finds items whose messages, errors or verdicts hold all its words, the last one as a beginning.
    `entity` is an id that it has or ever had; `changed` keeps items drawn from entities that are others by now.
    `score_from` and `score_to` bound the least score of the last draft, both included.
    """

    stage: Stage = Stage.OPEN
    status: tuple[Literal["rejected", "failed", "accepted"], ...] = ("rejected", "failed")
    reason: str = ""
    critic: str = ""
    kind: str = ""
    draw: str = ""
    document: str = ""
    entity: str = ""
    changed: bool = False
    round: int | None = Field(None, ge=1, le=1_000_000)
    score_from: float | None = Field(None, ge=0, le=1)
    score_to: float | None = Field(None, ge=0, le=1)
    text: str = Field("", max_length=500)


@dataclass(frozen=True, slots=True)
class Seen:
    """An item in a list.

    `number` is the item's in the store. `title` is its first message and `preview` the beginning of its last; of an
    item that nothing was drafted for (`drafted` is false) the source's heading, and what went wrong. `why` says in
    words what a decision would teach.
    """

    id: str
    task: str
    status: str
    reasons: tuple[str, ...]
    critics: tuple[str, ...]
    documents: tuple[str, ...]
    kind: str
    draw: str
    round: int
    score: float | None
    title: str
    preview: str
    drafted: bool
    origin: str
    decision: str
    reviewer: str
    number: int
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the queue; `next` is the place to go on from, empty at the end."""

    items: tuple[Seen, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands beside an item in a queue: ids; `previous` is empty at the queue's beginning."""

    previous: str
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """A condition in SQL over `items`, with its values."""

    sql: str
    values: tuple[Any, ...] = field(default=())


def condition(filters: Filters, reviewer: str = "") -> Where:
    """Returns the filters as SQL. Every value is bound, none is written into the text."""
    parts = [plain(filters, reviewer), *(Where(f"seq IN ({one.sql})", one.values) for one in selections(filters))]
    sql = " AND ".join(part.sql for part in parts)
    return Where(sql, tuple(value for part in parts for value in part.values))


def plain(filters: Filters, reviewer: str = "") -> Where:
    """Returns the filters on what a row of `items` says itself."""
    parts: list[str] = []
    values: list[Any] = []

    def add(sql: str, *bound: Any) -> None:
        parts.append(sql)
        values.extend(bound)

    if filters.stage is Stage.DECIDED:
        add("decision > ''")  # not <>, which no index answers
    elif filters.stage is Stage.RETURNED:
        add("origin <> '' AND decision = ''")
    elif filters.stage is not Stage.ALL:
        add("decision = ''")
        skipped = "id IN (SELECT id FROM skips WHERE reviewer = ?)"
        add(skipped if filters.stage is Stage.SKIPPED else f"NOT {skipped}", reviewer)
    if filters.status and filters.stage is not Stage.RETURNED:
        add(f"status IN ({', '.join('?' * len(filters.status))})", *filters.status)
    for column in ("kind", "draw"):
        if value := getattr(filters, column):
            add(f"{column} = ?", value)
    if filters.changed:
        add("task IN (SELECT task FROM changed)")
    if filters.round is not None:
        add("round = ?", filters.round)
    if filters.score_from is not None:
        add("score >= ? AND coalesce(score, 2.0) >= ?", filters.score_from, filters.score_from)  # as the order's index
    if filters.score_to is not None:
        add("score <= ?", filters.score_to)
    return Where(" AND ".join(parts) or "1", tuple(values))


def selections(filters: Filters) -> list[Where]:
    """Returns the other filters, each as a statement that gives the items' numbers."""
    found = []
    for tag in ("reason", "critic", "document"):
        if value := getattr(filters, tag):
            found.append(Where("SELECT seq FROM tags WHERE kind = ? AND value = ?", (tag, value)))
    if filters.entity:
        found.append(Where(OF_ENTITY, (filters.entity,) * 2))
    if filters.text.strip():
        found.append(Where("SELECT rowid FROM words WHERE words MATCH ?", (match(filters.text),)))
    return found


def match(text: str) -> str:
    """Returns a person's words as an FTS5 query: all of them, the last as a beginning. Its operators mean nothing."""
    words = re.findall(r"\w+", text)
    quoted = [f'"{word}"' for word in [*dict.fromkeys(words[:-1]), *words[-1:]]]  # the same one twice only costs time
    return " AND ".join([*quoted[:-1], quoted[-1] + "*"]) if quoted else '""'
