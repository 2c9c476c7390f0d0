"""How fast the review queue pages: a run of 100,000 rejected items, every filter and order, as a person would click.

    python benchmarks/review.py [--items 100000] [--run FOLDER]

Starts `gristmill review` as a process and asks it over loopback as a browser does: the page by its address, its part
when a filter is clicked, more items at its end. Between two of them an item is decided, so that nothing comes from a
cache that a person's next click would not find warm too; and the bars are being counted while the next is asked for.
A time is from the request until the last byte. `--run` keeps the run, and uses it again when it is there.

The last line is one JSON object: `page_ms_p95` (of all three), `page_ms_median`, `page_ms_most`, `bars_ms_p95`,
`bars_again_ms_p95` (nothing happened since), `decide_ms_median`, `bulk_1000_ms`, `agreement_first_s` (the first report,
which counts all items), `agreement_again_ms`, `first_look_s` (start, with the index made anew).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

from gristmill.review.queue.file import FILE
from gristmill.review.queue.query import Sort
from gristmill.storage.records import (
    Chunk,
    Decision,
    Document,
    Draft,
    Item,
    Message,
    Status,
    Task,
    Verdict,
    content_id,
)
from gristmill.storage.store import RunStore

REASONS = ("ungrounded", "trivial", "unclear", "unanswerable", "duplicate", "low_clear", "too_easy", "other")
WORDS = ("valve", "pump", "seal", "flange", "gasket", "steam", "pressure", "spring", "bolt", "gauge", "boiler", "inlet")
DOCUMENTS = 400
CLICKS = 4  # times that a person asks for more
LOOKS = {
    "open": {},
    "one reason": {"reason": "ungrounded"},
    "one critic": {"critic": "critic"},
    "one document": {"document": "manual-7.md"},
    "one entity": {"entity": "entity-7"},
    "words": {"text": "boiler gasket 77"},
    "a common word": {"text": "valve"},
    "scores": {"score_from": 0.4, "score_to": 0.6},
    "reason, draw, score": {"reason": "trivial", "draw": "hop2", "score_to": 0.5},
    "failed": {"status": "failed"},
    "decided": {"stage": "decided"},
    "all": {"stage": "all"},
}


def item_of(number: int, chunks: list[Chunk], dice: random.Random) -> Item:
    """An item as a campaign leaves it: two drafts, three verdicts, about 3 KB."""

    def text(count: int) -> str:
        return " ".join(dice.choices(WORDS, k=count))

    task = Task.of("pair", attributes={"number": number})
    messages = (
        Message(role="user", content=f"{text(12)} {number}?"),
        Message(role="assistant", content=text(60)),
    )
    drafts = tuple(Draft(index=n, by="generator", messages=messages, fields={"answer": text(60)}) for n in range(2))
    reason = dice.choices(REASONS, weights=range(len(REASONS), 0, -1))[0]
    verdicts = tuple(
        Verdict(
            by=by,
            draft=1,
            decision=dice.choice([Decision.REJECT, Decision.ACCEPT]),
            reasons=(reason,),
            scores={"clear": round(dice.random(), 3)},
            text=text(20),
        )
        for by in ("grounding", "critic", "judge:relevance")
    )
    return Item(
        id=content_id("item", task.id, 0),
        task=task.id,
        kind="qa",
        status=Status.FAILED if number % 50 == 0 else Status.REJECTED,
        reasons=(reason,),
        messages=messages,
        chunks=(dice.choice(chunks).id,),
        entities=tuple(f"entity-{dice.randrange(500)}" for _ in range(2)),
        attributes={"draw": dice.choice(["pair", "chunk", "hop2"])},
        drafts=drafts,
        verdicts=verdicts,
    )


async def fill(store: RunStore, count: int) -> None:
    dice = random.Random(7)
    documents = []
    for number in range(DOCUMENTS):
        document = Document.of(f"manual-{number}.md", f"text {number} " * 50)
        documents.append((document, [Chunk.of(document.id, 0, 0, len(document.text), document.text)]))
    await store.add_documents(documents)
    chunks = [chunk for _, some in documents for chunk in some]
    for start in range(0, count, 1000):
        items = [item_of(number, chunks, dice) for number in range(start, min(count, start + 1000))]
        await store.plan(
            [Task.of("pair", attributes={"number": number}) for number in range(start, start + len(items))]
        )
        await asyncio.gather(*(store.finish(item.task, item.status, [item]) for item in items))


@dataclass
class Times:
    """Milliseconds of what was asked for, by the filter's name."""

    page: dict[str, list[float]] = field(default_factory=dict)
    part: dict[str, list[float]] = field(default_factory=dict)
    more: dict[str, list[float]] = field(default_factory=dict)
    bars: dict[str, list[float]] = field(default_factory=dict)
    again: dict[str, list[float]] = field(default_factory=dict)
    decide: list[float] = field(default_factory=list)
    agreement: list[float] = field(default_factory=list)  # the first report, then those that only take in what is new


class Browser:
    """One person's session with the server."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self._session = session
        self._origin = origin

    async def enter(self, url: str) -> None:
        """Opens the pages by the address with the token."""
        async with self._session.get(url) as answer:
            (csrf,) = re.findall(r'name="csrf" content="([^"]+)"', await answer.text())
        self._session.headers["X-CSRF-Token"] = csrf

    async def get(self, path: str, times: list[float], *, part: bool = True) -> str:
        """Asks for a page or, as htmx does, for a part of it; notes how long it took."""
        started = perf_counter()
        async with self._session.get(self._origin + path, headers={"HX-Request": "true"} if part else {}) as answer:
            text = await answer.text()
        times.append(1000 * (perf_counter() - started))
        assert answer.status == 200, text
        return text

    async def post(self, path: str, body: object, times: list[float]) -> dict[str, object]:
        """Writes; notes how long it took."""
        started = perf_counter()
        async with self._session.post(self._origin + path, json=body) as answer:
            found: dict[str, object] = await answer.json()
        times.append(1000 * (perf_counter() - started))
        assert answer.status == 200, found
        return found


@asynccontextmanager
async def served(run: Path) -> AsyncIterator[tuple[str, float]]:
    """`gristmill review` of a run: its address, and the seconds until it answers."""
    command = [sys.executable, "-m", "gristmill.cli", "review", str(run), "--port", "0", "--no-browser"]
    started = perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        assert process.stdout
        said = ""
        while "Ctrl-C" not in said:
            line = (await process.stdout.readline()).decode()
            assert line, f"the server did not start: {said}"
            said += line
            assert process.returncode is None, said
        yield re.findall(r"http://\S+", said)[0], perf_counter() - started
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def look(browser: Browser, name: str, sort: Sort, times: Times) -> None:
    """One filter in one order: the page, its part, then more of it, with a decision and new bars each time."""
    query = urlencode({**LOOKS[name], "sort": sort.value})
    way, kind, part = f"/?{query}", times.page, False
    for click in range(CLICKS):
        counting = asyncio.create_task(browser.get(f"/bars?{query}", times.bars.setdefault(name, [])))
        await asyncio.sleep(0.005)  # the bars are asked for first
        text = await browser.get(way, kind.setdefault(name, []), part=part)
        await counting
        if shown := re.findall(r'<li id="(item-[0-9a-f]+)" class="row"', text):
            body = {"id": uuid4().hex, "action": "reject", "ids": shown[:1]}
            assert (await browser.post("/decisions", body, times.decide))["decided"] == 1
        further = re.findall(r'hx-get="(/rows[^"]+)"', text)
        if click == 0:
            way, kind, part = f"/?{query}", times.part, True
        elif further:
            way, kind = further[0].replace("&amp;", "&"), times.more
        else:
            break
    await browser.get(f"/bars?{query}", times.bars.setdefault(name, []))
    await browser.get(f"/bars?{query}", times.again.setdefault(name, []))


def at(times: Iterable[float], share: float) -> float:
    """Returns the time that a share of all stay within."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(times: Times, items: int, first_look: float, bulk: float) -> None:
    print(f"{items:,} items; the server answered after {first_look:.1f} s, the index made anew. Medians in ms:")
    print(f"{'filter':<20} {'page':>7} {'part':>7} {'more':>7} {'most':>7} {'bars':>7} {'again':>7}")
    kinds = (times.page, times.part, times.more)
    for name in LOOKS:
        every = [time for kind in kinds for time in kind.get(name, [])]
        medians = [statistics.median(kind[name]) if kind.get(name) else float("nan") for kind in kinds]
        bars, again = statistics.median(times.bars[name]), statistics.median(times.again[name])
        print(f"{name:<20}" + "".join(f" {one:>7.1f}" for one in (*medians, max(every), bars, again)))
    every = [time for kind in kinds for some in kind.values() for time in some]
    figures = {
        "items": items,
        "page_ms_p95": round(at(every, 0.95), 1),
        "page_ms_median": round(statistics.median(every), 1),
        "page_ms_most": round(max(every), 1),
        "bars_ms_p95": round(at((time for some in times.bars.values() for time in some), 0.95), 1),
        "bars_again_ms_p95": round(at((time for some in times.again.values() for time in some), 0.95), 1),
        "decide_ms_median": round(statistics.median(times.decide), 1),
        "bulk_1000_ms": round(bulk, 1),
        "agreement_first_s": round(times.agreement[0] / 1000, 1),
        "agreement_again_ms": round(statistics.median(times.agreement[1:]), 1),
        "first_look_s": round(first_look, 1),
    }
    print(json.dumps(figures))


async def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        run = args.run or Path(name) / "run"
        if not run.exists():
            store = RunStore.open(run)
            await fill(store, args.items)
            await store.close()
        (run / FILE).unlink(missing_ok=True)
        times, many = Times(), []
        jar = aiohttp.CookieJar(unsafe=True)  # of a host that is a number
        async with served(run) as (url, first_look), aiohttp.ClientSession(cookie_jar=jar) as session:
            browser = Browser(session, url.partition("/?")[0])
            await browser.enter(url)
            for name in LOOKS:
                for sort in Sort:
                    await look(browser, name, sort, times)
            text = await browser.get("/?reason=other", [])
            shown = re.findall(r'<li id="(item-[0-9a-f]+)" class="row"', text)
            while len(shown) < 1000 and (further := re.findall(r'hx-get="(/rows[^"]+)"', text)):
                text = await browser.get(further[0].replace("&amp;", "&"), [])
                shown += re.findall(r'<li id="(item-[0-9a-f]+)" class="row"', text)
            batch = uuid4().hex
            await browser.post("/decisions", {"id": batch, "action": "reject", "ids": shown[:1000]}, many)
            await browser.post("/decisions/undo", {"id": batch}, [])
            for id in shown[:CLICKS]:
                await browser.get("/agreement", times.agreement)
                await browser.post("/decisions", {"id": uuid4().hex, "action": "accept", "ids": [id]}, [])
        report(times, args.items, first_look, many[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--run", type=Path, help="folder of the run, kept; with --items as it was made")
    asyncio.run(main(parser.parse_args()))
