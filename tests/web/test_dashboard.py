"""The dashboard in a browser: pictures in both schemes and widths, a page that keeps up with a campaign by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import NARROW, PATIENCE, WIDE, People, cut, path_of, shot
from harness import ended, run_of, write_campaign
from mixed_items import mixed
from mock_server import MockServer
from playwright.async_api import Page, expect
from processes import Command, Start, until
from served import Served

PICTURES = 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_pictures_are_drawn_and_told_in_words(
    people: People, demo_site: Served, scheme: str, size: tuple[int, int]
) -> None:
    page = await people.enter(demo_site, "/dashboard", scheme=scheme, size=size)
    await expect(page.locator(".chart canvas")).to_have_count(PICTURES)
    ended = page.locator("#chart-ended canvas")
    await expect(ended).to_have_attribute("role", "img")
    label = await ended.get_attribute("aria-label") or ""
    assert re.search(r"Tasks ended, at the end: .*accepted 40.*The table below has the figures", label), label
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than its window"
    painted = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    for number in range(PICTURES):
        assert await page.locator(".chart canvas").nth(number).evaluate(painted)
    await page.get_by_text("The pictures as a table").click()
    await expect(page.get_by_role("region", name="The run over time").locator("tbody tr").first).to_be_visible()
    await shot(page, f"dashboard-{scheme}-{size[0]}", whole=True)


async def test_a_bar_leads_to_the_queue_of_its_reason(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site, "/dashboard")
    bar = page.locator(".reasons a").first
    await expect(bar).to_contain_text("unsuitable")
    await bar.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?reason=unsuitable*")
    assert path_of(page).startswith("/?reason=unsuitable")


async def test_the_scheme_and_the_range_change_the_pictures_in_place(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site, "/dashboard")
    canvas = page.locator("#chart-ended canvas")
    await expect(canvas).to_have_count(1)
    before = await canvas.evaluate("(one) => one.toDataURL()")
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator(".chart canvas")).to_have_count(PICTURES)
    async with asyncio.timeout(30):  # it is drawn anew when the scheme's change has been heard
        while await page.locator("#chart-ended canvas").evaluate("(one) => one.toDataURL()") == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await page.get_by_label("Show").select_option("600")
    await expect(page.locator(".chart canvas")).to_have_count(PICTURES)


# while a campaign runs


@pytest_asyncio.fixture(loop_scope="session")
async def campaign(tmp_path: Path, command: Start) -> AsyncIterator[tuple[Command, Path]]:
    """A campaign over a slow server, at work; ends with the test."""
    async with MockServer(latency=0.4, answer=mixed) as server:
        path = write_campaign(tmp_path, server, 2000, budget={"tokens": 10_000_000})
        started = await command("run", path)
        await until(lambda: ended(run_of(path)) > 5)
        yield started, run_of(path)
        if started.process.returncode is None:
            started.process.terminate()
        await started.ended()


async def number(page: Page, name: str) -> int:
    """A number of the books, as the page shows it now."""
    text = await page.locator(f"#part-books .sum div.{name} dd").inner_text()
    return int(text.split()[0].replace(",", ""))


async def test_the_page_keeps_up_with_a_campaign(people: People, review: Any, campaign: tuple[Command, Path]) -> None:
    running, folder = campaign
    served = await review(folder)
    page = await people.enter(served, "/dashboard", allow=["ERR_INTERNET_DISCONNECTED"])
    await expect(page.locator(".chip.running")).to_be_visible()
    await page.evaluate("window.notLoadedAnew = true")
    first, label = await number(page, "accepted"), await page.locator("#chart-ended canvas").get_attribute("aria-label")
    await page.get_by_text("The pictures as a table").click()
    bar = page.locator(".reasons a").first
    await bar.focus()

    async def moved() -> bool:
        return await number(page, "accepted") > first + 20

    await until(moved)
    await expect(page.locator("#chart-ended canvas")).not_to_have_attribute("aria-label", label or "", timeout=PATIENCE)
    assert await page.evaluate("window.notLoadedAnew"), "the page was loaded anew"
    assert await page.locator("#table").evaluate("(one) => one.open"), "what was opened closed by itself"
    assert await bar.evaluate("(one) => one === document.activeElement"), "the focus was lost"
    await shot(page, "dashboard-running", whole=True)
    await cut(page)
    await expect(page.locator("#link")).to_contain_text("does not answer", timeout=PATIENCE)
    await cut(page, False)
    await expect(page.locator("#link")).to_be_empty(timeout=PATIENCE)
    running.process.terminate()  # it drains
    await expect(page.locator(".state")).to_contain_text("it was interrupted", timeout=PATIENCE)
    await expect(page.locator(".chip.running")).to_have_count(0)


async def test_a_page_that_nobody_sees_asks_nothing(
    people: People, review: Any, campaign: tuple[Command, Path]
) -> None:
    page = await people.enter(await review(campaign[1]), "/dashboard")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await until(lambda: any("/dashboard/data" in url for url in asked))
    hide = """(hidden) => { Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange")) }"""
    await page.evaluate(hide, True)
    await page.wait_for_timeout(1000)  # what was asked before is answered
    asked.clear()
    await page.wait_for_timeout(5000)
    assert asked == []
    await page.evaluate(hide, False)
    await until(lambda: any("/dashboard/data" in url for url in asked))
