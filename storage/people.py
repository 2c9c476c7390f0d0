"""What people's decisions make of a run's counts: what they accepted, rejected and sent back, kept up to date.

Books are the tasks' own and stay as they are. Here stands by how much people moved the number of accepted items, and
which send-backs have no task yet. Of several versions of an item one counts at most: the one that a person accepted
last, else the newest that critics accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .records import Status, Task, item_id
from .returns import refine_task
from .reviews import DECIDING, Action, Review
from .store import NEWEST, RunStore
from .versions import stale_items

PAGE = 1000
ACCEPTING = frozenset({Action.ACCEPT, Action.EDIT})
NEW = (  # only what is needed of each event: a run may have a hundred thousand
    "SELECT seq, id, item, action, CASE WHEN action IN ('undo', 'send_back') THEN body ELSE '' END "
    "FROM reviews WHERE seq > ? ORDER BY seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much people moved a run's counts.

    accepted:   items that the critics did not accept and a person did.
    rejected:   items that the critics accepted and a person rejected.
    sent_back:  items that stand as sent back; `recalled` of them had been accepted.
    superseded: accepted items in whose place another version of them counts.
    stale:      accepted items whose evidence is no longer in the documents (see `versions`).
    """

    accepted: int = 0
    rejected: int = 0
    sent_back: int = 0
    recalled: int = 0
    superseded: int = 0
    stale: int = 0

    def __add__(self, other: Shift) -> Shift:
        return self._and(other, 1)

    def __sub__(self, other: Shift) -> Shift:
        return self._and(other, -1)

    def _and(self, other: Shift, sign: int) -> Shift:
        return Shift(
            self.accepted + sign * other.accepted,
            self.rejected + sign * other.rejected,
            self.sent_back + sign * other.sent_back,
            self.recalled + sign * other.recalled,
            self.superseded + sign * other.superseded,
            self.stale + sign * other.stale,
        )

    @property
    def total(self) -> int:
        """What to add to the accepted tasks to have the items that count as accepted."""
        return self.accepted - self.rejected - self.recalled - self.superseded - self.stale

    @property
    def described(self) -> str:
        """In words, as in `+3 accepted, -1 rejected, 2 sent back`; empty when people did nothing that counts."""
        parts = [
            f"+{self.accepted} accepted" if self.accepted else "",
            f"-{self.rejected} rejected" if self.rejected else "",
            f"{self.sent_back} sent back" if self.sent_back else "",
            f"-{self.recalled} of them accepted before" if self.recalled else "",
            f"-{self.superseded} with another version" if self.superseded else "",
        ]
        return ", ".join(part for part in parts if part)


_NONE = Shift()


class _Decided(NamedTuple):
    seq: int
    event: str
    action: Action


class _Version(NamedTuple):
    """An item with its standing decision; `seq` is its place among the items that ended."""

    item: str
    seq: int
    status: Status
    decided: _Decided | None
    stale: bool

    @property
    def accepted(self) -> bool:
        return not self.stale and self.chosen

    @property
    def chosen(self) -> bool:
        """Accepted by who decided last, whatever became of its documents."""
        if self.decided is None:
            return self.status is Status.ACCEPTED
        return self.decided.action in ACCEPTING

    @property
    def weight(self) -> tuple[bool, int]:
        """A person's word outweighs a critic's; then the later one."""
        return (False, self.seq) if self.decided is None else (True, self.decided.seq)


class People:
    """What people decided on one run's items, as far as it was looked at. Made empty: `look` takes in what is there.

    With `until`, items with a greater number have not ended yet: for who reads a run as it was at one moment.
    """

    def __init__(self, store: RunStore, until: int = NEWEST) -> None:
        self._store = store
        self._until = until
        self._refreshed: str | None = None
        self._forget()

    def _forget(self) -> None:
        self.shift = Shift()
        self.stale = stale_items(self._store)
        self._fresh = True
        self._seen = self._last = 0
        self._decided: dict[str, list[_Decided]] = {}  # item → decisions that were not undone, the standing one last
        self.undone: set[str] = set()  # events that were taken back
        self._parent: dict[str, str] = {}  # version → the version that was sent back for it
        self._made: dict[str, list[str]] = {}
        self._unplaced: dict[str, Review] = {}  # event → send-back of an item that is not there
        self._due: dict[str, tuple[str, Task]] = {}  # event → item and task of a send-back that may not be planned
        self._shifts: dict[str, Shift] = {}  # first version → what its versions add to `shift`
        self._behind: dict[str, tuple[str, ...]] = {}  # first version → accepted versions that do not count

    def look(self) -> bool:
        """Takes in what people did since the last look; returns whether there was anything."""
        ((count, refreshed),) = self._store.rows(
            "SELECT (SELECT count(*) FROM reviews), (SELECT value FROM marks WHERE name = 'refreshed')"
        )
        if refreshed != self._refreshed:  # the documents were read again
            self._refreshed = refreshed
            self._forget()
        if count == self._seen and not self._unplaced and not self._fresh:
            return False
        touched = set(self._take_in())
        ((count,),) = self._store.rows("SELECT count(*) FROM reviews WHERE seq <= ?", self._last)
        if count != self._seen:  # a database of many writers may commit a lower number after a higher one
            self._forget()
            touched = set(self._take_in())
        touched |= set(self._place())
        if self._fresh:
            touched |= self.stale.keys()
            self._fresh = False
        self._count({self._first(item) for item in touched})
        return bool(touched)

    def ended(self, task: str) -> bool:
        """Says that the task with id `task` ended; returns whether that concerns anything that people decided."""
        item = item_id(task)
        if item not in self._parent and item not in self._made and item not in self._decided:
            return False
        self._count({self._first(item)})
        return True

    def due(self) -> list[Task]:
        """Returns the tasks of the standing send-backs that are not planned yet, in the order they were sent back."""
        found = []
        for event, (item, task) in list(self._due.items()):
            decisions = self._decided.get(item, [])
            if all(one.event != event for one in decisions) or self._store.is_planned(task.id):
                del self._due[event]  # undone, or planned: both are for good
            elif decisions[-1].event == event:
                found.append(task)
        return found

    @property
    def superseded(self) -> frozenset[str]:
        """The ids of accepted items in whose place another version counts: they are in no export as accepted."""
        return frozenset(item for items in self._behind.values() for item in items)

    @property
    def decisions(self) -> dict[str, int]:
        """The number of items by the decision that stands on them."""
        standing = Counter(decided[-1].action for decided in self._decided.values() if decided)
        return {action.value: standing[action] for action in Action if action in DECIDING}

    def undecided(self) -> int:
        """Returns how many items the critics did not accept and nobody decided, as of the last look."""
        ((waiting,),) = self._store.rows("SELECT count(*) FROM items WHERE status <> ?", Status.ACCEPTED.value)
        decided = [item for item, chain in self._decided.items() if chain]
        for start in range(0, len(decided), PAGE):
            some = decided[start : start + PAGE]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT count(*) FROM items WHERE status <> ? AND id IN ({marks})"  # noqa: S608  # marks only
            ((count,),) = self._store.rows(sql, Status.ACCEPTED.value, *some)
            waiting -= count
        return int(waiting)

    def _take_in(self) -> Iterator[str]:
        """Reads new events; yields the items that they are about."""
        while page := self._store.rows(NEW, self._last, PAGE):
            for seq, event, item, name, body in page:
                self._last, self._seen = seq, self._seen + 1
                action = Action(name)
                if action in DECIDING:
                    self._decided.setdefault(item, []).append(_Decided(seq, event, action))
                elif action is Action.UNDO:
                    undone = Review.model_validate_json(body).undoes
                    self.undone.add(undone)
                    self._decided[item] = [one for one in self._decided.get(item, []) if one.event != undone]
                if action is Action.SEND_BACK:
                    self._unplaced[event] = Review.model_validate_json(body)
                yield item

    def _place(self) -> Iterator[str]:
        """Finds the tasks that send-backs make; yields the items whose versions became known."""
        for event, review in list(self._unplaced.items()):
            rows = self._store.rows(
                "SELECT t.body FROM tasks t JOIN items i ON i.task = t.id WHERE i.id = ?", review.item
            )
            if not rows:
                continue  # a failed task that runs again: until it ends there is nothing to mend
            task = refine_task(Task.model_validate_json(rows[0][0]), review)
            made = item_id(task.id)
            self._parent[made] = review.item
            self._made.setdefault(review.item, []).append(made)
            self._due[event] = (review.item, task)
            del self._unplaced[event]
            self._drop(made)
            yield review.item

    def _drop(self, first: str) -> None:
        """Forgets what a version adds by itself: from now on it counts with those before it."""
        if (shift := self._shifts.pop(first, None)) is not None:
            self.shift -= shift
        self._behind.pop(first, None)

    def _first(self, item: str) -> str:
        while item in self._parent:
            item = self._parent[item]
        return item

    def _versions(self, first: str) -> list[str]:
        found = [first]
        for item in found:
            found += self._made.get(item, [])
        return found

    def _count(self, firsts: Iterable[str]) -> None:
        """Counts anew what the versions of some items add."""
        families = {first: self._versions(first) for first in firsts}
        ended: dict[str, tuple[int, Status]] = {}
        items = [item for family in families.values() for item in family]
        for some in (items[start : start + PAGE] for start in range(0, len(items), PAGE)):
            marks = ", ".join("?" * len(some))
            sql = f"SELECT id, seq, status FROM items WHERE id IN ({marks}) AND seq <= ?"  # noqa: S608  # marks only
            rows = self._store.rows(sql, *some, self._until)
            ended |= {id: (seq, Status(status)) for id, seq, status in rows}
        for first, family in families.items():
            self._drop(first)
            decided = {item: chain[-1] for item in family if (chain := self._decided.get(item))}
            versions = [
                _Version(item, *ended[item], decided.get(item), item in self.stale) for item in family if item in ended
            ]
            shift, behind = _shift_of(versions)
            if shift != _NONE:
                self._shifts[first] = shift
                self.shift += shift
            if behind:
                self._behind[first] = behind


def _shift_of(versions: list[_Version]) -> tuple[Shift, tuple[str, ...]]:
    """Returns what the versions of one item add, and which of them are accepted and do not count."""
    accepted = sorted((one for one in versions if one.accepted), key=lambda one: one.weight)
    behind = tuple(one.item for one in accepted[:-1])
    sent_back = [one for one in versions if one.decided and one.decided.action is Action.SEND_BACK]
    shift = Shift(
        accepted=sum(one.status is not Status.ACCEPTED for one in accepted),
        rejected=sum(
            one.status is Status.ACCEPTED and one.decided is not None and one.decided.action is Action.REJECT
            for one in versions
        ),
        sent_back=len(sent_back),
        recalled=sum(one.status is Status.ACCEPTED for one in sent_back),
        superseded=len(behind),
        stale=sum(one.stale and one.chosen and one.status is Status.ACCEPTED for one in versions),
    )
    return shift, behind
