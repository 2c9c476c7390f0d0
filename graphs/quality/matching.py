"""Which found entity is which annotated one, within one document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...agents.extraction.schema import type_key
from ...agents.names import name_key
from ...storage.records import Entity, Span
from ..knowledge.graph import KnowledgeGraph
from .annotation import GoldDocument, GoldMention, types_of

LONGEST_NAME = 80  # characters of a mention that is taken for a name; longer ones are quotes


@dataclass(frozen=True)
class Known:
    """An entity as one document has it: the keys of its names, and its mentions in characters of the document."""

    entity: Entity
    keys: frozenset[str]
    places: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Annotated:
    """An annotated entity of one document: its first name, the keys of all its names, its type's key."""

    name: str
    keys: frozenset[str]
    type: str


def known_in(graph: KnowledgeGraph, chunks: Iterable[str], starts: Mapping[str, int]) -> dict[str, Known]:
    """The entities of one document, by id."""
    here = set(chunks)
    found = {}
    for id in sorted({id for chunk in here for id in graph.entities_in(chunk)}):
        entity = graph.entities[id]
        spans = [span for span in entity.mentions if span.chunk in here and len(span.quote) <= LONGEST_NAME]
        keys = {name_key(text) for text in (entity.name, *entity.aliases, *(span.quote for span in spans))}
        found[id] = Known(entity, frozenset(keys - {""}), tuple(_place(span, starts) for span in spans))
    return found


def _place(span: Span, starts: Mapping[str, int]) -> tuple[int, int, str]:
    shift = starts.get(span.chunk, 0)
    return span.start + shift, span.end + shift, name_key(span.quote)


def annotated_in(gold: GoldDocument) -> dict[str, Annotated]:
    types = types_of(gold.mentions)
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for mention in gold.mentions:
        texts[mention.entity].append(mention.text)
    return {
        key: Annotated(names[0], frozenset(map(name_key, names)) - {""}, type_key(types[key]))
        for key, names in texts.items()
    }


def matched(known: Mapping[str, Known], annotated: Mapping[str, Annotated], *, strictly: bool) -> dict[str, str]:
    """Matches found entities with annotated ones, each once, the best matches first: found id → annotated key."""
    offers = []
    for id, one in known.items():
        for key, other in annotated.items():
            rank = _rank(one, other)
            if rank == 0 or (rank < _WORST and not strictly):
                offers.append((rank, -len(one.places), id, key))
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for _, _, id, key in sorted(offers):
        if id not in pairs and key not in taken:
            pairs[id] = key
            taken.add(key)
    return pairs


_WORST = 4


def _rank(one: Known, other: Annotated) -> int:
    """0: same name and type; 1: same name; 2: a part of the name and the type; 3: a part of the name; 4: neither."""
    typed = not other.type or type_key(one.entity.type) == other.type
    if one.keys & other.keys:
        return 0 if typed else 1
    if any(_part(left, right) for left in one.keys for right in other.keys):
        return 2 if typed else 3
    return _WORST


def _part(left: str, right: str) -> bool:
    """Whether one name has all words of the other, in their order."""
    short, long = sorted((left, right), key=len)
    return f" {short} " in f" {long} "


def meant_by(mention: GoldMention, known: Mapping[str, Known]) -> str | None:
    """Returns the found entity that an annotated mention belongs to, None where the graph lacks it.

    By place where the annotation has one, else by name; of several the one with most mentions of that name here.
    """
    key = name_key(mention.text)
    offers = []
    for id, one in known.items():
        named = [(start, end) for start, end, name in one.places if name == key]
        if mention.start is not None and mention.end is not None:
            near = sum(1 for start, end in named if start < mention.end and mention.start < end)
        else:
            near = len(named) or int(key in one.keys)
        if near:
            offers.append((-near, id))
    return min(offers)[1] if offers else None
