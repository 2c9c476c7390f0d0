"""Vectors as points of a plane, for people to look at: near in the plane says something, far says little."""

from __future__ import annotations

from typing import Any

from ..numeric import Lazy, Matrix, np

MANIFOLD = Lazy("sklearn.manifold", "scikit-learn", "evals")
WIDTH = 50  # principal components that t-SNE is given
LEAST = 30  # different rows; of fewer the principal components are shown as they are


def plane(vectors: Matrix, *, seed: int = 0) -> tuple[Matrix, str]:
    """Returns (n, 2) float32 within [-1, 1], and in words what made them.

    t-SNE (van der Maaten and Hinton 2008) of the first 50 principal components, from 30 different rows on; below that
    the first two principal components. The same rows and seed give the same points on the same machine. Cost: 2,000
    rows take about 10 s. Neighbours are kept; distances between groups, their sizes and the axes mean nothing.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if not len(rows):
        return np.zeros((0, 2), dtype=np.float32), "nothing to show"
    components, told = _principal(rows, min(WIDTH, *rows.shape))
    different = len(np.unique(components.round(6), axis=0))
    if different < LEAST:
        flat = np.zeros((len(rows), 2))
        flat[:, : min(2, components.shape[1])] = components[:, :2]
        how = f"the first two principal components, {told:.0%} of the variance" if different > 1 else "all alike"
        return _scaled(flat), how
    # Starts from the principal components, as wide as scikit-learn spreads them: no chance, and groups keep their side.
    start = components[:, :2] / components[:, 0].std() * 1e-4
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros_like(start)])
    tsne = MANIFOLD.TSNE(
        2, perplexity=min(30.0, (different - 1) / 3), init=start.astype(np.float32), random_state=seed, max_iter=500
    )
    return _scaled(tsne.fit_transform(components.astype(np.float32))), "t-SNE: near is alike, far and sizes say nothing"


def _principal(rows: Any, width: int) -> tuple[Any, float]:
    """The first components of the centred rows, and the share of the variance in the first two."""
    centred = rows - rows.mean(axis=0)
    if len(centred) < centred.shape[1]:  # few rows: their own span, not a square of all dimensions
        _, spread, rows_of_directions = np.linalg.svd(centred, full_matrices=False)
        values, directions = spread**2, rows_of_directions.T
    else:
        ascending, directions = np.linalg.eigh(centred.T @ centred)
        values, directions = np.maximum(ascending[::-1], 0.0), directions[:, ::-1]
    directions = directions[:, :width]
    largest = np.abs(directions).argmax(axis=0)  # an eigenvector's sign is chance: its largest part is made positive
    directions = directions * np.where(directions[largest, np.arange(width)] < 0, -1.0, 1.0)
    total = float(values.sum())
    return centred @ directions, float(values[:2].sum()) / total if total > 1e-12 else 0.0


def _scaled(points: Any) -> Matrix:
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    most = float(np.abs(points).max())
    found: Matrix = (points / most if most > 1e-9 else np.zeros_like(points)).astype(np.float32)
    return found
