"""A run's knowledge graph as a picture needs it: compact, and answering with a part that a screen can hold.

A graph of 50,000 entities is never shown whole. An overview takes the most connected or the most mentioned, a
neighbourhood what is next to one entity; both say what they leave out, and both give the same for the same graph.
Descriptions and mentions stay in the store. Nothing here knows of coverage, pages or browsers.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...agents.names import name_key
from ...errors import NotStored

MOST_LINKS = 600  # of one picture: beyond that lines hide each other and a layout takes seconds
SEARCHED = 12  # names that a search shows


class By(StrEnum):
    """What makes an entity large: how many others relations join to it, or how often the documents mention it."""

    DEGREE = "degree"
    MENTIONS = "mentions"


@dataclass(frozen=True, slots=True)
class Link:
    """Two entities, by place, and the relations that join them. `type` is that of the weightiest of them."""

    left: int
    right: int
    relations: tuple[str, ...]
    type: str
    weight: float


@dataclass(frozen=True, slots=True)
class Part:
    """Entities by place, in order of rank, with the links among them.

    `among` is how many entities there were to choose from, `all_links` how many links join those that were chosen.
    """

    places: tuple[int, ...]
    links: tuple[Link, ...]
    among: int
    all_links: int


class GraphView:
    """A graph's entities by place 0 to n-1, in the order of their ids. It does not change once it is made.

    `documents` are the names of the documents that mention an entity, as places in `document_names`.
    """

    def __init__(
        self,
        entities: Iterable[Mapping[str, Any]],
        relations: Iterable[Mapping[str, Any]],
        documents: Mapping[str, str],
    ) -> None:
        """Takes the records as JSON values, and the name of each chunk's document by the chunk's id."""
        self.document_names: tuple[str, ...] = tuple(sorted(set(documents.values())))
        numbers = {name: number for number, name in enumerate(self.document_names)}
        number_of = {chunk: numbers[name] for chunk, name in documents.items()}
        self.ids: list[str] = []
        self.names: list[str] = []
        self.types: list[str] = []
        self.mentions = array("L")
        self.documents: list[tuple[int, ...]] = []
        self._searched: list[tuple[str, ...]] = []
        kinds: dict[str, str] = {}  # one string a type, however many entities have it
        for entity in sorted(entities, key=lambda entity: str(entity["id"])):
            spans = entity.get("mentions", ())
            self.ids.append(entity["id"])
            self.names.append(entity["name"])
            self.types.append(kinds.setdefault(entity["type"], entity["type"]))
            self.mentions.append(len(spans))
            found = {number_of[span["chunk"]] for span in spans if span["chunk"] in number_of}
            self.documents.append(tuple(sorted(found)))
            self._searched.append(tuple(dict.fromkeys(map(str.casefold, (entity["name"], *entity.get("aliases", ()))))))
        self._places = {id: place for place, id in enumerate(self.ids)}
        self.links = self._joined(relations)
        self._near: list[list[Link]] = [[] for _ in self.ids]
        for link in self.links:
            self._near[link.left].append(link)
            self._near[link.right].append(link)
        self.degrees = array("L", map(len, self._near))
        self._ranked = {
            By.DEGREE: sorted(range(len(self.ids)), key=self._rank),
            By.MENTIONS: sorted(range(len(self.ids)), key=lambda one: (-self.mentions[one], -self.degrees[one], one)),
        }
        ranks = array("L", bytes(8 * len(self.ids)))  # by place: a number in place of a tuple for each comparison
        for rank, place in enumerate(self._ranked[By.DEGREE]):
            ranks[place] = rank
        for place, near in enumerate(self._near):
            if len(near) > 1:
                near.sort(key=lambda link: (-link.weight, ranks[other(link, place)]))
        self.type_counts: dict[str, int] = dict(Counter(self.types).most_common())
        self.relations = sum(len(link.relations) for link in self.links)

    def __len__(self) -> int:
        return len(self.ids)

    def _joined(self, relations: Iterable[Mapping[str, Any]]) -> tuple[Link, ...]:
        count = len(self.ids)
        between: dict[int, list[tuple[float, str, str]]] = {}  # by both places in one number, which is sorted sooner
        kinds: dict[str, str] = {}
        for relation in relations:
            source, target = self._places.get(relation["source"]), self._places.get(relation["target"])
            if source is None or target is None or source == target:
                continue
            pair = source * count + target if source < target else target * count + source
            kind = kinds.setdefault(relation["type"], relation["type"])
            between.setdefault(pair, []).append((relation.get("weight", 1.0), relation["id"], kind))
        links = []
        for pair in sorted(between):
            found = between[pair]
            if len(found) > 1:
                found.sort(key=lambda one: (-one[0], one[1]))
            ids = tuple([id for _, id, _ in found])
            links.append(Link(*divmod(pair, count), ids, found[0][2], sum([weight for weight, _, _ in found])))
        return tuple(links)

    def _rank(self, place: int) -> tuple[int, int, int]:
        return -self.degrees[place], -self.mentions[place], place

    def place(self, id: str) -> int:
        """Returns where an entity stands; raises `NotStored` when there is none with this id."""
        found = self._places.get(id)
        if found is None:
            raise NotStored(f"the knowledge graph has no entity with id '{id}'; search for it by name")
        return found

    def known(self, id: str) -> int | None:
        """Returns where an entity stands, None when the graph has none with this id."""
        return self._places.get(id)

    def folded(self, place: int) -> str:
        """Returns an entity's name without regard to case, to sort by."""
        return self._searched[place][0]

    def link(self, left: int, right: int) -> Link:
        """Returns what joins two entities; raises `NotStored` when no relation does."""
        for link in self._near[left]:
            if other(link, left) == right:
                return link
        raise NotStored(f"no relation joins '{self.ids[left]}' and '{self.ids[right]}'")

    def near(self, place: int) -> Sequence[Link]:
        """Returns an entity's links, the weightiest first."""
        return self._near[place]

    def ranked(self, by: By) -> Sequence[int]:
        """Returns all entities, the largest first."""
        return self._ranked[by]

    def overview(self, by: By, limit: int, fits: Callable[[int], bool]) -> Part:
        """Returns the `limit` largest of the entities that `fits` lets through."""
        places = [place for place in self._ranked[by] if fits(place)]
        return self._part(places[:limit], len(places))

    def neighbourhood(self, centre: int, depth: int, limit: int) -> Part:
        """Returns an entity and up to `limit` others within `depth` steps: near ones first, then weighty ones."""
        found = [centre]
        seen = {centre}
        edge = [centre]
        for _ in range(depth):
            reached: list[int] = []
            for place in edge:
                for link in self._near[place]:
                    if (next_one := other(link, place)) not in seen:
                        seen.add(next_one)
                        reached.append(next_one)
            if edge != [centre]:  # else they stand by the weight of what joins them to the centre
                reached.sort(key=self._rank)
            found += reached
            edge = reached
        return self._part(found[: limit + 1], len(found))

    def _part(self, places: Sequence[int], among: int) -> Part:
        chosen = set(places)
        links = [link for place in places for link in self._near[place] if link.left == place and link.right in chosen]
        kept = links
        if len(links) > MOST_LINKS:
            best = {next((link for link in self._near[one] if other(link, one) in chosen), None) for one in places}
            first = places[0]  # a neighbourhood's centre keeps its own lines, and everybody their weightiest

            def rank(link: Link) -> tuple[bool, bool, float, int, int]:
                return first not in (link.left, link.right), link not in best, -link.weight, link.left, link.right

            kept = sorted(links, key=rank)[:MOST_LINKS]
        kept.sort(key=lambda one: (one.left, one.right))
        return Part(tuple(places), tuple(kept), among, len(links))

    def search(self, text: str, limit: int = SEARCHED) -> tuple[list[int], int]:
        """Returns up to `limit` entities whose name or alias has `text` in it, and how many there are.

        The name itself comes first, then names that begin with the text, then those with a word that does.
        """
        asked = " ".join(text.casefold().split())
        found = self._called(asked) or self._called(name_key(text))  # `The Severn's` finds the Severn
        found.sort()
        return [place for _, _, _, place in found[:limit]], len(found)

    def _called(self, asked: str) -> list[tuple[int, int, int, int]]:
        found: list[tuple[int, int, int, int]] = []
        for place, names in enumerate(self._searched) if asked else ():
            ranks = [_closeness(name, asked) for name in names if asked in name]
            if ranks:
                found.append((min(ranks), *self._rank(place)))
        return found


def other(link: Link, place: int) -> int:
    """Returns a link's other end."""
    return link.right if link.left == place else link.left


def _closeness(name: str, asked: str) -> int:
    if name == asked:
        return 0
    if name.startswith(asked):
        return 1
    return 2 if f" {asked}" in name else 3
