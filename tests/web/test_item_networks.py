"""One item in a real browser on networks that are slow, cut or lose answers: no decision is lost, none counts twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from browser import PATIENCE, People, cut, lose_answers, shot, slow
from item_page import IDS, LOST, MORE, OFFLINE, Run, at, enter, prefetched, sent
from item_states import fill
from playwright.async_api import Route, expect
from processes import until
from served import served_here

from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore

# Tests name `run` before `people`: so the pages are closed before their server ends.


@pytest_asyncio.fixture(loop_scope="session")
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    store = RunStore.open(tmp_path / "run")
    await fill(store, *MORE)
    await store.close()
    async with served_here(tmp_path / "run") as place:
        yield Run(place)


async def test_nobody_waits_for_an_answer(run: Run, people: People) -> None:
    page = await enter(people, run)
    answers = asyncio.Event()

    async def hold(route: Route) -> None:
        await answers.wait()
        await route.continue_()

    await page.route("**/decisions", hold)
    for number in range(6):
        await at(page, IDS[number])
        await page.keyboard.press("a")
    await at(page, IDS[6])
    await expect(page.locator("#unsent")).to_have_text(re.compile("^6 unsent"))
    assert not any(run.actions(one) for one in IDS)
    answers.set()
    await sent(page)
    assert [run.actions(one) for one in IDS[:7]] == [["accept"]] * 6 + [[]]


async def test_a_slow_network_loses_no_key(run: Run, people: People) -> None:
    page = await enter(people, run)
    await slow(page, latency=1500)
    for number in range(4):
        await at(page, IDS[number])
        await page.keyboard.press("a")
    await sent(page)
    assert [run.actions(one) for one in IDS[:5]] == [["accept"]] * 4 + [[]]


async def test_what_was_decided_without_a_network_is_sent_when_it_is_back(run: Run, people: People) -> None:
    page = await enter(people, run, allow=[OFFLINE])
    await prefetched(page, IDS[1], IDS[2])
    await cut(page)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await page.keyboard.press("r")
    await at(page, IDS[2])
    await page.keyboard.press("b")
    await page.keyboard.type("name the valve")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#item .waiting")).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.get_by_text('"a" was not taken')).to_be_visible()
    await expect(page.locator("#unsent")).to_have_text(re.compile("^3 unsent: the server does not answer"))
    await shot(page, "item-offline")
    assert [run.actions(one) for one in IDS[:4]] == [[], [], [], []]
    await cut(page, False)
    await at(page, IDS[3])
    await sent(page)
    assert [run.actions(one) for one in IDS[:4]] == [["accept"], ["reject"], ["send_back"], []]


async def test_what_is_unsent_survives_the_page(run: Run, people: People) -> None:
    page = await enter(people, run, allow=[OFFLINE, "a dialog opened: beforeunload"])
    await prefetched(page, IDS[1])
    await cut(page)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await page.close()  # as when the browser is killed: nobody is asked
    again = await page.context.new_page()
    await cut(again, False)
    await again.goto(run.served.origin + "/")
    await run.comes_to(IDS[0], "accept")
    await sent(again)


async def test_who_closes_the_page_with_unsent_decisions_is_asked(run: Run, people: People) -> None:
    page = await enter(people, run, allow=[OFFLINE, "a dialog opened: beforeunload"])
    await prefetched(page, IDS[1])
    await cut(page)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))  # the watch answers it: the person stays
    await page.close(run_before_unload=True)
    await until(lambda: asked == ["beforeunload"])
    assert not page.is_closed()
    await cut(page, False)
    await run.comes_to(IDS[0], "accept")


async def test_a_lost_answer_is_asked_for_again_and_counts_once(run: Run, people: People) -> None:
    page = await enter(people, run, allow=[LOST])
    await lose_answers(page, "**/decisions", times=2)
    await page.keyboard.press("a")
    await at(page, IDS[1])
    await page.keyboard.press("u")
    await at(page, IDS[0])
    await run.comes_to(IDS[0], "accept", "undo")
    await sent(page)
    assert run.actions(IDS[0]) == ["accept", "undo"]


async def test_who_was_second_is_told_and_their_text_is_kept(run: Run, people: People) -> None:
    page = await enter(people, run, allow=[OFFLINE, "status of 409"])
    await prefetched(page, IDS[1])
    await cut(page)
    await page.keyboard.press("b")
    await page.keyboard.type("name the <b>valve</b>")
    await page.keyboard.press("Control+Enter")
    await at(page, IDS[1])
    store = RunStore.join(run.served.folder)
    await Reviews(store).add(
        Review(id="bobs-event", item=IDS[0], action=Action.REJECT, reviewer="bob", at="2026-01-01T00:00:00Z")
    )
    await store.close()
    await cut(page, False)
    told = page.locator(".notice.refused")
    await expect(told).to_contain_text("bob was first", timeout=PATIENCE)
    await shot(page, "item-conflict")
    assert run.actions(IDS[0]) == ["reject"]
    await page.reload()
    await expect(told).to_contain_text("bob was first")  # it stays until it is read
    await told.get_by_role("link", name="Look at the item").click()
    await at(page, IDS[0])
    await expect(page.get_by_label("What should change?")).to_have_value("name the <b>valve</b>")
    await page.locator(".notice.refused").get_by_role("button", name="Dismiss").click()
    await page.reload()
    await at(page, IDS[0])
    await expect(page.locator(".notice.refused")).to_have_count(0)
    await page.get_by_role("button", name=re.compile("^Accept")).click()  # bob decided it: the first press tells
    await expect(page.get_by_text("bob has decided this item")).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Accept")).click()
    await run.comes_to(IDS[0], "reject", "accept")
