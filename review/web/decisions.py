"""Decisions, claims and skips on one item, as the pages send them: JSON in, JSON out, safe to repeat."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import ReviewConflict
from ...storage.records import Message, Record
from ...storage.reviews import Action, Review
from ..desk import MESSAGE, NOTE, Desk, Story
from .parameters import from_json, id_of
from .person_pages import Name
from .security import reviewer_of
from .site import site_of

EVENT = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{7,63}$"
SEEN = r"^([A-Za-z0-9][A-Za-z0-9_.:-]{0,63})?$"


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class NewMessage(Record):
    """A message of an edit."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field(max_length=MESSAGE)


class Sent(Record):
    """What every write says: who it is of. It may be sent long after, when the session has another name."""

    reviewer: Name | None = None

    def by(self, request: Request) -> str:
        """Returns who decides."""
        return self.reviewer or reviewer_of(request)


class NewDecision(Sent):
    """What the page sends. `event` is an id of the page's own, so that a repeated request counts once; `seen` is the
    id of the item's last event that the person saw, "" for none; `number` is the item's own, as its page says it.
    `overrule` says that the person knows of the decision that stands: without it an item that is decided is left so."""

    event: str = Field(pattern=EVENT)
    action: Action
    seen: str = Field(pattern=SEEN)
    number: int = Field(0, ge=0, le=2**62)
    note: str = Field("", max_length=NOTE)
    reasons: tuple[Reason, ...] = Field((), max_length=20)
    messages: tuple[NewMessage, ...] = Field((), max_length=200)
    overrule: bool = False


class Hold(Sent):
    """Whether the page looks at the item (from now on, for a while) or has left it."""

    hold: bool = True


class Skip(Sent):
    """Whether the item goes behind the others for this reviewer, or comes back."""

    skip: bool = True


async def decide(request: Request) -> Response:
    """Takes a decision. 409 says who was first and what they did."""
    site, id = site_of(request), id_of(request)
    given = await from_json(NewDecision, request)
    reviewer = given.by(request)

    async def deciding(desk: Desk) -> Response:
        try:
            event = await desk.decide(
                id,
                given.action,
                reviewer,
                seen=given.seen,
                number=given.number,
                event=given.event,
                note=given.note,
                reasons=given.reasons,
                messages=[Message(role=one.role, content=one.content) for one in given.messages],
                overrule=given.overrule,
            )
        except ReviewConflict as conflict:
            return _second(str(conflict), desk.story(id), given.seen)
        return JSONResponse({"item": id, "event": _event(event), **_standing(desk.story(id))})

    return await site.write(deciding)


async def last(request: Request) -> Response:
    """Says what this reviewer decided last, wherever they did, and what undo must name as seen; nulls for nothing."""
    reviewer = reviewer_of(request)

    def ask(desk: Desk) -> dict[str, Any]:
        found = desk.last_of(reviewer)
        if found is None:
            return {"item": None, "event": None}
        story = desk.story(found.item)
        return {"item": found.item, "number": story.number, "event": _event(found), **_standing(story)}

    return JSONResponse(await site_of(request).read(ask))


async def claim(request: Request) -> Response:
    """Holds the item for the reviewer who looks at it, or lets it go; says who has it, and what was decided last."""
    site, id = site_of(request), id_of(request)
    given = await from_json(Hold, request)
    reviewer = given.by(request)

    async def claiming(desk: Desk) -> Story:
        desk.story(id)  # only what is there can be held
        if given.hold:
            await desk.claim([id], reviewer)
        else:
            await desk.release([id], reviewer)
        return desk.story(id)

    story = await site.write(claiming)
    return JSONResponse({"item": id, "held_by": other_holder(story, reviewer), **_standing(story)})


async def skip(request: Request) -> Response:
    """Puts the item behind the others for this reviewer, or brings it back."""
    site, id = site_of(request), id_of(request)
    given = await from_json(Skip, request)
    reviewer = given.by(request)

    async def leaving(desk: Desk) -> None:
        desk.story(id)  # only what is there can be skipped
        if given.skip:
            await desk.release([id], reviewer)

    await site.write(leaving)
    if given.skip:
        await site.look(lambda index: index.skip([id], reviewer))
    else:
        await site.look(lambda index: index.unskip([id], reviewer))
    return JSONResponse({"item": id, "skipped": given.skip})


def other_holder(story: Story, reviewer: str) -> str:
    """Returns who else looks at the item, "" for nobody."""
    return "" if story.held_by == reviewer else story.held_by


def _second(told: str, story: Story, seen: str) -> Response:
    """Says who was first, or whose decision stands."""
    first = next((one for one in story.history if one.after == seen), story.decision)
    values = {"error": told, "item": story.item.id, "first": None if first is None else _event(first)}
    return JSONResponse({**values, **_standing(story)}, 409)


def _standing(story: Story) -> dict[str, Any]:
    decision = None if story.decision is None else _event(story.decision)
    return {"last": story.last, "decision": decision, "precedent": story.precedent, "status": story.result.status.value}


def _event(event: Review) -> dict[str, Any]:
    at = event.at.isoformat(timespec="seconds")
    return {"id": event.id, "action": event.action.value, "reviewer": event.reviewer, "at": at, "note": event.note}


routes = [
    Route("/decisions/last", last),
    Route("/items/{id}/decisions", decide, methods=["POST"]),
    Route("/items/{id}/claim", claim, methods=["POST"]),
    Route("/items/{id}/skip", skip, methods=["POST"]),
]
