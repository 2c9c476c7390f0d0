"""The page of one item, and which items come after it in the queue that it was opened from."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..queue.index import ReviewIndex
from ..queue.query import Neighbours, Seen
from .decisions import held_by_others, other_holder
from .item_prompts import prompts_of
from .item_view import gather, view_of
from .parameters import from_query, id_of
from .queue_view import Asked
from .rendering import is_fragment, query, render
from .security import reviewer_of
from .site import Site, site_of

AHEAD = 24  # items that are looked at for the next ones: some may be in others' hands
NEXT = 8  # items that the page is told of; it loads the first two before they are wanted


async def item(request: Request) -> Response:
    """The page, or for scripts its article alone."""
    site, id, reviewer = site_of(request), id_of(request), reviewer_of(request)
    asked = from_query(Asked, request.query_params)
    view = await asyncio.to_thread(view_of, gather(site.store, site.desk, id))
    origin = str(view.item.attributes.get("refines", ""))

    def ask(index: ReviewIndex) -> tuple[Neighbours, list[Seen], Seen | None, list[str]]:
        beside = index.neighbours(id, asked.filters, asked.sort, reviewer=reviewer, ahead=AHEAD)
        again = [one for key in index.returned(id) if (one := index.seen(key)) is not None]
        return beside, again, index.seen(origin) if origin else None, index.reasons()

    neighbours, again, first, codes = await site.look(ask)
    return render(
        request,
        "item_article.html" if is_fragment(request) else "item.html",
        view=view,
        item=view.item,
        story=view.story,
        held_by=other_holder(view.story, reviewer),
        next=_free(site, neighbours.next, reviewer),
        previous=neighbours.previous,
        origin=origin,
        first=first,
        again=again,
        codes=list(dict.fromkeys([*view.item.reasons, *codes])),
        prompts=await asyncio.to_thread(prompts_of, view.item.prompts, site.campaign),
        here=f"?{query(asked.given)}" if asked.given else "",
    )


async def following(request: Request) -> Response:
    """The ids of the items that wait at the queue's beginning, as JSON: for a page that has come to its end."""
    site, reviewer = site_of(request), reviewer_of(request)
    asked = from_query(Asked, request.query_params)
    found = await site.look(lambda index: index.page(asked.filters, asked.sort, reviewer=reviewer, limit=AHEAD))
    return JSONResponse({"next": _free(site, tuple(one.id for one in found.items), reviewer)})


def _free(site: Site, ids: tuple[str, ...], reviewer: str) -> list[str]:
    """Returns the first of `ids` that nobody else looks at."""
    held = held_by_others(site, reviewer)
    return [id for id in ids if id not in held][:NEXT]


routes = [Route("/items/{id}", item), Route("/following", following)]
