"""The dashboard as a browser asks for it: empty, while real campaigns run, afterwards, and with hostile words in it."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import accepting, in_process
from mixed_items import mixed
from mock_server import MockServer
from review_items import CHUNK, DOCUMENT, item_of, put
from visiting_pages import visiting
from write_and_judge import PROMPTS, flow, rows

from gristmill import Campaign, ModelSpec
from gristmill.errors import StoreError
from gristmill.review import watch
from gristmill.review.desk import Desk
from gristmill.review.figures import Limit, Pace, lately, limits, phases, seconds_left, whole
from gristmill.review.web import wording
from gristmill.review.web.dashboard_pages import FIELDS, ROWS, rows_of
from gristmill.storage.reviews import Action
from gristmill.storage.samples import Sample, Samples
from gristmill.storage.store import RunStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    yield store
    await store.close()


HOSTILE = "<img src=x onerror=alert(1)>\"'&</svg><script>alert(2)</script>"


@pytest.fixture(autouse=True)
def counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look counts: what a large run is spared would hide here what changed."""
    monkeypatch.setattr(watch, "REST", 0.0)


async def shown(visitor: httpx.AsyncClient, path: str = "/dashboard/parts") -> str:
    """A page's text, without its marks."""
    answer = await visitor.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def books_of(page: str) -> dict[str, int]:
    """The books as the page tells them to who does not see the bar."""
    found = re.search(r'aria-label="planned (\d+) = ([^"]*)"', page)
    assert found, page
    parts = {name: int(number) for name, number in (part.split(" ") for part in found[2].split(" + "))}
    return {"planned": int(found[1]), **parts}


# the page


async def test_a_run_that_has_not_begun_has_a_page(store: RunStore) -> None:
    async with visiting(store.folder) as visitor:
        page = (await visitor.get("/dashboard")).text
        assert books_of(page) == {"planned": 0, "accepted": 0, "rejected": 0, "failed": 0, "pending": 0}
        assert "Nothing is spent yet" in page
        told = (await visitor.get("/dashboard/data")).json()
        assert (told["rows"], told["target"], told["budget"]) == ([], None, {})


async def test_numbers_change_while_a_campaign_runs_and_the_books_balance(tmp_path: Path) -> None:
    async with MockServer(latency=0.05, answer=mixed) as server:
        running = asyncio.create_task(in_process(tmp_path, server, 120, concurrency=4, target=60))
        folder = tmp_path / "runs/faults"
        seen: list[dict[str, int]] = []
        points: list[list[Any]] = []
        while True:  # the run is being made
            try:
                RunStore.read(folder).close_reading()
                break
            except StoreError:
                await asyncio.sleep(0.01)
        async with visiting(folder) as visitor:
            said = ""
            while not running.done():
                page = (await visitor.get("/dashboard/parts")).text
                seen.append(books_of(page))
                said += page
                told = (await visitor.get(f"/dashboard/data?since={points[-1][0] if points else 0}")).json()
                assert told["fields"] == list(FIELDS)
                assert all(row[0] > points[-1][0] for row in told["rows"]) if points else True
                points += told["rows"]
                await asyncio.sleep(0.05)
            report = await running
            assert all(one["planned"] == sum(one.values()) - one["planned"] for one in seen)
            assert len({one["accepted"] for one in seen}) > 3, "the numbers stood still"
            assert [one["accepted"] for one in seen] == sorted(one["accepted"] for one in seen)
            assert '<span class="chip running">running</span>' in said
            assert "done in about" in said
            assert server.url in said
            last = await shown(visitor)
            told = (await visitor.get(f"/dashboard/data?since={points[-1][0]}")).json()
            assert not told["running"]
            assert told["target"] == 60
            points += told["rows"]
            assert points[-1][FIELDS.index("accepted")] == report.books.accepted
            assert "the target of 60 accepted items is reached" in last
            assert "Nobody works on it now" in last
        opened = RunStore.read(folder)
        assert [row[0] for row in points] == [one.at for one in Samples(opened).since()]
        opened.close_reading()


async def test_a_run_in_postgres_has_the_same_page(tmp_path: Path, postgres_url: str) -> None:
    async with MockServer(answer=accepting) as server:
        rows(tmp_path, 12)
        spec = ModelSpec(model="openai_api/mock", base_url=server.url)
        campaign = Campaign("dashboard-pg", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": spec},
                            prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
        report = await campaign.execute(store=postgres_url)
    async with visiting(report.folder, postgres_url) as visitor:
        assert books_of((await visitor.get("/dashboard")).text)["accepted"] == 12
        assert (await visitor.get("/dashboard/data")).json()["rows"][-1][FIELDS.index("calls")] == 24


async def test_reasons_lead_to_the_queue_with_those_alone(store: RunStore) -> None:
    odd = {number: item_of(number, reasons=("it & that",)) for number in range(50, 53)}
    await put(store, *[(number, item_of(number)) for number in range(30)], *odd.items())
    async with visiting(store.folder) as visitor:
        page = (await visitor.get("/dashboard")).text
        links = [html.unescape(link) for link in re.findall(r'<li class="rejected"><a href="([^"]+)"', page)]
        assert len(links) == 4
        for link, count in zip(links, (10, 10, 10, 3), strict=True):
            answer = await visitor.get(link)
            assert answer.status_code == 200
            assert len(set(re.findall(r"item-[0-9a-f]{24}", answer.text))) == count


async def test_decisions_of_people_are_counted_as_they_stand(store: RunStore) -> None:
    await put(store, *[(number, item_of(number)) for number in range(6)])
    desk = Desk(store)
    async with visiting(store.folder) as visitor:
        assert "0 items are decided" in await shown(visitor)
        for number in range(3):
            await desk.decide(item_of(number).id, Action.REJECT, "ada")
        await desk.decide(item_of(3).id, Action.SEND_BACK, "bob", note="shorter")
        page = await shown(visitor)
        assert "4 items are decided" in page
        assert "reject 3" in page
        assert "send back 1" in page
        await desk.decide(item_of(0).id, Action.UNDO, "ada")
        await desk.decide(item_of(1).id, Action.ACCEPT, "bob")
        page = await shown(visitor)
        assert "3 items are decided" in page
        assert "accept 1" in page
        assert "reject 1" in page


async def test_words_of_others_stay_words(store: RunStore) -> None:
    await put(store, (1, item_of(1, reasons=(HOSTILE,))))
    worker = {
        "name": HOSTILE,
        "host": HOSTILE,
        "running": 1,
        "slots": 2,
        "done": 3,
        "tasks_per_minute": 1.5,
        "age": 0.1,
    }
    latest = {
        "endpoints": [{"server": HOSTILE, "model": HOSTILE, "window": 3}],
        "workers": [{**worker, "problem": HOSTILE}],
        "order": HOSTILE,
        "lease": 30.0,
    }
    await Samples(store).add(Sample(at=1, phase=HOSTILE, workers=1, planned=1, rejected=1), latest)
    await store.set_mark("stop", {"code": HOSTILE, "text": HOSTILE})
    async with visiting(store.folder) as visitor:
        for path in ("/dashboard", "/dashboard/parts"):
            page = (await visitor.get(path)).text
            assert "<img" not in page
            assert "alert(2)</script>" not in page
            assert page.count("&lt;img src=x") >= 5
        assert "<" not in (await visitor.get("/dashboard/data")).text


@pytest.mark.parametrize("since", ["-1", "x", "1e9", "9" * 30, "1&since=y"])
async def test_a_moment_that_is_none_is_refused(store: RunStore, since: str) -> None:
    async with visiting(store.folder) as visitor:
        answer = await visitor.get(f"/dashboard/data?since={since}", headers={"Accept": "application/json"})
        assert answer.status_code == 400
        assert "since" in answer.json()["error"]


async def test_a_series_that_was_thinned_meanwhile_is_told_whole(store: RunStore, monkeypatch: Any) -> None:
    monkeypatch.setattr(watch, "KEPT", 10)
    for at in range(1, 9):
        await Samples(store).add(Sample(at=at), {})
    async with visiting(store.folder) as visitor:
        assert len((await visitor.get("/dashboard/data")).json()["rows"]) == 8
        await Samples(store).add(Sample(at=9), {}, drop=[2, 4, 6])
        await Samples(store).add(Sample(at=10), {})
        assert [row[0] for row in (await visitor.get("/dashboard/data?since=8")).json()["rows"]] == [9, 10]
        await Samples(store).add(Sample(at=11), {})
        rows = (await visitor.get("/dashboard/data")).json()["rows"]
        assert [row[0] for row in rows] == [1, 3, 5, 7, 8, 9, 10, 11]


# the figures


def grown(at: int, **values: Any) -> Sample:
    """A sample of a run that ends a task a second and accepts every second one."""
    ended = values.pop("ended", at)
    return Sample(at=at * 1000, seconds=float(at), accepted=ended // 2, rejected=ended - ended // 2, calls=2 * ended,
                  tokens=100 * ended, **values)  # fmt: skip


def test_the_pace_of_late_is_of_the_last_minute_and_start() -> None:
    samples = [grown(at) for at in range(0, 500, 5)]
    late = lately(samples)
    assert (late.seconds, late.ended, late.rate("calls"), late.rate("ended", 60)) == (60.0, 60, 2.0, 60.0)
    assert late.share("accepted") == pytest.approx(0.5, abs=0.01)
    again = [*samples, *(grown(at, start=2) for at in range(500, 520, 5))]
    assert lately(again).seconds == 15.0
    slow = [grown(at, ended=at // 10) for at in range(0, 500, 5)]
    assert lately(slow).ended == 20
    assert lately([]) == Pace()
    assert whole(samples).seconds == 495.0


def test_a_pace_of_nothing_says_nothing() -> None:
    nothing = lately([grown(7)])
    assert [nothing.rate("calls"), nothing.share("accepted"), nothing.each("tokens")] == [None, None, None]
    assert seconds_left(nothing, 3, 10) is None
    assert seconds_left(Pace(seconds=10, accepted=5), 3, None) is None
    assert seconds_left(Pace(seconds=10, accepted=5), 3, 10) == 14.0
    assert seconds_left(Pace(seconds=10, accepted=5), 12, 10) == 0.0


def test_failed_tasks_that_run_again_make_no_negative_pace() -> None:
    pace = lately([Sample(at=1, seconds=1, failed=90, planned=90), Sample(at=2, seconds=2, planned=90, pending=90)])
    assert (pace.ended, pace.rate("ended")) == (0, 0.0)


def test_the_budget_is_projected_to_the_target() -> None:
    pace = Pace(seconds=100, ended=100, accepted=50, tokens=10_000, usd=1.0)
    spent = {"tokens": 20_000, "usd": 2.0, "seconds": 200.0}
    found = {one.kind: one for one in limits(spent, {"tokens": 30_000, "minutes": 60}, pace, 100, 200)}
    assert found["tokens"] == Limit("tokens", 20_000, 30_000, 40_000, 150)
    assert found["tokens"].is_short
    assert found["usd"] == Limit("usd", 2.0, None, 4.0, None)
    assert (found["seconds"].limit, found["seconds"].at_target, found["seconds"].is_short) == (3600, 400.0, False)
    assert limits({}, {}, pace, 0, None) == []
    (idle,) = limits({}, {"usd": 1.0}, Pace(), 0, 10)
    assert (idle.at_target, idle.lasts, idle.is_short) == (None, None, False)


def test_phases_are_timed_over_all_starts() -> None:
    names = ["", "reading documents", "reading documents", "running tasks", "running tasks"]
    samples = [Sample(at=n + 1, seconds=float(n), phase=name) for n, name in enumerate(names)]
    more = [Sample(at=10, seconds=9.0, start=2, phase="running tasks")]
    assert phases(samples) == {"reading documents": 2.0, "running tasks": 2.0}
    assert phases([*samples, *more])["running tasks"] == 7.0


@pytest.mark.parametrize("count", [0, 1, 2, 23, 24, 25, 1999])
def test_the_table_has_few_rows_and_the_newest_first(count: int) -> None:
    samples = tuple(grown(at) for at in range(1, count + 1))
    rows = rows_of(samples)
    assert len(rows) <= ROWS
    assert [row.sample.at for row in rows] == sorted((row.sample.at for row in rows), reverse=True)
    if count:
        assert rows[0].sample == samples[-1]
        assert sum(row.pace.ended for row in rows) == count


def test_numbers_in_words() -> None:
    said = [wording.count(one) for one in (None, 0, 3, 3.14, 12.6, 1234567)]
    assert said == ["–", "0", "3", "3.1", "13", "1,234,567"]
    said = [wording.short(one) for one in (9999, 10_000, 12_345, 999_000, 4_100_000, 4.1e12)]
    assert said == ["9,999", "10.0k", "12.3k", "999k", "4.1M", "4.1T"]
    said = [wording.money(one) for one in (None, 0, 0.00001, 0.00123, 0.5, 12.345, 412_345)]
    assert said == ["–", "$0", "$1.0e-05", "$0.0012", "$0.50", "$12.35", "$412k"]
    said = [wording.share(one) for one in (None, 0, 0.00001, 0.005, 0.5, 0.9999, 1)]
    assert said == ["–", "0%", "0.1%", "0.5%", "50%", "99.9%", "100%"]
    said = [wording.duration(one) for one in (None, 0, 1.25, 59, 60, 3599.9, 12_000, 90_000, 4e9)]
    assert said == ["–", "0 s", "1.2 s", "59 s", "1 min", "1 h", "3 h 20 min", "1 d 1 h", "126 y 274 d"]
