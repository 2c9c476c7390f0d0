"""`motif`: a star, a chain or a triangle, as it stands in the graph: with the links of its shape and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from ...errors import ConfigError
from .base import Linked, Opening, SamplerKind, Strategy
from .draws import Group
from .roots import NONE
from .walker import MANY, NOWHERE
from .walks import WIDER, PathOptions, Walks, open_paths

LEAVES_TRIED = 4  # times the leaves that are wanted


class MotifOptions(Linked):
    """Options of `motif`.

    shape: `star` (a centre, joined to all others, which are not joined to each other), `chain` (a path without short
           cut) or `triangle` (three that are all joined).
    size:  how many entities; a triangle has 3.
    """

    shape: Literal["star", "chain", "triangle"] = "star"
    size: int = Field(default=4, ge=3, le=20)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.shape == "triangle" and "size" in self.model_fields_set and self.size != 3:
            raise ConfigError(
                f"size is {self.size} and shape 'triangle'; leave size out, or take shape 'star' or 'chain'"
            )
        return self


class _Stars(Walks):
    """The centre first; its leaves are in no order."""

    mend = "no entity has so many neighbours that are not joined to each other: take a smaller size, or a triangle"
    dead_end = "too few leaves"

    def propose(self) -> Group | str | None:
        centre = self.roots.pick()
        if centre == NONE:
            return None
        if self.walker.degree(centre) < self.length - 1:
            return self.dead_end
        star, refused = [centre], {centre}
        for _ in range(LEAVES_TRIED * self.length):
            leaf = self.walker.step(centre, refused)
            if leaf == NOWHERE:
                break
            refused.add(leaf)
            if not any(self.walker.joined(leaf, other) for other in star[1:]):
                star.append(leaf)
                if len(star) == self.length:
                    return (centre, *sorted(star[1:]))
        return self.dead_end

    def rest(self) -> Iterator[Group | str]:
        for centre in self.roots:
            yield self.dead_end
            yield from self._leaves((centre,), self.walker.near(centre), 0)

    def _leaves(self, star: Group, near: Sequence[int], start: int) -> Iterator[Group | str]:
        if len(star) == self.length:
            yield star
            return
        for place in range(start, len(near)):
            leaf = near[place]
            if any(self.walker.joined(leaf, other) for other in star[1:]):
                yield "leaves are joined"
            else:
                yield from self._leaves((*star, leaf), near, place + 1)

    def key(self, group: Group) -> bytes:
        return super().key(group[:1]) + super().key(group[1:])


class _Triangles(Walks):
    """Closes a link by a neighbour of both ends; where there is one, it is found."""

    mend = f"no three entities are all joined: {WIDER}, or take shape 'chain'"
    dead_end = "not closed"

    def step(self, walk: list[int]) -> int:
        if len(walk) == 1:
            return self.walker.step(walk[0])
        return self.walker.choose(self.after(walk), walk)

    def after(self, walk: list[int]) -> Sequence[int]:
        near = self.walker.near
        if len(walk) == 1:
            return near(walk[0])
        few, many = sorted(walk, key=self.walker.degree)
        if self.walker.degree(many) <= MANY:
            return sorted(set(near(few)).intersection(near(many)))
        return [one for one in near(few) if self.walker.joined(one, many)]


def _open(options: MotifOptions, opening: Opening) -> Strategy:
    if options.shape == "star":
        return _Stars(options, opening, options.size)
    if options.shape == "triangle":
        return _Triangles(options, opening, 3)
    chains = open_paths(PathOptions(hops=options.size - 1, chordless=True, link=options.link), opening)
    chains.mend = f"no chain of {options.size} entities has no short cut: take a smaller size; or {WIDER}"
    return chains


MOTIF = SamplerKind("motif", "a star, a chain or a triangle", MotifOptions, _open)
