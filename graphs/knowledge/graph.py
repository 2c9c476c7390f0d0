"""The knowledge graph in memory: entities, relations, and which chunk mentions what.

Its body is arrays over numbers (`columns.py`, `links.py`), which a graph of a million entities fits in; records are
what stands at their ends. Links are plain and undirected, one for each pair that any relation joins: samplers ask
whether two entities are joined and how strongly, and parallel edges and directions would only make paths, degrees and
communities slower and less clear. Type, direction and evidence stay with the relations, and `to_networkx` and
`subgraph` give the directed multigraph of networkx to whoever wants it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any, Literal

from ...errors import ConfigError, NotStored
from ...storage.graph import EntityRows, Fact, RelationRows, entity_rows, one_batch, relation_rows
from ...storage.records import Entity, Record, Relation
from ...storage.store import RunStore
from ..networks import nx
from . import links as arrays
from .columns import Columns
from .components import component_sizes
from .links import Links, Numbers, Pairs, Rows
from .stored import StoredRecords, changed
from .texts import Texts

Link = Literal["relation", "cooccurrence", "any"]
CommunityMethod = Literal["leiden", "louvain"]
MANY = 40  # entities of a group; of more, their links are walked instead of looking up each pair


class GraphStats(Record):
    """Counts of a graph. `largest_component` is the share of entities in it; `mean_degree` counts linked entities."""

    entities: int
    relations: int
    links: int
    mentions: int
    chunks: int
    isolated: int
    components: int
    largest_component: float
    mean_degree: float
    entity_types: dict[str, int]
    relation_types: dict[str, int]


class KnowledgeGraph:
    """Entities and relations by id, with the arrays that samplers walk. It does not change once it is made.

    Whoever asks by id uses the methods. Whoever walks uses numbers: an entity's is its place in `ids`, a relation's its
    place in `relation_ids`, a chunk's its place in `chunk_ids`, all three sorted. Buffers of numbers are indexed like
    lists and give Python's own numbers.

    All orders are by id or by rank, never by hash, so that equal records give equal draws in every process.
    """

    def __init__(self, entities: Iterable[Entity] = (), relations: Iterable[Relation] = ()) -> None:
        """Indexes the records; raises `ConfigError` when a relation names an entity that is not there."""
        self._take(_by_id(entities), _by_id(relations))

    def _take(
        self, entities: Mapping[str, Entity], relations: Mapping[str, Relation], columns: Columns | None = None
    ) -> None:
        self.entities = entities
        self.relations = relations
        self.community_method: CommunityMethod | None = None
        """By which method this graph's communities are found, as its run has noted; None where nothing is noted."""
        self._columns = columns or Columns.of(entity_rows(entities.values()), relation_rows(relations.values()))
        self._partners = lru_cache(maxsize=4096)(self._count_partners)

    @classmethod
    def _made(
        cls, entities: Mapping[str, Entity], relations: Mapping[str, Relation], columns: Columns | None = None
    ) -> KnowledgeGraph:
        made = cls.__new__(cls)
        made._take(entities, relations, columns)
        return made

    @classmethod
    def load(cls, store: RunStore) -> KnowledgeGraph:
        """Loads the graph that a run has stored: its columns, while the records stay in the store until looked at.

        The store must stay open, and the graph is the one stored now: when the store's graph changes, this one changes
        with it (`updated`) or is loaded anew. Raises `NotStored` when the run has no graph.
        """
        while True:
            mark = store.mark("graph")
            if mark is None:
                raise NotStored(
                    f"the run in {store.shown} has no knowledge graph: its recipe needs none, or it is not built"
                )
            try:
                columns = Columns.of(*store.graph_rows())
            except ConfigError:
                if store.mark("graph") == mark:
                    raise
            if store.mark("graph") == mark:  # else it was stored anew meanwhile
                break
        entities = StoredRecords(columns.ids, store.entity, store.stored_entities)
        relations = StoredRecords(columns.relation_ids, store.relation, store.stored_relations)
        made = cls._made(entities, relations, columns)
        made.community_method = mark.get("communities") if isinstance(mark, dict) else None
        return made

    def __repr__(self) -> str:
        return f"KnowledgeGraph({len(self.ids)} entities, {len(self.relation_ids)} relations)"

    # by number

    @property
    def ids(self) -> Texts:
        """All entity ids, sorted; an entity's number is its place here."""
        return self._columns.ids

    def number(self, entity: str) -> int:
        """Returns the number of the entity with this id; raises `KeyError` when there is none."""
        found = self.ids.find(entity)
        if found is None:
            raise KeyError(entity)
        return found

    @property
    def names(self) -> Texts:
        """The entities' names, by number."""
        return self._columns.names

    @property
    def type_codes(self) -> Numbers:
        """For each entity the place of its type in `types`."""
        return self._columns.type_codes

    @property
    def types(self) -> tuple[str, ...]:
        """The entity types that occur, sorted."""
        return self._columns.types

    @property
    def mention_counts(self) -> Numbers:
        """How many spans mention each entity."""
        return self._columns.mentions

    @property
    def links(self) -> Links:
        """Which entities relations join, whichever way, without loops; parallel relations' weights are added."""
        return self._columns.links

    @property
    def chunk_ids(self) -> Texts:
        """The ids of all chunks that mention an entity or state a relation, sorted."""
        return self._columns.chunk_ids

    @property
    def chunks_by_entity(self) -> Rows:
        """For each entity the chunks that mention it."""
        return self._columns.chunks_by_entity

    @property
    def entities_by_chunk_number(self) -> Rows:
        """For each chunk the entities that it mentions."""
        return self._columns.entities_by_chunk

    @property
    def relation_ids(self) -> Texts:
        """All relation ids, sorted; a relation's number is its place here."""
        return self._columns.relation_ids

    @property
    def sources(self) -> Numbers:
        """The entity that each relation leads from."""
        return self._columns.sources

    @property
    def targets(self) -> Numbers:
        """The entity that each relation leads to."""
        return self._columns.targets

    @property
    def relation_type_codes(self) -> Numbers:
        """For each relation the place of its type in `relation_types`."""
        return self._columns.relation_type_codes

    @property
    def relation_types(self) -> tuple[str, ...]:
        """The relation types that occur, sorted."""
        return self._columns.relation_types

    @property
    def weights(self) -> Sequence[float]:
        """Each relation's weight."""
        return self._columns.weights

    @property
    def chunks_by_relation(self) -> Rows:
        """For each relation the chunks that state it."""
        return self._columns.chunks_by_relation

    @property
    def pairs(self) -> Pairs:
        """The relations by the two entities that they join."""
        return self._columns.pairs

    def relation_numbers_between(self, left: int, right: int) -> Numbers:
        """Returns the relations that join two entities, in either direction, ascending; all by number."""
        return self._columns.pairs.between(left, right)

    # by id

    @cached_property
    def entities_by_chunk(self) -> Mapping[str, tuple[str, ...]]:
        """Entity ids by the chunk that mentions them; both sorted. It is large: prefer `entities_in`."""
        rows = self.entities_by_chunk_number
        found = ((chunk, self._ids(rows[number])) for number, chunk in enumerate(self.chunk_ids))
        return {chunk: entities for chunk, entities in found if entities}

    def chunks_of(self, record: str) -> tuple[str, ...]:
        """Returns the ids of the chunks that mention the entity or state the relation with this id, sorted."""
        number, rows = self.ids.find(record), self.chunks_by_entity
        if number is None:
            number, rows = self.relation_ids.find(record), self.chunks_by_relation
        if number is None:
            raise KeyError(record)
        return tuple(self.chunk_ids[chunk] for chunk in rows[number])

    def entities_in(self, chunk: str) -> tuple[str, ...]:
        """Returns the ids of the entities that a chunk mentions, sorted; none for an unknown chunk."""
        number = self.chunk_ids.find(chunk)
        return () if number is None else self._ids(self.entities_by_chunk_number[number])

    def relations_between(self, left: str, right: str) -> tuple[str, ...]:
        """Returns the ids of the relations that join two entities, in either direction, sorted."""
        one, other = self.ids.find(left), self.ids.find(right)
        if one is None or other is None:
            return ()
        return tuple(self.relation_ids[number] for number in self.relation_numbers_between(one, other))

    def relations_among(self, entities: Iterable[str]) -> tuple[str, ...]:
        """Returns the ids of all relations that join two of these entities, sorted."""
        numbers = self._among(sorted({self.number(entity) for entity in entities}))
        return tuple(self.relation_ids[number] for number in numbers)

    def _among(self, members: Sequence[int]) -> list[int]:
        """Returns the relations that join two different ones of these entities, ascending."""
        if len(members) > MANY:  # walks their links; of few, each pair is looked up
            chosen = set(members)
            pairs = [(left, right) for left in members for right in self.links[left] if left < right in chosen]
        else:
            pairs = list(combinations(members, 2))
        between = self._columns.pairs.between
        return sorted(number for left, right in pairs for number in between(left, right))

    def cooccurrence(self, left: str, right: str) -> int:
        """Returns the number of chunks that mention both entities."""
        rows = self.chunks_by_entity
        few, many = sorted((self.number(left), self.number(right)), key=rows.size)
        return sum(rows.has(many, chunk) for chunk in rows[few])

    def cooccurring(self, entity: str) -> Mapping[str, int]:
        """Returns the entities that share a chunk with `entity`, with the number of such chunks, by id.

        Counted when asked, and kept for the last few thousand entities: all pairs of a large graph would not fit.
        """
        return {self.ids[partner]: count for partner, count in self._partners(self.number(entity)).items()}

    def _count_partners(self, entity: int) -> Mapping[int, int]:
        counts: Counter[int] = Counter()
        for chunk in self.chunks_by_entity[entity]:
            counts.update(self.entities_by_chunk_number[chunk])
        counts.pop(entity, None)
        return {partner: counts[partner] for partner in sorted(counts)}

    def neighbours(self, entity: str, *, link: Link = "relation") -> tuple[str, ...]:
        """Returns the ids next to `entity`, sorted: joined by a relation, mentioned in one chunk, or either."""
        number = self.number(entity)
        if link == "relation":
            return self._ids(self.links[number])
        if link == "cooccurrence":
            return self._ids(self._partners(number))
        return self._ids(sorted({*self.links[number], *self._partners(number)}))

    def degree(self, entity: str) -> int:
        """Returns the number of entities that a relation joins to `entity`."""
        return self.links.size(self.number(entity))

    def _ids(self, numbers: Iterable[int]) -> tuple[str, ...]:
        return tuple(map(self.ids.__getitem__, numbers))

    # other graphs

    def updated(
        self, *, entities: Iterable[Entity] = (), relations: Iterable[Relation] = (), removed: Iterable[str] = ()
    ) -> KnowledgeGraph:
        """Returns the graph after a change: the one that building anew from all records would give.

        Records take the place of those with their ids, or are new; `removed` are ids of entities and relations. With
        numpy it costs what copying the arrays costs, well below a second for a million entities. The store of a graph
        that was loaded is told by `RunStore.change_graph`.

        Raises `ConfigError` when a relation is left that names an entity which is not there.
        """
        nodes, edges, gone = _by_id(entities), _by_id(relations), frozenset(removed)
        if arrays.HAS_NUMPY:
            from .update import updated  # needs numpy, which is an extra

            columns = updated(self._columns, one_batch(EntityRows, entity_rows(nodes.values())),
                              one_batch(RelationRows, relation_rows(edges.values())), gone)  # fmt: skip
            ids, relation_ids = columns.ids, columns.relation_ids
        else:
            columns = None
            ids = Texts.of(sorted(({*self.ids} - gone) | nodes.keys()))
            relation_ids = Texts.of(sorted(({*self.relation_ids} - gone) | edges.keys()))
        made = self._made(
            changed(self.entities, nodes, gone, ids), changed(self.relations, edges, gone, relation_ids), columns
        )
        made.community_method = self.community_method
        return made

    def with_entities(self, entities: Iterable[Entity]) -> KnowledgeGraph:
        """Returns a graph in which these entities stand in place of those with the same ids (and are added if new)."""
        return self.updated(entities=entities)

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """Returns the directed multigraph: nodes and edges carry the records' fields except mentions."""
        return _multigraph(self.entities.values(), self.relations.values())

    def subgraph(self, entities: Iterable[str]) -> nx.MultiDiGraph[str]:
        """Returns these entities and all relations among them, as `to_networkx` has them, by id.

        Raises `KeyError` when there is no entity with one of the ids.
        """
        members = sorted({self.number(entity) for entity in entities})
        loops = (number for one in members for number in self.relation_numbers_between(one, one))
        relations = sorted({*self._among(members), *loops})
        return _multigraph(
            (self.entities[id] for id in self._ids(members)),
            (self.relations[self.relation_ids[number]] for number in relations),
        )

    def stats(self) -> GraphStats:
        """Returns the graph's counts; takes time in proportion to its size."""
        count, links = len(self.ids), self.links
        sizes = sorted(component_sizes(links), reverse=True)
        return GraphStats(
            entities=count,
            relations=len(self.relation_ids),
            links=links.count,
            mentions=sum(self.mention_counts),
            chunks=sum(map(bool, self.entities_by_chunk_number.sizes)),
            isolated=sum(1 for size in links.sizes if not size),
            components=len(sizes),
            largest_component=sizes[0] / count if sizes else 0.0,
            mean_degree=2 * links.count / count if count else 0.0,
            entity_types=_tally(self.types, self.type_codes),
            relation_types=_tally(self.relation_types, self.relation_type_codes),
        )


def _multigraph(entities: Iterable[Entity], relations: Iterable[Relation]) -> nx.MultiDiGraph[str]:
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for entity in entities:
        graph.add_node(entity.id, **_fields(entity))
    for relation in relations:
        graph.add_edge(relation.source, relation.target, key=relation.id, **_fields(relation))
    return graph


def _by_id(records: Iterable[Fact]) -> dict[str, Fact]:
    return dict(sorted({one.id: one for one in records}.items()))


def _fields(record: Entity | Relation) -> dict[str, Any]:
    return record.model_dump(exclude={"id", "source", "target", "mentions"})


def _tally(names: Sequence[str], codes: Numbers) -> dict[str, int]:
    counts = Counter(codes)
    return dict(sorted(((name, counts[code]) for code, name in enumerate(names)), key=lambda one: (-one[1], one[0])))
