"""The queue in a real browser: what is decided in the list is not lost on networks and pages that go away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from browser import PATIENCE, People, cut, lose_answers
from item_page import IDS, LOST, MORE, OFFLINE, QUEUE, Run, at, sent
from item_states import fill
from playwright.async_api import Page, expect
from served import served_here

from gristmill.storage.store import RunStore

# Tests name `listed` before `people`: so the pages are closed before their server ends.


@pytest_asyncio.fixture(loop_scope="session")
async def listed(tmp_path: Path) -> AsyncIterator[Run]:
    store = RunStore.open(tmp_path / "run")
    await fill(store, *MORE)
    await store.close()
    async with served_here(tmp_path / "run") as place:
        yield Run(place)


async def enter(people: People, run: Run, **options: object) -> Page:
    page = await people.enter(run.served, f"/{QUEUE}", **options)
    await expect(page.locator("#rows > .row")).to_have_count(12, timeout=PATIENCE)
    await page.locator("#facets[aria-busy]").wait_for(state="detached")
    return page


async def focus(page: Page, item: str) -> None:
    await page.locator(f'.row[data-id="{item}"] .open').focus()


async def test_a_decision_in_the_list_survives_the_page(listed: Run, people: People) -> None:
    page = await enter(people, listed, allow=[OFFLINE, "a dialog opened: beforeunload"])
    await cut(page)
    await focus(page, IDS[0])
    await page.keyboard.press("a")
    await page.keyboard.press("r")  # the focus went on to the next
    await expect(page.locator("#unsent")).to_contain_text("2 unsent")
    await page.close()  # as when the browser is killed: nobody is asked
    again = await page.context.new_page()
    await cut(again, False)
    await again.goto(listed.served.origin + "/dashboard")
    await listed.comes_to(IDS[0], "accept")
    await listed.comes_to(IDS[1], "reject")
    await sent(again)


async def test_an_answer_that_is_lost_counts_once_and_is_taken_back(listed: Run, people: People) -> None:
    page = await enter(people, listed, allow=[LOST])
    await lose_answers(page, "**/decisions", times=2)
    await focus(page, IDS[0])
    await page.keyboard.press("a")
    await page.keyboard.press("s")
    await expect(page.locator(f'.row[data-id="{IDS[1]}"] .outcome')).to_contain_text("skipped", timeout=PATIENCE)
    await page.keyboard.press("u")
    await expect(page.locator(f'.row[data-id="{IDS[1]}"] .outcome')).to_have_text("", timeout=PATIENCE)
    await page.keyboard.press("u")
    await listed.comes_to(IDS[0], "accept", "undo")
    await expect(page.locator(f'.row[data-id="{IDS[0]}"] .outcome')).to_have_text("", timeout=PATIENCE)


async def test_the_list_decides_without_a_secure_context(listed: Run, people: People) -> None:
    """Another machine opens the pages without TLS: its browser gives them no `crypto.randomUUID`."""
    page = await enter(people, listed)
    await page.context.add_init_script("delete Crypto.prototype.randomUUID")
    await page.reload()
    assert await page.evaluate("crypto.randomUUID === undefined")
    await focus(page, IDS[0])
    await page.keyboard.press("a")
    await listed.comes_to(IDS[0], "accept")


async def test_what_is_refused_is_told_and_kept_until_it_is_read(listed: Run, people: People) -> None:
    page = await enter(people, listed, allow=["status of 400"])
    reasons = ", ".join(f"code{number}" for number in range(21))
    await focus(page, IDS[0])
    await page.keyboard.press("R")
    await page.locator("#note-text").fill(reasons)
    await page.keyboard.press("Control+Enter")
    line = page.locator(".refused")
    await expect(line).to_contain_text("was not taken")
    await page.goto(listed.served.origin + "/agreement")
    await expect(line).to_contain_text("reasons")
    await line.get_by_role("button", name="Dismiss").click()
    await page.reload()
    await expect(page.locator("h1")).to_be_visible()
    await expect(line).to_have_count(0)


async def test_skipped_items_are_gone_through_in_the_window_that_skipped_them(listed: Run, people: People) -> None:
    page = await people.enter(listed.served, f"/items/{IDS[0]}{QUEUE}")
    for item in IDS[:3]:
        await at(page, item)
        await page.keyboard.press("s")
    await at(page, IDS[3])
    await sent(page)
    await page.goto(f"{listed.served.origin}/items/{IDS[0]}{QUEUE}&stage=skipped")
    for item in IDS[:3]:
        await at(page, item)
        await page.keyboard.press("r")
    await expect(page.get_by_text("Nothing more waits here.")).to_be_visible()
    for item in IDS[:3]:
        await listed.comes_to(item, "reject")
    await page.goto(f"{listed.served.origin}/items/{IDS[0]}{QUEUE}&stage=decided")
    await at(page, IDS[0])
    await page.keyboard.press("j")
    await at(page, IDS[1])


async def test_an_edit_that_is_too_long_holds_up_nothing(listed: Run, people: People) -> None:
    page = await people.enter(listed.served, f"/items/{IDS[0]}{QUEUE}")
    await at(page, IDS[0])
    await page.evaluate(
        "import('/static/outbox.js').then(({ enqueue }) => enqueue("
        "{ url: location.pathname + '/decisions', item: 'x', event: 'e', body: { note: 'é'.repeat(1_000_000) } }))"
    )
    await expect(page.get_by_text("it is longer than the server takes at once")).to_be_visible()
    await page.keyboard.press("a")
    await listed.comes_to(IDS[0], "accept")
    await sent(page)


async def test_keys_work_on_a_fresh_page_on_the_row_in_focus(listed: Run, people: People) -> None:
    page = await enter(people, listed)
    await expect(page.locator(f'.row[data-id="{IDS[0]}"] .open')).to_be_focused()
    ring = "(one) => getComputedStyle(one).outlineStyle"
    assert await page.locator(":focus").evaluate(ring) == "solid"
    await page.keyboard.press("a")
    await listed.comes_to(IDS[0], "accept")
    said = page.locator("#said")
    await expect(said).to_contain_text("accepted: “When does the relief valve close?”. u takes it back.")
    await expect(said).to_contain_text("11 left")
    await page.keyboard.press("u")
    await listed.comes_to(IDS[0], "accept", "undo")
    await expect(said).to_contain_text("12 left")
    await page.get_by_role("button", name="Keys").click()
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


async def test_a_row_that_is_not_in_view_gets_no_focus(listed: Run, people: People) -> None:
    page = await enter(people, listed, size=(360, 300))
    assert await page.evaluate("document.activeElement === document.body")
    await page.keyboard.press("a")
    await page.keyboard.press("j")
    await expect(page.locator(f'.row[data-id="{IDS[0]}"] .open')).to_be_focused()
    await sent(page)
    assert not any(listed.actions(one) for one in IDS)


async def test_selected_items_are_accepted_with_one_note(listed: Run, people: People) -> None:
    page = await enter(people, listed)
    await page.keyboard.press("x")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await page.keyboard.press("A")
    await page.keyboard.type("both ask for a cause")
    await page.keyboard.press("Control+Enter")
    for item in IDS[:2]:
        await listed.comes_to(item, "accept")
        assert listed.history(item)[0].note == "both ask for a cause"
    await expect(page.locator("#said")).to_contain_text("accepted: 2 items. u takes it back.")
    await page.goto(f"{listed.served.origin}/items/{IDS[5]}{QUEUE}")
    await at(page, IDS[5])
    await page.keyboard.press("u")  # all that was decided at once, from the page of another item
    for item in IDS[:2]:
        await listed.comes_to(item, "accept", "undo")
    await expect(page.locator("article")).to_have_attribute("data-id", IDS[5])
