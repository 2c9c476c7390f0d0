"""`pair`: two that are joined. `distant`: two that only a third joins."""

from __future__ import annotations

from bisect import bisect_right
from zlib import crc32

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


class _Distant(Walks):
    """Two entities that are not joined and have a neighbour in common: `through` has that neighbour between them.

    Which neighbour it is, where there are several, hangs on the two ends alone, so that equal pairs are told alike.
    """

    mend = f"no two entities have a neighbour in common that are not joined themselves: {WIDER}"

    def __init__(self, options: Linked, opening: Opening) -> None:
        super().__init__(options, opening, 3)

    def key(self, group: Group) -> bytes:
        return super().key((group[0], group[-1]))

    def checked(self, group: Group) -> Group | str:
        if self.walker.joined(group[0], group[-1]):
            return "joined"
        return group

    def draw(self, kind: str, group: Group) -> Draw:
        first, last = sorted((group[0], group[-1]))
        through = (first, self._between(first, last), last)
        ends = (group[0], group[-1])
        return Draw(self.graph, kind, ends, through=through if ends[0] == first else through[::-1], ordered=True)

    def _between(self, first: int, last: int) -> int:
        few, many = sorted((first, last), key=self.walker.degree)
        shared = [one for one in self.walker.near(few) if self.walker.joined(one, many)]
        salt = crc32(f"{self.graph.ids[first]}\n{self.graph.ids[last]}".encode())
        ids = self.graph.ids
        return min(shared, key=lambda one: (crc32(ids[one].encode(), salt), one))


def _open_distant(options: Linked, opening: Opening) -> _Distant:
    return _Distant(options, opening)


DISTANT = SamplerKind("distant", "two entities that are not joined and have a neighbour in common", Linked,
                      _open_distant)  # fmt: skip
