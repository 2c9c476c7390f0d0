"""The knowledge graph in memory: entities, relations, and which chunk mentions what.

Links are a plain undirected `networkx.Graph` of entity ids, one edge for each pair that any relation joins. Samplers
ask whether two entities are joined and how strongly; parallel edges and directions would only make paths, degrees and
communities slower and less clear. Type, direction and evidence stay on the `Relation` records, and `to_networkx`
gives the directed multigraph to whoever wants it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Literal

from ...errors import ConfigError
from ...storage.records import Entity, Record, Relation
from ..networks import nx

Link = Literal["relation", "cooccurrence", "any"]


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
    """Entities and relations by id, with the indexes that samplers read. It does not change once it is made.

    All orders are by id or by rank, never by hash, so that equal records give equal draws in every process.
    """

    def __init__(self, entities: Iterable[Entity] = (), relations: Iterable[Relation] = ()) -> None:
        """Indexes the records; raises `ConfigError` when a relation names an entity that is not there."""
        self.entities: Mapping[str, Entity] = {
            entity.id: entity for entity in sorted(entities, key=lambda entity: entity.id)
        }
        self.relations: Mapping[str, Relation] = {
            relation.id: relation for relation in sorted(relations, key=lambda relation: relation.id)
        }
        self.links: nx.Graph[str] = nx.Graph()
        self.links.add_nodes_from(self.entities)
        between: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for relation in self.relations.values():
            for end in (relation.source, relation.target):
                if end not in self.entities:
                    raise ConfigError(
                        f"relation '{relation.id}' joins entity '{end}', which is not in the graph; add it"
                    )
            between[_pair(relation.source, relation.target)].append(relation.id)
        for (left, right), ids in between.items():
            if left != right:
                self.links.add_edge(left, right, weight=sum(self.relations[one].weight for one in ids))
        self._between = {pair: tuple(ids) for pair, ids in between.items()}
        self._partners = lru_cache(maxsize=4096)(self._count_partners)
        self._near = lru_cache(maxsize=4096)(self._find_neighbours)

    def __repr__(self) -> str:
        return f"KnowledgeGraph({len(self.entities)} entities, {len(self.relations)} relations)"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All entity ids, sorted."""
        return tuple(self.entities)

    @cached_property
    def _chunks(self) -> Mapping[str, tuple[str, ...]]:
        records: list[Entity | Relation] = [*self.entities.values(), *self.relations.values()]
        return {record.id: tuple(sorted({span.chunk for span in record.mentions})) for record in records}

    @cached_property
    def entities_by_chunk(self) -> Mapping[str, tuple[str, ...]]:
        """Entity ids by the chunk that mentions them; both sorted."""
        index: defaultdict[str, list[str]] = defaultdict(list)
        for entity in self.entities:
            for chunk in self._chunks[entity]:
                index[chunk].append(entity)
        return {chunk: tuple(index[chunk]) for chunk in sorted(index)}

    def chunks_of(self, record: str) -> tuple[str, ...]:
        """Returns the ids of the chunks that mention the entity or state the relation with this id, sorted."""
        return self._chunks[record]

    def entities_in(self, chunk: str) -> tuple[str, ...]:
        """Returns the ids of the entities that a chunk mentions, sorted; none for an unknown chunk."""
        return self.entities_by_chunk.get(chunk, ())

    def relations_between(self, left: str, right: str) -> tuple[str, ...]:
        """Returns the ids of the relations that join two entities, in either direction, sorted."""
        return self._between.get(_pair(left, right), ())

    def relations_among(self, entities: Iterable[str]) -> tuple[str, ...]:
        """Returns the ids of all relations that join two of these entities, sorted."""
        members = sorted(set(entities))
        chosen = set(members)
        return tuple(
            sorted(
                relation
                for left in members
                for right in self.links.adj[left]
                if left < right and right in chosen
                for relation in self.relations_between(left, right)
            )
        )

    def cooccurrence(self, left: str, right: str) -> int:
        """Returns the number of chunks that mention both entities."""
        few, many = sorted((self._chunks[left], self._chunks[right]), key=len)
        return len(set(few).intersection(many))

    def cooccurring(self, entity: str) -> Mapping[str, int]:
        """Returns the entities that share a chunk with `entity`, with the number of such chunks, by id.

        Counted when asked, and kept for the last few thousand entities: all pairs of a large graph would not fit.
        """
        return self._partners(entity)

    def _count_partners(self, entity: str) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for chunk in self._chunks[entity]:
            counts.update(self.entities_in(chunk))
        counts.pop(entity, None)
        return {partner: counts[partner] for partner in sorted(counts)}

    def neighbours(self, entity: str, *, link: Link = "relation") -> tuple[str, ...]:
        """Returns the ids next to `entity`, sorted: joined by a relation, mentioned in one chunk, or either."""
        return self._near(entity, link)

    def _find_neighbours(self, entity: str, link: Link) -> tuple[str, ...]:
        if link == "cooccurrence":
            return tuple(self.cooccurring(entity))
        joined = self.links.adj[entity]
        if link == "relation":
            return tuple(sorted(joined))
        return tuple(sorted({*joined, *self.cooccurring(entity)}))

    def degree(self, entity: str) -> int:
        """Returns the number of entities that a relation joins to `entity`."""
        return len(self.links.adj[entity])

    def with_entities(self, entities: Iterable[Entity]) -> KnowledgeGraph:
        """Returns a graph in which these entities stand in place of those with the same ids (and are added if new)."""
        replaced = {**self.entities, **{entity.id: entity for entity in entities}}
        return KnowledgeGraph(replaced.values(), self.relations.values())

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """Returns the directed multigraph: nodes and edges carry the records' fields except mentions."""
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for entity in self.entities.values():
            graph.add_node(entity.id, **_fields(entity))
        for relation in self.relations.values():
            graph.add_edge(relation.source, relation.target, key=relation.id, **_fields(relation))
        return graph

    def stats(self) -> GraphStats:
        """Returns the graph's counts; takes time in proportion to its size."""
        sizes = sorted((len(part) for part in nx.connected_components(self.links)), reverse=True)
        count = len(self.entities)
        return GraphStats(
            entities=count,
            relations=len(self.relations),
            links=self.links.number_of_edges(),
            mentions=sum(len(entity.mentions) for entity in self.entities.values()),
            chunks=len(self.entities_by_chunk),
            isolated=sum(1 for entity in self.entities if not self.links.adj[entity]),
            components=len(sizes),
            largest_component=sizes[0] / count if sizes else 0.0,
            mean_degree=2 * self.links.number_of_edges() / count if count else 0.0,
            entity_types=_tally(entity.type for entity in self.entities.values()),
            relation_types=_tally(relation.type for relation in self.relations.values()),
        )


def _pair(left: str, right: str) -> tuple[str, str]:
    return (left, right) if left <= right else (right, left)


def _fields(record: Entity | Relation) -> dict[str, Any]:
    return record.model_dump(exclude={"id", "source", "target", "mentions"})


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))
