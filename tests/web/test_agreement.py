"""The page of agreement in a real browser: both schemes, wide and narrow; precedents are removed by the keyboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from browser import NARROW, WIDE, People, shot
from playwright.async_api import expect
from served import Served

from gristmill.review.desk import Desk
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

Review = Callable[..., Awaitable[Served]]


async def judge(run: Path) -> None:
    """Ada decides on some of the demo's items, and marks three."""
    store = RunStore.join(run)
    desk = Desk(store)
    for number, item in enumerate([one for one in store.items() if one.messages][:20]):
        await desk.decide(item.id, Action.REJECT if number % 4 == 0 else Action.ACCEPT, "ada", note="as it says")
        if number < 3:
            await desk.decide(item.id, Action.PRECEDENT, "ada")
    await store.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_the_page_fits(
    people: People, review: Review, demo_run: Path, scheme: str, size: tuple[int, int]
) -> None:
    await judge(demo_run)
    page = await people.enter(await review(demo_run), "/agreement", size=size, scheme=scheme)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_role("img").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await shot(page, f"agreement {scheme} {size[0]}", whole=True)


async def test_a_precedent_is_removed_by_the_keyboard(people: People, review: Review, demo_run: Path) -> None:
    await judge(demo_run)
    page = await people.enter(await review(demo_run), "/agreement")
    buttons = page.get_by_role("button", name="Remove this precedent")
    marked = await buttons.count()
    assert marked > 0
    await buttons.first.focus()
    await page.keyboard.press("Enter")
    await expect(buttons).to_have_count(marked - 1)
    await expect(page.get_by_role("heading", name="Precedents")).to_be_focused()
    await page.reload()
    await expect(buttons).to_have_count(marked - 1)
