"""References, blocks and pairs of a stored graph: read as far as something touches them, and written back.

What comes of it equals what comes of all extractions, gathered and resolved from nothing (a property test holds it): a
reference is a sum over its chunks, a block has all its members as soon as it is asked for, and a component is decided
from its own references.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from ...storage.kept import (
    FORGET_BLOCKS,
    FORGET_FOUND,
    FORGET_ONE,
    FORGET_OTHER,
    FORGET_STATED,
    PUT_BLOCK,
    PUT_FOUND,
    PUT_LIKELY,
    PUT_STATED,
    KeptRows,
    Triple,
)
from ...storage.rulings import Ruling
from ...storage.schema import Statement
from .blocking import Blocks
from .forms import form_of
from .found import Found
from .lookup import Lookup
from .references import Gathering, Reference
from .resolve import Resolver
from .scoring import Kind, Score
from .settings import Doubt, Join, Refusal, Resolution, ResolutionSettings
from .types import Types


class KeptGathering(Gathering):
    """What was gathered before: extractions are taken from it and taken into it."""

    def __init__(self, rows: KeptRows, rulings: Iterable[Ruling] = ()) -> None:
        super().__init__(Lookup(lambda chunks: dict(rows.documents(chunks))), rulings)
        self.references = Lookup(lambda ids: {id: _reference(id, card, rest) for id, card, rest in rows.found(ids)})
        self.relations = Lookup(lambda triples: dict(_stated(rows, triples)))
        self._by_key = Lookup(lambda keys: _sets(rows.called(keys)))
        self._in_chunk = Lookup(lambda chunks: {chunk: set(keys) for chunk, keys in rows.keys_in(chunks)})

    def _look_up(self, chunks: Iterable[str]) -> None:
        for table in (self._documents, self._in_chunk):
            if isinstance(table, Lookup):
                table.look_up(chunks)


class KeptBlocks(Blocks):
    """The index from keys to references, block by block."""

    def __init__(self, rows: KeptRows, *, names_only: bool = False) -> None:
        super().__init__(names_only=names_only)
        self._members = Lookup(lambda keys: _sets(rows.members(keys)))
        self._keys = Lookup(lambda ids: {id: frozenset(keys) for id, keys in _sets(rows.keys(ids)).items()})
        self._order = Lookup(lambda ids: {id: (form_of(name).compact, id) for id, name in rows.names(ids)})

    def _look_up(self, ids: Iterable[str]) -> None:
        if isinstance(self._order, Lookup):
            self._order.look_up(ids)


class KeptResolver(Resolver):
    """A resolution that was stored: an update reads and decides what is touched; `decided` are those references."""

    def __init__(
        self, rows: KeptRows, rulings: Iterable[Ruling], settings: ResolutionSettings | None = None, *, types: Types
    ) -> None:
        """`rulings` are those by which it was made."""
        super().__init__(settings, types=types)
        self.decided: set[str] = set()
        self._gone: set[str] = set()
        self._references = cards(rows)
        self._edges = Lookup(lambda ids: _edges(rows, ids))
        self.blocks = KeptBlocks(rows, names_only=self.settings.off)
        self._elsewhere = Lookup(lambda ids: dict(rows.entities(ids)))
        self._rule(rulings)

    @property
    def references(self) -> Mapping[str, Reference]:
        """References by id: whole where they changed, else as far as they are compared."""
        return self._references

    def update(self, changed: Mapping[str, Reference | None], rulings: Iterable[Ruling] | None = None) -> set[str]:
        """Takes in what changed; see `Resolver.update`."""
        self._gone = {id for id, reference in changed.items() if reference is None}
        self.decided = super().update(changed, rulings)
        return self.decided

    def entity_of(self, id: str) -> str | None:
        """Returns the entity of a reference, decided anew or as it stands; None for one that is no more."""
        return self.membership.get(id) or (None if id in self._gone else self._elsewhere.get(id))

    def spliced(self, stored: Mapping[str, Any], gone: Collection[str]) -> Resolution:
        """Returns all decisions: those stored of what is not touched, and those that were made now.

        `gone` are the references that are no more. `membership` has what was decided and no other.
        """
        away = self.decided | set(gone)

        def stays(row: Mapping[str, Any]) -> bool:
            return row["left"] not in away and row["right"] not in away

        components = self._components.values()
        joins = [Join(**row) for row in stored["joins"] if stays(row)]
        refused = {(row["left"], row["right"]): Refusal(**row) for row in stored["refused"] if stays(row)}
        refused |= {(one.left, one.right): one for component in components for one in component.refused}
        doubts = [Doubt(**row) for row in stored["doubts"] if stays(row)]
        for pair, score in self._apart():
            told = round(score.value, 4)
            if score.veto:
                refused.setdefault(pair, Refusal(*pair, told, score.kind, score.veto))
            if score.value >= self.settings.different and pair not in self._ruled.sources:
                doubts.append(Doubt(*pair, told, score.kind))
        return Resolution(
            membership=dict(sorted(self.membership.items())),
            joins=tuple(sorted([*joins, *(join for one in components for join in one.joins)])),
            refused=tuple(sorted(refused.values())),
            doubts=tuple(sorted(doubts)),
        )

    def _apart(self) -> Iterator[tuple[tuple[str, str], Score]]:
        for id in sorted(self.decided):
            for other, score in self._edges.get(id, {}).items():
                if (other not in self.decided or id < other) and self.entity_of(id) != self.entity_of(other):
                    yield (id, other) if id < other else (other, id), score

    def _take(self, changed: Mapping[str, Reference | None]) -> set[str]:
        """Beside what has other pairs now, what rulings joined to it before: those components are decided anew too."""
        seeds = super()._take(changed)
        return seeds | {near for id in seeds for near in self._ruled_edges.get(id, ())}

    @property
    def _is_empty(self) -> bool:
        return False

    def _look_up(self, ids: Iterable[str]) -> None:
        if isinstance(self._references, Lookup):
            self._references.look_up(ids)

    def _follow(self, ruling: Ruling) -> None:
        self.membership.pop(ruling.part, None)
        if (entity := self.entity_of(ruling.left)) is not None:
            self.membership[ruling.part] = entity


def cards(rows: KeptRows) -> Lookup[str, Reference]:
    """Returns references as far as they are compared, with their chunks, read when they are asked for."""
    return Lookup(lambda ids: {id: _reference(id, card) for id, card in rows.cards(ids)})


def found_rows(gathering: Gathering, ids: Iterable[str]) -> list[Statement]:
    """Returns what writes references as they are gathered; of an id that is no more, what forgets it."""
    gone, rows = [], []
    for id in sorted(ids):
        reference = gathering.references.get(id)
        if reference is None:
            gone.append((id,))
        else:
            rows.append((id, _json(_card(reference)), _json(reference.content.rest())))
    return [(FORGET_FOUND, gone), (PUT_FOUND, rows)]


def stated_rows(gathering: Gathering, places: Mapping[Triple, str]) -> list[Statement]:
    """Returns what writes what joins references, with the relation that has it; an empty one says that it is gone."""
    gone = [triple for triple, relation in sorted(places.items()) if not relation]
    rows = []
    for triple, relation in sorted(places.items()):
        if relation:
            found = gathering.relations[triple]
            rows.append((*triple, relation, found.found, _json({**found.card(), "rest": found.rest()})))
    return [(FORGET_STATED, gone), (PUT_STATED, rows)]


def block_rows(blocks: Blocks, ids: Iterable[str]) -> list[Statement]:
    """Returns what writes the keys of references, in place of those they had."""
    ids = sorted(ids)
    rows = [(key, id) for id in ids for key in sorted(blocks.keys_of(id))]
    return [(FORGET_BLOCKS, [(id,) for id in ids]), (PUT_BLOCK, rows)]


def likely_rows(resolver: Resolver) -> list[Statement]:
    """Returns what writes the pairs that the last update scored, in place of those that these references had."""
    ids = sorted(resolver.touched)
    pairs = {
        (id, other) if id < other else (other, id): score for id in ids for other, score in resolver.scores(id).items()
    }
    rows = [(*pair, score.value, score.kind.value, score.veto, score.short) for pair, score in sorted(pairs.items())]
    gone = [(id,) for id in ids]
    return [(FORGET_ONE, gone), (FORGET_OTHER, gone), (PUT_LIKELY, rows)]


def _card(reference: Reference) -> dict[str, Any]:
    return {
        **reference.content.card(),
        "key": reference.key,
        "type": reference.type,
        "near": sorted(reference.neighbours),
        "documents": sorted(reference.documents),
    }


def _reference(id: str, card: str, rest: str | None = None) -> Reference:
    given = orjson.loads(card)
    return Reference(
        id,
        given["key"],
        given["type"],
        Found.of(given, None if rest is None else orjson.loads(rest)),
        neighbours=frozenset(given["near"]),
        documents=frozenset(given["documents"]),
    )


def found_in(body: str) -> Found:
    """Returns what a row of what is stated has."""
    given = orjson.loads(body)
    return Found.of(given, given["rest"])


def _stated(rows: KeptRows, triples: Iterable[Triple]) -> Iterator[tuple[Triple, Found]]:
    for triple in triples:
        if (row := rows.triple(triple)) is not None:
            yield triple, found_in(row.body)


def _edges(rows: KeptRows, ids: Iterable[str]) -> dict[str, dict[str, Score]]:
    found: dict[str, dict[str, Score]] = {id: {} for id in ids}
    for one, other, value, kind, veto, short in rows.likely(found):
        score = Score(value, Kind(kind), veto, short)
        for end, far in ((one, other), (other, one)):
            if end in found:
                found[end][far] = score
    return found


def _sets(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return dict(found)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
