"""All chunks of a run as a sequence that is read from the store when it is looked at, so that none stand in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from .database import Database
from .records import Chunk

PAGE = 500


class StoredChunks(Sequence[Chunk]):
    """A run's chunks in document order. An index costs one look-up by key; iterating streams them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Places are dense: an ignored insert takes no number, and a refresh numbers them anew.
        ((self._length,),) = database.rows("SELECT count(*) FROM chunks WHERE place >= 0")

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
        ((body,),) = self._database.rows("SELECT body FROM chunks WHERE place = ?", place)
        return Chunk.model_validate_json(body)

    def named(self, id: str) -> Chunk | None:
        """Returns the chunk with this id, or None."""
        found = self._database.rows("SELECT body FROM chunks WHERE id = ?", id)
        return Chunk.model_validate_json(found[0][0]) if found else None

    def __iter__(self) -> Iterator[Chunk]:
        # In pages: a cursor left open would pin the store to the state that it had when it was opened.
        for page in range(0, len(self), PAGE):
            for (body,) in self._database.rows(
                "SELECT body FROM chunks WHERE place >= ? ORDER BY place LIMIT ?", page, PAGE
            ):
                yield Chunk.model_validate_json(body)
