"""The chunks of a corpus as vectors: its clusters, and what is near one of them. Planners draw by it.

Vectors are hashed TF-IDF, which needs no model and sees wording, not meaning. They stand in memory: 2 kB a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from ...evals.folding import words
from ...evals.numeric import Lazy, Matrix, np
from ...evals.vectors.hashed import HashedEmbedder
from ...storage.records import Chunk

CLUSTER = Lazy("sklearn.cluster", "scikit-learn", "evals")
WIDTH = 512


@dataclass(frozen=True)
class Corpus:
    """Chunks that are worth drawing, none twice; row i of `rows`, of length one, is the vector of `chunks[i]`."""

    chunks: tuple[Chunk, ...]
    rows: Matrix
    embedder: HashedEmbedder

    @classmethod
    def of(cls, chunks: Sequence[Chunk], *, least_characters: int = 0) -> Corpus:
        """Embeds the chunks of at least `least_characters`; of chunks with equal text the first stands for all.

        Raises `ConfigError` where the extra `evals` is not installed.
        """
        kept = {chunk.text: chunk for chunk in reversed(chunks) if len(chunk.text) >= least_characters}
        listed = tuple(chunk for chunk in reversed(kept.values()) if words(chunk.text))
        texts = [chunk.text for chunk in listed]
        embedder = HashedEmbedder(texts, width=WIDTH)
        return cls(listed, embedder.rows(texts), embedder)

    def clusters(self, count: int, seed: int) -> list[Cluster]:
        """Groups the chunks by k-means into at most `count` clusters, the largest first.

        Cosine similarity is what counts: the rows have length one. Equal corpora and seeds give equal clusters.
        """
        count = min(count or isqrt(len(self.chunks)), len(np.unique(self.rows, axis=0)))
        if count < 1:
            return []
        fitted = CLUSTER.KMeans(n_clusters=count, n_init=4, random_state=seed % 2**32).fit(self.rows)
        centres = fitted.cluster_centers_ / np.maximum(np.linalg.norm(fitted.cluster_centers_, axis=1)[:, None], 1e-12)
        closeness = (self.rows * centres[fitted.labels_]).sum(axis=1)
        members: dict[int, list[int]] = {}
        for place, label in enumerate(fitted.labels_.tolist()):
            members.setdefault(label, []).append(place)
        ordered = sorted(members.values(), key=lambda places: (-len(places), places))
        return [Cluster(tuple(places), tuple(float(closeness[at]) for at in places)) for places in ordered]

    def near(self, texts: Sequence[str], count: int) -> list[tuple[int, float]]:
        """Returns the `count` places of chunks that are nearest to the mean of `texts`, each with its cosine."""
        mean = self.embedder.rows(texts).mean(axis=0)
        length = float(np.linalg.norm(mean))
        return self._nearest(mean / length if length else mean, count)

    def beside(self, place: int, count: int) -> list[int]:
        """Returns the places of the `count` chunks nearest to that at `place`, the nearest first, without itself."""
        return [at for at, _ in self._nearest(self.rows[place], count + 1) if at != place][:count]

    def _nearest(self, vector: Matrix, count: int) -> list[tuple[int, float]]:
        likeness = self.rows @ vector
        order = np.argsort(-likeness, kind="stable")[: max(0, count)]
        return [(int(at), float(likeness[at])) for at in order]


@dataclass(frozen=True)
class Cluster:
    """Places of chunks, and how near each is to the centre of its cluster (cosine)."""

    places: tuple[int, ...]
    closeness: tuple[float, ...]


def allotted(total: int, sizes: Sequence[int]) -> list[int]:
    """Divides `total` draws among clusters of these sizes, the largest first: one each, the others by size.

    No cluster is given more than it has. What rounding leaves goes to the largest.
    """
    total = min(total, sum(sizes))
    given = [1 if place < total else 0 for place in range(len(sizes))]
    spare, everything = total - sum(given), sum(sizes)
    given = [
        min(size, one + (spare * size // everything if spare > 0 else 0))
        for one, size in zip(given, sizes, strict=True)
    ]
    left = total - sum(given)
    for place, size in enumerate(sizes):
        more = min(left, size - given[place])
        given[place] += more
        left -= more
    return given
