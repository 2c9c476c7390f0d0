"""How fast the page of the knowledge graph answers: a graph of 50,000 entities and 100,000 relations, over HTTP.

    python benchmarks/graph_page.py [--entities 50000] [--relations 100000] [--tasks 100000]

The last line is one JSON object: `view_ms_p95` of all that a person clicks, `load_s` of the first look.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import httpx

from gristmill.review.web.app import create_app
from gristmill.review.web.site import Access, Site
from gristmill.storage.records import Chunk, Document, Entity, Item, Relation, Span, Status, Task, content_id
from gristmill.storage.store import RunStore

TYPES = ("place", "person", "process", "product", "concept", "event")
TEXT = "The valve of the pump is made of brass, and steam leaves the boiler through it. " * 12
TOKEN = "a-token-of-the-benchmark"


def big_graph(entities: int, relations: int, chunks: Sequence[str]) -> tuple[list[Entity], list[Relation]]:
    """A graph with a few hubs and a long tail, as extraction gives it; the same each time."""
    dice = random.Random(7)
    weights = [dice.paretovariate(1.3) for _ in range(entities)]

    def mentions(count: int) -> tuple[Span, ...]:
        places = ((dice.choice(chunks), dice.randrange(0, 800)) for _ in range(count))
        return tuple(Span(chunk=chunk, start=start, end=start + 5, quote="valve") for chunk, start in places)

    nodes = [
        Entity(
            id=content_id("entity", number),
            name=f"{dice.choice(('valve', 'pump', 'seal', 'boiler'))} {number}",
            type=dice.choice(TYPES),
            description=TEXT[:160],
            aliases=(f"part no. {number}",) if number % 5 == 0 else (),
            mentions=mentions(min(400, int(2 * weight))),
        )
        for number, weight in enumerate(weights)
    ]
    ends = [dice.choices(nodes, weights, k=relations) for _ in range(2)]
    edges = [
        Relation(
            id=content_id("relation", number),
            source=left.id,
            target=right.id,
            type=dice.choice(("part of", "made of", "used in")),
            mentions=mentions(1),
        )
        for number, (left, right) in enumerate(zip(*ends, strict=True))
    ]
    return nodes, edges


async def fill(store: RunStore, entities: int, relations: int, tasks: int) -> list[Entity]:
    """Stores documents, a graph, and tasks with their items; returns the entities."""
    documents = []
    for number in range(400):
        document = Document.of(f"manual-{number}.md", f"{number} {TEXT}")
        documents.append((document, [Chunk.of(document.id, 0, 0, len(document.text), document.text)]))
    await store.add_documents(documents)
    nodes, edges = big_graph(entities, relations, [chunk.id for _, some in documents for chunk in some])
    await store.set_graph(nodes, edges, {"chunks": len(documents)})
    dice = random.Random(8)
    for start in range(0, tasks, 2000):
        drawn = [
            Task.of("pair", entities=tuple(one.id for one in dice.choices(nodes[: entities // 2], k=2)), seed=seed)
            for seed in range(start, min(tasks, start + 2000))
        ]
        await store.plan(drawn)
        await asyncio.gather(*(end(store, task, dice) for task in drawn))
    return nodes


async def end(store: RunStore, task: Task, dice: random.Random) -> None:
    status = dice.choices([Status.ACCEPTED, Status.REJECTED, Status.FAILED], [7, 2, 1])[0]
    item = Item(id=content_id("item", task.id), task=task.id, kind="qa", status=status, entities=task.entities)
    await store.finish(task.id, status, [item])


async def timed(client: httpx.AsyncClient, address: str, times: list[float]) -> None:
    began = perf_counter()
    answer = await client.get(address)
    times.append(1000 * (perf_counter() - began))
    answer.raise_for_status()


async def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="graph-page-") as folder:
        store = RunStore.open(Path(folder) / "run")
        nodes = await fill(store, args.entities, args.relations, args.tasks)
        await store.close()
        site = Site(Path(folder) / "run", "", Access("127.0.0.1", 80, TOKEN, "ada"))
        began = perf_counter()
        await site.ready()
        index_s = perf_counter() - began
        transport = httpx.ASGITransport(create_app(site))
        looks: dict[str, list[float]] = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=120) as client:
            await client.get("/graph", params={"token": TOKEN})
            began = perf_counter()
            await client.get("/graph")
            load_s = perf_counter() - began
            hub = max(nodes, key=lambda one: len(one.mentions)).id
            some = [node.id for node in nodes[:: len(nodes) // 20]]
            addresses = {
                "page": ["/graph"],
                "overview": ["/graph/data", "/graph/data?by=mentions", "/graph/data?limit=500"],
                "filtered": [
                    "/graph/data?coverage=uncovered",
                    "/graph/data?type=place&document=manual-7",
                    "/graph/data?document=manual",
                ],
                "list": [f"/graph/list?order={order}" for order in ("degree", "name", "coverage", "rejected")],
                "search": [f"/graph/search?q={text}" for text in ("v", "valve", "pump 49", "part no", "nothing")],
                "around": [f"/graph/data?around={id}&depth={depth}" for id in [hub, *some] for depth in (1, 2)],
                "entity": [f"/graph/entities/{id}" for id in [hub, *some]],
                "changes": ["/graph/changes?since=1"],
            }
            for _ in range(args.rounds):
                for name, some_addresses in addresses.items():
                    for address in some_addresses:
                        await timed(client, address, looks.setdefault(name, []))
        await site.aclose()
    print(f"{args.entities:,} entities, {args.relations:,} relations, {args.tasks:,} tasks;", end=" ")
    print(f"the queue's index took {index_s:.1f} s, the graph {load_s:.1f} s")
    print(f"{'look':<10} {'ms, median':>11} {'most':>8}")
    for name, times in looks.items():
        print(f"{name:<10} {statistics.median(times):>11.1f} {max(times):>8.1f}")
    every = sorted(time for times in looks.values() for time in times)
    print(json.dumps({"view_ms_p95": round(every[int(0.95 * len(every))], 1), "load_s": round(load_s, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=50_000)
    parser.add_argument("--relations", type=int, default=100_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args()))
