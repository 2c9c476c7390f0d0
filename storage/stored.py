"""All chunks of a run as a sequence that is read from the store when it is looked at, so that none stand in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import overload

from .records import Chunk

PAGE = 500


class StoredChunks(Sequence[Chunk]):
    """A run's chunks in document order. An index costs one look-up by key; iterating streams them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Sequence numbers are dense: chunks are only ever added, and an ignored insert takes no number.
        low, self._length = connection.execute("SELECT coalesce(min(seq), 1), count(*) FROM chunks").fetchone()
        self._first = int(low)

    def __len__(self) -> int:
        return int(self._length)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | list[Chunk]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"there are {len(self)} chunks, none at {index}")
        row = self._connection.execute("SELECT body FROM chunks WHERE seq = ?", (self._first + place,)).fetchone()
        return Chunk.model_validate_json(row[0])

    def __iter__(self) -> Iterator[Chunk]:
        # In pages: a cursor left open would pin the connection to the state of the store when it was opened.
        for page in range(self._first, self._first + len(self), PAGE):
            rows = self._connection.execute(
                "SELECT body FROM chunks WHERE seq >= ? ORDER BY seq LIMIT ?", (page, PAGE)
            ).fetchall()
            for (body,) in rows:
                yield Chunk.model_validate_json(body)
