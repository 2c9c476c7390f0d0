"""`meeting-path`: a path between two documents, that leads from what only one tells to what only the other tells."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ...errors import ConfigError
from .base import Opening, Paths, SamplerKind
from .draws import Group
from .roots import NONE
from .walker import NOWHERE
from .walks import WIDER, PathOptions, Walks


class MeetingPathOptions(PathOptions):
    """Options of `meeting-path`.

    hops:      steps of the path; with 2 or more it meets at an entity between its ends.
    documents: draw between these two documents alone (ids); any two when empty.
    """

    documents: tuple[str, ...] = Field(default=(), max_length=2)


class _MeetingPaths(Paths, Walks):
    """Walks both ways from where the two meet. One end's documents and the other's have none in common."""

    def __init__(self, options: MeetingPathOptions, opening: Opening) -> None:
        Walks.__init__(self, options, opening, options.hops + 1)
        sources = opening.need_sources("meeting-path", "the documents of the chunks")
        names, self._documents = sources.documents_of(opening.graph)
        self._chordless = options.chordless
        self._wanted = frozenset(names.index(name) for name in _known(options.documents, names))
        self.mend = (
            f"no path of {options.hops} hops joins two documents by their own entities: take other hops, "
            f"leave documents out, or {WIDER}"
        )

    def propose(self) -> Group | str | None:
        middle = self.roots.pick()
        if middle == NONE:
            return None
        walk = [middle]
        for place in range(self.length - 1):
            if place == (self.length - 1) // 2:
                walk.reverse()  # the first half was walked away from the middle: on with the other side of it
            step = self.walker.step(walk[-1], walk)
            if step == NOWHERE:
                return self.dead_end
            walk.append(step)
        return self.checked(tuple(walk))

    def checked(self, group: Group) -> Group | str:
        one, other = self._documents[group[0]], self._documents[group[-1]]
        if not self._apart(one, other):
            return "one document"
        if self._chordless and self.has_chord(group):
            return "short cut"
        return group

    def _apart(self, one: Sequence[int], other: Sequence[int]) -> bool:
        if not len(one) or not len(other):
            return False
        if self._wanted:
            mine, theirs = self._wanted.intersection(one), self._wanted.intersection(other)
            return len(mine) == len(theirs) == 1 and mine != theirs
        return set(one).isdisjoint(other)


def _known(wanted: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    if wanted and len(set(wanted)) != 2:
        raise ConfigError(f"documents has {len(set(wanted))} different ids; give the two between which paths are drawn")
    for name in wanted:
        if name not in names:
            raise ConfigError(f"no entity of the graph is mentioned in document '{name}'; give the id of one that has")
    return wanted


def _open(options: MeetingPathOptions, opening: Opening) -> _MeetingPaths:
    return _MeetingPaths(options, opening)


MEETING_PATH = SamplerKind("meeting-path", "a path between two documents", MeetingPathOptions, _open)
