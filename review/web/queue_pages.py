"""The queue: what waits for a person, filtered, sorted and counted. All of a page's state is in its address."""

from __future__ import annotations

from typing import Any

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
    page, last, total = await look(site, asked, reviewer)
    values = {
        **rows_of(site, asked, page, reviewer),
        "total": total,
        "last": last,
        "chips": chips(asked, names_of(site.store, asked)),
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
    page = await site.look(page_of, asked, reviewer)
    return render(request, "queue_rows.html", **rows_of(site, asked, page, reviewer))


async def bars(request: Request) -> Response:
    """The counts by reason, critic, document and so on; without htmx the page with them."""
    site, reviewer, asked = site_of(request), reviewer_of(request), from_query(Asked, request.query_params)
    if not is_fragment(request):
        return RedirectResponse(f"/?{query(asked.given, bars='yes')}", 303)
    return render(request, "queue_bars.html", facets=await facets_of(site, asked, reviewer), asked=asked)


async def look(site: Site, asked: Asked, reviewer: str) -> tuple[Page, int, int]:
    """Returns the items, the number of the last one that the index knows, and how many match in all."""

    def ask(index: ReviewIndex) -> tuple[Page, int, int]:
        return page_of(index, asked, reviewer), index.last, index.count(asked.filters, reviewer=reviewer)

    return await site.look(ask)  # all in one, and not behind the bars


def page_of(index: ReviewIndex, asked: Asked, reviewer: str) -> Page:
    """Returns the items from the place that is asked for on."""
    return index.page(asked.filters, asked.sort, reviewer=reviewer, after=asked.after, limit=SIZE)


async def facets_of(site: Site, asked: Asked, reviewer: str) -> Any:
    """Returns the bars, of what the run has now."""
    await site.look(lambda index: None)
    counted = await site.count(QueueCounts.bars, asked.filters, reviewer=reviewer, limit=BARS)
    total = await site.count(QueueCounts.total, asked.filters, reviewer=reviewer)
    return facets(asked, counted, names_of(site.store, asked, counted), total)


def rows_of(site: Site, asked: Asked, page: Page, reviewer: str) -> dict[str, Any]:
    """What the list's template needs. Who looks at what is read anew each time: it is gone in two minutes."""
    held = {item: who for item, who in site.desk.held().items() if who != reviewer}
    return {"asked": asked, "given": asked.given, "page": page, "held": held}


routes = [Route("/", queue), Route("/rows", rows), Route("/bars", bars)]
