"""`triple`, `path` and the frame of all samplers that walk step by step from a root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from .base import Linked, Opening, Paths, SamplerKind, Sets
from .draws import Group
from .roots import NONE
from .walker import NOWHERE

WIDER = "take link = 'any', which joins the entities of one chunk too, or draw `entity`"


class Walks(Sets):
    """Groups of `length` entities, each next one chosen from `after` those before; `refused` looks at the whole."""

    mend = f"nothing is joined by this link: {WIDER}"
    dead_end = "dead end"

    def __init__(self, options: Linked, opening: Opening, length: int) -> None:
        super().__init__(opening.graph)
        self.walker = opening.walker(options.link)
        self.roots = opening.roots(options.link)
        self.length = length

    def propose(self) -> Group | str | None:
        root = self.roots.pick()
        if root == NONE:
            return None
        walk = [root]
        for _ in range(self.length - 1):
            step = self.step(walk)
            if step == NOWHERE:
                return self.dead_end
            walk.append(step)
        return self.checked(tuple(walk))

    def rest(self) -> Iterator[Group | str]:
        for root in self.roots:
            yield from self._from([root])

    def _from(self, walk: list[int]) -> Iterator[Group | str]:
        if len(walk) == self.length:
            yield self.checked(tuple(walk))
            return
        found = False
        for step in self.after(walk):
            if step not in walk:
                found = True
                yield from self._from([*walk, step])
        if not found:
            yield self.dead_end

    def step(self, walk: list[int]) -> int:
        """Chooses what comes after a walk, `NOWHERE` when nothing can."""
        return self.walker.step(walk[-1], walk)

    def after(self, walk: list[int]) -> Sequence[int]:
        """Returns all that may come after a walk; what is on it already is passed over."""
        return self.walker.near(walk[-1])

    def has_chord(self, path: Group) -> bool:
        """Tells whether two entities that are not neighbours on a path are joined."""
        joined, count = self.walker.joined, len(path)
        return any(
            joined(path[left], path[right]) for left in range(count - 2) for right in range(left + 2, count)
        )  # fmt: skip

    def checked(self, group: Group) -> Group | str:
        """Returns the group as it is to be drawn, or why it is none."""
        return group


class _Triples(Walks):
    """The third is next to the first or to the second."""

    def step(self, walk: list[int]) -> int:
        if len(walk) == 1:
            return self.walker.step(walk[0])
        first, second = walk
        one, other = self.walker.degree(first), self.walker.degree(second)
        if self.walker.rng.random() * (one + other) < one:
            first, second = second, first
        found = self.walker.step(second, walk)
        return found if found != NOWHERE else self.walker.step(first, walk)

    def after(self, walk: list[int]) -> Sequence[int]:
        near = self.walker.near
        return near(walk[0]) if len(walk) == 1 else sorted({*near(walk[0]), *near(walk[1])})


def _open_triples(options: Linked, opening: Opening) -> _Triples:
    return _Triples(options, opening, 3)


TRIPLE = SamplerKind("triple", "three entities that are connected", Linked, _open_triples)


class PathOptions(Linked):
    """Options of `path`.

    hops:      its steps; the group has one entity more.
    chordless: refuse a path with a short cut: two entities that are not neighbours on it and that the link joins.
    """

    hops: int = Field(default=2, ge=1, le=20)
    chordless: bool = False


class _Paths(Paths, Walks):
    def __init__(self, options: PathOptions, opening: Opening) -> None:
        Walks.__init__(self, options, opening, options.hops + 1)
        self.mend = f"take fewer hops; or {WIDER}" if options.hops > 1 else Walks.mend
        self._chordless = options.chordless

    def checked(self, group: Group) -> Group | str:
        return "short cut" if self._chordless and self.has_chord(group) else group


def open_paths(options: PathOptions, opening: Opening) -> Walks:
    """Opens paths, for samplers that are paths of some kind."""
    return _Paths(options, opening)


PATH = SamplerKind("path", "a path of `hops` steps", PathOptions, open_paths)
