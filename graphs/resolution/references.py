"""References: all that was found under one name key with one type. Resolution decides which of them are one entity.

The id of a reference is the hash of its key and its type, so it stays the same for ever, whatever is found later. A
person can divide a reference by documents or chunks (a homonym of one type: two people called John Smith); the part
then has an id of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...agents.extraction import Extraction, FoundEntity, FoundRelation
from ...agents.extraction_schema import type_key
from ...agents.names import name_key
from ...storage.records import Claim, Span, content_id
from ...storage.rulings import Ruling

MAX_CONTEXT = 200  # chunks of a reference whose entities are its neighbours; more would only add noise


def reference_id(key: str, kind: str) -> str:
    """Returns the id of the reference of a name key and a type key ("" where nobody gave the type)."""
    return content_id("entity", key, kind)


@dataclass(slots=True)
class Found:
    """What was found under one id, an entity's or a relation's, over all chunks; it only grows while it is gathered."""

    found: int = 0
    names: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    aliases: Counter[str] = field(default_factory=Counter)
    descriptions: Counter[str] = field(default_factory=Counter)
    mentions: dict[tuple[str, int, int], Span] = field(default_factory=dict)
    values: dict[str, set[str]] = field(default_factory=dict)
    claims: dict[tuple[str, tuple[tuple[str, str], ...]], set[tuple[str, int, int]]] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)
    grounded: bool = False

    def take(self, found: FoundEntity | FoundRelation, chunk: str) -> None:
        """Takes what one chunk gave."""
        self.found += 1
        self.descriptions.update(found.descriptions)
        self._mention(found.mentions)
        self.chunks.add(chunk)
        values = found.attributes if isinstance(found, FoundEntity) else found.qualifiers
        for name, given in values.items():
            self.values.setdefault(name, set()).update(given)
        if isinstance(found, FoundRelation):
            self.grounded |= found.grounded
            return
        self.names[found.name] += 1
        self.aliases.update(found.aliases)
        self.types[found.type] += 1
        for claim in found.claims:
            self._claim(claim)

    def absorb(self, other: Found) -> None:
        """Takes all that another has."""
        self.found += other.found
        self.names.update(other.names)
        self.types.update(other.types)
        self.aliases.update(other.aliases)
        self.descriptions.update(other.descriptions)
        self.mentions.update(other.mentions)
        for name, given in other.values.items():
            self.values.setdefault(name, set()).update(given)
        for said, places in other.claims.items():
            self.claims.setdefault(said, set()).update(places)
        self.chunks |= other.chunks
        self.grounded |= other.grounded

    def spans(self) -> tuple[Span, ...]:
        """All mentions, each once, by chunk and place."""
        return tuple(self.mentions[place] for place in sorted(self.mentions))

    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Attributes or qualifiers: name → the values given, both sorted."""
        return {name: tuple(sorted(self.values[name])) for name in sorted(self.values)}

    def all_claims(self) -> tuple[Claim, ...]:
        """The claims, each once with all its spans, by text."""
        return tuple(
            Claim(
                text=text,
                qualifiers=dict(qualifiers),
                mentions=tuple(self.mentions[place] for place in sorted(self.claims[text, qualifiers])),
            )
            for text, qualifiers in sorted(self.claims)
        )

    def _mention(self, spans: Iterable[Span]) -> None:
        for span in spans:
            place = (span.chunk, span.start, span.end)
            known = self.mentions.get(place)
            if known is None or span.quote > known.quote:  # of two that differ the same one stays in any order
                self.mentions[place] = span

    def _claim(self, claim: Claim) -> None:
        self._mention(claim.mentions)
        places = self.claims.setdefault((claim.text, tuple(sorted(claim.qualifiers.items()))), set())
        places.update((span.chunk, span.start, span.end) for span in claim.mentions)


@dataclass(slots=True, eq=False)
class Reference:
    """All that was found under one name key with one type.

    `type` is the type's key, "" where nobody gave one. `neighbours` are the name keys of what relations join to it and
    of what stands in its chunks. `documents` are those of its chunks.
    """

    id: str
    key: str
    type: str
    content: Found = field(default_factory=Found)
    neighbours: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The most frequent surface form; of equals the first by alphabet."""
        return ranked(self.content.names)[0]

    @property
    def weight(self) -> int:
        """How many chunks have it."""
        return len(self.content.chunks)


class Gathering:
    """Gathers extractions into references and relations, in any order.

    `documents` maps a chunk's id to its document's; a chunk that it lacks counts as a document of its own. `rulings`
    are those in force: the divisions among them part references.
    """

    def __init__(self, documents: Mapping[str, str] | None = None, rulings: Iterable[Ruling] = ()) -> None:
        self.references: dict[str, Reference] = {}
        self.relations: defaultdict[tuple[str, str, str], Found] = defaultdict(Found)
        self.extractions = self.found = self.nameless = 0
        self._documents: Mapping[str, str] = {} if documents is None else documents
        self._by_key: defaultdict[str, set[str]] = defaultdict(set)
        self._in_chunk: defaultdict[str, set[str]] = defaultdict(set)
        self._joined: defaultdict[str, set[str]] = defaultdict(set)
        self._parts: defaultdict[str, list[Ruling]] = defaultdict(list)
        for ruling in rulings:
            if ruling.divides:
                self._parts[ruling.left].append(ruling)

    def take(self, extraction: Extraction) -> None:
        """Takes one chunk's extraction."""
        self.extractions += 1
        here: dict[str, str] = {}
        for entity in extraction.entities:
            self.found += 1
            key = name_key(entity.name)
            if not key:
                self.nameless += 1
                continue
            reference = self._reference(key, type_key(entity.type) if entity.typed else "", extraction.chunk)
            reference.content.take(entity, extraction.chunk)
            known = here.setdefault(key, reference.id)  # of two types under one name the first by id has the relations
            here[key] = min(known, reference.id)
            self._in_chunk[extraction.chunk].add(key)
        for relation in extraction.relations:
            keys = name_key(relation.source), name_key(relation.target)
            ends = [here.get(key, f"key:{key}") for key in keys]
            self.relations[ends[0], ends[1], relation.type].take(relation, extraction.chunk)
            for end, other in ((ends[0], keys[1]), (ends[1], keys[0])):
                self._joined[end].add(other)

    def finish(self) -> None:
        """Completes the references with their neighbours and documents, when all extractions are taken."""
        for reference in self.references.values():
            chunks = reference.content.chunks
            some: Iterable[str] = chunks if len(chunks) <= MAX_CONTEXT else sorted(chunks)[:MAX_CONTEXT]
            near = set(self._joined.get(reference.id, ()))
            for chunk in some:
                near |= self._in_chunk[chunk]
            reference.neighbours = frozenset(near - {reference.key, ""})
            reference.documents = frozenset(self._documents.get(chunk, chunk) for chunk in chunks)

    def end(self, end: str) -> str:
        """Returns the reference of a relation's end: of those with its name the one of most chunks, "" for none.

        Only an end that its own extraction does not list as an entity is looked for in this way.
        """
        if not end.startswith("key:"):
            return end
        named = self._by_key.get(end.removeprefix("key:"), set())
        return min(named, key=lambda id: (-self.references[id].weight, id), default="")

    def _reference(self, key: str, kind: str, chunk: str) -> Reference:
        id = self._part_of(reference_id(key, kind), chunk)
        if id not in self.references:
            self.references[id] = Reference(id, key, kind)
            self._by_key[key].add(id)
        return self.references[id]

    def _part_of(self, id: str, chunk: str) -> str:
        """The reference or, where a person parted it, the part that has this chunk; a part can be parted again."""
        document = self._documents.get(chunk, chunk)
        for ruling in self._parts.get(id, ()) if self._parts else ():
            if chunk in ruling.chunks or document in ruling.documents:
                return self._part_of(ruling.part, chunk)
        return id


def gather(
    extractions: Iterable[Extraction], documents: Mapping[str, str] | None = None, rulings: Iterable[Ruling] = ()
) -> Gathering:
    """Gathers all extractions; the result does not depend on their order."""
    gathering = Gathering(documents, rulings)
    for extraction in extractions:
        gathering.take(extraction)
    gathering.finish()
    return gathering


def ranked(counts: Mapping[str, int]) -> Sequence[str]:
    """The most frequent first, then by alphabet."""
    return sorted(counts, key=lambda text: (-counts[text], text))
