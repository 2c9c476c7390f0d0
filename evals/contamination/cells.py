"""Keeps the texts of evaluation sets in little memory: packed in blocks, each text with the row that it came from."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_BLOCK = 1 << 16  # bytes: unpacked in about 0.2 ms


@dataclass(frozen=True, slots=True)
class Kept:
    """One text of a set, its row (`#7`) and its column."""

    set: str
    row: str
    column: str
    text: str


class CellStore:
    """Texts by number, from 0. `add` them all, then `close`; reading before that sees what is packed already.

    A million texts of 100 words take about 300 MB, half of what they are as UTF-8.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._first = array("I")  # of each block the number of its first text
        self._open: list[bytes] = []
        self._size = 0
        self.count = 0
        self._block = lru_cache(maxsize=64)(self._unpacked)

    def add(self, kept: Kept) -> int:
        """Keeps a text; returns its number."""
        if not self._open:
            self._first.append(self.count)
        parts = (kept.set, kept.row, kept.column, kept.text)
        packed = [part.encode("utf-8", "surrogatepass") for part in parts]
        self._open.append(b"".join(len(part).to_bytes(4, "little") + part for part in packed))
        self._size += sum(map(len, packed))
        self.count += 1
        if self._size >= _BLOCK:
            self.close()
        return self.count - 1

    def close(self) -> None:
        """Packs what is still open."""
        if self._open:
            self._blocks.append(zlib.compress(b"".join(self._open), 1))
            self._open, self._size = [], 0

    def __getitem__(self, number: int) -> Kept:
        low, high = 0, len(self._first)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._first[middle] <= number else (low, middle)
        return self._block(low)[number - self._first[low]]

    def __iter__(self) -> Iterator[Kept]:
        for place in range(len(self._blocks)):
            yield from self._unpacked(place)

    @property
    def nbytes(self) -> int:
        """Bytes that the packed texts take."""
        return sum(map(len, self._blocks)) + 4 * len(self._first)

    def _unpacked(self, place: int) -> list[Kept]:
        data = zlib.decompress(self._blocks[place])
        found, at = [], 0
        while at < len(data):
            parts = []
            for _ in range(4):
                size = int.from_bytes(data[at : at + 4], "little")
                parts.append(data[at + 4 : at + 4 + size].decode("utf-8", "surrogatepass"))
                at += 4 + size
            found.append(Kept(*parts))
        return found
