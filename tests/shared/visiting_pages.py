"""A visitor of a run's pages, without a server's process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from gristmill.review.web.app import create_app
from gristmill.review.web.serve import access_of
from gristmill.review.web.site import Site


@asynccontextmanager
async def visiting(folder: Path, store: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has opened the pages of the run in `folder`."""
    site = Site(folder, store, access_of("127.0.0.1", 8765, "", "ada"))
    transport = httpx.ASGITransport(create_app(site), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765", follow_redirects=True) as one:
        try:
            assert (await one.get(site.access.url)).status_code == 200
            yield one
        finally:
            await site.aclose()
