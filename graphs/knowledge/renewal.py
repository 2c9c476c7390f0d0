"""Brings a stored graph up to changed documents and rulings: makes the entities and relations that are touched.

What is not touched is not read. What comes of it equals the graph of all extractions (a property test holds it).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...agents.extraction.records import Books
from ...storage.kept import KeptRows, StatedRow, Triple
from ...storage.records import Entity, Relation
from ...storage.schema import Statement
from ..resolution.found import Found
from ..resolution.kept import KeptGathering, KeptResolver, block_rows, found_in, found_rows, likely_rows, stated_rows
from ..resolution.references import LOOSE
from ..resolution.scoring import Kind
from ..resolution.settings import Resolution
from .graph import KnowledgeGraph
from .merge import MergeBooks, Placed, entity_of, place, relation_of


@dataclass(frozen=True)
class Scope:
    """The ids that a renewal decides of: all others stay as they are stored."""

    references: frozenset[str]
    entities: frozenset[str]
    relations: frozenset[str]


@dataclass(frozen=True)
class Renewed:
    """The part of a graph that was made anew, with the books and decisions of the whole.

    Entities at the ends of the part's relations that are not in `scope` stand in `graph` by their ids alone. `rows`
    write what the next renewal starts from.
    """

    graph: KnowledgeGraph
    scope: Scope
    books: MergeBooks
    resolution: Resolution
    rows: Sequence[Statement]


def renew(
    rows: KeptRows,
    gathering: KeptGathering,
    resolver: KeptResolver,
    *,
    books: MergeBooks,
    decisions: Mapping[str, Any],
) -> Renewed:
    """Makes what is touched anew.

    `gathering` has taken what came and given back what went, and `resolver` was told of it; `books` and `decisions` are
    those of the stored graph.
    """
    gone = {id for id in gathering.changed if id not in gathering.references}
    scope = resolver.decided | gone
    before = dict(rows.entities(scope))
    now = {id: resolver.membership[id] for id in resolver.decided}
    groups, former = _groups(now), _groups(before)
    entities = [
        entity_of(id, [gathering.references[one] for one in sorted(members)])
        for id, members in sorted(groups.items())
        if former.get(id) != members or not members.isdisjoint(gathering.changed)
    ]
    moved = {id for id in scope if before.get(id) != now.get(id)}
    stated = _Stated(rows, gathering, resolver, moved)
    resolution = resolver.spliced(decisions, gone)
    ambiguous = sum(1 for one in resolution.refused if one.why == "ambiguous" and one.reason == Kind.ALIAS)
    counts = {
        "references": decisions["counts"]["references"] + len(now) - len(before),
        "entities": decisions["counts"]["entities"] + len(groups) - len(former),
    }
    touched = {one.id for one in entities} | (former.keys() - groups.keys())
    ends = {end for one in stated.relations for end in (one.source, one.target)} - {one.id for one in entities}
    return Renewed(
        graph=KnowledgeGraph([*entities, *(Entity(id=id, name="", type="") for id in sorted(ends))], stated.relations),
        scope=Scope(frozenset(scope), frozenset(touched), frozenset(stated.touched)),
        books=MergeBooks(
            extractions=books.extractions + gathering.extractions,
            entities=_entity_books(books.entities, gathering, len(groups) - len(former), ambiguous),
            relations=stated.books(books.relations),
        ),
        resolution=replace(resolution, counts=counts),
        rows=[
            *found_rows(gathering, gathering.changed),
            *stated_rows(gathering, stated.written),
            *block_rows(resolver.blocks, gathering.changed),
            *likely_rows(resolver),
        ],
    )


class _Stated:
    """What joins references, as far as it changed or one of its ends is in another entity now."""

    def __init__(
        self, rows: KeptRows, gathering: KeptGathering, resolver: KeptResolver, moved: Collection[str]
    ) -> None:
        self._rows, self._gathering, self._resolver = rows, gathering, resolver
        before = self._before(moved)
        self._places: dict[Triple, Placed] = {}
        for triple in sorted({*before, *gathering.changed_relations}):
            changed = triple in gathering.changed_relations
            if changed and triple not in gathering.relations:
                continue
            placed = place(gathering, triple, resolver.entity_of)
            if changed or before[triple].relation != placed[0]:
                self._places[triple] = placed
        self._old = {
            triple: row
            for triple, row in before.items()
            if triple in self._places or triple in gathering.changed_relations
        }
        self.written = {
            **dict.fromkeys(self._old, ""),
            **{triple: id for triple, (id, _) in self._places.items()},
        }
        had = {row.relation for row in self._old.values() if not _is_reason(row.relation)}
        self.touched = had | {id for id, key in self._places.values() if key is not None}
        self.relations, stayed = self._made()
        self._more = len(self.relations) - len(had | stayed)

    def books(self, before: Books) -> Books:
        """Returns the books of all relations."""
        dropped = Counter(before.dropped)
        found = before.found
        for row in self._old.values():
            found -= row.records
            if _is_reason(row.relation):
                dropped[row.relation] -= row.records
        for triple, (reason, key) in self._places.items():
            records = self._gathering.relations[triple].found
            found += records
            if key is None:
                dropped[reason] += records
        kept, left = before.kept + self._more, {reason: count for reason, count in sorted(dropped.items()) if count}
        return Books(found=found, kept=kept, merged=found - kept - sum(left.values()), dropped=left)

    def _before(self, moved: Collection[str]) -> dict[Triple, StatedRow]:
        """What is stored of all that may have another place: what changed, and what ends in what did."""
        keys = {*self._gathering.changed_keys, *self._keys_of(moved)}
        ends = [*moved, *(f"{LOOSE}{key}" for key in keys)]
        found = {row[:3]: row for end in ("source", "target") for row in self._rows.stated(end, ends)}
        for triple in self._gathering.changed_relations - found.keys():
            if (row := self._rows.triple(triple)) is not None:
                found[triple] = row
        return found

    def _keys_of(self, ids: Iterable[str]) -> set[str]:
        return {self._resolver.references[id].key for id in ids if id in self._resolver.references}

    def _made(self) -> tuple[list[Relation], set[str]]:
        """The relations that are touched, and which of them had parts that are not."""
        parts: defaultdict[str, list[Found]] = defaultdict(list)
        keys: dict[str, Triple] = {}
        for row in self._rows.stated("relation", sorted(self.touched)):
            if row[:3] in self._old:
                continue
            parts[row.relation].append(found_in(row.body))
            if row.relation not in keys:
                _, key = place(self._gathering, row[:3], self._resolver.entity_of)
                if key is not None:
                    keys[row.relation] = key
        stayed = set(parts)
        for triple, (id, key) in self._places.items():
            if key is not None:
                parts[id].append(self._gathering.relations[triple])
                keys[id] = key
        return [relation_of(id, keys[id], parts[id]) for id in sorted(parts)], stayed


def _is_reason(relation: str) -> bool:
    return not relation.startswith("relation-")


def _groups(membership: Mapping[str, str]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for id, entity in membership.items():
        found[entity].add(id)
    return dict(found)


def _entity_books(before: Books, gathering: KeptGathering, more: int, ambiguous: int) -> Books:
    nameless = before.dropped.get("empty_name", 0) + gathering.nameless
    found, kept = before.found + gathering.found, before.kept + more
    return Books(
        found=found,
        kept=kept,
        merged=found - kept - nameless,
        dropped={"empty_name": nameless} if nameless else {},
        mended={"ambiguous_alias": ambiguous} if ambiguous else {},
    )
