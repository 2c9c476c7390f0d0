"""The knowledge graph of a run that may still be going on: its view and its coverage, kept as they are now.

The view is made anew when the run stores another graph, the coverage takes in what tasks came and ended. What is asked
here stands in memory: a look at a graph of 50,000 entities takes milliseconds.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import orjson
from pydantic import Field

from ...errors import NotStored
from ...storage.identities import Identities
from ...storage.records import Record
from ...storage.store import RunStore
from .coverage import EntityCoverage, Uses
from .view import By, GraphView, Part

STEPS = 4  # shades of covered entities


class Level(StrEnum):
    """How well an entity is covered. The last four are steps by the number of accepted and pending tasks."""

    NEVER = "never"  # no task used it
    LOST = "lost"  # tasks did, and none was accepted or is pending
    WAITING = "waiting"  # tasks are pending, none was accepted yet
    ONE = "one"
    TWO = "two"
    THREE = "three"
    FOUR = "four"


COVERED = (Level.ONE, Level.TWO, Level.THREE, Level.FOUR)


class Covered(StrEnum):
    """Which entities, by coverage. `UNCOVERED` is what no accepted or pending task uses."""

    ANY = ""
    UNCOVERED = "uncovered"
    NEVER = "never"
    LOST = "lost"
    WAITING = "waiting"
    COVERED = "covered"


LEVELS = {
    Covered.ANY: frozenset(Level),
    Covered.UNCOVERED: frozenset({Level.NEVER, Level.LOST}),
    Covered.NEVER: frozenset({Level.NEVER}),
    Covered.LOST: frozenset({Level.LOST}),
    Covered.WAITING: frozenset({Level.WAITING}),
    Covered.COVERED: frozenset(COVERED),
}


class Order(StrEnum):
    """Orders of the list of entities. Coverage and its parts are ascending: what lacks tasks comes first."""

    DEGREE = "degree"
    MENTIONS = "mentions"
    NAME = "name"
    TYPE = "type"
    COVERAGE = "coverage"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Sieve(Record):
    """Which entities: empty means any. `document` is a part of the name of a document that mentions them."""

    type: str = Field("", max_length=200)
    coverage: Covered = Covered.ANY
    document: str = Field("", max_length=500)


@dataclass(frozen=True, slots=True)
class Node:
    """An entity as picture and list show it."""

    id: str
    name: str
    type: str
    degree: int
    mentions: int
    uses: Uses
    level: Level


@dataclass(frozen=True, slots=True)
class Rows:
    """A stretch of the list of entities, from number `start` (0 is the first) of `among`."""

    nodes: tuple[Node, ...]
    start: int
    among: int


class GraphRoom:
    """The graph of one run, for one thread; `refresh` before a look takes in what is new."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.coverage = EntityCoverage(store)
        self._view: GraphView | None = None
        self._mark = b""
        self._levelled = -1
        self._levels: list[Level] = []
        self.uses: list[Uses] = []  # by place
        self.steps: tuple[int, ...] = ()

    @property
    def view(self) -> GraphView:
        """The graph as it is stored now; raises `NotStored` when the run has none."""
        if self._view is None:
            raise NotStored(f"the run in {self.store.shown} has no knowledge graph")
        return self._view

    def refresh(self) -> None:
        """Takes in the graph when it is another, and what became of tasks."""
        mark = self.store.mark("graph")
        if mark is None:
            self._view = None
            self._mark = b""
            return
        if self._view is None or orjson.dumps(mark) != self._mark:
            with uncollected():
                self._view = self._read()
            # As it was before the records: a graph that is stored while they are read is read again.
            self._mark = orjson.dumps(mark)
            self._levelled = -1
            self.coverage.forget()
        self.coverage.refresh()
        if self._levelled != self.coverage.version:
            self._level(self._view)

    def _read(self) -> GraphView:
        documents = dict(self.store.rows("SELECT c.id, d.name FROM chunks c JOIN documents d ON d.id = c.document"))
        return GraphView(self.store.facts("entities"), self.store.facts("relations"), documents)

    def _level(self, view: GraphView) -> None:
        self.uses = [self.coverage.of(id) for id in view.ids]
        self.steps = steps_to(max((one.covering for one in self.uses), default=0))
        self._levels = [level_of(one, self.steps) for one in self.uses]
        self._levelled = self.coverage.version

    @property
    def exists(self) -> bool:
        """Whether the run has a graph by now."""
        return self._view is not None

    def place(self, id: str) -> int:
        """Returns the place of the entity that an id leads to by now; raises `NotStored` for none."""
        try:
            return self.view.place(id)
        except NotStored:
            return self.view.place(Identities(self.store).today([id])[id])

    def node(self, place: int) -> Node:
        """Returns one entity."""
        view = self.view
        return Node(
            id=view.ids[place],
            name=view.names[place],
            type=view.types[place],
            degree=view.degrees[place],
            mentions=view.mentions[place],
            uses=self.uses[place],
            level=self._levels[place],
        )

    def nodes(self, places: Sequence[int]) -> tuple[Node, ...]:
        """Returns some entities."""
        return tuple(map(self.node, places))

    def overview(self, sieve: Sieve, by: By, limit: int) -> Part:
        """Returns the largest of the entities that the sieve lets through."""
        return self.view.overview(by, limit, self._fits(sieve))

    def rows(self, sieve: Sieve, order: Order, start: int, limit: int) -> Rows:
        """Returns `limit` of the entities that the sieve lets through, in order, from number `start` on."""
        view, fits = self.view, self._fits(sieve)
        ranked = view.ranked(By.MENTIONS if order is Order.MENTIONS else By.DEGREE)
        places = [place for place in ranked if fits(place)]
        if order in KEYS:
            key = KEYS[order]
            places.sort(key=lambda place: key(self, place))  # stable: equal ones stay by rank
        return Rows(self.nodes(places[start : start + limit]), start, len(places))

    def levels(self) -> dict[str, int]:
        """Returns how many entities have each level."""
        counts = Counter(self._levels)
        return {level.value: counts[level] for level in Level}

    def changed(self, since: int) -> tuple[Node, ...]:
        """Returns the entities whose coverage changed after the version `since`."""
        known = self.view.known
        return self.nodes([place for id in self.coverage.since(since) if (place := known(id)) is not None])

    def _fits(self, sieve: Sieve) -> Callable[[int], bool]:
        view, levels, wanted = self.view, self._levels, LEVELS[sieve.coverage]
        called = sieve.document.casefold()
        documents = {number for number, name in enumerate(view.document_names) if called in name.casefold()}

        def fits(place: int) -> bool:
            return (
                levels[place] in wanted
                and (not sieve.type or view.types[place] == sieve.type)
                and (not called or not documents.isdisjoint(view.documents[place]))
            )

        return fits


@contextmanager
def uncollected() -> Iterator[None]:
    """Spares what is within the search for cycles: it makes a million objects without one, for a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def steps_to(most: int) -> tuple[int, ...]:
    """Returns the least number of tasks of each shade: 1, 2, 4, 8, in wider steps where some entity has many tasks."""
    base = 2
    while base**STEPS <= most:
        base += 1
    return tuple(base**step for step in range(STEPS))


def level_of(uses: Uses, steps: Sequence[int]) -> Level:
    """Returns how well an entity is covered."""
    if not uses.planned:
        return Level.NEVER
    if not uses.covering:
        return Level.LOST
    if not uses.accepted:
        return Level.WAITING
    return COVERED[sum(uses.covering >= step for step in steps) - 1]


KEYS: dict[Order, Callable[[GraphRoom, int], str | int]] = {
    Order.NAME: lambda room, place: room.view.folded(place),
    Order.TYPE: lambda room, place: room.view.types[place].casefold(),
    Order.COVERAGE: lambda room, place: room.uses[place].covering,
    Order.ACCEPTED: lambda room, place: room.uses[place].accepted,
    Order.REJECTED: lambda room, place: -room.uses[place].rejected,
}
