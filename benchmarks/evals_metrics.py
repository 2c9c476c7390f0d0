"""What the diversity figures cost: the Vendi score of a million vectors, vendi-score beside it, all texts' figures.

    python benchmarks/evals_metrics.py [--vectors 1000000] [--dimensions 384] [--texts 100000]

Seconds are those of all CPUs together, as other work on the machine would lengthen the clock's (printed too, as
`..._wall`). `vendi_s` is for q = 1 over float32 vectors, `vendi_beyond_gb` the most memory beyond the vectors that
it took (VmHWM after less before). vendi-score is given a part of the vectors, for it copies them. `measure_s` is
`measure` over texts of 60 words without vectors. Each in a process of its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from apart import Row, main, rows_of

from gristmill.evals.diversity.distance import nearest_distance, pairwise_distance
from gristmill.evals.diversity.measure import measure
from gristmill.evals.diversity.vendi import vendi

VECTORS, DIMENSIONS, TEXTS, WORDS = 1_000_000, 384, 100_000, 60
PART = 20  # vendi-score gets one vector of so many


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = process_time(), perf_counter()

    def rows(self, name: str) -> list[Row]:
        wall = (f"{name}_wall", perf_counter() - self._wall, "s")
        return [(name, process_time() - self._cpu, "s CPU"), wall]


def gigabytes() -> float:
    """The most memory that this process has had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def made_vectors(count: int, width: int) -> Any:
    """Rows of length one around 500 directions of falling popularity, made in place."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(500, width)).astype(np.float32)
    shares = 1 / np.arange(1, 501)
    rows = np.empty((count, width), dtype=np.float32)
    for start in range(0, count, 8192):
        part = rows[start : start + 8192]
        part[:] = centres[rng.choice(500, len(part), p=shares / shares.sum())]
        part += rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def made_texts(count: int) -> list[str]:
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bcdfghklmnprst" for b in ("an", "el", "ir", "op", "us") for c in range(300)]
    weights = [1 / (place + 1) for place in range(len(words))]
    return [" ".join(rng.choices(words, weights, k=WORDS)) for _ in range(count)]


def of_vendi(args: argparse.Namespace) -> list[Row]:
    rows = made_vectors(args.vectors, args.dimensions)
    before, clock = gigabytes(), Clock()
    figure = vendi(rows)
    found = clock.rows("vendi_s")
    return [*found, ("vendi_beyond_gb", gigabytes() - before, "GB"), ("vendi_value", figure.value or 0.0, figure.unit)]


def of_vendi_score(args: argparse.Namespace) -> list[Row]:
    """The same score by vendi-score's dual form and by gristmill, on a part."""
    from vendi_score import vendi as reference

    rows = made_vectors(args.vectors // PART, args.dimensions)
    clock, before = Clock(), gigabytes()
    theirs = reference.score_dual(rows)
    found = [*clock.rows("vendi_score_part_s"), ("vendi_score_part_gb", gigabytes() - before, "GB")]
    clock = Clock()
    ours = vendi(rows).value or 0.0
    return [*found, *clock.rows("vendi_part_s"), ("vendi_part_differs", float(abs(ours / theirs - 1)), "of the value")]


def of_distances(args: argparse.Namespace) -> list[Row]:
    rows = made_vectors(args.vectors // 10, args.dimensions)
    clock = Clock()
    pairwise_distance(rows)
    found = clock.rows("pairwise_tenth_s")
    clock = Clock()
    nearest_distance(rows)
    return [*found, *clock.rows("nearest_tenth_s")]


def of_texts(args: argparse.Namespace) -> list[Row]:
    texts = made_texts(args.texts)
    before, clock = gigabytes(), Clock()
    measure(texts)
    return [*clock.rows("measure_s"), ("measure_beyond_gb", gigabytes() - before, "GB")]


PARTS = {"vendi": of_vendi, "vendi-score": of_vendi_score, "distances": of_distances, "texts": of_texts}


def rows(args: argparse.Namespace | None = None) -> list[Row]:
    """Every measure, each in a process of its own."""
    return rows_of(__file__, args or parsed([]), ("vectors", "dimensions", "texts"), PARTS)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=VECTORS)
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main(parsed(), PARTS, rows)
