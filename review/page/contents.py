"""What the page holds: entities, relations, communities, coverage, and the passages that mentions lead to.

A page is one file, so it has bounds, and says what lies beyond them: the largest entities come first, each with its
first mentions, and the text of the chunks that most of them stand in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...graphs.knowledge.communities import find_communities
from ...graphs.knowledge.graph import KnowledgeGraph
from ...storage.records import Entity, Relation, Span
from ...storage.store import RunStore
from ..graph.room import GraphRoom, Level
from ..graph.view import By

ENTITIES = 20_000
MENTIONS, EVIDENCE = 8, 2  # spans of an entity, and of a relation
RELATIONS = 40_000
TEXT = 24_000_000  # characters of chunks
PASSAGE = 140  # characters that a passage shows around a mention
DETAIL = 1_500  # characters of a description
LARGEST = 600  # entities of a community

Json = dict[str, Any]


@dataclass(slots=True)
class Chunks:
    """The chunks that mentions lie in, numbered as they are first named."""

    numbers: dict[str, int] = field(default_factory=dict)
    wanted: Counter[int] = field(default_factory=Counter)

    def spans(self, spans: Iterable[Span], most: int) -> list[list[Any]]:
        """Returns the first spans, of each chunk one before any has two, as [chunk, start, end, quote].

        One that stands in the passage of another is left out: a reader sees it there.
        """
        first: dict[str, Span] = {}
        later = []
        for span in spans:
            shown = first.setdefault(span.chunk, span)
            if span.start > shown.end + PASSAGE:
                later.append(span)
        found = []
        for span in [*first.values(), *later][:most]:
            number = self.numbers.setdefault(span.chunk, len(self.numbers))
            self.wanted[number] += 1
            found.append([number, span.start, span.end, span.quote[:300]])
        return found

    def stored(self, store: RunStore) -> list[Json]:
        """Reads the chunks; beyond the bound their text stays out, those with most mentions last."""
        rows = store.rows("SELECT id, name FROM documents")
        names = {str(id): str(name) for id, name in rows}
        found: list[Json] = [{"d": "", "h": [], "t": None}] * len(self.numbers)
        ids = {number: id for id, number in self.numbers.items()}
        known = {str(id) for (id,) in store.rows("SELECT id FROM chunks")} if self.numbers else set()
        left = TEXT
        for number, _ in self.wanted.most_common():
            if ids[number] not in known:  # a graph of documents that were read anew since
                continue
            chunk = store.chunk(ids[number])
            left -= len(chunk.text)
            text = chunk.text if left >= 0 else None
            found[number] = {"d": names.get(chunk.document, ""), "h": list(chunk.headings), "t": text}
        return found


def contents(store: RunStore, name: str) -> Json:
    """Returns all that the page shows, as JSON; raises `NotStored` when the run has no graph."""
    room = GraphRoom(store)
    room.refresh()
    view = room.view
    places = list(view.ranked(By.DEGREE)[:ENTITIES])
    number_of = {place: number for number, place in enumerate(places)}
    chunks = Chunks()
    types, documents = _Names(), _Names()
    nodes = []
    for place in places:
        entity = store.entity(view.ids[place])
        node = room.node(place)
        nodes.append(
            {
                "n": entity.name,
                "t": types.number(entity.type),
                "l": node.level.value,
                "u": [node.uses.accepted, node.uses.pending, node.uses.rejected, node.uses.failed],
                "c": len(entity.mentions),
                "x": view.degrees[place],
                "d": [documents.number(view.document_names[one]) for one in view.documents[place]],
                "e": entity.description[:DETAIL],
                "a": list(entity.aliases[:20]),
                "v": {key: list(values) for key, values in entity.attributes.items()},
                "q": [{"t": one.text, "q": one.qualifiers} for one in entity.claims[:20]],
                "m": chunks.spans(entity.mentions, MENTIONS),
            }
        )
    relations = _relations(store, view.ids, number_of, chunks)
    groups = _communities(view.ids, places, relations)
    return {
        "name": name,
        "entities": len(view),
        "relations": view.relations,
        "levels": [level.value for level in Level],
        "steps": list(room.steps),
        "types": types.found,
        "documents": documents.found,
        "nodes": nodes,
        "edges": relations,
        "groups": groups,
        "chunks": chunks.stored(store),
    }


@dataclass(slots=True)
class _Names:
    found: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = len(self.found)
            self.found.append(name)
        return self.numbers[name]


def _relations(store: RunStore, ids: Sequence[str], number_of: Mapping[int, int], chunks: Chunks) -> list[Json]:
    """The relations among the entities that are there, the weightiest first where there are too many."""
    numbers = {ids[place]: number for place, number in number_of.items()}
    among = [
        (-float(one.get("weight", 1.0)), str(one["id"]))
        for one in store.facts("relations")
        if one["source"] in numbers and one["target"] in numbers
    ]
    found = []
    for _, id in sorted(among)[:RELATIONS]:
        one = store.relation(id)
        found.append(
            {
                "s": numbers[one.source],
                "o": numbers[one.target],
                "t": one.type,
                "e": one.description[:DETAIL],
                "w": one.weight,
                "q": {key: list(values) for key, values in one.qualifiers.items()},
                "g": one.grounded,
                "c": len(one.mentions),
                "m": chunks.spans(one.mentions, EVIDENCE),
            }
        )
    return found


def _communities(ids: Sequence[str], places: Sequence[int], relations: Sequence[Json]) -> list[list[int]]:
    """Numbers of entities by community, the largest first; those in none are the last, when there are some."""
    entities = [Entity(id=ids[place], name="", type="") for place in places]
    joins = [
        Relation(
            id=f"{number:09}", source=ids[places[one["s"]]], target=ids[places[one["o"]]], type="", weight=one["w"]
        )
        for number, one in enumerate(relations)
        if one["s"] != one["o"]
    ]
    numbers = {ids[place]: number for number, place in enumerate(places)}
    parts = find_communities(KnowledgeGraph(entities, joins), seed=0, max_size=LARGEST)
    groups = [sorted(numbers[id] for id in part) for part in parts]
    inside = {number for group in groups for number in group}
    alone = [number for number in range(len(places)) if number not in inside]
    return [*groups, alone] if alone else groups
