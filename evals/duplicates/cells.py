"""Vectors parted into cells, so that each is compared with those of a few cells only: an inverted file.

Source: Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search" (2011), its coarse part. Centres are
k-means of a sample, by scikit-learn; what is in a cell is compared in full, by one matrix product for all that look
into the cell. A graph index (HNSW) takes 0.5 to 1 ms of CPU a vector to build at 384 dimensions; this takes a tenth.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..numeric import Lazy, Matrix, np

CLUSTER = Lazy("sklearn.cluster", "scikit-learn", "evals")
THREADS = Lazy("threadpoolctl", "threadpoolctl", "evals")
FEW = 4096  # vectors that one cell holds, each compared with each
SIZE = 512  # vectors a cell, where there are more
TRAINED = 32  # vectors of the sample for each centre
PROBES = 4  # cells that a vector looks into
TOGETHER = 4096  # rows that a product has on either side, so that it is of 64 MB at most

Numbers = Any  # a numpy array of integers


@dataclass(frozen=True, eq=False)
class Cells:
    """The centres, (k, d); k is 1 where few vectors are compared."""

    centres: Matrix

    @classmethod
    def of(cls, rows: Matrix, numbers: Numbers) -> Cells:
        """Centres for those rows of (n, d), the same each time."""
        if len(numbers) <= FEW:
            return cls(np.zeros((1, rows.shape[1]), dtype=np.float32))
        k = max(1, len(numbers) // SIZE)
        rng = np.random.default_rng(0)
        drawn = np.sort(rng.choice(numbers, size=min(len(numbers), TRAINED * k), replace=False))
        with THREADS.threadpool_limits(1), warnings.catch_warnings():  # threads add up in another order each time
            warnings.simplefilter("ignore")  # fewer different rows than centres do no harm
            model = CLUSTER.MiniBatchKMeans(k, init="random", n_init=1, max_iter=4, batch_size=4096, random_state=0)
            centres = model.fit(rows[drawn]).cluster_centers_
        return cls(np.asarray(centres, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.centres)

    def nearest(self, block: Matrix) -> Numbers:
        """The cells (b, p) that each row of a block (b, d) is nearest to, the nearest first; p is at most `PROBES`."""
        if len(self) == 1:
            return np.zeros((len(block), 1), dtype=np.int64)
        probes = min(PROBES, len(self))
        # |x - c|² is least where x·c - |c|²/2 is most
        score = block @ self.centres.T - np.einsum("kd,kd->k", self.centres, self.centres) / 2
        found = np.argpartition(-score, probes - 1, axis=1)[:, :probes]
        order = np.argsort(-np.take_along_axis(score, found, axis=1), axis=1, kind="stable")
        return np.take_along_axis(found, order, axis=1)


def by_cell(cells: Numbers) -> Iterator[tuple[int, Numbers]]:
    """Yields each cell of (b, p) with the rows of the block that have it, ascending, at most `TOGETHER` at a time."""
    flat = cells.ravel()
    if not len(flat):
        return
    order = np.argsort(flat, kind="stable")
    there, starts = np.unique(flat[order], return_index=True)
    for cell, part in zip(there.tolist(), np.split(order, starts[1:]), strict=True):
        for start in range(0, len(part), TOGETHER):
            yield cell, part[start : start + TOGETHER] // cells.shape[1]
