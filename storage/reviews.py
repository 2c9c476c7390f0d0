"""What people decide on items: events that are only ever added, and claims, so that two do not decide unknowingly.

The events of an item form a chain: each names the one that its reviewer had seen last (`after`), and the store takes
one successor of each. So of two people who decide the same item at the same moment one is refused and told; and an
event that is sent twice, because an answer was lost, is there once, by its id. Undo is an event too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field

from ..errors import ReviewConflict
from .records import Decision, Draft, Item, Message, Record, Status, Verdict, content_id

if TYPE_CHECKING:
    from .store import RunStore

MANY = 500  # ids in one statement
REVIEWER = "reviewer"  # who wrote a person's draft or verdict, in the item that comes of it
MADE_AGAIN = "was made again since you saw it, for its task had failed; look at it anew and decide then"
SENT_BACK = "sent_back"  # the reason of an accepted item that a person sent back
NUMBERS = "SELECT seq, item FROM reviews WHERE seq > ? ORDER BY seq LIMIT ?"
ADD = (  # only after an event that is there, and on the version of the item that was seen
    "INSERT INTO reviews (id, item, after, action, body) SELECT ?, ?, ?, ?, ? "
    "WHERE (? = '' OR EXISTS (SELECT 1 FROM reviews WHERE id = ? AND item = ?)) "
    "AND (? = '' OR EXISTS (SELECT 1 FROM items WHERE id = ? AND seq = CAST(? AS BIGINT))) ON CONFLICT DO NOTHING"
)
CLAIM = (
    "INSERT INTO review_claims (item, reviewer, until) VALUES (?, ?, ?) ON CONFLICT (item) DO UPDATE SET "
    "reviewer = excluded.reviewer, until = excluded.until "
    "WHERE review_claims.reviewer = excluded.reviewer OR review_claims.until < ?"
)
RELEASE = "DELETE FROM review_claims WHERE item = ? AND reviewer = ?"


class Action(StrEnum):
    """What a person does with an item. All but the last three decide it."""

    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"  # of a rejected item: the rejection is confirmed
    SEND_BACK = "send_back"
    UNDO = "undo"
    PRECEDENT = "precedent"  # the decision is shown to the critic from now on
    NO_PRECEDENT = "no_precedent"


DECIDING = frozenset({Action.ACCEPT, Action.EDIT, Action.REJECT, Action.SEND_BACK})


class Review(Record):
    """One event: what `reviewer` did with `item`.

    `id` is the client's own, so that a repeated request counts once; `at` is when. `after` is the id of the item's
    event that the reviewer had seen last, "" when there was none. `messages` and `fields` are the new wording (edit),
    `undoes` names the event that is taken back (undo), `reasons` corrects the critic's reason codes (reject).
    `prompts` and `models` are the item's own at that time: they say which version of a critic was judged. `number` is
    the item's in the store, 0 where it is not known: a failed item that was made again has its old id and a new number.
    """

    id: str = Field(min_length=1, max_length=64)
    item: str
    action: Action
    reviewer: str = Field(min_length=1, max_length=100)
    at: AwareDatetime
    after: str = ""
    note: str = ""
    reasons: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    fields: dict[str, Any] = Field(default_factory=dict)
    undoes: str = ""
    prompts: dict[str, str] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    number: int = 0


class Reviews:
    """The events and claims of one run, beside its items in the same store."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def add(self, review: Review) -> None:
        """Adds an event; returns when it is durable. One that is there already (by its id) is not added again.

        Raises:
            ReviewConflict: somebody else's event came first; it names them and what they did.
        """
        for refused in await self.add_all([review]):
            raise refused

    async def add_all(self, reviews: Sequence[Review]) -> list[ReviewConflict]:
        """Adds many events in one transaction; returns the conflicts of those that were refused."""
        await self._store.write((ADD, [_row(one) for one in reviews]))
        there: dict[str, str] = {}
        for start in range(0, len(reviews), MANY):
            await asyncio.sleep(0)  # others are served in between
            some = [one.id for one in reviews[start : start + MANY]]
            there |= self._store.rows(f"SELECT id, item FROM reviews WHERE id IN ({', '.join('?' * len(some))})", *some)  # noqa: S608
        refused = [one for one in reviews if there.get(one.id) != one.item]  # an id may be another item's event
        return [conflict(one, self.history(one.item)) for one in refused]

    def history(self, item: str) -> list[Review]:
        """Returns the events of `item`, the oldest first."""
        rows = self._store.rows("SELECT body FROM reviews WHERE item = ? ORDER BY seq", item)
        return [Review.model_validate_json(body) for (body,) in rows]

    def histories(self, items: Iterable[str], until: int | None = None) -> dict[str, list[Review]]:
        """Returns the events of many items, the oldest first; those without any are left out.

        With `until`, those whose number is not above it: what stood at one moment, however long a reader takes.
        """
        found: dict[str, list[Review]] = {}
        bound = "" if until is None else f" AND seq <= {int(until)}"
        wanted = list(dict.fromkeys(items))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT item, body FROM reviews WHERE item IN ({marks}){bound} ORDER BY seq"  # noqa: S608  # bound
            for item, body in self._store.rows(sql, *some):
                found.setdefault(item, []).append(Review.model_validate_json(body))
        return found

    def of_batch(self, batch: str) -> list[Review]:
        """Returns the events of a decision on many at once: their ids begin with the batch's (`batch_event`)."""
        sql = "SELECT body FROM reviews WHERE id >= ? AND id < ? ORDER BY seq"
        rows = self._store.rows(sql, f"{batch}.", f"{batch}/")  # the next character after the dot
        return [Review.model_validate_json(body) for (body,) in rows]

    def since(self, seq: int = 0, limit: int = 1000) -> list[tuple[int, Review]]:
        """Returns up to `limit` events with their numbers, those above `seq`, in the order they came."""
        rows = self._store.rows("SELECT seq, body FROM reviews WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [(number, Review.model_validate_json(body)) for number, body in rows]

    def numbers(self, seq: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
        """Returns what `since` does with each event's item in place of the event: for who reads only what stands."""
        return [(int(number), str(item)) for number, item in self._store.rows(NUMBERS, seq, limit)]

    def count(self, until: int | None = None) -> int:
        """Returns how many events there are; with `until`, whose number is not above it."""
        where, values = ("", ()) if until is None else (" WHERE seq <= ?", (until,))
        ((found,),) = self._store.rows(f"SELECT count(*) FROM reviews{where}", *values)  # noqa: S608  # one of two
        return int(found)

    def newest(self, limit: int) -> Iterator[Review]:
        """Yields up to `limit` events, the newest first."""
        for (body,) in self._store.rows("SELECT body FROM reviews ORDER BY seq DESC LIMIT ?", limit):
            yield Review.model_validate_json(body)

    def all(self) -> Iterator[Review]:
        """Yields all events in the order they came, a page in memory."""
        seq = 0
        while page := self.since(seq):
            seq = page[-1][0]
            for _, review in page:
                yield review

    def decisions(self) -> dict[str, Review]:
        """Returns the standing decision by item id, for all items that have one."""
        chains: dict[str, list[Review]] = {}
        for review in self.all():
            chains.setdefault(review.item, []).append(review)
        return {item: found for item, chain in chains.items() if (found := decision_of(chain)) is not None}

    async def claim(self, items: Iterable[str], reviewer: str, seconds: float = 120.0) -> list[str]:
        """Takes items for `reviewer` for a while, or prolongs; returns those that are now held by `reviewer`."""
        moment, wanted = time.time(), list(items)
        await self._store.write((CLAIM, [(item, reviewer, moment + seconds, moment) for item in wanted]))
        held = self.claims()
        return [item for item in wanted if held.get(item) == reviewer]

    def claims(self) -> dict[str, str]:
        """Returns the reviewer by item of all claims that have not expired."""
        rows = self._store.rows("SELECT item, reviewer FROM review_claims WHERE until >= ?", time.time())
        return dict(rows)

    async def release_all(self, held: Iterable[tuple[str, str]]) -> None:
        """Ends claims, given as item and reviewer."""
        if pairs := list(held):
            await self._store.write((RELEASE, pairs))

    async def release(self, items: Iterable[str], reviewer: str) -> None:
        """Ends `reviewer`'s claims on `items`."""
        await self._store.write((RELEASE, [(item, reviewer) for item in items]))


def batch_event(batch: str, item: str) -> str:
    """Returns the id of a batch's event on an item: the same each time that the batch is asked for."""
    return f"{batch}.{content_id('event', item).removeprefix('event-')}"


def decision_of(history: Sequence[Review]) -> Review | None:
    """Returns the decision that stands after all events of an item, None when there is none or it was undone."""
    standing = [review for review in history if review.action in DECIDING]
    undone = {review.undoes for review in history if review.action is Action.UNDO}
    return next((review for review in reversed(standing) if review.id not in undone), None)


def is_precedent(history: Sequence[Review]) -> bool:
    """Whether the item's standing decision is shown to the critic."""
    marks = [review for review in history if review.action in {Action.PRECEDENT, Action.NO_PRECEDENT}]
    return bool(marks) and marks[-1].action is Action.PRECEDENT and decision_of(history) is not None


def reviewed(item: Item, decision: Review | None) -> Item:
    """Returns the item as it is after a person's decision. Its own drafts and verdicts all stay.

    One that was sent back is not accepted as it is; if it was not before, it stays as it was. Of several
    versions of one item one counts at most: `people` knows which.
    """
    if decision is None or (decision.action is Action.SEND_BACK and item.status is not Status.ACCEPTED):
        return item
    last = item.drafts[-1].index if item.drafts else 0
    update: dict[str, Any]
    if decision.action is Action.SEND_BACK:
        asked = Verdict(by=REVIEWER, draft=last, decision=Decision.REVISE, reasons=(SENT_BACK,), text=decision.note)
        update = {"status": Status.REJECTED, "reasons": (SENT_BACK,), "verdicts": (*item.verdicts, asked)}
        return item.model_copy(update=update)
    accepts = decision.action in {Action.ACCEPT, Action.EDIT}
    update = {
        "status": Status.ACCEPTED if accepts else Status.REJECTED,
        "reasons": () if accepts else decision.reasons or item.reasons or ("reviewer",),
    }
    if decision.action is Action.EDIT:
        last += 1
        draft = Draft(
            index=last,
            by=REVIEWER,
            messages=decision.messages,
            fields=decision.fields,
            evidence=item.evidence,
            note=decision.note,
        )
        update |= {"messages": decision.messages, "fields": decision.fields, "drafts": (*item.drafts, draft)}
    verdict = Verdict(
        by=REVIEWER,
        draft=last,
        decision=Decision.ACCEPT if accepts else Decision.REJECT,
        reasons=update["reasons"],
        text=decision.note,
    )
    return item.model_copy(update={**update, "verdicts": (*item.verdicts, verdict)})


def _row(review: Review) -> tuple[str, ...]:
    body = review.model_dump_json(exclude_defaults=True)
    number = str(review.number or "")
    chain = (review.after, review.after, review.item)
    return review.id, review.item, review.after, review.action.value, body, *chain, number, review.item, number or "0"


def conflict(review: Review, history: Sequence[Review]) -> ReviewConflict:
    """Says who came first."""
    first = next((one for one in history if one.after == review.after and one.id != review.id), None)
    if first is None:
        return ReviewConflict(
            f"{review.item} has no event '{review.after}', or was made again meanwhile; load it anew and decide again",
            review.item,
        )
    return ReviewConflict(
        f"{first.reviewer} was first on {review.item} ({first.action.value}); load it anew to see it, and decide again "
        f"where you see it differently",
        review.item,
    )
