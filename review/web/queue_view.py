"""What the queue's templates need besides the items: links that keep the other filters, chips, bars with names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...storage.store import RunStore
from ..queue.counts import UNSET, Bars
from ..queue.query import Filters, Sort, Stage
from .rendering import query

HEADINGS = {
    "reason": "Reasons",
    "critic": "Critics",
    "draw": "Draws",
    "status": "Status",
    "round": "Rounds",
    "kind": "Kinds",
    "document": "Documents",
    "entity": "Entities",
}
SORTS = {
    Sort.TEACHES: "what teaches most",
    Sort.NEWEST: "newest first",
    Sort.OLDEST: "oldest first",
    Sort.SCORE: "lowest score first",
    Sort.SAMPLE: "a fair sample",
}
STAGES = {
    Stage.OPEN: "Open",
    Stage.RETURNED: "Returned",
    Stage.SKIPPED: "Skipped",
    Stage.DECIDED: "Decided",
    Stage.ALL: "All",
}
ALWAYS = frozenset({"reason", "critic"})  # what a queue is worked through by: shown also where there is one only
TEXTS = ("text", "score_from", "score_to", "sort")  # what the form has fields for; the rest it keeps hidden


class Asked(Filters):
    """What the address of the queue asks for: filters, an order, and in `after` a place to go on from."""

    sort: Sort = Sort.TEACHES
    after: str = ""

    @property
    def filters(self) -> Filters:
        """The filters alone."""
        return Filters.model_validate(self.model_dump(include=set(Filters.model_fields)))

    @property
    def given(self) -> dict[str, Any]:
        """What differs from the queue as it opens, without the place: what every link keeps."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"after"})


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the query without it."""

    name: str
    value: str
    query: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its count; `width` in percent of the longest bar. `query` sets the filter, or unsets a set one."""

    label: str
    count: int
    width: float
    active: bool
    query: str


@dataclass(frozen=True, slots=True)
class Facet:
    """The bars of one property."""

    name: str
    heading: str
    bars: tuple[Bar, ...]


def chips(asked: Asked, names: Mapping[str, str]) -> list[Chip]:
    """Returns the filters that are set, as far as they have no tab of their own. `names` are those of entities."""
    found = []
    for name, value in asked.given.items():
        if name in {"sort", "stage"}:
            continue
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        label = name.replace("score_from", "score at least").replace("score_to", "score at most")
        found.append(Chip(label, names.get(shown, shown), query(asked.given, **{name: None})))
    return found


def facets(asked: Asked, bars: Bars, names: Mapping[str, str], total: int) -> list[Facet]:
    """Returns what is worth a choice: properties with several values, and those that are chosen.

    `total` counts the items with all filters: a chosen value that is too rare to be among the bars.
    """
    found = []
    for facet, counts in bars.items():
        chosen = getattr(asked, facet)
        is_set = facet in asked.given
        values = {value: number for value, number in counts.items() if value not in ("", None)}
        if is_set and not isinstance(chosen, tuple):
            values.setdefault(chosen, total)
        if len(values) < 2 and not (is_set or (facet in ALWAYS and values)):
            continue
        most = max(values.values(), default=0) or 1
        rows = []
        for value, number in values.items():
            active = is_set and (value in chosen if isinstance(chosen, tuple) else value == chosen)
            to = query(asked.given, **{facet: None if active else value})
            rows.append(Bar(names.get(str(value), str(value)), number, round(100 * number / most, 1), active, to))
        found.append(Facet(facet, HEADINGS[facet], tuple(rows)))
    return found


def names_of(store: RunStore, asked: Asked, bars: Bars | None = None) -> dict[str, str]:
    """Returns the names of the entities that a page shows, by id. Of several with one name each says its id too."""
    shown = {asked.entity, *(bars or {}).get("entity", ())} - {UNSET["entity"]}
    names = store.entity_names(sorted(shown))
    twice = list(names.values())
    return {id: name if twice.count(name) == 1 else f"{name} ({id})" for id, name in names.items()}
