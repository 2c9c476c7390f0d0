"""Requests to the pages as a program sends them, well-formed or not: for what no browser would do, and for crowds."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from served import Served
from starlette.routing import BaseRoute, Mount, Route

from gristmill.review.web.app import PAGES
from gristmill.review.web.security import HEADERS

CSRF = re.compile(r'<meta name="csrf" content="([^"]*)">')
PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are small."""

    status: int
    headers: dict[str, str]
    text: str

    def assert_safe(self) -> None:
        """Every answer has every header, whatever it is an answer to."""
        for name, value in HEADERS.items():
            assert self.headers.get(name.lower()) == value, f"{self.status}: {name} is {self.headers.get(name.lower())}"


class Visitor:
    """A session of the pages. `csrf` goes with every write unless another header is given."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self.session = session
        self.origin = origin
        self.csrf = ""

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        """Sends one request, follows no redirect."""
        given = {"X-CSRF-Token": self.csrf, **(headers or {})}
        given = {name: value for name, value in given.items() if value}
        async with self.session.request(
            method, self.origin + path, headers=given, allow_redirects=False, **options
        ) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def enter(self, served: Served) -> Answer:
        """Begins the session by the token, and reads its CSRF token off the page."""
        first = await self.ask("GET", f"/?token={served.token}")
        assert first.status == 303, first.text
        page = await self.get("/")
        found = CSRF.search(page.text)
        assert found, page.text
        self.csrf = html.unescape(found[1])
        return first


@asynccontextmanager
async def stranger(served: Served) -> AsyncIterator[Visitor]:
    """Somebody without a session."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout) as session:
        yield Visitor(session, served.origin)


@asynccontextmanager
async def visitor(served: Served) -> AsyncIterator[Visitor]:
    """Somebody who has entered."""
    async with stranger(served) as found:
        await found.enter(served)
        yield found


async def raw(served: Served, request: str) -> Answer:
    """Sends bytes as they are, each line's end written as \\n; returns the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        writer.write(request.replace("\n", "\r\n").encode("latin-1"))
        await writer.drain()
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            body = await reader.read(100_000)
    finally:
        writer.close()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body.decode("utf-8", "replace"))


def routes() -> Iterator[Route]:
    """Every route of the pages."""

    def within(found: list[BaseRoute]) -> Iterator[Route]:
        for one in found:
            assert isinstance(one, Route | Mount), f"{one} is neither a page nor a folder of pages"
            if isinstance(one, Mount):
                raise AssertionError(f"{one.path}: write its pages' whole paths, the tests ask each of them")
            yield one

    for page in PAGES:
        yield from within(list(page.routes))


def address(route: Route, item: str) -> str:
    """An address that a route answers to, with `item` where it wants an item's id and text for the rest."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: item if found[1] in {"id", "item"} else "some", route.path)


def methods(route: Route) -> set[str]:
    return set(route.methods or ())


def pages() -> list[str]:
    """The addresses that a person opens, `{id}` where an item's id belongs; parts of pages and JSON left out."""
    known = ("/", "/items/{id}", "/dashboard", "/graph", "/agreement")
    return [path for path in known if path in {route.path for route in routes()}]
