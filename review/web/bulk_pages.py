"""Decisions on many items at once, and skips: what the queue page and scripts post as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import ConfigError, NotStored
from ...storage.reviews import Action
from ..desk import NOTE, Bulk, Desk
from ..queue.query import Filters
from .decisions import Sent
from .parameters import ID, from_json
from .site import Site, site_of

MOST = 10_000  # items that filters choose for one request
REMEMBERED = 50  # skips of many, for a request that is repeated because its answer was lost
TOLD = 1000  # refused items that an answer names
Id = Annotated[str, StringConstraints(pattern=f"^{ID.pattern}$")]
Batch = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,39}$")]
Reason = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.-]{1,64}$")]


class Chosen(Sent):
    """Which items: their `ids`, or all that `filters` let through, 10,000 at most.

    `numbers` are those that the page said of the items in `ids`, in their order: one that was made again is refused.

    `upto` leaves out what came after the item with that number: the page says it, so that nobody decides unseen items.
    """

    ids: tuple[Id, ...] = Field((), max_length=1000)
    numbers: tuple[Annotated[int, Field(ge=0, le=2**62)], ...] = Field((), max_length=1000)
    filters: Filters | None = None
    upto: int | None = Field(None, ge=0, le=2**62)

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if bool(self.ids) == (self.filters is not None):
            raise ValueError("name the items by ids, or by filters")
        if self.numbers and len(self.numbers) != len(self.ids):
            raise ValueError("give as many numbers as ids")
        return self


class Decisions(Chosen):
    """A decision on many. `id` is the client's own: the same request again counts once, and undo names it."""

    id: Batch
    action: Literal[Action.ACCEPT, Action.REJECT, Action.SEND_BACK]
    note: str = Field("", max_length=NOTE)
    reasons: tuple[Reason, ...] = Field((), max_length=20)


class Skips(Chosen):
    """A skip of many. The same `id` again skips nothing further."""

    id: Batch | None = None


class Undo(Sent):
    """A decision on many that is taken back, by its id."""

    id: Batch


class Back(Sent):
    """Skipped items that come back."""

    ids: tuple[Id, ...] = Field(min_length=1, max_length=MOST)


async def decide(request: Request) -> Response:
    """Decides; answers how many were, and which were not and why."""
    site, asked = site_of(request), await from_json(Decisions, request)
    reviewer = asked.by(request)
    if asked.action is Action.SEND_BACK and not asked.note.strip():
        raise ConfigError("items are sent back with a note that says what to change")
    async with site.one_bulk:
        if asked.filters is not None and (done := await site.read(lambda desk: desk.batch_of(asked.id))):
            return told("decided", Bulk(tuple(done), {}), id=asked.id, more=False)  # repeated: others may match by now
        numbers, more = await chosen(site, asked, reviewer)

        bulk = await site.write(
            lambda desk: desk.decide_many(
                numbers, asked.action, reviewer, batch=asked.id, note=asked.note, reasons=asked.reasons, numbers=numbers
            )
        )
    return told("decided", bulk, id=asked.id, more=more)


async def undo(request: Request) -> Response:
    """Takes back what `decide` did under an id, but where somebody decided again."""
    site, asked = site_of(request), await from_json(Undo, request)
    reviewer = asked.by(request)

    async def undoing(desk: Desk) -> Bulk:
        events = desk.batch_of(asked.id)
        if not events:
            raise NotStored(f"nothing was decided under the id '{asked.id}'")
        return await desk.undo_many(events, reviewer)

    async with site.one_bulk:
        return told("undone", await site.write(undoing), id=asked.id)


async def skip(request: Request) -> Response:
    """Puts items behind the others for this reviewer; answers with their ids, which `unskip` takes."""
    site, asked = site_of(request), await from_json(Skips, request)
    reviewer = asked.by(request)
    async with site.one_bulk:
        if (known := site.skipped.get(asked.id or "")) is None:  # else repeated: others may match by now
            numbers, more = await chosen(site, asked, reviewer)
            known = (list(numbers), more)
            await site.look(lambda index: index.skip(numbers, reviewer))
            if asked.id:
                site.skipped[asked.id] = known
            for old in list(site.skipped)[:-REMEMBERED]:
                del site.skipped[old]
    ids, more = known
    return JSONResponse({"skipped": len(ids), "ids": ids, "more": more})


async def unskip(request: Request) -> Response:
    """Takes skips back."""
    site, asked = site_of(request), await from_json(Back, request)
    reviewer = asked.by(request)
    await site.look(lambda index: index.unskip(asked.ids, reviewer))
    return JSONResponse({"back": len(asked.ids)})


async def chosen(site: Site, asked: Chosen, reviewer: str) -> tuple[dict[str, int], bool]:
    """Returns the ids of the items that a request means, with their numbers, and whether more than these match."""
    filters = asked.filters
    if filters is None:
        return dict(zip(asked.ids, asked.numbers or (0,) * len(asked.ids), strict=True)), False
    found = await site.look(lambda index: index.numbers(filters, reviewer=reviewer, limit=MOST + 1, upto=asked.upto))
    return dict(islice(found.items(), MOST)), len(found) > MOST


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
