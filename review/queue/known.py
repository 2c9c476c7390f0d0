"""Whether what a filter asks for is anything that the run knows: a slip of the pen is told from an empty answer."""

from __future__ import annotations

from difflib import SequenceMatcher

from ...errors import ConfigError
from ...storage.precedents import rounds_of
from ...storage.reviews import REVIEWER
from ...storage.store import RunStore
from .index import ReviewIndex
from .query import Filters, Stage

NAMES = ("reason", "critic", "kind", "draw", "document", "entity", "round")
MOST = 1000  # values, the most frequent, that are compared with what was asked for
SHOWN = 8
LONG = 80  # characters of a value
MANY = 500  # ids in one statement
SOME = 200  # items that are read for the names of critics
EVERY = Filters.model_validate({"stage": Stage.ALL, "status": ()})


def require_known(index: ReviewIndex, store: RunStore, filters: Filters) -> None:
    """Raises `ConfigError` for a filter whose value no item of the run has, with those that there are, nearest first.

    A value that the run knows otherwise, such as a document that nothing was made from, is no error: nothing is found.
    """
    for name in NAMES:
        value = getattr(filters, name)
        if value in ("", None) or index.count(EVERY.model_copy(update={name: value})) or _is_known(store, name, value):
            continue
        there = _named(store, name, [str(one) for one in index.counts(EVERY, name, limit=MOST) if one != ""])
        there += [one for one in _others(store, name) if one not in there]
        nearest = sorted(there, key=lambda one: -_likeness(str(value), one))
        more = f" and {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else ""
        told = f"there is: {', '.join(one[:LONG] for one in nearest[:SHOWN])}{more}" if nearest else "none has any"
        raise ConfigError(f"--{name}: no item of this run has '{str(value)[:LONG]}'; {told}")


def _is_known(store: RunStore, name: str, value: str | int) -> bool:
    """Whether the run knows what no item of the queue shows. Read only where nothing was found: it may take seconds."""
    if name == "document":
        return bool(store.rows("SELECT 1 FROM documents WHERE name = ? LIMIT 1", value))
    if name == "entity":
        return bool(store.entity_names([str(value)]))
    if name == "round":
        return any(one.number == value for one in rounds_of(store))
    if name == "critic":  # one that has spoken against nothing yet
        signs = str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        sql = "SELECT id FROM items WHERE body LIKE ? ESCAPE '\\' LIMIT 20"  # LIKE does not tell cases apart
        found = store.items_of(id for (id,) in store.rows(sql, f'%"by":"{signs}"%'))
        return any(verdict.by == value for item in found.values() for verdict in item.verdicts)
    return False


def _others(store: RunStore, name: str) -> list[str]:
    """Values that the run's first items know, and that no item of the queue is found by."""
    if name != "critic":
        return []
    items = (item for _, item in store.items_after(0, SOME))
    return list(dict.fromkeys(one.by for item in items for one in item.verdicts if one.by != REVIEWER))


def _named(store: RunStore, name: str, values: list[str]) -> list[str]:
    """Entities with their names: nobody types an id from memory."""
    if name != "entity":
        return values
    names: dict[str, str] = {}
    for start in range(0, len(values), MANY):
        names |= store.entity_names(values[start : start + MANY])
    return [f"{one} ({names[one]})" if one in names else one for one in values]


def _likeness(asked: str, value: str) -> float:
    words = value.lower().removesuffix(")").split(" (", 1)  # an entity's id, and its name
    return max(SequenceMatcher(None, asked.lower(), word[:LONG]).ratio() for word in words)
