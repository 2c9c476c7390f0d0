"""The body of a knowledge graph: columns of numbers and compact texts, made from rows that come by the thousand.

Entities, relations, chunks and types are numbered by the sorted order of their ids and names, so equal records give
equal columns whatever they came from: records in memory, the tables of a run, or another graph's columns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from ...errors import ConfigError
from ...storage.graph import EntityRows, RelationRows
from .coded import Coded
from .links import Links, Numbers, Pairs, Rows, renumbered, repeated
from .texts import Packing, Texts


@dataclass(frozen=True, slots=True)
class Columns:
    """Everything that is walked of a graph. `type_codes` are places in `types`, one an entity; so with relations."""

    ids: Texts
    names: Texts
    types: tuple[str, ...]
    type_codes: Numbers
    mentions: Numbers
    chunk_ids: Texts
    chunks_by_entity: Rows
    entities_by_chunk: Rows
    relation_ids: Texts
    sources: Numbers
    targets: Numbers
    relation_types: tuple[str, ...]
    relation_type_codes: Numbers
    weights: Sequence[float]
    chunks_by_relation: Rows
    links: Links
    pairs: Pairs

    @classmethod
    def of(cls, entities: Iterable[EntityRows], relations: Iterable[RelationRows]) -> Columns:
        """Makes the columns of entities and relations, each sorted by id and each id once.

        Raises `ConfigError` when a relation names an entity that is not there.
        """
        chunks, nodes = _Column(), Coded()
        ids, names, types = Packing(), Packing(), _Column()
        mentions, sizes = array("q"), array("q")
        for batch in entities:
            nodes.number(batch.ids)
            ids.add(batch.ids)
            names.add(batch.names)
            types.add(batch.types)
            mentions.extend(batch.mentions)
            sizes.extend(map(len, batch.chunks))
            chunks.add(list(chain.from_iterable(batch.chunks)))
        shown = len(chunks.codes)
        count, relation_ids, relation_types = len(nodes), Packing(), _Column()
        sources, targets, weights, stating = array("i"), array("i"), array("d"), array("q")
        for lines in relations:
            append(sources, nodes.number(lines.sources))
            append(targets, nodes.number(lines.targets))
            if len(nodes) > count:
                raise _lost(lines, set(nodes.texts()[:count]))
            relation_ids.add(lines.ids)
            relation_types.add(lines.types)
            weights.extend(lines.weights)
            stating.extend(map(len, lines.chunks))
            chunks.add(list(chain.from_iterable(lines.chunks)))
        del nodes
        chunk_ids, chunk_codes = chunks.sorted()
        by_entity = Rows.of(repeated(sizes), chunk_codes[:shown], count)
        pairs = Pairs.of(memoryview(sources), memoryview(targets), count)
        entity_types, type_codes = types.sorted()
        kinds, kind_codes = relation_types.sorted()
        return cls(
            ids=ids.packed(),
            names=names.packed(),
            types=entity_types,
            type_codes=type_codes,
            mentions=memoryview(mentions),
            chunk_ids=Texts.of(chunk_ids),
            chunks_by_entity=by_entity,
            entities_by_chunk=by_entity.turned(len(chunk_ids)),
            relation_ids=relation_ids.packed(),
            sources=memoryview(sources),
            targets=memoryview(targets),
            relation_types=kinds,
            relation_type_codes=kind_codes,
            weights=memoryview(weights),
            chunks_by_relation=Rows.of(repeated(stating), chunk_codes[shown:], len(sources)),
            links=Links.joining(pairs, weights),
            pairs=pairs,
        )


class _Column:
    """Texts of which many are equal, as numbers."""

    def __init__(self) -> None:
        self._coded = Coded()
        self.codes = array("i")

    def add(self, texts: Sequence[str]) -> None:
        append(self.codes, self._coded.number(texts))

    def sorted(self) -> tuple[tuple[str, ...], Numbers]:
        """Returns the different texts in order, and for each text that was added its place there."""
        texts = self._coded.texts()
        places = array("i", bytes(4 * len(texts)))
        order = sorted(range(len(texts)), key=texts.__getitem__)
        for place, number in enumerate(order):
            places[number] = place
        return tuple(texts[number] for number in order), renumbered(self.codes, places)


def append(column: array[int], numbers: Numbers) -> None:
    """Puts 32-bit numbers behind a column, without making Python's numbers of them."""
    column.frombytes(memoryview(numbers).cast("B"))  # type: ignore[arg-type]


def _lost(lines: RelationRows, known: set[str]) -> ConfigError:
    for id, source, target in zip(lines.ids, lines.sources, lines.targets, strict=True):
        for end in (source, target):
            if end not in known:
                return ConfigError(f"relation '{id}' joins entity '{end}', which is not in the graph; add it")
    raise AssertionError("every end is known")
