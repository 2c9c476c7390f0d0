"""A person's desk: checks a decision, writes it as an event, takes it back; one item at a time or many at once.

The web pages and the command line decide through here, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from ..errors import ConfigError, NotStored, ReviewConflict, StoreError
from ..storage.records import Item, Message, Status
from ..storage.reviews import DECIDING, Action, Review, Reviews, decision_of, is_precedent, reviewed
from ..storage.store import RunStore

CLAIM = 120.0  # seconds that an item which somebody looks at is theirs, prolonged while they look
NOTE = 10_000  # characters of a note
MESSAGE = 200_000  # characters of an edited message


@dataclass(frozen=True, slots=True)
class Story:
    """An item with what people did: its events, the decision that stands, and the item as exports take it.

    `last` is what the next event must name as seen; `held_by` the reviewer who looks at it now, "" for none.
    """

    item: Item
    history: tuple[Review, ...]
    decision: Review | None
    result: Item
    precedent: bool
    last: str
    held_by: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came of a decision on many: the events that were written, and why others were not, by item id."""

    events: tuple[Review, ...]
    refused: dict[str, str]


class Desk:
    """Decisions of people on the items of one run."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._reviews = Reviews(store)

    def story(self, id: str) -> Story:
        """Returns everything about the item `id`; raises `NotStored` when there is none."""
        item = self._item(id)
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
    ) -> Review:
        """Writes what `reviewer` does with the item `id`, and returns it; the same `event` again changes nothing.

        Args:
            seen: id of the item's last event that the reviewer saw; None decides on what is there now.
            event: an id of the caller's own for this decision, so that a repeated request counts once.
            messages: the new wording, for an edit.

        Raises:
            ConfigError: the decision cannot be taken; says why.
            NotStored: there is no such item.
            ReviewConflict: somebody else decided it after what `seen` names.
        """
        item = self._item(id)
        history = self._reviews.history(id)
        for one in history:
            if event and one.id == event:
                return one
        last = history[-1].id if history else ""
        _check(item, action, note, messages)
        review = Review(
            id=event or uuid4().hex,
            item=id,
            action=action,
            reviewer=reviewer,
            at=datetime.now(UTC),
            after=last if seen is None else seen,
            note=note,
            reasons=tuple(reasons),
            messages=tuple(messages) if action is Action.EDIT else (),
            fields=_fields(item, messages) if action is Action.EDIT else {},
            undoes=_undone(id, history) if action is Action.UNDO else "",
            prompts=item.prompts,
            models=item.models,
        )
        await self._reviews.add(review)
        await self._reviews.release([id], reviewer)
        return review

    async def decide_many(
        self, ids: Iterable[str], action: Action, reviewer: str, *, note: str = "", reasons: Sequence[str] = ()
    ) -> Bulk:
        """Takes one decision on many items. Those that somebody decided or holds meanwhile are left as they are."""
        events: list[Review] = []
        refused: dict[str, str] = {}
        held = self._reviews.claims()
        for id in dict.fromkeys(ids):
            history = self._reviews.history(id)
            standing = decision_of(history)
            try:
                item = self._item(id)
                _check(item, action, note, ())
                if held.get(id, reviewer) != reviewer:
                    raise ReviewConflict(f"{held[id]} looks at it now")
                if standing is not None and action in DECIDING:
                    raise ReviewConflict(f"{standing.reviewer} decided it: {standing.action.value}")
            except (ConfigError, NotStored, ReviewConflict) as error:
                refused[id] = str(error)
                continue
            events.append(
                Review(
                    id=uuid4().hex,
                    item=id,
                    action=action,
                    reviewer=reviewer,
                    at=datetime.now(UTC),
                    after=history[-1].id if history else "",
                    note=note,
                    reasons=tuple(reasons),
                    prompts=item.prompts,
                    models=item.models,
                )
            )
        for conflict in await self._reviews.add_all(events):
            refused[conflict.item] = str(conflict)
        return Bulk(tuple(one for one in events if one.item not in refused), refused)

    async def undo_many(self, events: Sequence[Review], reviewer: str) -> Bulk:
        """Takes back decisions on many items; those that were decided again meanwhile are left as they are."""
        back: list[Review] = []
        for one in events:
            undo = Review(
                id=uuid4().hex,
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

    async def claim(self, ids: Iterable[str], reviewer: str) -> list[str]:
        """Holds items for `reviewer` for two minutes, or prolongs; returns those that are now theirs."""
        return await self._reviews.claim(ids, reviewer, CLAIM)

    def _item(self, id: str) -> Item:
        try:
            item = self._store.item(id)
        except StoreError as error:
            raise NotStored(str(error)) from None
        if item.id != id:
            raise NotStored(f"the run in {self._store.folder} has no item with id '{id}'")
        return item


def _check(item: Item, action: Action, note: str, messages: Sequence[Message]) -> None:
    """Raises `ConfigError` for a decision that makes no sense, with what would."""
    if len(note) > NOTE:
        raise ConfigError(f"a note of {len(note)} characters; {NOTE} are kept at most")
    if action is Action.ACCEPT and not item.messages:
        raise ConfigError(f"{item.id} failed without a draft ({', '.join(item.reasons)}): there is nothing to accept")
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
