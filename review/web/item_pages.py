"""The page of one item, and which items come after it in the queue that it was opened from."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..queue.index import ReviewIndex
from ..queue.query import Seen
from . import wording
from .decisions import other_holder
from .item_prompts import prompts_of
from .item_view import gather, view_of
from .parameters import from_query, id_of
from .queue_view import Asked
from .rendering import is_fragment, query, render
from .security import reviewer_of
from .site import site_of

AHEAD = 24  # items that are looked at for the next ones: some may be in others' hands
NEXT = 8  # items that the page is told of; it loads the first two before they are wanted


class Around(NamedTuple):
    """What the index knows beside an item: the next ones, the one before, the item it was made of, those made of it,
    the reason codes that are used most, and how many items the queue has left."""

    next: list[str]
    previous: str
    first: Seen | None
    again: list[Seen]
    codes: list[str]
    left: int


async def item(request: Request) -> Response:
    """The page, or for scripts its article alone."""
    site, id, reviewer = site_of(request), id_of(request), reviewer_of(request)
    asked = from_query(Asked, request.query_params)
    view = await asyncio.to_thread(view_of, await site.read(gather, id))
    origin = str(view.item.attributes.get("refines", ""))

    def ask(index: ReviewIndex) -> Around:
        beside = index.neighbours(id, asked.filters, asked.sort, reviewer=reviewer, ahead=AHEAD)
        again = [one for key in index.returned(id) if (one := index.seen(key)) is not None]
        return Around(
            next=_free(index, beside.next, reviewer),
            previous=beside.previous,
            first=index.seen(origin) if origin else None,
            again=again,
            codes=index.reasons(),
            left=index.count(asked.filters, reviewer=reviewer),
        )

    around = await site.look(ask)
    return render(
        request,
        "item_article.html" if is_fragment(request) else "item.html",
        view=view,
        item=view.item,
        story=view.story,
        held_by=other_holder(view.story, reviewer),
        next=around.next,
        previous=around.previous,
        origin=origin,
        first=around.first,
        left=around.left,
        again=around.again,
        codes=list(dict.fromkeys([*view.item.reasons, *around.codes])),
        prompts=await asyncio.to_thread(prompts_of, view.item.prompts, site.campaign),
        say=wording,
        here=f"?{query(asked.given)}" if asked.given else "",
    )


async def following(request: Request) -> Response:
    """The ids of the items that wait at the queue's beginning, as JSON: for a page that has come to its end."""
    site, reviewer = site_of(request), reviewer_of(request)
    asked = from_query(Asked, request.query_params)

    def ask(index: ReviewIndex) -> list[str]:
        found = index.page(asked.filters, asked.sort, reviewer=reviewer, limit=AHEAD)
        return _free(index, tuple(one.id for one in found.items), reviewer)

    return JSONResponse({"next": await site.look(ask)})


def _free(index: ReviewIndex, ids: tuple[str, ...], reviewer: str) -> list[str]:
    """Returns the first of `ids` that nobody else looks at."""
    held = index.held()
    return [id for id in ids if held.get(id, reviewer) == reviewer][:NEXT]


routes = [Route("/items/{id}", item), Route("/following", following)]
