"""What the novelty gate costs: a million texts through it, and semantic duplicates of a million vectors.

    python benchmarks/evals_gate.py [--items 1000000] [--vectors 1000000] [--dimensions 384] [--redis 20000]

`minhash_items_per_s` is texts of 60 words claimed and kept one after the other in one process: normalised, hashed,
signed, looked up in the index and put in; a twentieth are near copies. `minhash_gb` is the most memory of that process
beyond its texts. datasketch does the same on a part, with as many permutations and the same shingles. `semantic_s` is
`semantic_duplicates` over vectors, of which a twentieth are near another, with the share of these that it found.
usearch's HNSW graph does the same on a twentieth, with the settings of the gate's index.
`redis_claims_per_s` is claims over one connection, 64 at a time. Each in a process of its own; wall time, with the
process's CPU time beside it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
from apart import Row, main, rows_of
from redis_server import RedisServer

from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.near import LANES, shingles
from gristmill.evals.duplicates.semantic import semantic_duplicates
from gristmill.evals.duplicates.semantic_index import SemanticIndex
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.evals.folding import words
from gristmill.storage.redis_connection import RedisConnection

WORDS, COPIES, THRESHOLD = 60, 20, 0.8
PART = 50  # datasketch gets one text of so many


def gigabytes() -> float:
    """The most memory that this process has had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def made_texts(count: int) -> Iterator[tuple[str, bool]]:
    """Texts of 60 words, frequent and rare; every twentieth is one of the last hundred with a word changed."""
    rng = random.Random(0)
    listed = [f"{a}{b}{c}" for a in "bcdfghklmnprst" for b in ("an", "el", "ir", "op", "us") for c in range(300)]
    weights = np.cumsum([1 / (place + 1) for place in range(len(listed))]).tolist()
    last: list[list[str]] = []
    for number in range(count):
        copied = number % COPIES == COPIES - 1
        if copied:
            found = list(rng.choice(last))
            found[rng.randrange(WORDS)] = f"changed{number}"
        else:
            found = rng.choices(listed, cum_weights=weights, k=WORDS)
            last = [*last[-99:], found]
        yield " ".join(found), copied


def of_minhash(args: argparse.Namespace) -> list[Row]:
    texts = list(made_texts(args.items))
    before = gigabytes()

    async def claimed() -> tuple[int, int]:
        pool, found, wrong = GatePool(Likeness(near=THRESHOLD)), 0, 0
        for number, (text, copied) in enumerate(texts):
            owner = f"task-{number}"
            twin = (await pool.claim(text, owner)).twin
            await pool.keep(owner)
            found += twin is not None and copied
            wrong += twin is not None and not copied
        return found, wrong

    wall, cpu = perf_counter(), process_time()
    found, wrong = asyncio.run(claimed())
    wall, cpu = perf_counter() - wall, process_time() - cpu
    return [
        ("minhash_items_per_s", args.items / wall, "items/s"),
        ("minhash_items_per_cpu_s", args.items / cpu, "items/s of CPU"),
        ("minhash_gb", gigabytes() - before, "GB"),
        ("minhash_found", found / max(1, args.items // COPIES), "of the copies"),
        ("minhash_wrong", float(wrong), "texts that are no copy"),
    ]


def of_datasketch(args: argparse.Namespace) -> list[Row]:
    from datasketch import MinHash, MinHashLSH

    texts = list(made_texts(max(COPIES, args.items // PART)))
    index, found = MinHashLSH(threshold=THRESHOLD, num_perm=LANES), 0
    wall, before = perf_counter(), gigabytes()
    for number, (text, copied) in enumerate(texts):
        sketch = MinHash(num_perm=LANES)
        sketch.update_batch([shingle.encode() for shingle in shingles(words(text))])
        if index.query(sketch):
            found += copied
        else:
            index.insert(number, sketch)
    wall = perf_counter() - wall
    return [
        ("datasketch_part_items_per_s", len(texts) / wall, "items/s"),
        ("datasketch_part_gb_per_million", (gigabytes() - before) / len(texts) * 1e6, "GB a million"),
        ("datasketch_part_found", found / (len(texts) // COPIES), "of the copies"),
    ]


def made_vectors(count: int, width: int) -> tuple[Any, int]:
    """Rows of length one around 500 directions; the last twentieth are near the first, at a cosine of about 0.97."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(500, width)).astype(np.float32)
    rows = np.empty((count, width), dtype=np.float32)
    copies = count // COPIES
    for start in range(0, count, 8192):
        part = rows[start : start + 8192]
        part[:] = 0.7 * centres[rng.integers(0, 500, len(part))]
        part += rng.standard_normal(part.shape, dtype=np.float32)
    rows[count - copies :] = rows[:copies] + 0.3 * rng.standard_normal((copies, width), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, copies


def of_semantic(args: argparse.Namespace) -> list[Row]:
    rows, copies = made_vectors(args.vectors, args.dimensions)
    before, wall, cpu = gigabytes(), perf_counter(), process_time()
    found = semantic_duplicates(rows, threshold=0.9)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    first = args.vectors - copies
    right = sum(number >= first and twin.number == number - first for number, twin in found.items())
    return [
        ("semantic_s", wall, "s"),
        ("semantic_cpu_s", cpu, "s CPU"),
        ("semantic_beyond_gb", gigabytes() - before, "GB"),
        ("semantic_found", right / copies, "of the copies"),
        ("semantic_wrong", float(len(found) - right), "rows that are no copy"),
    ]


def of_usearch(args: argparse.Namespace) -> list[Row]:
    """A graph index over a part: all are added and each is looked for."""
    rows, copies = made_vectors(max(COPIES, args.vectors // 20), args.dimensions)
    index, first = SemanticIndex(), len(rows) - copies
    wall, cpu = perf_counter(), process_time()
    for number, row in enumerate(rows):
        index.add(number, row)
    found = [index.nearest(rows[number], besides=(number,)) for number in range(len(rows))]
    wall, cpu = perf_counter() - wall, process_time() - cpu
    right = sum(one is not None and one.number == number - first for number, one in enumerate(found) if number >= first)
    return [
        ("usearch_part_s", wall, "s"),
        ("usearch_part_cpu_s", cpu, "s CPU"),
        ("usearch_part_found", right / copies, "of the copies"),
    ]


def of_redis(args: argparse.Namespace) -> list[Row]:
    texts = [text for text, _ in made_texts(args.redis)]

    async def claimed(url: str) -> tuple[float, float]:
        connection = RedisConnection(url)
        pool, waiting = RedisPool(connection, "gate", Likeness(near=THRESHOLD)), iter(enumerate(texts))

        async def work() -> None:
            for number, text in waiting:
                await pool.claim(text, f"task-{number:024x}")
                await pool.keep(f"task-{number:024x}")

        try:
            began = perf_counter()
            await asyncio.gather(*(work() for _ in range(64)))
            wall = perf_counter() - began
            memory = int((await connection.client.info("memory"))["used_memory"])
        finally:
            await connection.aclose()
        return len(texts) / wall, memory / len(texts)

    with TemporaryDirectory(prefix="gristmill-gate-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            pace, size = asyncio.run(claimed(server.url))
        finally:
            server.stop()
    return [("redis_claims_per_s", pace, "claims kept/s"), ("redis_bytes_per_text", size, "bytes")]


PARTS = {
    "minhash": of_minhash,
    "datasketch": of_datasketch,
    "semantic": of_semantic,
    "usearch": of_usearch,
    "redis": of_redis,
}


def rows(args: argparse.Namespace | None = None) -> list[Row]:
    """Every measure, each in a process of its own."""
    given = args or parsed([])
    return rows_of(__file__, given, ("items", "redis", "vectors", "dimensions"), given.only or PARTS)


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--redis", type=int, default=20_000)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=())
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args(given)


if __name__ == "__main__":
    main(parsed(), PARTS, rows)
