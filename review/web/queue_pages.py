"""The queue: what waits for a person, filtered, sorted and counted. All of a page's state is in its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..queue.counts import QueueCounts
from ..queue.index import ReviewIndex
from ..queue.query import Page
from .parameters import from_query
from .queue_view import SORTS, STAGES, TEXTS, Asked, chips, facets, names_of
from .rendering import is_fragment, query, render
from .security import reviewer_of
from .site import Site, site_of

SIZE = 25  # items of a page
BARS = 100  # values of a property that its bars show


async def queue(request: Request) -> Response:
    """The page; htmx takes of it what it asked for. With `bars` in the address, its counts too: for no script."""
    site, reviewer, asked = site_of(request), reviewer_of(request), from_query(Asked, request.query_params)
    seen = await site.look(look, asked, reviewer)
    values = {
        **rows_of(asked, seen.page, seen.held),
        "total": seen.total,
        "last": seen.last,
        "chips": chips(asked, seen.names),
        "filters": asked.filters.model_dump_json(exclude_defaults=True),
        "facets": await facets_of(site, asked, reviewer) if "bars" in request.query_params else None,
        "sorts": SORTS,
        "stages": STAGES,
        "fields": TEXTS,
    }
    return render(request, "queue_view.html" if is_fragment(request) else "queue.html", **values)


async def rows(request: Request) -> Response:
    """More items, from the place in `after` on; without htmx the page from there."""
    site, reviewer, asked = site_of(request), reviewer_of(request), from_query(Asked, request.query_params)
    if not is_fragment(request):
        return RedirectResponse(f"/?{query(asked.given, after=asked.after)}", 303)
    page, held = await site.look(lambda index: (page_of(index, asked, reviewer), held_in(index, reviewer)))
    return render(request, "queue_rows.html", **rows_of(asked, page, held))


async def bars(request: Request) -> Response:
    """The counts by reason, critic, document and so on; without htmx the page with them."""
    site, reviewer, asked = site_of(request), reviewer_of(request), from_query(Asked, request.query_params)
    if not is_fragment(request):
        return RedirectResponse(f"/?{query(asked.given, bars='yes')}", 303)
    return render(request, "queue_bars.html", facets=await facets_of(site, asked, reviewer), asked=asked)


class Look(NamedTuple):
    """A page's items, the number of the last item that the index knows, how many match, who holds which, names."""

    page: Page
    last: int
    total: int
    held: Mapping[str, str]
    names: Mapping[str, str]


def look(index: ReviewIndex, asked: Asked, reviewer: str) -> Look:
    """Returns all that the page shows but its bars, at once."""
    return Look(
        page=page_of(index, asked, reviewer),
        last=index.last,
        total=index.count(asked.filters, reviewer=reviewer),
        held=held_in(index, reviewer),
        names=names_of(index.store, asked),
    )


def page_of(index: ReviewIndex, asked: Asked, reviewer: str) -> Page:
    """Returns the items from the place that is asked for on."""
    return index.page(asked.filters, asked.sort, reviewer=reviewer, after=asked.after, limit=SIZE)


async def facets_of(site: Site, asked: Asked, reviewer: str) -> Any:
    """Returns the bars, of what the run has now."""
    await site.look(lambda index: None)
    counted = await site.count(QueueCounts.bars, asked.filters, reviewer=reviewer, limit=BARS)
    total = await site.count(QueueCounts.total, asked.filters, reviewer=reviewer)
    names = await site.read(lambda desk: names_of(desk.store, asked, counted))
    return facets(asked, counted, names, total)


def held_in(index: ReviewIndex, reviewer: str) -> dict[str, str]:
    """Returns who else looks at which item, read anew each time: it is gone in two minutes."""
    return {item: who for item, who in index.held().items() if who != reviewer}


def rows_of(asked: Asked, page: Page, held: Mapping[str, str]) -> dict[str, Any]:
    """What the list's template needs."""
    return {"asked": asked, "given": asked.given, "page": page, "held": held}


routes = [Route("/", queue), Route("/rows", rows), Route("/bars", bars)]
