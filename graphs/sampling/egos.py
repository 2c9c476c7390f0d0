"""`ego`: an entity with what lies around it."""

from __future__ import annotations

from pydantic import Field

from .base import Opening, RootByRoot, SamplerKind, Sized
from .draws import Group
from .roots import NONE
from .walker import MANY
from .walks import WIDER

ENOUGH = 8  # times the entities that there is room for: so many of a hub's are weighed


class EgoOptions(Sized):
    """Options of `ego`: how many steps away an entity may be; where a ring is too large, it is drawn from by weight."""

    radius: int = Field(default=1, ge=1, le=10)


class _Egos(RootByRoot):
    """One group a centre, the centre first, the rest ring by ring."""

    mend = f"no entity has a neighbour: {WIDER}"

    def __init__(self, options: EgoOptions, opening: Opening) -> None:
        super().__init__(opening.graph)
        self._walker = opening.walker(options.link)
        self._root = opening.root_by_root(options.link)
        self._radius, self._most = options.radius, options.max_nodes

    def propose(self) -> Group | str | None:
        centre = self._root()
        if centre == NONE:
            return None
        members, ring = [centre], [centre]
        for _ in range(self._radius):
            known = set(members)
            room = self._most - len(members)
            ring = self._walker.some(self._ring(ring, known, ENOUGH * room), room)
            members.extend(ring)
            if len(members) == self._most or not ring:
                break
        return tuple(members) if len(members) > 1 else "alone"

    def _ring(self, inner: list[int], known: set[int], enough: int) -> list[int]:
        """What is next to the ring before; of a hub's neighbours only as many as could be `enough`, by chance."""
        enough = max(enough, MANY)
        found: set[int] = set()
        for one in inner:
            row = self._walker.near(one)
            found.update(row if len(row) <= enough else self._walker.sample(row, enough))
        return sorted(found - known)

    def key(self, group: Group) -> bytes:
        return super().key(group[:1])


def _open(options: EgoOptions, opening: Opening) -> _Egos:
    return _Egos(options, opening)


EGO = SamplerKind("ego", "an entity and what lies within `radius` steps of it", EgoOptions, _open)
