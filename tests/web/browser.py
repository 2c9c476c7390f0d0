"""A real Chromium for the tests of the pages, and people in it who are watched: nothing may go wrong unseen.

Each person (`People.enter`) has a browser profile of their own: cookies, windows, colour scheme. What a page must never
do is noted as a fault, and the fixture fails the test for it: an error in the console, an uncaught exception, a breach
of the Content-Security-Policy, a dialog, a request to any other host, an answer without the safe headers.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    Route,
    async_playwright,
)
from served import Place

ARTEFACTS = Path(os.environ.get("GRISTMILL_SCREENSHOTS") or Path(__file__).with_name("artefacts"))
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE = 30_000  # milliseconds that a page may take for anything: the machine may be busy
# Beside Playwright's own: no name is looked up, so that nothing could leave this machine even if a page tried to.
OPTIONS = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--disable-component-update")
# A breach of the policy is told in the console by Chromium itself; this says which directive and where as well.
TELL_BREACHES = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy breached: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
NARROW, WIDE = (360, 740), (1280, 860)


class NoChromium(RuntimeError):
    """No Chromium on this machine. Tests fail then: a page that no browser opened proves nothing."""


def executable() -> str:
    """Path of a Chromium: $CHROMIUM or one on PATH; raises NoChromium, which names the mend."""
    for name in (os.environ.get("CHROMIUM"), *NAMES):
        if name and (found := shutil.which(name)):
            return found
    raise NoChromium("no Chromium found; `make chromium` installs one, or set CHROMIUM=/path/to/chromium")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window. Its sandbox stays on, but for root, whom Chromium refuses to start with it."""
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=[*OPTIONS, *root])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Watch:
    """Notes what pages do that they must not. A fault that matches one of `allow` (searched) is none."""

    origin: str
    allow: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Begins to watch every page of a browser profile."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self._fault(f"uncaught: {error.error}"))
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("dialog", self._dialog)

    def _fault(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern in self.allow):
            self.faults.append(text)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            where = message.location
            self._fault(f"console {message.type}: {message.text} ({where['url']}:{where['lineNumber']})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", "blob:")):
            self._fault(f"asked another host: {request.method} {request.url}")

    def _response(self, response: Response) -> None:
        if response.url.startswith(self.origin) and "content-security-policy" not in response.headers:
            self._fault(f"without a Content-Security-Policy: {response.status} {response.url}")

    async def _dialog(self, dialog: Dialog) -> None:
        self._fault(f"a dialog opened: {dialog.type} {dialog.message!r}")
        await dialog.dismiss()


class People:
    """Who opens pages in one test, each in a browser profile of their own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: list[tuple[Watch, BrowserContext]] = []

    async def enter(
        self,
        served: Place,
        path: str = "/",
        *,
        size: tuple[int, int] = WIDE,
        scheme: str = "light",
        allow: Iterable[str] = (),
    ) -> Page:
        """Opens a page in a new profile by the address with the token, as a person would at first; then `path`.

        Args:
            served: the server, from the fixture `review` or `demo_site`.
            size: width and height of the window; NARROW is a telephone.
            scheme: `light` or `dark`.
            allow: patterns of faults that the test brings about itself, as `"status of 409"`.
        """
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(TELL_BREACHES)
        watch = Watch(served.origin, tuple(allow))
        watch.over(context)
        self._open.append((watch, context))
        page = await context.new_page()
        await page.goto(served.url)
        if path != "/":
            await page.goto(served.origin + path)
        return page

    def pages(self) -> list[Page]:
        """All pages that are open."""
        return [page for _, context in self._open for page in context.pages]

    @property
    def faults(self) -> list[str]:
        """What went wrong until now."""
        return [fault for watch, _ in self._open for fault in watch.faults]

    async def close(self) -> list[str]:
        """Ends all browsers; returns the faults."""
        for _, context in self._open:
            await context.close()
        return self.faults


async def slow(page: Page, *, latency: float, kilobytes: float = 50) -> None:
    """Makes the page's network slow from now on: `latency` milliseconds for each answer, `kilobytes` a second."""
    session = await page.context.new_cdp_session(page)
    rate = {"downloadThroughput": kilobytes * 1024, "uploadThroughput": kilobytes * 1024}
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", {"offline": False, "latency": latency, **rate})


async def cut(page: Page, away: bool = True) -> None:
    """Takes the page's network away, or gives it back. Say `allow=("ERR_INTERNET_DISCONNECTED",)` where you enter."""
    await page.context.set_offline(away)


async def lose_answers(page: Page, path: str, times: int = 1) -> None:
    """Lets requests to a path (a glob such as `**/decide`) reach the server, and loses the next answers on their way.

    Say `allow=("ERR_FAILED",)` where you enter.
    """

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route(path, lose, times=times)


async def shot(page: Page, name: str, *, whole: bool = False) -> Path:
    """Keeps a picture of the page as `NAME.png` among the artefacts; returns its path. `whole` takes all of it."""
    path = ARTEFACTS / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:120]}.png"
    await page.screenshot(path=path, full_page=whole)
    return path


def path_of(page: Page) -> str:
    """The path and query that the page is at."""
    parts = urlsplit(page.url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
