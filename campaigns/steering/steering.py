"""Stands between the plan and its planner: looks at more candidates than are wanted and chooses the most promising.

A candidate's worth is that of its cells: those that few tasks touch, that are wanted, and whose newest items were new.
It is chosen greedily with the counts of what was chosen before, so one batch is spread. What is not chosen waits in a
buffer of a few times the window; it is not planned, so it costs nothing and a restart draws it again.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ...graphs.planners.base import WAIT, coverage_keys
from ...storage.records import Status, Task
from .asks import Asks, ask_of
from .books import CellBooks, Known
from .cells import Cell, Cells, Dimension
from .spec import SteerSpec

PATIENCE = 10_000  # candidates in a row that may not be drawn, after which the planner is taken to have no other
LOOKS = 16  # times that more candidates are looked at where all are ahead of their share
RESTING = 64  # candidates of saturated cells that are kept to try them again
WALKED = 4  # planned tasks that a walk may pass for each that it gave
STEP = 8.0  # a share that is far behind or ahead counts so many times as one that is met, at most
_NOTHING: tuple[Known, int] = ([], 0)


class Source(Protocol):
    """Where candidates come from: the plan, which asks the planner.

    `walks` says that the planner begins anew after `reopen` and then gives all again that was not planned.
    """

    @property
    def walks(self) -> bool: ...

    async def candidates(self, count: int) -> Sequence[Task]:
        """Returns new tasks, about `count` of them; none when there are no more, `WAIT` when there are none yet."""
        ...

    def reopen(self) -> None: ...


class Candidate:
    """A task that a planner drew, and its cells."""

    __slots__ = ("ask", "keys", "known", "order", "promise", "task", "worth")

    def __init__(self, task: Task, known: Known, order: int) -> None:
        self.task = task
        self.known = known
        self.order = order
        self.keys = coverage_keys(task)
        self.ask = ask_of(task)
        self.promise = 1.0
        self.worth = 0.0


class Counts(Mapping[str, int]):
    """What planners weigh by while some of what they drew waits: planned tasks and waiting ones together."""

    def __init__(self, planned: Mapping[str, int], waiting: Mapping[str, int]) -> None:
        self._planned, self._waiting = planned, waiting

    def __getitem__(self, key: str) -> int:
        return self._planned.get(key, 0) + self._waiting.get(key, 0)

    def get(self, key: str, default: Any = 0) -> Any:
        return self._planned.get(key, 0) + self._waiting.get(key, 0) or default

    def __contains__(self, key: object) -> bool:
        return key in self._planned or key in self._waiting

    def __iter__(self) -> Iterator[str]:
        yield from self._planned
        yield from (key for key in self._waiting if key not in self._planned)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Steering:
    """Chooses among what a planner draws.

    `books` knows the cells. `waiting` counts the candidates of the buffer by `coverage_keys`, live.
    """

    def __init__(self, spec: SteerSpec, cells: Cells) -> None:
        self.spec = spec
        self.books = CellBooks(spec, cells)
        self._asks = Asks(spec.rarity)
        self.waiting: Counter[str] = Counter()
        self.barred: Counter[str] = Counter()
        self._buffer: list[Candidate] = []
        self._resting: deque[Candidate] = deque()
        self._running: dict[str, tuple[Known, int]] = {}  # planned tasks of this start that have not ended
        self._held: set[str] = set()  # ids of the buffer and of what rests: a planner must not draw them again
        self._refused: set[str] = set()  # ids that may not be drawn, of a planner that would give them for ever
        self._let_go: set[str] = set()  # ids that rested while their planner waited, since it began
        self._walks = False
        self._order = self._barren = self._passed = self._passed_fresh = 0
        self._every = 0  # planned by all starts
        self._planned = 0  # since the planner began, or began again
        self._vain = 0  # batches in a row that had nothing but candidates ahead of their share
        self._credit = 0.0
        self._dry = self._told_to_wait = False

    def holds(self, task: str) -> bool:
        """Whether a task is no news: it waits, or it was refused."""
        return task in self._held or task in self._refused

    @property
    def buffered(self) -> int:
        """How many tasks were drawn that may yet be planned."""
        return len(self._buffer)

    @property
    def waits(self) -> bool:
        """Whether there may be more to draw once tasks end that are in flight."""
        return self._told_to_wait or bool(self._buffer)

    def ended(self, task: Task, status: Status, novelty: float | None) -> None:
        """Takes in how a planned task ended, and how new what it gave was where its end says so."""
        known, ask = self._running.pop(task.id, _NOTHING)
        if not known:  # an earlier start planned it
            known, ask = self.books.of(task), ask_of(task)
        self.books.end(known, status)
        self._learn(known, ask, status, novelty)

    def recall(self, task: Task, status: Status, *, counts: bool) -> None:
        """Counts a task that an earlier start planned; see `Cell.planned`."""
        self.books.plan(self.books.of(task), status, counts=counts)
        self._asks.plan(ask_of(task))
        self._every += 1

    def recall_end(self, task: Task, status: Status, novelty: float | None) -> None:
        """Takes in what an earlier start learnt, in the order that tasks ended."""
        self._learn(self.books.of(task), ask_of(task), status, novelty)

    def _learn(self, known: Known, ask: int, status: Status, novelty: float | None) -> None:
        self.books.learn(known, novelty, self._asks.hope(ask, known))
        self._asks.end(ask, status, novelty, known)

    async def draw(self, room: int, source: Source) -> Sequence[Task]:
        """Returns at most `room` tasks, the most promising first; none when there are no more, `WAIT` when there may be
        once tasks have ended that are in flight."""
        while True:
            chosen = await self._drawn(room, source)
            if chosen or not self._lets_go():
                return [one.task for one in chosen] or (WAIT if self.waits else ())

    async def _drawn(self, room: int, source: Source) -> list[Candidate]:
        self._credit = min(self._credit + self.spec.exploration * room, float(RESTING))
        tries = min(int(self._credit), len(self._resting), room - 1)
        chosen: list[Candidate] = []
        for _ in range(max(1, LOOKS >> self._vain)):
            await self._look(room, source)
            chosen += self._choose(room - tries - len(chosen))
            if len(chosen) >= room - tries or self._dry or self._told_to_wait or not self._make_room(room):
                break
        self._vain = 0 if chosen else self._vain + 1
        if not chosen:
            chosen = self._choose(room - tries, beyond_shares=True)
        if chosen and tries > 0:
            chosen += self._try_again(tries)
        self._trim(room)
        if chosen and self._passed_fresh:
            self._begin_again(room, source)
        return chosen

    def _lets_go(self) -> bool:
        """Gives up what rests where the planner waits and nothing else is left that could end: to the planner what
        rests counts as planned, and it may be this that it waits for. What comes a second time is refused."""
        if not (self._told_to_wait and self._resting) or self._buffer or self._running:
            return False
        while self._resting:
            one = self._resting.popleft()
            self._held.discard(one.task.id)
            self._let_go.add(one.task.id)
            self.books.forget(one.known)
        return True

    async def _look(self, room: int, source: Source) -> None:
        """Fills the buffer up to `spread` candidates for each place."""
        full = room * self.spec.spread
        self._dry = self._dry and not self._worth_beginning_again
        self._told_to_wait = False
        while len(self._buffer) < full and not self._dry:
            drawn = await source.candidates(full - len(self._buffer))
            self._walks = source.walks
            if drawn is WAIT:
                self._told_to_wait = True
                return
            for task in drawn:
                self._take(task)
            if drawn:
                self._dry = self._barren >= PATIENCE
            elif self._worth_beginning_again:
                self._reopen(source)
            else:
                self._dry = True

    @property
    def _worth_beginning_again(self) -> bool:
        """Whether a planner that begins anew would give what was passed over, or barred and is no more."""
        return self._walks and (self.books.revived or (self._planned > 0 and self._passed > 0))

    def _begin_again(self, room: int, source: Source) -> None:
        """Goes back for what was passed over and never asked, when the next batch would have to ask again.

        A walk begins by passing all that is planned, so it takes a quarter as many new tasks to make up for one.
        """
        if not self._walks or WALKED * self._planned < self._every:
            return
        if sum(not self._asks.made(one.ask) for one in self._buffer) < room:
            self._reopen(source)
            self._dry = False

    def _reopen(self, source: Source) -> None:
        source.reopen()
        self._let_go.clear()
        self.books.revived = False
        self._planned = self._passed = self._passed_fresh = 0

    def _take(self, task: Task) -> None:
        """Puts a candidate into the buffer, or aside where it may not be drawn."""
        one = Candidate(task, self.books.of(task), self._order)
        self._order += 1
        for _, cells in one.known:
            for cell in cells:
                cell.waiting += 1
        if why := _barred(one.known):
            self._barren += 1
            self._put_aside(one, why)
            return
        self._barren = 0
        self._held.add(task.id)
        self._buffer.append(one)
        waiting = self.waiting
        for key in one.keys:
            waiting[key] = waiting.get(key, 0) + 1  # `+= 1` takes a call more for a key that is not there

    def _put_aside(self, one: Candidate, why: str) -> None:
        """Keeps a candidate of a saturated cell for a while, to try it again; others go."""
        self.barred[why] += 1
        if why == "saturated" and self.spec.exploration and one.task.id not in self._let_go:
            self._held.add(one.task.id)
            self._resting.append(one)
            if len(self._resting) <= RESTING:
                return
            one = self._resting.popleft()
        self._held.discard(one.task.id)
        if not self._walks or one.task.id in self._let_go:
            self._refused.add(one.task.id)
        self.books.forget(one.known)

    def _choose(self, room: int, *, beyond_shares: bool = False) -> list[Candidate]:
        """Takes the best candidates out of the buffer, each seen beside those before it."""
        self.books.measure()
        heap: list[tuple[float, int, Candidate]] = []
        for one in self._buffer:
            if why := _barred(one.known):  # since it was drawn
                self._uncount(one)
                self._put_aside(one, why)
            else:
                one.promise = self._asks.promise(one.ask, one.known)
                one.worth = self._worth(one)
                heap.append((-one.worth, one.order, one))
        heapq.heapify(heap)
        capped, shared = bool(self.spec.at_most), bool(self.spec.shares) and not beyond_shares
        chosen: list[Candidate] = []
        left: list[Candidate] = []
        while heap and len(chosen) < room:
            best = heap[0][2]
            best.promise = self._asks.promise(best.ask, best.known)  # one of its ask may have been chosen
            worth = self._worth(best)
            if worth < best.worth:  # something like it was chosen meanwhile
                best.worth = worth
                heapq.heapreplace(heap, (-worth, best.order, best))
                continue
            heapq.heappop(heap)
            if (capped and _is_full(best.known)) or (shared and _is_ahead(best.known)):
                left.append(best)
                continue
            self._uncount(best)
            self._settle(best)
            chosen.append(best)
        self._buffer = [*left, *(one for _, _, one in heap)]
        return chosen

    def _try_again(self, tries: int) -> list[Candidate]:
        """Takes candidates of saturated cells, those that rest longest first."""
        chosen: list[Candidate] = []
        while self._resting and len(chosen) < tries:
            one = self._resting.popleft()
            if _barred(one.known) in ("", "saturated") and not _is_full(one.known):
                self._settle(one)
                chosen.append(one)
                self._credit -= 1
            else:
                self._held.discard(one.task.id)
                self.books.forget(one.known)
        return chosen

    def _settle(self, one: Candidate) -> None:
        """Counts a candidate as planned."""
        self._held.discard(one.task.id)
        self._running[one.task.id] = (one.known, one.ask)
        self.books.plan(one.known)
        self._asks.plan(one.ask)
        self._planned += 1
        self._every += 1
        for _, cells in one.known:
            for cell in cells:
                cell.waiting -= 1

    def _uncount(self, one: Candidate) -> None:
        waiting = self.waiting
        for key in one.keys:
            left = waiting[key] - 1
            if left > 0:
                waiting[key] = left
            else:
                del waiting[key]

    def _worth(self, one: Candidate) -> float:
        """What a candidate promises: its rarity, each dimension alike, times the novelty of its least novel cell and
        what asking for the same again promises."""
        novelty = 1.0
        rarity = 0.0
        for dimension, cells in one.known:
            part = 0.0
            shared = dimension.rest is not None
            for cell in cells:
                mean = cell.novelty.mean
                if mean < novelty:
                    novelty = mean
                if shared and cell.share is not None:
                    part += _step(cell, dimension)
                else:
                    part += cell.rarity * dimension.level
            rarity += part if len(cells) == 1 else part / len(cells)
        return novelty * rarity * one.promise

    def _make_room(self, room: int) -> bool:
        """Passes over most candidates that are ahead of their share; tells whether to look for others."""
        ahead = [one for one in self._buffer if _is_ahead(one.known)]
        if not self._walks or len(ahead) <= room:
            return False
        gone = set(map(id, ahead[room:]))
        self._keep([one for one in self._buffer if id(one) not in gone])
        return True

    def _trim(self, room: int) -> None:
        """Passes over the least of what waits, so that the buffer fills with what is worth more.

        Only where a planner that begins again would give them once more: no task is lost that another would not find.
        """
        most = room * (self.spec.spread - 1) // 2
        if self._walks and not self._dry and len(self._buffer) > most:
            self._keep(heapq.nsmallest(most, self._buffer, key=lambda one: (-one.worth, one.order)))

    def _keep(self, kept: list[Candidate]) -> None:
        ids = {id(one) for one in kept}
        for one in self._buffer:
            if id(one) not in ids:
                self._uncount(one)
                self._held.discard(one.task.id)
                self.books.forget(one.known)
                self._passed += 1
                self._passed_fresh += not self._asks.made(one.ask)
        self._buffer = kept


def _barred(known: Known) -> str:
    """Says why a candidate may not be drawn: a cell that nobody wants, that is full, or that is saturated."""
    found = ""
    for dimension, cells in known:
        if not dimension.barred:
            continue
        for cell in cells:
            if cell.bar:
                if cell.bar != "saturated":
                    return cell.bar
                found = cell.bar
    return found


def _step(cell: Cell, dimension: Dimension) -> float:
    """How far a cell with a share is behind it, or ahead."""
    return min(STEP, max(1 / STEP, (cell.share or 0.0) * (dimension.tasks + 1) / (cell.live + 1)))


def _is_full(known: Known) -> bool:
    """Whether a cell has all that it may have, should what is pending be accepted."""
    return any(cell.most is not None and cell.live >= cell.most for _, cells in known for cell in cells)


def _is_ahead(known: Known) -> bool:
    """Whether a candidate waits until others of a dimension have their share."""
    return any(dimension.is_ahead(cells) for dimension, cells in known)
