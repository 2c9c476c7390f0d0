"""How fast the review queue pages: a run of 100,000 rejected items, every filter and order, as a person would click.

    python benchmarks/review.py [--items 100000]

The last line is one JSON object: `page_ms_p95`, `page_ms_median`, `counts_ms_p95`, `first_look_s`, `decide_ms`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from gristmill.review.index import ReviewIndex
from gristmill.review.query import Filters, Sort, Stage
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
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore

REASONS = ("ungrounded", "trivial", "unclear", "unanswerable", "duplicate", "low_clear", "too_easy", "other")
WORDS = ("valve", "pump", "seal", "flange", "gasket", "steam", "pressure", "spring", "bolt", "gauge", "boiler", "inlet")
DOCUMENTS = 400


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


def timed(times: list[float], function, *args, **kwargs):  # noqa: ANN001, ANN002, ANN003, ANN201
    started = perf_counter()
    found = function(*args, **kwargs)
    times.append(1000 * (perf_counter() - started))
    return found


async def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = RunStore.open(Path(name) / "run")
        await fill(store, args.items)
        started = perf_counter()
        index = ReviewIndex(store)
        index.refresh()
        first_look = perf_counter() - started
        looks = {
            "open": Filters(),
            "one reason": Filters(reason="ungrounded"),
            "one critic": Filters(critic="critic"),
            "one document": Filters(document="manual-7.md"),
            "one entity": Filters(entity="entity-7"),
            "words": Filters(text="boiler gasket 77"),
            "a common word": Filters(text="valve"),
            "scores": Filters(score_from=0.4, score_to=0.6),
            "failed": Filters(status=("failed",)),
            "decided": Filters(stage=Stage.DECIDED),
        }
        reviews, decide = Reviews(store), []
        pages: dict[str, list[float]] = {}
        counts: dict[str, list[float]] = {}
        for name, filters in looks.items():
            for sort in Sort:
                after = ""
                for _ in range(6):
                    index.refresh()
                    page = timed(pages.setdefault(name, []), index.page, filters, sort, reviewer="ada", after=after)
                    if page.items and not page.items[0].decision:
                        began = perf_counter()
                        one = page.items[0]
                        key = content_id("event", name, sort, after)
                        moment = datetime.now(UTC)
                        event = Review(id=key, item=one.id, action=Action.REJECT, reviewer="ada", at=moment)
                        await reviews.add(event)
                        decide.append(1000 * (perf_counter() - began))
                    after = page.next
                    if not after:
                        break
            for tag in ("reason", "critic", "document"):
                timed(counts.setdefault(name, []), index.counts, filters, tag, reviewer="ada")
        print(f"{args.items} items; the first look took {first_look:.1f} s")
        print(f"{'filter':<15} {'page ms, median':>16} {'most':>8} {'counts ms, most':>16}")
        for name in looks:
            middle, most = statistics.median(pages[name]), max(pages[name])
            print(f"{name:<15} {middle:>16.1f} {most:>8.1f} {max(counts[name]):>16.1f}")
        every = sorted(time for times in pages.values() for time in times)
        bars = sorted(time for times in counts.values() for time in times)
        figures = {
            "page_ms_p95": round(every[int(0.95 * len(every))], 1),
            "page_ms_median": round(statistics.median(every), 1),
            "counts_ms_p95": round(bars[int(0.95 * len(bars))], 1),
            "first_look_s": round(first_look, 1),
            "decide_ms": round(statistics.median(decide), 2),
        }
        print(json.dumps(figures))
        index.close()
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    asyncio.run(main(parser.parse_args()))
