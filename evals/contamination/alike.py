"""Finds texts of evaluation sets that an item is like without repeating a run of them: by shingles, or by vectors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from ...storage.records import Item
from ..duplicates.near import NearIndex, signature_of
from ..duplicates.semantic import semantic_matches
from ..duplicates.semantic_index import SemanticIndex
from ..folding import words
from ..numeric import Matrix, np
from ..vectors.embedding import Embedder
from .cells import Kept
from .loaded import index_of
from .match import QUOTED, Kind, Match
from .ngrams import SHORTEST_INSIDE, NgramIndex
from .sources import EvalSet
from .texts import Cell, Texts, texts_of

_BATCH = 1024


class NearTexts:
    """The texts of evaluation sets as MinHash signatures; see `evals.duplicates.near`. About 1.1 KB a text.

    Texts below 8 words have too few shingles and are passed over, on both sides.
    """

    def __init__(self, index: NgramIndex, threshold: float) -> None:
        """Raises `ValueError` for a threshold that is not between 0.2 and 1."""
        self._cells = index.cells
        self._threshold = threshold
        self._index = NearIndex(threshold)
        for number, kept in enumerate(index.cells):
            self._index.add(b"" if number in index.repeated else _sketch(kept.text))

    def matches(self, cell: Cell) -> list[Match]:
        """Returns the nearest text of the sets, if its estimated Jaccard index reaches the threshold."""
        nearest = self._index.nearest(_sketch(cell.text))
        if nearest is None or nearest.likeness < self._threshold:
            return []
        return [_match("near", cell, self._cells[nearest.number], nearest.likeness)]


@lru_cache(maxsize=2)
def near_texts(index: NgramIndex, threshold: float) -> NearTexts:
    """Returns the signatures of an index's texts; made once for a threshold."""
    return NearTexts(index, threshold)


class SemanticTexts:
    """The texts of evaluation sets as vectors, one byte a dimension, which an embedder makes when first asked.

    About 0.9 KB a text of 384 dimensions. The same texts of the sets as in `semantic_contamination` are passed over; a
    cosine is off by 0.01 at most.
    """

    def __init__(self, index: NgramIndex, threshold: float) -> None:
        self._kept = [one for number, one in enumerate(index.cells) if number not in index.repeated]
        self._threshold = threshold
        self._index: SemanticIndex | None = None
        self._busy = asyncio.Lock()

    async def matches(self, cells: Sequence[Cell], embedder: Embedder) -> list[Match]:
        """Returns for each text the nearest of the sets, if its cosine reaches the threshold.

        Raises:
            ModelError: the embedding server fails. What was embedded of the sets is asked again the next time.
        """
        cells = [cell for cell in cells if cell.text.strip()]
        async with self._busy:
            index = self._index = self._index or await self._embedded(embedder)
        rows = await embedder.embed([cell.text for cell in cells]) if cells and len(index) else ()
        twins = [next(iter(index.neighbours(row)), None) for row in rows]
        return [
            _match("semantic", cell, self._kept[twin.number], twin.likeness)
            for cell, twin in zip(cells, twins, strict=False)
            if twin is not None and twin.likeness >= self._threshold
        ]

    async def _embedded(self, embedder: Embedder) -> SemanticIndex:
        index = SemanticIndex()
        for start in range(0, len(self._kept), _BATCH):
            rows = await embedder.embed([kept.text for kept in self._kept[start : start + _BATCH]])
            for number, row in enumerate(rows, start):
                index.add(number, row)
        return index


async def semantic_contamination(
    items: Iterable[Texts],
    sets: Iterable[str | os.PathLike[str] | EvalSet],
    embedder: Embedder,
    *,
    threshold: float = 0.9,
) -> list[Match]:
    """Returns for each text of the items the row's text whose vector is nearest, if its cosine reaches
    `threshold`.

    What that means depends on the embedder (`embedder.sees`); calibrate the threshold on pairs that you judged. Answers
    of the sets that are shorter than 13 words and texts of fewer than 5 words are passed over. Every text is embedded,
    the sets' too: 4 bytes a dimension of each are held at a time. Pass the result to `contamination_report` as `also`.

    Raises:
        ConfigError: a set is not there, is not readable, or has no text.
        ModelError: the embedding server fails.
        ValueError: the threshold is not above 0 and at most 1.
    """
    index = index_of(sets)
    kept = [one for number, one in enumerate(index.cells) if number not in index.repeated]
    asked = [
        (one.id if isinstance(one, Item) else str(place), cell)
        for place, one in enumerate(items)
        for cell in texts_of(one)
    ]
    if not asked or not kept:
        return []
    against = await _embedded(embedder, [one.text for one in kept])
    rows = await _embedded(embedder, [cell.text for _, cell in asked])
    found = semantic_matches(rows, against, threshold=threshold)
    return [
        replace(_match("semantic", cell, kept[twin.number], twin.likeness), item=id)
        for (id, cell), twin in zip(asked, found, strict=True)
        if twin is not None
    ]


async def _embedded(embedder: Embedder, texts: Sequence[str]) -> Matrix:
    waiting, parts = iter(texts), []
    while some := list(islice(waiting, _BATCH)):
        parts.append(await embedder.embed(some))
    return np.concatenate(parts)


def _sketch(text: str) -> bytes:
    found = words(text)
    return signature_of(found) if len(found) >= SHORTEST_INSIDE else b""


def _match(kind: Kind, cell: Cell, kept: Kept, score: float) -> Match:
    ends = (0, len(cell.text), 0, len(kept.text))
    return Match(
        kind, kept.set, kept.row, kept.column, cell.place, *ends, score=min(1.0, score), quote=cell.text[:QUOTED]
    )
