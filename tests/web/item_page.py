"""The page of one item as tests drive it: a run with twelve unclear items, and waits for what the page shows."""

from __future__ import annotations

from dataclasses import dataclass

from browser import PATIENCE, People
from item_states import made
from playwright.async_api import Page, expect
from processes import until
from served import Place

from gristmill.storage.reviews import Review, Reviews
from gristmill.storage.store import RunStore

OFFLINE = "ERR_INTERNET_DISCONNECTED"
LOST = "ERR_FAILED"
QUEUE = "?reason=unclear&sort=oldest"
MORE = [made(f"more {number:02}", reasons=("unclear",)) for number in range(12)]
IDS = [item.id for _, item in MORE]


@dataclass
class Run:
    """A run that is served: twelve unclear items to work through, and one in each other state."""

    served: Place

    def history(self, item: str) -> list[Review]:
        store = RunStore.read(self.served.folder)
        try:
            return Reviews(store).history(item)
        finally:
            store.close_reading()

    def actions(self, item: str) -> list[str]:
        return [one.action.value for one in self.history(item)]

    async def comes_to(self, item: str, *actions: str) -> None:
        await until(lambda: self.actions(item) == list(actions))


async def at(page: Page, item: str) -> None:
    """Waits until the item is in view and takes decisions."""
    await page.wait_for_selector(f'article[data-id="{item}"][data-ready=yes]', timeout=PATIENCE)


async def enter(people: People, run: Run, item: str = IDS[0], query: str = QUEUE, **options: object) -> Page:
    page = await people.enter(run.served, f"/items/{item}{query}", **options)
    await at(page, item)
    return page


async def prefetched(page: Page, *items: str) -> None:
    """Waits until the page has asked for its next items and has them."""
    wanted = list(items)
    await page.wait_for_function(
        "(ids) => ids.every((id) => performance.getEntriesByType('resource')"
        ".some((one) => one.name.includes(`/items/${id}?`) && one.responseEnd > 0))",
        arg=wanted,
    )
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 50))")


async def sent(page: Page) -> None:
    """Waits until nothing is unsent."""
    await expect(page.locator("#unsent")).to_have_text("", timeout=PATIENCE)
