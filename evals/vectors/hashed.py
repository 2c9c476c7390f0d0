"""Vectors without any model: hashed TF-IDF of words and word pairs. They see wording, not meaning."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..folding import words
from ..numeric import Lazy, Matrix, np
from .rows import has_words, spread, unit_rows

TEXT = Lazy("sklearn.feature_extraction.text", "scikit-learn", "evals")
WIDTH = 1024  # two words of 200 share a place about as often as not; signed hashing makes that noise, not likeness
BLOCK = 4096  # texts that are dense at a time: 16 MB
SEES = "wording only: hashed TF-IDF of words, not meaning"


class HashedEmbedder:
    """Embeds by scikit-learn's `HashingVectorizer` over words and pairs of neighbouring words, with sublinear counts.

    Implements `evals.vectors.embedding.Embedder`. `reference` are texts by which words are weighted (inverse document
    frequency, smoothed): a word that stands in all of them tells little. Without them all words weigh the same. Vectors
    of two references are never compared: the name tells them apart. Source of the signed hashing: Weinberger et al.,
    "Feature Hashing for Large Scale Multitask Learning" (2009). A paraphrase in other words is far away.
    """

    def __init__(self, reference: Sequence[str] = (), *, width: int = WIDTH) -> None:
        self._hashing: Any = TEXT.HashingVectorizer(
            n_features=width, analyzer=_terms, norm=None, alternate_sign=True, dtype=np.float32
        )
        self._weights: Any = None
        mark = ""
        if reference:
            self._weights = _weights(self._hashing, reference)
            mark = "-" + hashlib.blake2b(self._weights.tobytes(), digest_size=4).hexdigest()
        self.name = f"hashed-{width}{mark}"
        self.sees = SEES

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns (n, width) float32, rows of length one; zeros for a text without a word."""
        if len(texts) <= 16:  # less than a thread costs
            return self.rows(texts)
        return await asyncio.to_thread(self.rows, texts)

    def rows(self, texts: Sequence[str]) -> Matrix:
        """What `embed` returns, without waiting."""
        found: Matrix = np.zeros((len(texts), self._hashing.n_features), dtype=np.float32)
        for start in range(0, len(texts), BLOCK):
            part = texts[start : start + BLOCK]
            places = [place for place, text in enumerate(part) if has_words(text)]
            if not places:
                continue
            counts = self._hashing.transform([part[at] for at in places])
            counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
            dense = counts.toarray()
            if self._weights is not None:
                dense *= self._weights
            found[start : start + len(part)] = spread(
                unit_rows(dense, [part[at] for at in places], source=self.name), places, len(part)
            )
        return found


def _terms(text: str) -> list[str]:
    found = words(text)
    return found + [f"{first} {second}" for first, second in pairwise(found)]


def _weights(hashing: Any, reference: Sequence[str]) -> Any:
    """Inverse document frequency of each hashed place, smoothed as if one more text had every word."""
    counts = hashing.transform(reference)
    counts.data[:] = 1.0
    seen = np.asarray(counts.sum(axis=0)).ravel()
    return (np.log((1 + len(reference)) / (1 + seen)) + 1).astype(np.float32)
