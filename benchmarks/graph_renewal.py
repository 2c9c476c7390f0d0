"""What it takes to bring a stored graph up to one more document, and to one merge, beside making it anew.

    python benchmarks/graph_renewal.py [--mentions 100000] [--entities 30000] [--seed 1]

The mentions are those of `graph_resolve.py`, with descriptions, and each related to the next of its chunk. Of each step
the last line, one JSON object, has the CPU seconds of this process and the wall clock: `built` (all of it, with what is
kept for later steps), `anew` (the same document, made as if nothing were kept), `document` and `merge`. `bytes` are
those of the run's file. A step is making what changed, comparing it with what is stored, and writing it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from graph_resolve import CHUNKS, extractions, things

from gristmill.agents.extraction.records import Extraction, FoundRelation
from gristmill.campaigns.editing.applying import Desk
from gristmill.campaigns.editing.asking import merge
from gristmill.campaigns.editing.finding import chosen
from gristmill.campaigns.knowledge.merging import Made, Material
from gristmill.campaigns.knowledge.regraph import change_to
from gristmill.campaigns.spec import GraphSpec
from gristmill.storage.records import Chunk, Document, Span
from gristmill.storage.rulings import Rulings
from gristmill.storage.store import RunStore

SPEC = GraphSpec()
TOGETHER = 200  # documents of a transaction


def said(found: Extraction, chunk: str) -> Extraction:
    """An extraction of another chunk, with descriptions, and with relations between neighbours."""
    entities = tuple(
        one.model_copy(
            update={
                "descriptions": (f"{one.name} is a thing of its sort, as {chunk} says.",),
                "mentions": tuple(span.model_copy(update={"chunk": chunk}) for span in one.mentions),
            }
        )
        for one in found.entities
    )
    relations = tuple(
        FoundRelation(
            source=left.name, target=right.name, type="related to",
            mentions=(Span(chunk=chunk, start=0, end=5, quote="quote"),),
        )
        for left, right in pairwise(entities)
    )  # fmt: skip
    return found.model_copy(update={"chunk": chunk, "entities": entities, "relations": relations})


async def add(store: RunStore, documents: Iterator[Sequence[Extraction]], first: int) -> None:
    """Stores documents with their chunks and what these gave."""
    number = first
    while some := list(islice(documents, TOGETHER)):
        made = []
        for found in some:
            document = Document.of(f"{number}.txt", f"document {number} " * 20)
            made.append((document, [Chunk.of(document.id, at, at, at + 9, "words") for at in range(len(found))], found))
            number += 1
        await store.add_documents([(document, chunks) for document, chunks, _ in made])
        pairs = [pair for _, chunks, found in made for pair in zip(chunks, found, strict=True)]
        await asyncio.gather(
            *(store.add_extraction(chunk.id, said(one, chunk.id).model_dump_json()) for chunk, one in pairs)
        )


async def timed(step: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    wall, cpu = perf_counter(), process_time()
    await step()
    return {"s": round(process_time() - cpu, 2), "s_wall": round(perf_counter() - wall, 2)}


async def measure(folder: Path, mentions: int, entities: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    made = [one for one, _ in extractions(things(entities, rng), mentions, rng)]
    documents = [made[start : start + CHUNKS] for start in range(0, len(made), CHUNKS)]
    store = RunStore.open(folder / "run")
    await store.set_mark("campaign", {"name": "run", "graph": SPEC.model_dump(mode="json")})

    async def write(result: Made) -> None:
        await store.write(*change_to(store, result, result.graph, {}, causes=["refresh:1"]).statements)

    async def built() -> None:
        await write(Material(SPEC, store).made(list(Rulings(store).all())))

    async def brought_up() -> None:
        result = Material(SPEC, store).brought_up(list(Rulings(store).all()))
        assert result.scope is not None
        await write(result)

    async def anew() -> None:  # as it was done before anything was kept; nothing is written
        result = Material(SPEC, store).made(list(Rulings(store).all()))
        change_to(store, result, result.graph, {}, causes=["refresh:1"])

    async def edit() -> None:
        one, other = (id for (id,) in store.rows("SELECT id FROM entities ORDER BY id LIMIT 2"))
        await Desk(store).edit("ada", "", lambda _, pen: merge(pen, chosen(store, one), chosen(store, other)))

    await add(store, iter(documents[:-1]), 0)
    figures: dict[str, Any] = {"mentions": sum(len(one.entities) for one in made)}
    steps = {"built": built, "anew": anew, "document": brought_up, "merge": edit}
    for name, step in steps.items():
        if name == "anew":
            await add(store, iter(documents[-1:]), len(documents) - 1)
        figures |= {f"{name}_{key}": value for key, value in (await timed(step)).items()}
        print(f"{name}: {figures[f'{name}_s']} s CPU, {figures[f'{name}_s_wall']} s", flush=True)
    figures |= {"entities": store.count("entities"), "relations": store.count("relations")}
    figures["bytes"] = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
    await store.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Bring a stored graph up to a document and to a merge.")
    parser.add_argument("--mentions", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), options.mentions, options.entities, options.seed))))


if __name__ == "__main__":
    main()
