"""Merges what chunks gave into one graph.

The result does not depend on the order of the extractions, and equal names get equal ids in every campaign. Names are
merged by their key (see `agents/names.py`) and by acronyms that the sources themselves introduce; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...agents.extraction import Books, Extraction, FoundEntity, FoundRelation
from ...agents.names import name_key
from ...storage.records import Entity, Record, Relation, Span, content_id
from .graph import KnowledgeGraph


class MergeBooks(Record):
    """What became of the records of all extractions: `found = kept + merged + dropped`, for entities and relations.

    Reasons for dropping: `empty_name`; for relations also `missing_endpoint` and `self_relation` (both ends turned
    out to be one entity). `mended` of the entities counts `ambiguous_alias`: an acronym that two names claim, left as
    an entity of its own.
    """

    extractions: int = 0
    entities: Books = Books()
    relations: Books = Books()

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.entities.balanced and self.relations.balanced


@dataclass(slots=True)
class _Group:
    """Everything that was found under one key."""

    found: int = 0
    names: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    doubtful_types: Counter[str] = field(default_factory=Counter)
    aliases: Counter[str] = field(default_factory=Counter)
    descriptions: Counter[str] = field(default_factory=Counter)
    mentions: dict[tuple[str, int, int], Span] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)

    def take(self, found: FoundEntity | FoundRelation, chunk: str) -> None:
        self.found += 1
        self.descriptions.update(found.descriptions)
        self.mentions.update({(span.chunk, span.start, span.end): span for span in found.mentions})
        self.chunks.add(chunk)

    def absorb(self, other: _Group) -> None:
        """Takes what another key had; its names become aliases here, however frequent they are."""
        self.found += other.found
        self.types.update(other.types)
        self.doubtful_types.update(other.doubtful_types)
        self.aliases.update(other.names)
        self.aliases.update(other.aliases)
        self.descriptions.update(other.descriptions)
        self.mentions.update(other.mentions)
        self.chunks |= other.chunks

    def spans(self) -> tuple[Span, ...]:
        return tuple(self.mentions[place] for place in sorted(self.mentions))

    def description(self) -> str:
        return "\n".join(_ranked(self.descriptions))


def merge(extractions: Iterable[Extraction]) -> KnowledgeGraph:
    """Merges extractions into a graph; see `merge_with_books`."""
    return merge_with_books(extractions)[0]


def merge_with_books(extractions: Iterable[Extraction]) -> tuple[KnowledgeGraph, MergeBooks]:
    """Merges extractions into a graph and accounts for every record.

    An entity's name is its most frequent surface form, its type the one that most chunks give (ties go to the first
    by alphabet; a fallback type counts only where nothing else was given), its description all different
    descriptions, one a line, the most frequent first, none cut. A relation's weight is the number of chunks that
    state it. Every mention is kept, once.
    """
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    edges: defaultdict[tuple[str, str, str], _Group] = defaultdict(_Group)
    count = 0
    for extraction in extractions:
        count += 1
        for entity in extraction.entities:
            group = groups[name_key(entity.name)]
            group.take(entity, extraction.chunk)
            group.names[entity.name] += 1
            group.aliases.update(entity.aliases)
            (group.types if entity.typed else group.doubtful_types)[entity.type] += 1
        for relation in extraction.relations:
            ends = (name_key(relation.source), name_key(relation.target))
            edges[*ends, relation.type].take(relation, extraction.chunk)
    extracted = sum(group.found for group in groups.values())
    dropped = Counter({"empty_name": groups.pop("", _Group()).found})
    homes, ambiguous = _homes(groups)
    for key in sorted(homes):
        groups[homes[key]].absorb(groups[key])
    entities = {key: _entity(key, group) for key, group in groups.items() if key not in homes}
    relations, relation_books = _relations(edges, entities, homes)
    books = MergeBooks(
        extractions=count,
        entities=Books(
            found=extracted,
            kept=len(entities),
            merged=extracted - len(entities) - dropped.total(),
            dropped=_positive(dropped),
            mended=_positive(Counter({"ambiguous_alias": ambiguous})),
        ),
        relations=relation_books,
    )
    return KnowledgeGraph(entities.values(), relations), books


def _homes(groups: Mapping[str, _Group]) -> tuple[dict[str, str], int]:
    """Maps the key of each acronym that exactly one other name introduces to that name's key.

    Returns the map, and how many acronyms stay by themselves because several names claim them.
    """
    claims: defaultdict[str, set[str]] = defaultdict(set)
    for key, group in groups.items():
        for alias in group.aliases:
            short = name_key(alias)
            if short in groups and short != key:
                claims[short].add(key)
    sole = {short: next(iter(keys)) for short, keys in claims.items() if len(keys) == 1}
    homes = {}
    for short in sole:
        home, passed = short, {short}
        while home in sole and sole[home] not in passed:
            home = sole[home]
            passed.add(home)
        if home in sole:  # names that introduce each other in a circle: all stay as they are
            continue
        homes[short] = home
    return homes, len(claims) - len(sole)


def _entity(key: str, group: _Group) -> Entity:
    name = _ranked(group.names)[0]
    aliases = group.aliases + group.names
    del aliases[name]
    return Entity(
        id=content_id("entity", key),
        name=name,
        type=_ranked(group.types or group.doubtful_types)[0],
        description=group.description(),
        aliases=tuple(_ranked(aliases)),
        mentions=group.spans(),
    )


def _relations(
    edges: Mapping[tuple[str, str, str], _Group], entities: Mapping[str, Entity], homes: Mapping[str, str]
) -> tuple[list[Relation], Books]:
    found = sum(group.found for group in edges.values())
    dropped: Counter[str] = Counter()
    kept: defaultdict[tuple[str, str, str], _Group] = defaultdict(_Group)
    for (source, target, kind), group in edges.items():
        ends = (homes.get(source, source), homes.get(target, target))
        if "" in ends:
            dropped["empty_name"] += group.found
        elif not all(end in entities for end in ends):
            dropped["missing_endpoint"] += group.found
        elif ends[0] == ends[1]:
            dropped["self_relation"] += group.found
        else:
            kept[entities[ends[0]].id, entities[ends[1]].id, kind].absorb(group)
    relations = [
        Relation(
            id=content_id("relation", *key),
            source=key[0],
            target=key[1],
            type=key[2],
            description=group.description(),
            weight=float(len(group.chunks)),
            mentions=group.spans(),
        )
        for key, group in kept.items()
    ]
    merged = found - len(relations) - dropped.total()
    return relations, Books(found=found, kept=len(relations), merged=merged, dropped=_positive(dropped))


def _ranked(counts: Counter[str]) -> list[str]:
    """The most frequent first, then by alphabet."""
    return sorted(counts, key=lambda text: (-counts[text], text))


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {reason: counts[reason] for reason in sorted(counts) if counts[reason]}
