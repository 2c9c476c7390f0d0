"""Which of many texts come again, told from their hashes, in memory that does not grow with their number.

Hashes go to files by their first byte (the partition step of a Grace hash join: Kitsuregawa, Tanaka and Moto-oka 1983);
then one file at a time is held. What stays is one bit for each text.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

PARTS = 256
SIZE = 16  # bytes of a hash
_ROW = SIZE + 4 + 8  # hash, source, place


class Repeats:
    """Finds texts that an earlier source has too. Texts are added in order; equal ones of one source do not count.

    Held at a time: one 256th of the hashes (about 0.6 KB of memory for 1,000 texts in all), and one bit a text.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[BinaryIO] = []
        self._stack = ExitStack()
        self._count = 0
        self._bits = bytearray()
        self.found = 0

    def add(self, source: int, key: bytes) -> None:
        """Notes the next text of `source` by a hash of 16 bytes, spread evenly. Sources come one after the other."""
        if not self._files:
            self._files = [
                self._stack.enter_context((self._folder / f"part-{part:03d}").open("wb+")) for part in range(PARTS)
            ]
        self._files[key[0]].write(key + source.to_bytes(4, "big") + self._count.to_bytes(8, "big"))
        self._count += 1

    def decide(self) -> None:
        """Finds the repeats among all texts that were added, and drops the files."""
        self._bits = bytearray(self._count // 8 + 1)
        with self._stack:
            for file in self._files:
                self._decide(file)
                Path(file.name).unlink()
        self._files = []

    def _decide(self, file: BinaryIO) -> None:
        first: dict[bytes, bytes] = {}  # hash to the source that had it first
        file.seek(0)
        while row := file.read(_ROW):
            source = row[SIZE : SIZE + 4]
            if first.setdefault(row[:SIZE], source) != source:
                place = int.from_bytes(row[SIZE + 4 :], "big")
                self._bits[place >> 3] |= 1 << (place & 7)
                self.found += 1

    def repeats(self, place: int) -> bool:
        """Says whether the text that was added as number `place`, from 0, is an earlier source's."""
        return bool(self._bits[place >> 3] & (1 << (place & 7)))
