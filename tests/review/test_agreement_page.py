"""The page of agreement: its figures, pictures and links, precedents and their removal, hostile texts."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from judged_runs import GOOD, fill, verdict
from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.evals.agreement_report import agreement_of
from gristmill.review.desk import Desk
from gristmill.review.queue.index import ReviewIndex
from gristmill.review.queue.query import Filters, Sort
from gristmill.review.web.app import create_app
from gristmill.review.web.curves import curve_of, minimum_lines
from gristmill.review.web.site import Access, Site
from gristmill.storage.precedents import ROUNDS, Round, gather, mark_of
from gristmill.storage.records import Message
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

TOKEN = "a-token-that-opens-the-page"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*6 }}"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    yield store
    await store.close()


@asynccontextmanager
async def opened(store: RunStore) -> AsyncIterator[httpx.AsyncClient]:
    site = Site(store.folder, "", Access("127.0.0.1", 80, TOKEN, "bob"))
    transport = httpx.ASGITransport(create_app(site))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            await client.get("/agreement", params={"token": TOKEN})
            yield client
    finally:
        await site.aclose()


async def page_of(client: httpx.AsyncClient, address: str = "/agreement") -> str:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_run_that_nobody_judged_says_what_to_do(store: RunStore) -> None:
    async with opened(store) as client:
        text = await page_of(client)
    assert "Nobody has decided" in text
    assert "None is marked" in text


async def test_the_page_shows_the_reports_figures_and_takes_in_what_is_new(store: RunStore) -> None:
    await fill(store)
    async with opened(store) as client:
        text = await page_of(client)
        report = agreement_of(store)
        assert report.overall.agreed.value is not None
        assert f"{report.overall.agreed.value:.0%}" in text
        assert f"{report.overall.kappa.value:.2f}" in text
        assert text.count('role="img"') == 1  # one score
        assert text.count('<tr class="chosen">') == 1
        assert "style=" not in text
        before = re.findall(r'agree-big">(\d+)<', text)[0]
        await Desk(store).decide(item_of(1).id, Action.ACCEPT, "eve")
        after = re.findall(r'agree-big">(\d+)<', await page_of(client))[0]
    assert (before, after) == ("60", "61")


async def test_the_lines_to_paste_are_a_campaigns(store: RunStore) -> None:
    await fill(store)
    await store.set_mark("campaign", {"recipe": "grounded-qa", "options": {"minimum": {"clear": 0.01}}})
    async with opened(store) as client:
        text = await page_of(client, "/agreement?wanted=0.8")
        for bad in ("0.2", "1.5", "x", "nan"):
            assert (await client.get("/agreement", params={"wanted": bad})).status_code == 400
    (lines,) = re.findall(r'<pre class="agree-lines">(.*?)</pre>', text, re.DOTALL)
    report = agreement_of(store, wanted=0.8)
    assert tomllib.loads(html.unescape(lines)) == tomllib.loads(minimum_lines(report))
    assert tomllib.loads(html.unescape(lines))["options"]["minimum"]["clear"] == pytest.approx(
        report.critics[0].thresholds[0].suggestion.threshold
    )


async def test_a_curve_stays_within_its_picture(store: RunStore) -> None:
    await fill(store)
    (threshold,) = agreement_of(store).critics[0].thresholds
    curve = curve_of(threshold, 0.9)
    assert curve is not None
    places = [tuple(map(float, pair.split(","))) for pair in f"{curve.line} {curve.band}".split()]
    assert all(44 <= x <= 350 and 12 <= y <= 186 for x, y in places)
    across = [x for x, _, _ in curve.dots]
    assert across == sorted(across)
    assert curve.better in [(x, y) for x, y, _ in curve.dots]


async def test_who_judged_only_rejects_is_led_to_a_fair_sample(store: RunStore) -> None:
    accepted = [(number, item_of(number, **GOOD, verdicts=(verdict("accept"),))) for number in range(50, 250)]
    await put(store, *[(number, item_of(number)) for number in range(50)], *accepted)
    await Desk(store).decide(item_of(3).id, Action.REJECT, "ada")
    async with opened(store) as client:
        text = await page_of(client)
        assert 'href="/?status=accepted&amp;sort=sample"' in text
        queue = await page_of(client, "/?status=accepted&sort=sample")
        assert queue.count("/items/") >= 25
        await Desk(store).decide(item_of(60).id, Action.ACCEPT, "ada")
        assert "sort=sample" not in await page_of(client)
    index = ReviewIndex(store)
    index.refresh()
    found, after = [], ""
    while True:
        page = index.page(Filters(status=("accepted",)), Sort.SAMPLE, after=after, limit=20)
        found += [one.id for one in page.items]
        if not (after := page.next):
            break
    index.close()
    places = {item_of(number).id: number for number in range(50, 250)}
    assert sorted(places[one] for one in found) == [number for number in range(50, 250) if number != 60]
    first = sorted(places[one] for one in found[:20])
    assert max(b - a for a, b in pairwise(first)) <= 25  # spread over the whole run


async def test_precedents_are_listed_and_removed(store: RunStore) -> None:
    await put(store, *[(number, item_of(number)) for number in range(3)])
    desk = Desk(store)
    for number in range(3):
        await desk.decide(item_of(number).id, Action.ACCEPT, "ada", note=f"note {number}")
        await desk.decide(item_of(number).id, Action.PRECEDENT, "ada")
        if number == 1:
            found = gather(store)
            await store.set_mark(mark_of(found.version), found.model_dump(mode="json"))
            told = Round(number=2, version=found.version, precedents=2)
            await store.set_mark(ROUNDS, [Round().model_dump(mode="json"), told.model_dump(mode="json")])
    async with opened(store) as client:
        text = await page_of(client)
        assert (text.count("in use, round 2"), text.count("from the next start")) == (2, 1)
        assert text.index("note 2") < text.index("note 0")
        (csrf,) = re.findall(r'<meta name="csrf" content="([^"]+)">', text)
        address = f"/agreement/remove/{item_of(1).id}"
        assert (await client.post(address)).status_code == 403
        headers = {"X-CSRF-Token": csrf}
        answer = await client.post(address, headers=headers)
        assert answer.status_code == 200
        assert "note 1" not in answer.text
        assert "note 0" in answer.text
        assert desk.story(item_of(1).id).history[-1].reviewer == "bob"
        assert (await client.post("/agreement/remove/item-0", headers=headers)).status_code == 404
        assert (await client.post("/agreement/remove/..%2Fx", headers=headers)).status_code in {400, 404}
        assert (await client.get(address)).status_code == 405
    assert len(gather(store).precedents) == 2


async def test_hostile_texts_stay_texts(store: RunStore) -> None:
    said = verdict("reject", HOSTILE, by=HOSTILE, **{HOSTILE: 0.5})
    messages = (Message(role="user", content=HOSTILE),)
    fields = {"verdicts": (said,), "reasons": (HOSTILE,), "messages": messages}
    await put(store, *[(number, item_of(number, **fields)) for number in range(20)])
    for number in range(20):
        await Desk(store).decide(item_of(number).id, Action.ACCEPT, HOSTILE, note=HOSTILE)
    await Desk(store).decide(item_of(1).id, Action.PRECEDENT, "ada")
    async with opened(store) as client:
        text = await page_of(client)
    assert "<img" not in text
    assert "alert(1)</script>" not in text
    assert text.count("&lt;script&gt;") >= 4
    assert "{{ 7*6 }}" in text
    assert tomllib.loads(minimum_lines(agreement_of(store)))["options"]["minimum"] == {HOSTILE: 0.5}
