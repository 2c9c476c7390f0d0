"""Decisions on many items at once, and skips: what the queue page and scripts post as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import ConfigError, NotStored
from ...storage.records import Record
from ...storage.reviews import Action
from ..desk import NOTE, Bulk
from ..query import Filters
from .parameters import ID, from_json
from .security import reviewer_of
from .site import Site, site_of

MOST = 10_000  # items that filters choose for one request
TOLD = 1000  # refused items that an answer names
Id = Annotated[str, StringConstraints(pattern=f"^{ID.pattern}$")]
Batch = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,39}$")]
Reason = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.-]{1,64}$")]


class Chosen(Record):
    """Which items: their `ids`, or all that `filters` let through, 10,000 at most.

    `upto` leaves out what came after the item with that number: the page says it, so that nobody decides unseen items.
    """

    ids: tuple[Id, ...] = Field((), max_length=1000)
    filters: Filters | None = None
    upto: int | None = Field(None, ge=0, le=2**62)

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if bool(self.ids) == (self.filters is not None):
            raise ValueError("name the items by ids, or by filters")
        return self


class Decisions(Chosen):
    """A decision on many. `id` is the client's own: the same request again counts once, and undo names it."""

    id: Batch
    action: Literal[Action.ACCEPT, Action.REJECT, Action.SEND_BACK]
    note: str = Field("", max_length=NOTE)
    reasons: tuple[Reason, ...] = Field((), max_length=20)


class Undo(Record):
    """A decision on many that is taken back, by its id."""

    id: Batch


class Back(Record):
    """Skipped items that come back."""

    ids: tuple[Id, ...] = Field(min_length=1, max_length=MOST)


async def decide(request: Request) -> Response:
    """Decides; answers how many were, and which were not and why."""
    site, reviewer, asked = site_of(request), reviewer_of(request), await from_json(Decisions, request)
    if asked.action is Action.SEND_BACK and not asked.note.strip():
        raise ConfigError("items are sent back with a note that says what to change")
    async with site.one_bulk:
        if asked.filters is not None and (done := site.desk.batch_of(asked.id)):
            return told("decided", Bulk(tuple(done), {}), id=asked.id, more=False)  # repeated: others may match by now
        ids, more = await chosen(site, asked, reviewer)
        bulk = await site.desk.decide_many(
            ids, asked.action, reviewer, batch=asked.id, note=asked.note, reasons=asked.reasons
        )
    return told("decided", bulk, id=asked.id, more=more)


async def undo(request: Request) -> Response:
    """Takes back what `decide` did under an id, but where somebody decided again."""
    site, reviewer, asked = site_of(request), reviewer_of(request), await from_json(Undo, request)
    async with site.one_bulk:
        events = site.desk.batch_of(asked.id)
        if not events:
            raise NotStored(f"nothing was decided under the id '{asked.id}'")
        return told("undone", await site.desk.undo_many(events, reviewer), id=asked.id)


async def skip(request: Request) -> Response:
    """Puts items behind the others for this reviewer; answers with their ids, which `unskip` takes."""
    site, reviewer, asked = site_of(request), reviewer_of(request), await from_json(Chosen, request)
    ids, more = await chosen(site, asked, reviewer)
    await site.look(lambda index: index.skip(ids, reviewer))
    return JSONResponse({"skipped": len(ids), "ids": ids, "more": more})


async def unskip(request: Request) -> Response:
    """Takes skips back."""
    site, reviewer, asked = site_of(request), reviewer_of(request), await from_json(Back, request)
    await site.look(lambda index: index.unskip(asked.ids, reviewer))
    return JSONResponse({"back": len(asked.ids)})


async def chosen(site: Site, asked: Chosen, reviewer: str) -> tuple[list[str], bool]:
    """Returns the ids of the items that a request means, and whether more than these match."""
    filters = asked.filters
    if filters is None:
        return list(dict.fromkeys(asked.ids)), False
    found = await site.look(lambda index: index.ids(filters, reviewer=reviewer, limit=MOST + 1, upto=asked.upto))
    return found[:MOST], len(found) > MOST


def told(verb: str, bulk: Bulk, **values: Any) -> JSONResponse:
    """Returns what came of it. `why` names at most 1,000 of the refused; `refused` counts them all."""
    why: Mapping[str, str] = dict(list(bulk.refused.items())[:TOLD])
    return JSONResponse({verb: len(bulk.events), "refused": len(bulk.refused), "why": why, **values})


routes = [
    Route("/decisions", decide, methods=["POST"]),
    Route("/decisions/undo", undo, methods=["POST"]),
    Route("/skips", skip, methods=["POST"]),
    Route("/skips/undo", unskip, methods=["POST"]),
]
