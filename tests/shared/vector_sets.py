"""Sets of vectors with a structure that selection must find."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.evals.selection.base import Selection
from gristmill.evals.selection.pool import Pool

Matrix = NDArray[np.float32]


def unit(rows: Any) -> Matrix:
    found = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def spread(count: int, dimensions: int = 8, seed: int = 0) -> Matrix:
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)))


def themes(*sizes: int, dimensions: int = 16, noise: float = 0.05, seed: int = 0) -> tuple[Matrix, NDArray[np.int64]]:
    """Planted clusters of these sizes around orthogonal directions, with the theme of each vector."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.eye(dimensions, dtype=np.float32)[labels]
    return unit(centres + noise * np.random.default_rng(seed).normal(size=centres.shape)), labels


def whole(count: int, seed: int = 0) -> Pool:
    """A pool that has all that any strategy needs."""
    rng = np.random.default_rng(seed)
    return Pool.of(
        vectors=spread(count, seed=seed),
        scores=rng.random(count),
        feedback=rng.random(count),
        cells=[f"cell {number % 5}" for number in range(count)],
        texts=[f"Item {number} says that the valve of pump {number * 7 % 31} leaks." for number in range(count)],
        examples=["The valve of pump 3 leaks.", "A turbine spins."],
    )


def balanced(found: Selection) -> None:
    """Every item of the pool is in exactly one place."""
    every = np.concatenate([found.indices, *found.left_out.values()])
    assert sorted(every.tolist()) == list(range(found.of))
    assert found.of == len(found.indices) + sum(found.counts.values())
