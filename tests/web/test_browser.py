"""The browser of the tests: the token opens the pages, and a page that does what it must not fails its test."""

from __future__ import annotations

import pytest
from browser import ARTEFACTS, NARROW, People, cut, path_of, shot
from playwright.async_api import Browser, expect
from processes import until
from served import Served


async def test_the_token_opens_the_pages_and_leaves_the_address(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site)
    assert path_of(page) == "/"
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.reload()
    assert demo_site.token not in await page.content()


async def test_who_has_no_token_sees_nothing_of_the_run(browser: Browser, demo_site: Served) -> None:
    page = await browser.new_page()
    try:
        answer = await page.goto(demo_site.origin + "/")
        assert answer is not None
        assert answer.status == 403
        await expect(page.get_by_text("gristmill review")).to_be_visible()
        assert demo_site.folder.name not in await page.title()
    finally:
        await page.context.close()


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("console.error('oh')", "console error: oh"),
        ("setTimeout(() => { throw new Error('late') }, 0)", "uncaught"),
        ("alert(1)", "a dialog opened"),
        ("fetch('http://example.invalid/x').catch(() => {})", "policy breached: connect-src"),
        ("setTimeout(() => { location = 'http://example.invalid/x' }, 0)", "asked another host"),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')", "policy breached: style-src"),
        ("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=1>')", "policy breached: script-src"),
    ],
)
async def test_a_page_that_does_what_it_must_not_is_seen(
    browser: Browser, demo_site: Served, does: str, said: str
) -> None:
    """Without this the watch could be blind, and every other test here green for nothing."""
    people = People(browser)
    page = await people.enter(demo_site)
    await page.evaluate(does)
    await until(lambda: any(said in fault for fault in people.faults))
    assert await people.close()


async def test_faults_that_a_test_brings_about_can_be_allowed(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site, size=NARROW, scheme="dark", allow=["ERR_INTERNET_DISCONNECTED"])
    await cut(page)
    assert await page.evaluate("fetch('/').then(() => 'came', () => 'failed')") == "failed"
    await cut(page, False)
    assert await page.evaluate("fetch('/').then(() => 'came', () => 'failed')") == "came"
    assert (await shot(page, "a page / at 360 px")).parent == ARTEFACTS
