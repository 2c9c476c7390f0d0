"""What texts that mean the same cost a gate: at a worker of a fleet over a real Redis, and at the embedding server.

    python benchmarks/evals_gate_shared.py [--vectors 200000] [--dimensions 384] [--claims 3000] [--items 4000]

`join`: a log of so many vectors stands in Redis. `shared_restore_s` is what a coordinator takes to put it there,
`shared_join_s` a worker's first claim, for which it reads the log and indexes it (`shared_join_cpu_s` of its process's
CPU time), `shared_worker_gb` what its process has more of afterwards, `shared_bytes_per_text` what Redis has.
`shared_claims_per_s` are claims kept, 64 at a time, by that worker: of texts that are new, and each twentieth the like
of one that is there; `shared_found` is the share of these that are turned away.
`batch`: items claimed 64 at a time against an embedding server (mock_server.py, in the same process) that takes 20 ms a
request: requests for 1,000 items and items a second, with each text by itself
(`alone_...`) and with those that come within 5 ms in one request (`batched_...`), both in one run.
Each in a process of its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from apart import Row, main, rows_of
from evals_gate import made_texts, made_vectors
from mock_server import MockServer
from redis_server import RedisServer

from gristmill.evals.duplicates.exact import hash_of
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.marks import Mark, squeezed, tag_of
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.evals.numeric import Matrix
from gristmill.evals.vectors.served import ServedEmbedder
from gristmill.models.contract import Model
from gristmill.models.factory import build
from gristmill.models.layers.batch import Batched
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.cache import MemoryCalls
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.redis_connection import RedisConnection

LIKE = Likeness(semantic=0.9)
AT_ONCE, COPIES, LATENCY = 64, 20, 0.02


def resident() -> float:
    """The memory that this process has now, in GB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e6


class Given:
    """An embedder that has the vectors already: `text 17` is row 17."""

    name, sees = "given", "what it was given"

    def __init__(self, rows: Matrix) -> None:
        self.rows = rows

    async def embed(self, texts: Sequence[str]) -> Matrix:
        return self.rows[[int(text.rpartition(" ")[2]) for text in texts]]


async def joined(args: argparse.Namespace, url: str, rows: Matrix, fresh: Matrix) -> list[Row]:
    first, second = RedisConnection(url), RedisConnection(url)
    tag, count = tag_of(Given.name), len(rows)
    marks = (
        (Mark(hash_of(f"there {at}", ["there", str(at)]), 0, b"", tag, squeezed(row)).packed(), f"task-{at:024x}")
        for at, row in enumerate(rows)
    )
    began = perf_counter()
    await RedisPool(first, "gate", LIKE, Given(fresh)).restore(marks)
    restored = perf_counter() - began
    size = int((await first.client.info("memory"))["used_memory"])
    before, wall, cpu = resident(), perf_counter(), process_time()
    pool = RedisPool(second, "gate", LIKE, Given(fresh))
    await pool.claim("text 0", "first")
    wall, cpu, held = perf_counter() - wall, process_time() - cpu, resident() - before
    waiting, twins = iter(range(1, len(fresh))), 0

    async def work() -> None:
        nonlocal twins
        for number in waiting:
            owner = f"new-{number:026x}"
            twin = (await pool.claim(f"text {number}", owner)).twin
            twins += twin is not None and number % COPIES == 0
            await pool.keep(owner)

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    pace = (len(fresh) - 1) / (perf_counter() - began)
    await first.aclose()
    await second.aclose()
    return [
        ("shared_restore_s", restored, "s"),
        ("shared_join_s", wall, "s"),
        ("shared_join_cpu_s", cpu, "s CPU"),
        ("shared_worker_gb", held, "GB"),
        ("shared_bytes_per_text", size / count, "bytes"),
        ("shared_claims_per_s", pace, "claims kept/s"),
        ("shared_found", twins / ((len(fresh) - 1) // COPIES), "of the copies"),
    ]


def of_join(args: argparse.Namespace) -> list[Row]:
    whole, _ = made_vectors(args.vectors + args.claims, args.dimensions)
    rows, fresh = whole[: args.vectors], whole[args.vectors :].copy()
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((len(fresh), args.dimensions), dtype=np.float32)
    fresh = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    for at in range(COPIES, len(fresh), COPIES):  # at a cosine of about 0.96
        near = rows[rng.integers(0, len(rows))] + 0.3 * fresh[at]
        fresh[at] = near / np.linalg.norm(near)
    with TemporaryDirectory(prefix="gristmill-gate-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            return asyncio.run(joined(args, server.url, rows, fresh))
        finally:
            server.stop()


async def claimed(model: Model, texts: Sequence[str]) -> float:
    """Claims all texts, 64 at a time; returns the seconds."""
    pool, waiting = GatePool(LIKE, ServedEmbedder(model)), iter(enumerate(texts))

    async def work() -> None:
        for number, text in waiting:
            await pool.claim(text, f"task-{number}")
            await pool.keep(f"task-{number}")

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return perf_counter() - began


async def served(args: argparse.Namespace) -> list[Row]:
    texts = [text for text, _ in made_texts(args.items)]
    found: list[Row] = []
    for name, wait in (("alone", 0), ("batched", 1)):
        async with MockServer(latency=LATENCY) as server:
            spec = ModelSpec(model="openai_api/bge", base_url=server.url)
            model = build(spec, calls=MemoryCalls(), budget=Budget(), meter=Meter())
            if not wait:
                of_one(model)
            cpu = process_time()
            seconds = await claimed(model, texts)
            cpu = process_time() - cpu
            await model.aclose()
            found += [
                (f"{name}_requests_per_1000", len(server.log) / len(texts) * 1000, "requests"),
                (f"{name}_items_per_s", len(texts) / seconds, "items/s"),
                (f"{name}_cpu_ms_per_item", cpu / len(texts) * 1e3, "ms CPU, the server's with it"),
            ]
    return found


def of_one(model: Model) -> None:
    """Has the layer that puts texts together take one at a time."""
    inner: object = model
    while not isinstance(inner, Batched):
        inner = inner.inner  # type: ignore[attr-defined]  # every layer around it has one
    inner.most = 1


def of_batch(args: argparse.Namespace) -> list[Row]:
    return asyncio.run(served(args))


PARTS = {"join": of_join, "batch": of_batch}


def rows(args: argparse.Namespace | None = None) -> list[Row]:
    """Every measure, each in a process of its own."""
    given = args or parsed([])
    return rows_of(__file__, given, ("vectors", "dimensions", "claims", "items"), given.only or PARTS)


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--claims", type=int, default=3_000)
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=())
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args(given)


if __name__ == "__main__":
    main(parsed(), PARTS, rows)
