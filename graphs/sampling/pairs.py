"""`pair`: two that are joined. `distant`: two that only others join."""

from __future__ import annotations

from bisect import bisect_right
from zlib import crc32

from pydantic import Field

from .base import Linked, Opening, RootByRoot, SamplerKind
from .draws import Draw, Group
from .permutation import Permutation
from .walks import WIDER, Walks


class _EvenPairs(RootByRoot):
    """All linked pairs alike: a shuffled order over the places of the links, computed and never stored."""

    mend = f"no relation joins two entities: {WIDER}"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening.graph)
        self._offsets, self._ends = opening.graph.links.offsets, opening.graph.links.ends
        self._rng = opening.rng
        self._repeats = opening.repeats
        self._order = Permutation(len(self._ends), opening.rng)
        self._next = 0

    def propose(self) -> Group | None:
        """Each pair stands at two places, one in each row, and is drawn at the one in the smaller's."""
        while self._next < len(self._ends):
            if self._repeats:
                place = int(self._rng.random() * len(self._ends))
            else:
                place = self._order[self._next]
                self._next += 1
            right = self._ends[place]
            if self._offsets[right] > place:  # the row that it stands in lies before its own, so it is the greater
                return (bisect_right(self._offsets, place, 0, right + 1) - 1, right)
        return None


def _open_pairs(options: Linked, opening: Opening) -> Walks | _EvenPairs:
    if options.link == "relation" and opening.everywhere:
        return _EvenPairs(opening)
    return Walks(options, opening, 2)


PAIR = SamplerKind("pair", "two entities that are joined", Linked, _open_pairs)


class DistantOptions(Linked):
    """Options of `distant`.

    hops: how far apart the two are: no path between them has fewer steps.
    """

    hops: int = Field(default=2, ge=2, le=3)


class _Distant(Walks):
    """Two entities that are `hops` steps apart and no fewer: `through` has a shortest path, with those between them.

    Which path it is, where there are several, hangs on the two ends alone, so that equal pairs are told alike.
    """

    def __init__(self, options: DistantOptions, opening: Opening) -> None:
        super().__init__(options, opening, options.hops + 1)
        self.hops = options.hops
        fewer = "take hops = 2; or " if options.hops > 2 else ""
        self.mend = f"no two entities are {options.hops} steps apart: {fewer}{WIDER}"

    def key(self, group: Group) -> bytes:
        return super().key((group[0], group[-1]))

    def checked(self, group: Group) -> Group | str:
        first, last = group[0], group[-1]
        if self.walker.joined(first, last):
            return "joined"
        if self.hops > 2 and self._shared(first, last):
            return "short cut"
        return group

    def draw(self, kind: str, group: Group) -> Draw:
        first, last = sorted((group[0], group[-1]))
        through = (first, *self._between(first, last), last)
        ends = (group[0], group[-1])
        return Draw(self.graph, kind, ends, through=through if ends[0] == first else through[::-1], ordered=True)

    def _shared(self, first: int, last: int) -> list[int]:
        few, many = sorted((first, last), key=self.walker.degree)
        return [one for one in self.walker.near(few) if self.walker.joined(one, many)]

    def _between(self, first: int, last: int) -> Group:
        ids = self.graph.ids
        salt = crc32(f"{ids[first]}\n{ids[last]}".encode())

        def order(one: int) -> tuple[int, int]:
            return crc32(ids[one].encode(), salt), one

        if self.hops == 2:
            return (min(self._shared(first, last), key=order),)
        ends = set(self.walker.near(last))
        for one in sorted(self.walker.near(first), key=order):  # the first that leads on, mostly
            if thirds := ends.intersection(self.walker.near(one)):
                return one, min(thirds, key=order)
        raise AssertionError("a pair is drawn by a path between its ends")


def _open_distant(options: DistantOptions, opening: Opening) -> _Distant:
    return _Distant(options, opening)


DISTANT = SamplerKind("distant", "two entities that are `hops` steps apart, and no fewer", DistantOptions,
                      _open_distant)  # fmt: skip
