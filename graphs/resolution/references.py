"""References: all that was found under one name key with one type. Resolution decides which of them are one entity.

The id of a reference is the hash of its key and its type, so it stays the same for ever, whatever is found later. A
person can divide a reference by documents or chunks (a homonym of one type: two people called John Smith); the part
then has an id of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from ...agents.extraction.records import Extraction, FoundEntity, FoundRelation
from ...agents.extraction.schema import type_key
from ...agents.names import name_key
from ...storage.records import content_id
from ...storage.rulings import Ruling
from .found import Found, ranked

MAX_CONTEXT = 200  # chunks of a reference whose entities are its neighbours; more would only add noise
LOOSE = "key:"  # before the name key of a relation's end that its extraction does not list


def reference_id(key: str, kind: str) -> str:
    """Returns the id of the reference of a name key and a type key ("" where nobody gave the type)."""
    return content_id("entity", key, kind)


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
        self.references: MutableMapping[str, Reference] = {}
        self.relations: MutableMapping[tuple[str, str, str], Found] = {}
        self.changed: set[str] = set()
        self.changed_keys: set[str] = set()
        self.changed_relations: set[tuple[str, str, str]] = set()
        self.extractions = self.found = self.nameless = 0
        self._documents: Mapping[str, str] = {} if documents is None else documents
        self._by_key: MutableMapping[str, set[str]] = {}
        self._in_chunk: MutableMapping[str, set[str]] = {}
        self._parts: Mapping[str, Sequence[Ruling]] = {}
        self.divide(rulings)

    def divide(self, rulings: Iterable[Ruling]) -> None:
        """Takes the rulings in force: what comes and goes from now on does so under these."""
        parts: dict[str, list[Ruling]] = {}
        for ruling in rulings:
            if ruling.divides:
                parts.setdefault(ruling.left, []).append(ruling)
        self._parts = parts

    def take(self, extraction: Extraction) -> None:
        """Takes one chunk's extraction."""
        self.extractions += 1
        here: dict[str, str] = {}
        standing = self._in_chunk.setdefault(extraction.chunk, set())
        for key, id, entity in self._named(extraction, 1):
            if id not in self.references:
                self.references[id] = Reference(id, key, type_key(entity.type) if entity.typed else "")
                self._by_key.setdefault(key, set()).add(id)
            self.references[id].content.take(entity, extraction.chunk)
            self.changed.add(id)
            here[key] = min(here.get(key, id), id)  # of two types under one name the first by id has the relations
            standing.add(key)
        for triple, relation in self._related(extraction, here, 1):
            found = self.relations.get(triple)
            if found is None:
                found = self.relations[triple] = Found()
            found.take(relation, extraction.chunk)
            self.changed_relations.add(triple)

    def leave(self, extraction: Extraction) -> None:
        """Takes back what one chunk gave, which must have been taken under the rulings that are in force here."""
        self.extractions -= 1
        here: dict[str, str] = {}
        for key, id, entity in self._named(extraction, -1):
            self.references[id].content.leave(entity, extraction.chunk)
            self.changed.add(id)
            here[key] = min(here.get(key, id), id)
        for triple, relation in self._related(extraction, here, -1):
            self.relations[triple].leave(relation, extraction.chunk)
            self.changed_relations.add(triple)
        self._in_chunk.pop(extraction.chunk, None)

    def finish(self) -> None:
        """Completes what changed, when all extractions are taken: neighbours and documents; what is empty goes."""
        for triple in self.changed_relations:
            if triple in self.relations and not self.relations[triple].found:
                del self.relations[triple]
        for id in self.changed:
            reference = self.references.get(id)
            if reference is None:
                continue
            chunks = reference.content.chunks
            if not chunks:
                del self.references[id]
                self._by_key[reference.key].discard(id)
                continue
            self._look_up(chunks)
            some: Iterable[str] = chunks if len(chunks) <= MAX_CONTEXT else sorted(chunks)[:MAX_CONTEXT]
            near = set(reference.content.joined)
            for chunk in some:
                near |= self._in_chunk[chunk]
            reference.neighbours = frozenset(near - {reference.key, ""})
            reference.documents = frozenset(self._documents.get(chunk, chunk) for chunk in chunks)

    def keys_in(self, chunk: str) -> Sequence[str]:
        """Returns the name keys that stand in a chunk, sorted."""
        return sorted(self._in_chunk.get(chunk, ()))

    def end(self, end: str) -> str:
        """Returns the reference of a relation's end: of those with its name the one of most chunks, "" for none.

        Only an end that its own extraction does not list as an entity is looked for in this way.
        """
        if not end.startswith(LOOSE):
            return end
        named = self._by_key.get(end.removeprefix(LOOSE), set())
        return min(named, key=lambda id: (-self.references[id].weight, id), default="")

    def _look_up(self, chunks: Iterable[str]) -> None:
        """Is told which chunks are looked at next."""

    def _named(self, extraction: Extraction, by: int) -> Iterator[tuple[str, str, FoundEntity]]:
        """Yields (name key, reference, entity) of an extraction, and counts them."""
        for entity in extraction.entities:
            self.found += by
            key = name_key(entity.name)
            if not key:
                self.nameless += by
                continue
            self.changed_keys.add(key)
            id = reference_id(key, type_key(entity.type) if entity.typed else "")
            yield key, self._part_of(id, extraction.chunk), entity

    def _related(
        self, extraction: Extraction, here: Mapping[str, str], by: int
    ) -> Iterator[tuple[tuple[str, str, str], FoundRelation]]:
        """Yields (what it joins in which way, relation) of an extraction; its ends note each other."""
        for relation in extraction.relations:
            keys = name_key(relation.source), name_key(relation.target)
            ends = [here.get(key, f"{LOOSE}{key}") for key in keys]
            for end, other in ((ends[0], keys[1]), (ends[1], keys[0])):
                if not end.startswith(LOOSE):
                    self.references[end].content.join(other, by)
            yield (ends[0], ends[1], relation.type), relation

    def _part_of(self, id: str, chunk: str) -> str:
        """The reference or, where a person parted it, the part that has this chunk; a part can be parted again."""
        if id not in self._parts:
            return id
        document = self._documents.get(chunk, chunk)
        for ruling in self._parts[id]:
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
