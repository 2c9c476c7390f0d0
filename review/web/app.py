"""The ASGI application of one run: routes, what stands before them, and how errors look."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from ...errors import ConfigError, GristmillError, NotStored, ReviewConflict, StoreAway
from . import (
    agreement_pages,
    bulk_pages,
    dashboard_pages,
    decisions,
    graph_pages,
    item_pages,
    person_pages,
    queue_pages,
)
from .rendering import is_fragment, render
from .security import Guard, SafeHeaders
from .site import Site, new_secret, site_of

LOG = logging.getLogger(__name__)
AGAIN = 5  # seconds until a page whose store is away is asked for again
STATIC = Path(__file__).with_name("static")
PAGES = (
    queue_pages,
    bulk_pages,
    item_pages,
    decisions,
    person_pages,
    graph_pages,
    dashboard_pages,
    agreement_pages,
)  # each has `routes`
STATUS: dict[type[GristmillError], int] = {ConfigError: 400, NotStored: 404, ReviewConflict: 409}


def create_app(site: Site) -> Starlette:
    """Returns the application that serves `site`, and closes it at its end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await site.aclose()

    session = Middleware(
        SessionMiddleware,
        secret_key=site.access.secret or new_secret(),
        session_cookie=site.access.cookie,
        same_site="strict",
        max_age=None,  # gone with the browser's session
    )
    errors = Middleware(ExceptionMiddleware, handlers={HTTPException: refused, Exception: refused})
    routes: list[BaseRoute] = [one for page in PAGES for one in page.routes]
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        # From the outside in. The inner errors are those of the pages, the outer ones those of what stands before them.
        middleware=[Middleware(SafeHeaders), session, errors, Middleware(Guard, access=site.access)],
        exception_handlers={HTTPException: refused, GristmillError: refused},
        lifespan=lifespan,
    )
    app.state.site = site
    return app


async def refused(request: Request, error: Exception) -> Response:
    """Returns an error as a page, or as JSON to those who asked for it. What is not ours is logged and not shown."""
    if isinstance(error, HTTPException):
        status, text = error.status_code, error.detail
    elif isinstance(error, StoreAway):
        return away(request, error)
    elif isinstance(error, GristmillError):
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 503)
        text = str(error)
    else:
        LOG.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
        status, text = 500, f"{type(error).__name__} in the server; its log, where `gristmill review` runs, says more"
    if "text/html" not in request.headers.get("accept", "text/html"):
        return JSONResponse({"error": text}, status)
    return render(request, "error.html", status=status, text=text, code=status)


def away(request: Request, error: StoreAway) -> Response:
    """Returns what a page says while the run's store does not answer: the page comes again by itself.

    `Retry-After` tells scripts so, and that it is the store: what people decide waits in their browsers.
    """
    LOG.warning("%s %s has to wait: %s", request.method, request.scope["path"], error)
    again = {"Retry-After": str(AGAIN)}
    if "text/html" not in request.headers.get("accept", "text/html"):
        text = f"the database that keeps the run, {site_of(request).shown}, does not answer; send it again later"
        return JSONResponse({"error": text}, 503, again)
    # The address of a part of a page, or of a write, is none to go to.
    reload = request.method == "GET" and not is_fragment(request)
    page = render(request, "away.html", status=503, shown=site_of(request).shown, again=AGAIN if reload else 0)
    page.headers.update(again)
    return page
