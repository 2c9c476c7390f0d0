"""A run's items as people left them, at one moment: what exports take.

What people decide and what ends while an export runs is not in it: its two readings must see the same. Held in memory:
some bytes for each decision, and a few hundred items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ..storage.datasets.pairs import SUPERSEDED
from ..storage.people import ACCEPTING, People
from ..storage.records import Item, Status
from ..storage.returns import REVIEW
from ..storage.reviews import REVIEWER, Review, Reviews, decision_of, reviewed
from ..storage.store import RunStore
from ..storage.versions import STALE

AT_ONCE = 200  # items whose events are read together


class Decided:
    """What people decided on one run by now, of the items that have ended by now: up to the number `ended`."""

    def __init__(self, store: RunStore) -> None:
        ((self.ended,),) = store.rows("SELECT coalesce(max(seq), 0) FROM items")
        people, self._until = People(store, self.ended), -1
        while self._until != (last := _last(store)):  # until nobody decided in between
            self._until = last
            people.look()
        self.shift = people.shift
        self.accepts = any(people.decisions[action] for action in ACCEPTING)  # texts that no pool has compared
        self._superseded, self._undone = people.superseded, frozenset(people.undone)
        self._stale = people.stale

    def __call__(self, items: Iterable[Item], store: RunStore) -> Iterator[tuple[Item, Review | None]]:
        """Yields items as they are after people's decisions, with the decision that stands on each."""
        if not self._until:
            yield from ((self._now(item), None) for item in items)
            return
        reviews, rest = Reviews(store), iter(items)
        while some := list(islice(rest, AT_ONCE)):
            histories = reviews.histories((item.id for item in some), self._until)
            for item in some:
                decision = decision_of(histories.get(item.id, ()))
                yield self._now(reviewed(self._without_undone(item), decision)), decision

    def _without_undone(self, item: Item) -> Item:
        """Of an item that was made by a note which was taken back since: it stands on its own feet.

        Nobody says any more that the draft which it was made from is worse. What the note was stays in the attributes.
        """
        if item.attributes.get(REVIEW) not in self._undone:
            return item
        return item.model_copy(update={"verdicts": tuple(one for one in item.verdicts if one.by != REVIEWER)})

    def _now(self, item: Item) -> Item:
        reason = STALE if item.id in self._stale else SUPERSEDED if item.id in self._superseded else ""
        if not reason or item.status is not Status.ACCEPTED:
            return item
        return item.model_copy(update={"status": Status.REJECTED, "reasons": (reason,)})


def _last(store: RunStore) -> int:
    ((last,),) = store.rows("SELECT coalesce(max(seq), 0) FROM reviews")
    return int(last)
