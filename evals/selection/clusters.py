"""k-means over vectors of any number: centres from a sample (`vectors/centres.py`); then each to its nearest centre.

Cost: O(TRAINED k² d) to train, O(n k d) to assign; memory: the sample (4 TRAINED k d bytes) and a block of vectors,
never all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from ..numeric import Matrix, np
from ..vectors.centres import TRAINED, fitted_centres
from .base import Group, Rng
from .pool import Places, Vectors

MOST = 1024  # clusters by default


@dataclass(frozen=True, eq=False)
class Clusters:
    """A clustering of n vectors.

    labels:   (n,) cluster of each vector, in [0, k).
    likeness: (n,) float32, cosine between a vector and the direction of its centre.
    """

    count: int
    labels: Places
    likeness: Matrix

    @property
    def sizes(self) -> Places:
        """(k,) how many vectors each cluster has."""
        found: Places = np.bincount(self.labels, minlength=self.count)
        return found

    def members(self) -> Iterator[Places]:
        """Yields the places of each cluster, ascending; empty clusters too."""
        order = np.argsort(self.labels, kind="stable")
        yield from np.split(order, np.cumsum(self.sizes)[:-1])

    def groups(self, chosen: Places) -> tuple[Group, ...]:
        """Returns the clusters that have members, with how many of `chosen` are of each."""
        taken = np.bincount(self.labels[chosen], minlength=self.count)
        pairs = enumerate(zip(self.sizes.tolist(), taken.tolist(), strict=True))
        return tuple(Group(f"cluster {number}", size, some) for number, (size, some) in pairs if size)


def usual_clusters(size: int, count: int) -> int:
    """Returns how many clusters there are when nobody says: the root of the items, at most `count` and 1024."""
    return max(1, min(isqrt(size), count, MOST))


def cluster(vectors: Vectors, k: int, rng: Rng) -> Clusters:
    """Divides vectors into `k` clusters, or as many as there are different vectors in the sample.

    The result is the same for equal seeds on one machine: scikit-learn runs on one thread here, because the order in
    which its threads add up differs from run to run. Assigning uses all cores.
    """
    sample = rng.permutation(len(vectors))[: TRAINED * k]
    centres = fitted_centres(vectors.at(np.sort(sample)), k, int(rng.integers(2**31 - 1)))
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    directions = centres / np.where(lengths > 0, lengths, 1)
    offsets = np.einsum("ij,ij->i", centres, centres) / 2  # |x - c|² is least where x·c - |c|²/2 is most
    labels = np.empty(len(vectors), dtype=np.int64)
    likeness = np.empty(len(vectors), dtype=np.float32)
    for start, block in vectors.blocks():
        end = start + len(block)
        nearest = (block @ centres.T - offsets).argmax(axis=1)
        labels[start:end] = nearest
        likeness[start:end] = np.einsum("ij,ij->i", block, directions[nearest])
    return Clusters(len(centres), labels, likeness)
