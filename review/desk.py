"""A person's desk: checks a decision, writes it as an event, takes it back; one item at a time or many at once.

The web pages and the command line decide through here, so that both mean the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from ..errors import ConfigError, NotStored, ReviewConflict, StoreError, meant, require_kind, require_texts
from ..storage.records import Item, Message, Status, content_id
from ..storage.reviews import (
    DECIDING,
    MADE_AGAIN,
    Action,
    Review,
    Reviews,
    batch_event,
    conflict,
    decision_of,
    is_precedent,
    reviewed,
)
from ..storage.store import RunStore

CLAIM = 120.0  # seconds that an item which somebody looks at is theirs, prolonged while they look
NOTE = 10_000  # characters of a note
PIECE = 200  # items of a bulk decision that are looked at without a pause
RECENT = 1000  # events among which a person's last decision is looked for
MESSAGE = 200_000  # characters of an edited message


@dataclass(frozen=True, slots=True)
class Story:
    """An item with what people did: its events, the decision that stands, and the item as exports take it.

    `last` is what the next event must name as seen; `held_by` the reviewer who looks at it now, "" for none. `number`
    is the item's in the store: the same id with another number is another version.
    """

    item: Item
    history: tuple[Review, ...]
    decision: Review | None
    result: Item
    precedent: bool
    last: str
    held_by: str
    number: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision that somebody wants taken on an item; what `Desk.decide` takes, as one value.

    `seen` None stands for an item that nobody has decided and nobody else holds: otherwise it is refused. `number` is
    that of the item that was seen, 0 for the one that is there.
    """

    item: str
    action: Action
    reviewer: str
    seen: str | None = None
    event: str = ""
    note: str = ""
    reasons: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    number: int = 0

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what is no decision; an action may be told by its name."""
        if self.action not in list(Action):
            raise ConfigError(f"action is {str(self.action)!r}{meant(str(self.action), list(Action))}")
        object.__setattr__(self, "action", Action(self.action))
        require_kind("reviewer", self.reviewer, str, "name the person who decides")
        if not self.reviewer.strip():
            raise ConfigError("reviewer is empty; name the person who decides")
        require_kind("note", self.note, str, "give a text, or leave it out")
        require_texts("reasons", self.reasons)
        for message in self.messages:
            require_kind("one of messages", message, Message, 'give Message(role="user", content="...")')


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one `Wanted`: the event, or why there is none. `again`: the event had been there before."""

    event: Review | None
    why: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came of a decision on many: the events that were written, and why others were not, by item id."""

    events: tuple[Review, ...]
    refused: dict[str, str]


class Desk:
    """Decisions of people on the items of one run."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._reviews = Reviews(store)

    def story(self, id: str) -> Story:
        """Returns everything about the item `id`; raises `NotStored` when there is none."""
        number, item = self._item(id)
        history = self._reviews.history(id)
        decision = decision_of(history)
        return Story(
            item=item,
            history=tuple(history),
            decision=decision,
            result=reviewed(item, decision),
            precedent=is_precedent(history),
            last=history[-1].id if history else "",
            held_by=self._reviews.claims().get(id, ""),
            number=number,
        )

    async def decide(
        self,
        id: str,
        action: Action,
        reviewer: str,
        *,
        seen: str | None = None,
        event: str = "",
        note: str = "",
        reasons: Sequence[str] = (),
        messages: Sequence[Message] = (),
        number: int = 0,
        overrule: bool = True,
    ) -> Review:
        """Writes what `reviewer` does with the item `id`, and returns it; the same `event` again changes nothing.

        Args:
            seen: id of the item's last event that the reviewer saw; None decides on what is there now.
            event: an id of the caller's own for this decision, so that a repeated request counts once.
            messages: the new wording, for an edit.
            number: the item's when the reviewer saw it, 0 for the item that is there now.
            overrule: whether a decision that stands gives way to this one; else this one is refused.

        Raises:
            ConfigError: the decision cannot be taken; says why.
            NotStored: there is no such item.
            ReviewConflict: somebody else decided it after what `seen` names, it was made again, or a decision stands.
        """
        there, item = self._item(id)
        history = self._reviews.history(id)
        for one in history:
            if event and one.id == event:
                return one
        last = history[-1].id if history else ""
        _require_seen(id, number, there)
        told = tuple(require_texts("reasons", reasons))
        wanted = Wanted(id, action, reviewer, seen, event, note, told, tuple(messages), there)
        _check(item, wanted.action, note, messages)
        review = _review(item, wanted, history, last if seen is None else seen)
        if review.after == last and not overrule:  # else who came first is told
            _require_undecided(wanted.action, history)
        await self._reviews.add(review)
        await self._reviews.release([id], reviewer)
        return review

    async def decide_many(
        self,
        ids: Iterable[str],
        action: Action,
        reviewer: str,
        *,
        batch: str = "",
        note: str = "",
        reasons: Sequence[str] = (),
        numbers: Mapping[str, int] | None = None,
    ) -> Bulk:
        """Takes one decision on many items. Those that somebody decided or holds meanwhile are left as they are.

        `batch` is an id of the caller's own, 39 characters at most: the same one again decides nothing twice, and
        `batch_of` finds its events. `numbers` are those of the items that the reviewer saw, by id.
        """
        ids, batch, known = list(dict.fromkeys(ids)), batch or uuid4().hex, numbers or {}
        wanted = [
            Wanted(id, action, reviewer, None, batch_event(batch, id), note, tuple(reasons), number=known.get(id, 0))
            for id in ids
        ]
        outcomes = await self.decide_all(wanted)
        return Bulk(
            tuple(one.event for one in outcomes if one.event is not None),
            {id: one.why for id, one in zip(ids, outcomes, strict=True) if one.event is None},
        )

    async def decide_all(self, wanted: Sequence[Wanted], *, dry_run: bool = False) -> list[Outcome]:
        """Takes decisions, each checked on its own, in one transaction; returns what came of each, in their order.

        A later one on the same item sees the earlier. With `dry_run` nothing is written.
        """
        items: dict[str, tuple[int, Item]] = {}
        histories: dict[str, list[Review]] = {}
        held = self._reviews.claims()
        outcomes: list[Outcome] = []
        for number, one in enumerate(wanted):
            if number % PIECE == 0:  # few items in memory at a time, and others are served in between
                await asyncio.sleep(0)
                ids = [other.item for other in wanted[number : number + PIECE]]
                items = self.store.numbered(ids)
                histories |= self._reviews.histories(id for id in ids if id not in histories)
            try:
                number, item = items.get(one.item) or self._item(one.item)
                history = histories.setdefault(one.item, [])
                outcome = _taken(number, item, one, history, held.get(one.item, one.reviewer))
            except (ConfigError, NotStored, ReviewConflict) as error:
                outcome = Outcome(None, str(error))
            if outcome.event is not None and not outcome.again:
                histories[one.item].append(outcome.event)
            outcomes.append(outcome)
        if dry_run:
            return outcomes
        events = [one.event for one in outcomes if one.event is not None and not one.again]
        refused = {conflict.item: str(conflict) for conflict in await self._reviews.add_all(events)}
        await self._reviews.release_all([(one.item, one.reviewer) for one in events if one.item in held])
        return [
            Outcome(None, refused[one.event.item]) if one.event and not one.again and one.event.item in refused else one
            for one in outcomes
        ]

    async def undo_many(self, events: Sequence[Review], reviewer: str) -> Bulk:
        """Takes back decisions on many items; those that were decided again meanwhile are left as they are.

        What was taken back already counts as taken back: a repeated request changes nothing.
        """
        back: list[Review] = []
        for number, one in enumerate(events):
            if number % PIECE == 0:
                await asyncio.sleep(0)
            undo = Review(
                id=content_id("undo", one.id),
                item=one.item,
                action=Action.UNDO,
                reviewer=reviewer,
                at=datetime.now(UTC),
                after=one.id,
                undoes=one.id,
            )
            back.append(undo)
        refused = {conflict.item: str(conflict) for conflict in await self._reviews.add_all(back)}
        return Bulk(tuple(one for one in back if one.item not in refused), refused)

    def last_of(self, reviewer: str) -> Review | None:
        """Returns the newest decision of `reviewer` that stands, None when there is none among the newest events."""
        mine = (one for one in self._reviews.newest(RECENT) if one.reviewer == reviewer and one.action in DECIDING)
        for one in mine:
            standing = decision_of(self._reviews.history(one.item))
            if standing is not None and standing.id == one.id:
                return one
        return None

    def batch_of(self, batch: str) -> list[Review]:
        """Returns the events that `decide_many` wrote under this id; none when it wrote none."""
        return self._reviews.of_batch(batch)

    def held(self) -> dict[str, str]:
        """Returns who looks at which item now: reviewer by item id."""
        return self._reviews.claims()

    async def claim(self, ids: Iterable[str], reviewer: str) -> list[str]:
        """Holds items for `reviewer` for two minutes, or prolongs; returns those that are now theirs."""
        return await self._reviews.claim(require_texts("ids", ids), reviewer, CLAIM)

    async def release(self, ids: Iterable[str], reviewer: str) -> None:
        """Lets items go that `reviewer` held."""
        await self._reviews.release(ids, reviewer)

    def _item(self, id: str) -> tuple[int, Item]:
        if found := self.store.numbered([id]):
            return found[id]
        try:
            self.store.item(id)  # by the beginning of an id: what is said of one that is cut short
        except StoreError as error:
            raise NotStored(str(error)) from None
        raise NotStored(f"the run in {self.store.folder} has no item with id '{id}'")


def _require_seen(id: str, number: int, there: int) -> None:
    if number not in (0, there):
        raise ReviewConflict(f"{id} {MADE_AGAIN}", id)


def _require_undecided(action: Action, history: Sequence[Review]) -> None:
    standing = decision_of(history)
    if standing is not None and action in DECIDING:
        raise ReviewConflict(
            f"{standing.reviewer} decided it: {standing.action.value}; undo that first (u on its page, or --decide "
            f"undo), to decide it anew",
            standing.item,
        )


def _taken(number: int, item: Item, wanted: Wanted, history: Sequence[Review], holder: str) -> Outcome:
    """Makes the event of one decision among many, or finds the one that was there; raises what speaks against it."""
    there = next((one for one in history if wanted.event and one.id == wanted.event), None)
    if there is not None:
        return Outcome(there, again=True)
    _require_seen(item.id, wanted.number, number)
    wanted = replace(wanted, number=number)
    _check(item, wanted.action, wanted.note, wanted.messages)
    last = history[-1].id if history else ""
    if wanted.seen is None:
        if holder != wanted.reviewer:
            raise ReviewConflict(f"{holder} looks at it now")
        _require_undecided(wanted.action, history)
    review = _review(item, wanted, history, last if wanted.seen is None else wanted.seen)
    if review.after != last:
        raise conflict(review, history)
    return Outcome(review)


def _review(item: Item, wanted: Wanted, history: Sequence[Review], after: str) -> Review:
    edits = wanted.action is Action.EDIT
    return Review(
        id=wanted.event or uuid4().hex,
        item=item.id,
        action=wanted.action,
        reviewer=wanted.reviewer,
        at=datetime.now(UTC),
        after=after,
        note=wanted.note,
        reasons=wanted.reasons,
        messages=wanted.messages if edits else (),
        fields=_fields(item, wanted.messages) if edits else {},
        undoes=_undone(item.id, history) if wanted.action is Action.UNDO else "",
        prompts=item.prompts,
        models=item.models,
        number=wanted.number,
    )


def _check(item: Item, action: Action, note: str, messages: Sequence[Message]) -> None:
    """Raises `ConfigError` for a decision that makes no sense, with what would."""
    if len(note) > NOTE:
        raise ConfigError(f"a note of {len(note)} characters; {NOTE} are kept at most")
    if action is Action.ACCEPT and not item.messages:
        raise ConfigError(
            f"{item.id} was {item.status.value} without a draft ({', '.join(item.reasons)}): there is nothing to "
            f"accept; an edit writes one"
        )
    if action is Action.SEND_BACK and not note.strip():
        raise ConfigError("an item is sent back with a note that says what to change")
    if action is not Action.EDIT:
        return
    if not messages or not any(message.content.strip() for message in messages):
        raise ConfigError("an edited item needs its messages: at least one with text")
    if long := next((message for message in messages if len(message.content) > MESSAGE), None):
        raise ConfigError(f"an edited message of {len(long.content)} characters; {MESSAGE} are kept at most")
    if tuple(messages) == item.messages and item.status is not Status.FAILED:
        raise ConfigError("nothing was changed: accept the item as it is, or change its text")


def _fields(item: Item, messages: Sequence[Message]) -> dict[str, object]:
    """The item's fields with the new wording where a field was a message's text."""
    texts = {old.content: new.content for old, new in zip(item.messages, messages, strict=False)}
    return {name: texts.get(value, value) if isinstance(value, str) else value for name, value in item.fields.items()}


def _undone(id: str, history: Sequence[Review]) -> str:
    standing = decision_of(history)
    if standing is None:
        raise ConfigError(f"there is no decision on {id} to take back")
    return standing.id
