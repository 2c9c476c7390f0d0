"""`k-center`: greedy farthest first, so that nothing in the pool is far from what was chosen.

Gonzalez 1985, "Clustering to minimize the maximum intercluster distance": the largest distance of any item to its
nearest chosen one is at most twice the least possible, and no polynomial algorithm does better unless P = NP. As a
selection of training data: Sener and Savarese 2018, arXiv:1708.00489.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..numeric import Matrix, np
from .base import Options, Picked, Rng, Strategy
from .pool import Pool, Vectors

SAME = 1e-6  # squared distance under which two float32 vectors of length one are one


class KCenter(Options):
    """Options of `k-center`.

    start:      the first item: the nearest to the mean (`centre`, the same whatever the order of items), or any
                (`random`).
    in_memory:  gigabytes of vectors that are read into memory; more are read from their file for each item chosen.
    """

    start: Literal["centre", "random"] = "centre"
    in_memory: float = Field(default=4.0, ge=0, allow_inf_nan=False)


def _pick(options: KCenter, pool: Pool, count: int, rng: Rng) -> Picked:
    """O(n N d), one pass over the vectors for each item chosen: 154 MB are read an item at 100,000 x 384."""
    vectors = held(pool.all_vectors, options.in_memory)
    first = int(rng.integers(pool.size)) if options.start == "random" else _central(vectors)
    places = np.empty(count, dtype=np.int64)
    nearest = np.full(pool.size, -2.0, dtype=np.float32)  # cosine to the nearest chosen item
    same = 0
    for turn in range(count):
        place = first if turn == 0 else int(nearest.argmin())
        same += turn > 0 and 2 - 2 * float(nearest[place]) < SAME
        places[turn] = place
        vector = vectors.at(np.array([place]))[0]
        for start, block in vectors.blocks():
            part = nearest[start : start + len(block)]
            np.maximum(part, block @ vector, out=part)
        nearest[place] = np.inf  # a chosen one is never the farthest
    notes = [f"{same} of {count} chosen items have the vector of an earlier one: no other was left"] if same else []
    radius = float(nearest[np.isfinite(nearest)].min(initial=1.0))
    notes.append(f"the farthest item is at distance {max(0.0, 2 - 2 * radius) ** 0.5:.3f} from its nearest chosen one")
    return Picked(places, notes=tuple(notes))


def _central(vectors: Vectors) -> int:
    total = sum(block.sum(axis=0, dtype=np.float64) for _, block in vectors.blocks())
    mean = (total / len(vectors)).astype(np.float32)
    return int(np.concatenate([block @ mean for _, block in vectors.blocks()]).argmax())


def held(vectors: Vectors, gigabytes: float) -> Vectors:
    """Returns the vectors in memory when they take at most so much, else as they are."""
    size = len(vectors) * vectors.matrix.shape[1] * 4 / 1e9
    if size > gigabytes:
        return vectors
    whole: Matrix = np.ascontiguousarray(vectors.block(0, len(vectors)))
    return Vectors(whole)


K_CENTER = Strategy("k-center", "farthest first: nothing is far from what is in", KCenter, _pick,
                    frozenset({"vectors"}))  # fmt: skip
