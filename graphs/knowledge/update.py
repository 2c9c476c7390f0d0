"""A graph's columns after a change of a few records: what building anew would give, at the cost of copying.

Needs numpy. Three renumberings (entities, relations, chunks) say who stands where; then each column is spliced, and
rows that the change touches are made by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...errors import ConfigError
from ...storage.graph import EntityRows, RelationRows
from ..numeric import np
from .columns import Columns
from .links import Links, Numbers, Pairs, Rows
from .splice import Array, Renumbering, Splice
from .texts import Texts


def updated(old: Columns, entities: EntityRows, relations: RelationRows, removed: Collection[str]) -> Columns:
    """Returns the columns with these rows put in, each in place of the one with its id, and `removed` ids taken out.

    The rows are sorted by id. Raises `ConfigError` when a relation is left that names an entity which is not there.
    """
    return _Update(old, entities, relations, removed).columns()


class _Update:
    def __init__(self, old: Columns, entities: EntityRows, relations: RelationRows, removed: Collection[str]) -> None:
        self.old, self.entities, self.relations = old, entities, relations
        self.nodes = Renumbering(old.ids, entities.ids, _found(old.ids, removed))
        self.edges = Renumbering(old.relation_ids, relations.ids, _found(old.relation_ids, removed))
        self.gone: list[int] = self.edges.splice.dropped.tolist()  # relations, also those that come again
        self.sources = self._ends(old.sources, relations.sources)
        self.targets = self._ends(old.targets, relations.targets)
        self.weights = self.edges.splice.column(old.weights, relations.weights).data
        named = {chunk for chunks in (*entities.chunks, *relations.chunks) for chunk in chunks}
        before = {chunk: old.chunk_ids.find(chunk) for chunk in named}
        known = {chunk: number for chunk, number in before.items() if number is not None}
        unknown = sorted(named - known.keys())
        self.chunks = Renumbering(old.chunk_ids, unknown, self._lost_chunks(set(known.values())))
        self.chunk_numbers = {chunk: self.chunks.new(number) for chunk, number in known.items()}
        self.chunk_numbers.update(zip(unknown, self.chunks.numbers, strict=True))

    def columns(self) -> Columns:
        old, nodes, edges = self.old, self.nodes.splice, self.edges.splice
        types, type_codes = _types(nodes, old.types, old.type_codes, self.entities.types)
        kinds, kind_codes = _types(edges, old.relation_types, old.relation_type_codes, self.relations.types)
        table = self.chunks.moves
        shown, stating = self._chunk_rows(self.entities.chunks), self._chunk_rows(self.relations.chunks)
        pairs = self._pairs()
        return Columns(
            ids=self.nodes.ids,
            names=nodes.texts(old.names, self.entities.names),
            types=types,
            type_codes=type_codes,
            mentions=nodes.column(old.mentions, self.entities.mentions).data,
            chunk_ids=self.chunks.ids,
            chunks_by_entity=nodes.rows(old.chunks_by_entity, shown, table),
            entities_by_chunk=self._entities_by_chunk(shown),
            relation_ids=self.edges.ids,
            sources=self.sources.data,
            targets=self.targets.data,
            relation_types=kinds,
            relation_type_codes=kind_codes,
            weights=self.weights,
            chunks_by_relation=edges.rows(old.chunks_by_relation, stating, table),
            links=self._links(pairs),
            pairs=pairs,
        )

    def _ends(self, old: Numbers, new: Sequence[str]) -> Array:
        """One end of each relation, after the change."""
        numbers = []
        for relation, end in zip(self.relations.ids, new, strict=True):
            number = self.nodes.ids.find(end)
            if number is None:
                raise _missing(relation, end)
            numbers.append(number)
        ends = self.edges.splice.column(old, numbers, self.nodes.table)
        if len(ends) and ends.min() < 0:
            left = self.edges.ids[int(ends.argmin())]
            raise _missing(left, self.old.ids[old[self.old.relation_ids.place(left)]])
        return ends

    def _lost_chunks(self, named: set[int]) -> set[int]:
        """The old numbers of chunks that nothing is left of; `named` are those of what comes in."""
        old, gone = self.old, set(self.nodes.splice.dropped.tolist())
        left = {chunk for number in gone for chunk in old.chunks_by_entity[number]}
        left |= {chunk for number in self.gone for chunk in old.chunks_by_relation[number]}
        left = {chunk for chunk in left - named if gone.issuperset(old.entities_by_chunk[chunk])}
        if left:  # a relation that stays may state one: there is no index for that, and it seldom comes to this
            rows = old.chunks_by_relation
            asked = np.zeros(len(old.chunk_ids), dtype=bool)
            asked[list(left)] = True
            places = np.flatnonzero(asked[np.asarray(rows.ends)])
            owners = np.searchsorted(np.asarray(rows.offsets), places, side="right") - 1
            stays = ~np.isin(owners, self.edges.splice.dropped)
            left -= set(np.asarray(rows.ends)[places[stays]].tolist())
        return left

    def _chunk_rows(self, chunks: Iterable[Sequence[str]]) -> list[Array]:
        return [_numbers(sorted(map(self.chunk_numbers.__getitem__, some))) for some in chunks]

    def _entities_by_chunk(self, shown: Sequence[Array]) -> Rows:
        old, gone = self.old, set(self.nodes.splice.dropped.tolist())
        rows: defaultdict[int, set[int]] = defaultdict(set)
        for chunk in {chunk for number in gone for chunk in old.chunks_by_entity[number]} - self.chunks.died:
            rows[self.chunks.new(chunk)] = set()
        for number, chunks in zip(self.nodes.numbers, shown, strict=True):
            for chunk in chunks.tolist():
                rows[chunk].add(number)
        for chunk in rows.keys() - self.chunks.born.keys():
            stood = old.entities_by_chunk[self.chunks.old(chunk)]
            rows[chunk].update(int(self.nodes.table[one]) for one in stood if one not in gone)
        arrays = {chunk: _numbers(sorted(row)) for chunk, row in rows.items()}
        splice, new = self.chunks.with_rows(arrays, _numbers(()))
        return splice.rows(old.entities_by_chunk, new, self.nodes.moves)

    def _pairs(self) -> Pairs:
        """The pairs, with other rows for the lower ends of relations that go and come."""
        old, table, gone = self.old, self.nodes.table, set(self.gone)
        rows: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for number in gone:
            if (low := min(old.sources[number], old.targets[number])) not in self.nodes.died:
                rows[int(table[low])] = []
        for number in self.edges.numbers:
            low, high = sorted((int(self.sources[number]), int(self.targets[number])))
            rows[low].append((high, number))
        for low in rows.keys() - self.nodes.born.keys():
            before = self.nodes.old(low)
            for place in range(old.pairs.offsets[before], old.pairs.offsets[before + 1]):
                if (number := old.pairs.numbers[place]) not in gone:
                    rows[low].append((int(table[old.pairs.highs[place]]), int(self.edges.table[number])))
        ordered = {low: _numbers(sorted(row)).reshape(-1, 2) for low, row in rows.items()}
        splice, new = self.nodes.with_rows(ordered, _numbers(()).reshape(-1, 2))
        return Pairs(
            splice.ragged(old.pairs.offsets, [len(row) for row in new]).data,
            splice.joined(old.pairs.offsets, old.pairs.highs, [row[:, 0] for row in new], self.nodes.moves).data,
            splice.joined(old.pairs.offsets, old.pairs.numbers, [row[:, 1] for row in new], self.edges.moves).data,
        )

    def _links(self, pairs: Pairs) -> Links:
        """The links, with other rows for the ends of relations that go and come."""
        old, table = self.old, self.nodes.table
        changed: defaultdict[int, set[int]] = defaultdict(set)  # whose links with whom may weigh other than before
        ends = [(int(table[old.sources[one]]), int(table[old.targets[one]])) for one in self.gone]
        ends += [(int(self.sources[one]), int(self.targets[one])) for one in self.edges.numbers]
        for left, right in ends:
            for one, other in ((left, right), (right, left)):
                if one >= 0 and one != other:
                    changed[one].add(other)
        rows = {}
        for one, others in changed.items():
            row = {} if one in self.nodes.born else self._stood(self.nodes.old(one))
            for other in others - {-1}:
                row.pop(other, None)
                if between := pairs.between(one, other):
                    total = 0.0
                    for number in between:  # one after the other, as they are added when they are built
                        total += self.weights[number]
                    row[other] = total
            numbers = sorted(row)
            rows[one] = _numbers(numbers), np.array([row[number] for number in numbers])
        splice, new = self.nodes.with_rows(rows, (_numbers(()), np.zeros(0)))
        return Links(
            splice.ragged(old.links.offsets, [len(row) for row, _ in new]).data,
            splice.joined(old.links.offsets, old.links.ends, [row for row, _ in new], self.nodes.moves).data,
            splice.joined(old.links.offsets, old.links.weights, [row for _, row in new]).data,
        )

    def _stood(self, before: int) -> dict[int, float]:
        """The links that one had, by the new numbers of those who are still there."""
        links = self.old.links
        start, stop = links.offsets[before], links.offsets[before + 1]
        near = self.nodes.table[np.asarray(links.ends)[start:stop]].tolist()
        return {one: weight for one, weight in zip(near, links.weights[start:stop], strict=True) if one >= 0}


def _numbers(of: Sequence[Any]) -> Array:
    return np.array(of, dtype=np.int32)


def _found(texts: Texts, wanted: Iterable[str]) -> set[int]:
    return {number for text in wanted if (number := texts.find(text)) is not None}


def _types(
    splice: Splice, names: tuple[str, ...], codes: Numbers, new: Sequence[str]
) -> tuple[tuple[str, ...], Numbers]:
    """The types that occur after the change, and whose is which."""
    every = sorted({*names, *new})
    place = {name: number for number, name in enumerate(every)}
    table = np.array([place[name] for name in names], dtype=np.int32)
    moves = table if len(every) > len(names) else None
    column = splice.column(codes, [place[name] for name in new], moves)
    left = {names[code] for code in set(np.asarray(codes)[splice.dropped].tolist())} - set(new)
    unused = {name for name in left if not (column == place[name]).any()}
    if unused:
        column = (np.cumsum([name not in unused for name in every], dtype=np.int32) - 1)[column]
    return tuple(name for name in every if name not in unused), column.data


def _missing(relation: str, end: str) -> ConfigError:
    return ConfigError(f"relation '{relation}' joins entity '{end}', which is not in the graph; add it")
