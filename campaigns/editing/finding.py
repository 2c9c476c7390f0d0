"""Finds an entity by what a person types: an id that it ever had, the beginning of one, or a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest

import orjson
from jellyfish import jaro_winkler_similarity

from ...agents.names import name_key
from ...errors import ConfigError
from ...storage.identities import Identities, Ref
from ...storage.store import LAST, RunStore

OFFERED = 5  # names that are offered where none fits
NEAR_ENOUGH = 0.7
MOST = 200  # chunks of an entity whose documents are looked up
SHOWN = 8  # candidates that a message lists
LONGEST = 200  # characters of what was typed that messages repeat


@dataclass(frozen=True, slots=True)
class Chosen:
    """An entity with its references, those of most chunks first."""

    id: str
    name: str
    type: str
    members: tuple[Ref, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of its references."""
        return frozenset(one.id for one in self.members)

    def called(self, name: str) -> tuple[Ref, ...]:
        """Returns the references that a name means.

        Raises:
            ConfigError: there is none; lists the names that there are.
        """
        key = name_key(name)
        found = tuple(one for one in self.members if one.key == key or one.id == name)
        if not found:
            raise ConfigError(
                f"nothing of '{self.name}' was found under the name '{name[:LONGEST]}'; its names are "
                f"{_listed([one.name for one in self.members])}"
            )
        return found


def chosen(store: RunStore, typed: str) -> Chosen:
    """Returns the entity that a person means.

    Raises:
        ConfigError: there is none, or several; the message lists those, or the nearest names.
    """
    identities = Identities(store)
    if (entity := _by_id(store, typed)) or (entity := _by_name(store, identities, typed)):
        return _chosen(store, identities, entity)
    key = name_key(typed)
    near = nlargest(OFFERED, _rated(identities, key))
    offered = [name for rating, name in near if rating >= NEAR_ENOUGH]
    hint = f"; the nearest names are {_listed(offered)}" if offered else ""
    raise ConfigError(
        f"no entity has the name or the id '{typed[:LONGEST]}'{hint}; `gristmill graph {store.folder}` lists some"
    )


def described(store: RunStore, identities: Identities, entity: str) -> str:
    """Returns an entity in words: id, name, type, how many chunks of which documents."""
    found = _chosen(store, identities, entity)
    rows = store.rows("SELECT chunks FROM entities WHERE id = ?", entity)
    names = _documents(store, rows[0][0]) if rows else []
    where = f" in {_listed(names)}" if names else ""
    return f"{found.id}  {found.name} ({found.type}){where}"


def _chosen(store: RunStore, identities: Identities, entity: str) -> Chosen:
    ((name, kind),) = store.rows("SELECT name, type FROM entities WHERE id = ?", entity)
    return Chosen(entity, name, kind, tuple(identities.members(entity)))


def _by_id(store: RunStore, typed: str) -> str:
    """The entity that an id leads to, or that the only id with this beginning leads to; "" for no id."""
    if not typed.startswith("entity-"):
        return ""
    there = Identities(store).today([typed])[typed]
    if store.rows("SELECT 1 FROM entities WHERE id = ?", there):
        return there
    rows = store.rows(
        "SELECT DISTINCT entity FROM refs WHERE id >= ? AND id < ? ORDER BY entity LIMIT ?",
        typed,
        f"{typed}{LAST}",
        SHOWN,
    )
    if len(rows) > 1:
        raise ConfigError(f"{len(rows)} entities or more have an id that begins with '{typed}'; give more of it")
    return str(rows[0][0]) if rows else ""


def _by_name(store: RunStore, identities: Identities, typed: str) -> str:
    found = list(dict.fromkeys(one.entity for one in identities.called(name_key(typed)))) if name_key(typed) else []
    if len(found) > 1:
        shown = "\n  ".join(described(store, identities, one) for one in found[:SHOWN])
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ConfigError(f"{len(found)} entities are called '{typed[:LONGEST]}'; give the id of one:\n  {shown}{more}")
    return found[0] if found else ""


def _rated(identities: Identities, key: str) -> Iterator[tuple[float, str]]:
    seen: set[str] = set()
    for one in identities.all():
        if one.key not in seen:
            seen.add(one.key)
            yield jaro_winkler_similarity(key, one.key), one.name


def _documents(store: RunStore, chunks: str) -> list[str]:
    """The names of the documents of the first chunks of a list that stands as JSON."""
    names = (store.document_name(store.document_of(chunk)) for chunk in orjson.loads(chunks)[:MOST])
    return list(dict.fromkeys(names))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in list(dict.fromkeys(names))[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
