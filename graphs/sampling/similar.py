"""`similar`: two that nothing joins and that are alike, by name or by what is around them; for comparisons."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from jellyfish import jaro_winkler_similarity
from pydantic import Field

from ..knowledge.links import Numbers
from .base import Linked, Opening, SamplerKind
from .draws import Group
from .numbered import Numbered
from .roots import NONE
from .walker import NOWHERE
from .walks import Walks
from .weights import uniform

LEAST = {"name": 0.85, "neighbours": 0.2}
BESIDE = 6  # names before and after in the alphabet that are compared: no step compares all pairs
TRIES = 4  # two-step walks to find one with like neighbours


class SimilarOptions(Linked):
    """Options of `similar`.

    by:        `name`: Jaro-Winkler similarity of the names as they stand, or with their last word first, among names
               that are near in the alphabet; `neighbours`: the share of neighbours in common (Jaccard).
    least:     the measure, in [0, 1], from which two are similar; 0.85 by name and 0.2 by neighbours when absent.
    same_type: only entities of one type are compared.
    """

    by: Literal["name", "neighbours"] = "neighbours"
    least: float | None = Field(default=None, gt=0, le=1)
    same_type: bool = True


class _Similar(Walks):
    dead_end = "nothing similar"

    def __init__(self, options: SimilarOptions, opening: Opening) -> None:
        super().__init__(options, replace(opening, weight=uniform), 2)
        self.roots = opening.roots(options.link)  # a weight chooses where to begin; the other is who is alike
        self.least = LEAST[options.by] if options.least is None else options.least
        self.mend = f"no two entities are so alike by {options.by}: lower least from {self.least}, or same_type = false"
        self._types = opening.graph.type_codes if options.same_type else None

    def checked(self, group: Group) -> Group | str:
        left, right = group
        if self._types is not None and self._types[left] != self._types[right]:
            return "other type"
        if self.walker.joined(left, right):  # before the rows are compared, which in a clique are long and all alike
            return "joined"
        return group if self.alike(left, right) else self.dead_end

    def alike(self, left: int, right: int) -> bool:
        raise NotImplementedError


class _ByNeighbours(_Similar):
    def propose(self) -> Group | str | None:
        """Looks at what two steps lead to. What costs least is asked first: most candidates are refused."""
        root = self.roots.pick()
        if root == NONE:
            return None
        step, types, without, refused = self.walker.step, self._types, (root,), self.dead_end
        for _ in range(TRIES):
            other = step(step(root), without)
            if other == NOWHERE or (types is not None and types[root] != types[other]):
                continue
            if self.walker.joined(root, other):
                refused = "joined"
            elif self.alike(root, other):
                return root, other
        return refused

    def after(self, walk: list[int]) -> Sequence[int]:
        near = self.walker.near
        return sorted({two for one in near(walk[0]) for two in near(one)})

    def alike(self, left: int, right: int) -> bool:
        few, many = self.walker.degree(left), self.walker.degree(right)
        if few > many:
            few, many = many, few
        if few < self.least * many:  # the share cannot be more than few / many: a hub's row is not even read
            return False
        shared = len(set(self.walker.near(left)).intersection(self.walker.near(right)))
        return shared >= self.least * (few + many - shared)


class _ByName(_Similar):
    def __init__(self, options: SimilarOptions, opening: Opening) -> None:
        super().__init__(options, opening)
        self.roots = opening.roots(None)
        self._orders = [_Order(opening.graph, turned=turned) for turned in (False, True)]

    def step(self, walk: list[int]) -> int:
        """Takes the candidates in a shuffled order, and the first that fits."""
        left = list(self.after(walk))
        while left:
            place = int(self.walker.rng.random() * len(left))
            if not isinstance(self.checked((walk[0], left[place])), str):
                return left[place]
            left[place] = left[-1]
            left.pop()
        return NOWHERE

    def after(self, walk: list[int]) -> Sequence[int]:
        found: set[int] = set()
        for order in self._orders:
            found.update(order.beside(walk[0]))
        return sorted(found)

    def alike(self, left: int, right: int) -> bool:
        one, other = self.graph.names[left].casefold(), self.graph.names[right].casefold()
        if jaro_winkler_similarity(one, other) >= self.least:
            return True
        return jaro_winkler_similarity(_turned(one), _turned(other)) >= self.least


class _Order:
    """Entities by the alphabet of their names: sorted neighbourhoods (Hernández and Stolfo 1995) to compare in."""

    def __init__(self, graph: Numbered, *, turned: bool) -> None:
        keys = [name.casefold() for name in graph.names]
        if turned:
            keys = [_turned(key) for key in keys]
        self._order: Numbers = array("i", sorted(range(len(keys)), key=keys.__getitem__))
        self._place = array("i", bytes(4 * len(keys)))
        for place, number in enumerate(self._order):
            self._place[number] = place

    def beside(self, number: int) -> Iterator[int]:
        place = self._place[number]
        for other in range(max(0, place - BESIDE), min(len(self._order), place + BESIDE + 1)):
            if other != place:
                yield self._order[other]


def _turned(name: str) -> str:
    """`foyle bridge` as `bridge foyle`."""
    first, _, last = name.rpartition(" ")
    return f"{last} {first}" if first else name


def _open(options: SimilarOptions, opening: Opening) -> _Similar:
    return _ByName(options, opening) if options.by == "name" else _ByNeighbours(options, opening)


SIMILAR = SamplerKind("similar", "two entities that nothing joins and that are alike", SimilarOptions, _open)
