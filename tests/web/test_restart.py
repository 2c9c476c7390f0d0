"""A server that is killed while a person decides, and one whose database goes away: what a real browser makes of it."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from browser import PATIENCE, People, lose_answers, shot
from item_states import fill, made
from playwright.async_api import Page, expect
from postgres_server import PostgresServer
from processes import until
from served import Served

from gristmill.storage.reviews import Reviews
from gristmill.storage.store import RunStore

ITEMS = [made(f"more {number:02}", reasons=("unclear",)) for number in range(12)]
IDS = [item.id for _, item in ITEMS]
QUEUE = "?reason=unclear&sort=oldest"
GONE = ("ERR_FAILED", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "status of 403")
AWAY = ("status of 503",)


async def run_in(folder: Path, url: str) -> Path:
    store = RunStore.open(folder, url)
    await fill(store, *ITEMS)
    await store.close()
    return folder


def events(folder: Path, url: str) -> list[list[str]]:
    """What was decided on each item."""
    store = RunStore.read(folder, url)
    found = [[one.action.value for one in Reviews(store).history(id)] for id in IDS]
    store.close_reading()
    return found


async def at(page: Page, item: str) -> None:
    await page.wait_for_selector(f'article[data-id="{item}"][data-ready=yes]', timeout=PATIENCE)


async def decide(page: Page, *numbers: int) -> None:
    """Accepts items that follow each other, by one key each."""
    for number in numbers:
        await at(page, IDS[number])
        await page.keyboard.press("a")
        await at(page, IDS[number + 1])


@pytest.mark.parametrize("kept", ["sqlite", "postgres"])
async def test_a_server_that_is_killed_and_started_again_takes_each_decision_once(
    review: Callable[..., Awaitable[Served]],
    people: People,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kept: str,
) -> None:
    server: PostgresServer | None = request.getfixturevalue("shared_postgres") if kept == "postgres" else None
    url = server.url if server else ""
    run = await run_in(tmp_path / f"killed-{uuid.uuid4().hex[:12]}", url)
    place = ("--store", url) if url else ()
    served = await review(run, *place)
    page = await people.enter(served, f"/items/{IDS[0]}{QUEUE}", allow=GONE)
    await decide(page, 0)
    await until(lambda: events(run, url)[0] == ["accept"])
    await lose_answers(page, f"**/items/{IDS[1]}/decisions")  # it arrives, and the page does not know
    await decide(page, 1)
    await until(lambda: events(run, url)[1] == ["accept"])
    await served.command.killed()
    await page.keyboard.press("a")  # its next items were loaded before
    await expect(page.locator("#unsent")).to_have_text(re.compile("^[23] unsent: the server does not answer"))
    assert events(run, url)[2:] == [[]] * 10
    again = await review(run, *place, "--port", served.port)
    other = await page.context.new_page()
    await page.close()
    await other.goto(again.url)  # as the person is told: it is a new start, with a token of its own
    await expect(other.locator("#unsent")).to_have_text("", timeout=PATIENCE)
    await until(lambda: events(run, url)[:4] == [["accept"]] * 3 + [[]])


async def test_decisions_wait_in_the_browser_while_the_store_is_away(
    review: Callable[..., Awaitable[Served]], people: People, tmp_path: Path, own_postgres: PostgresServer
) -> None:
    run = await run_in(tmp_path / "away", own_postgres.url)
    served = await review(run, "--store", own_postgres.url)
    page = await people.enter(served, f"/items/{IDS[0]}{QUEUE}", allow=AWAY)
    await decide(page, 0)
    await expect(page.locator("#unsent")).to_have_text("", timeout=PATIENCE)
    own_postgres.freeze()
    try:
        await page.keyboard.press("a")
        await expect(page.locator("#unsent")).to_have_text(
            re.compile("^1 unsent: the run's store does not answer"), timeout=PATIENCE
        )
        other = await page.context.new_page()
        await other.goto(served.origin + "/")
        await expect(other.get_by_role("heading", name="The store does not answer")).to_be_visible()
        for name, size in (("wide", (1280, 860)), ("narrow", (360, 740))):
            await other.set_viewport_size({"width": size[0], "height": size[1]})
            await shot(other, f"store-away-{name}")
    finally:
        own_postgres.thaw()
    await expect(other.locator("#total")).to_be_visible(timeout=PATIENCE)  # by itself
    await expect(page.locator("#unsent")).to_have_text("", timeout=2 * PATIENCE)
    found = await asyncio.to_thread(events, run, own_postgres.url)
    assert found == [["accept"]] * 2 + [[]] * 10
