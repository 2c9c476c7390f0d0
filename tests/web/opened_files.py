"""A page opened from the disk, and what it asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from browser import PATIENCE, TELL_BREACHES, WIDE
from playwright.async_api import Browser, Page

Open = Callable[..., Awaitable[Page]]


ALIVE = """() => [...document.querySelectorAll("*")].filter((one) => one.hasAttribute("data-canary")
  || one.getAttributeNames().some((name) => name.startsWith("on") || name === "srcdoc")
  || ["iframe", "object", "embed", "base", "form", "img", "a", "style", "script", "meta", "link"]
     .includes(one.localName)
     && !window.ours.has(one)
  || one.localName.includes("canary")).map((one) => one.outerHTML.slice(0, 200))"""


OURS = """() => { window.ours = new Set(document.querySelectorAll("form, a, style, script, meta, link")); }"""


@pytest_asyncio.fixture(loop_scope="session")
async def opened(browser: Browser) -> AsyncIterator[Open]:
    """`await opened(path)` opens a file; the test fails for whatever a page must never do."""
    faults: list[str] = []
    contexts = []

    async def opening(path: Path, *, size: tuple[int, int] = WIDE, scheme: str = "light", touch: bool = False) -> Page:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            has_touch=touch,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(TELL_BREACHES)
        page = await context.new_page()
        here = path.as_uri()
        page.on("console", lambda one: faults.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda one: faults.append(f"uncaught: {one}"))
        page.on("dialog", lambda one: faults.append(f"dialog: {one.message}"))
        page.on(
            "request",
            lambda one: None if one.url.startswith((here, "data:")) else faults.append(f"asked for {one.url}"),
        )
        await page.goto(here)
        await page.wait_for_selector("html[data-ready]", state="attached")
        await page.evaluate(OURS)
        return page

    yield opening
    for context in contexts:
        await context.close()
    assert not faults, "\n".join(faults)
