"""What a format writes: records that are gone through once, wherever they are kept, and where their chunks stand.

A `KnowledgeGraph` is such facts, and so is the graph of a run, straight from its tables: a graph of a million entities
is written without being held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from ...storage.records import Claim, Entity, Relation, content_id
from ...storage.store import RunStore

One_co = TypeVar("One_co", Entity, Relation, covariant=True)

_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of a character, which no file in UTF-8 can hold


class Records(Protocol[One_co]):
    """Records that are gone through in their order; a mapping by id is such."""

    def values(self) -> Iterable[One_co]:
        """Returns the records."""
        ...


class Facts(Protocol):
    """Entities and relations, as a `KnowledgeGraph` has them."""

    @property
    def entities(self) -> Records[Entity]: ...

    @property
    def relations(self) -> Records[Relation]: ...


class Place(NamedTuple):
    """Where a chunk stands: its document's id and name, and the character of the document that it begins with."""

    document: str
    name: str
    start: int


Places = Mapping[str, Place]


class StoredFacts:
    """The graph of a run, read as it is gone through."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.entities: Records[Entity] = _Table(store, "entities", Entity)
        self.relations: Records[Relation] = _Table(store, "relations", Relation)

    def places(self) -> dict[str, Place]:
        """Returns where each chunk of the run stands, by its id; some 200 bytes a chunk."""
        rows = self._store.rows("SELECT id, name FROM documents")
        names = {str(id): (str(id), str(name)) for id, name in rows}  # one string a document, however many its chunks
        return {
            chunk.id: Place(*names[chunk.document], chunk.start)
            for chunk in self._store.chunks()
            if chunk.document in names
        }


class _Table(Generic[One_co]):
    def __init__(self, store: RunStore, table: Literal["entities", "relations"], kind: type[One_co]) -> None:
        self._store = store
        self._table = table
        self._kind: type[One_co] = kind

    def values(self) -> Iterator[One_co]:
        return map(self._kind.model_validate, self._store.facts(self._table))


def whole(text: str) -> str:
    """Returns text that UTF-8 can hold: a lone half of a character, as a cut leaves it, becomes U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def claim_id(entity: str, claim: Claim) -> str:
    """Returns an id for a claim of an entity, which has none of its own: the hash of what it says."""
    qualifiers = sorted((whole(name), whole(value)) for name, value in claim.qualifiers.items())
    return content_id("claim", whole(entity), whole(claim.text), qualifiers)
