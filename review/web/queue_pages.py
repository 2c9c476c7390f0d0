"""The queue: what waits for a person, filtered, sorted and counted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..query import Filters, Sort
from .parameters import from_query
from .rendering import is_fragment, render
from .security import reviewer_of
from .site import site_of

SIZE = 25  # items of a page


async def queue(request: Request) -> Response:
    """The page, or for htmx its list alone."""
    site, reviewer = site_of(request), reviewer_of(request)
    filters = from_query(Filters, request.query_params)
    page = await site.look(
        lambda index: index.page(
            filters, Sort.TEACHES, reviewer=reviewer, after=request.query_params.get("after", ""), limit=SIZE
        )
    )
    template = "queue_list.html" if is_fragment(request) else "queue.html"
    return render(request, template, page=page, filters=filters.model_dump(exclude_defaults=True))


routes = [Route("/", queue)]
