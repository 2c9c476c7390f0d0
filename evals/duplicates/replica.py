"""What one process of a fleet knows of the vectors that are taken: an index that follows a log in Redis."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from ..numeric import np
from .marks import Mark, as_kept
from .semantic_index import SemanticIndex

HASH, HEAD = 8, 12  # bytes of an entry: the text's hash, and with the sum of the squares
AT_ONCE = 64  # entries that are indexed without a thread: some ten milliseconds


def entry_of(mark: Mark) -> bytes:
    """What the log says of a text; none without a vector."""
    if not mark.vector:
        return b""
    row = np.frombuffer(mark.vector, dtype=np.int8)
    squares = int(np.square(row, dtype=np.int32).sum())
    return b"".join((mark.hash[:HASH], squares.to_bytes(4, "big"), (row.view(np.uint8) ^ 0x80).tobytes()))


class Replica:
    """The vectors of the log `name` up to its entry `known`, found by `SemanticIndex`. For one event loop.

    A text goes by the first eight bytes of its hash. What an entry is, `models/fleet/vectors.lua` says.
    """

    def __init__(self) -> None:
        self.name = b""
        self.known = 0
        self._index = SemanticIndex()
        self._busy = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._index)

    async def follow(self, name: bytes, start: int, entries: Sequence[bytes]) -> None:
        """Takes up entries of a log from the place `start` on. What is known already, or comes too early, is left."""
        async with self._busy:
            if name != self.name and start == 0:  # Redis lost its memory: another log has begun
                self.name, self.known, self._index = name, 0, SemanticIndex()
            if name != self.name or start > self.known:
                return
            new = entries[self.known - start :]
            if len(new) <= AT_ONCE:
                self._take(new)
            else:
                await asyncio.to_thread(self._take, new)
            self.known += len(new)

    async def nearest(self, vector: bytes) -> bytes:
        """Returns up to 16 texts, the nearest first: eight bytes of hash and eight of the cosine each."""
        async with self._busy:
            near = self._index.neighbours(as_kept(vector))
        return b"".join(struct.pack(">Qd", twin.number, twin.likeness) for twin in near)

    def _take(self, entries: Sequence[bytes]) -> None:
        new: dict[int, bytes] = {}
        for entry in entries:
            if not entry:  # a text stood here, and is free again
                continue
            number = int.from_bytes(entry[:HASH], "big")
            if len(entry) > HASH:
                if number not in new and number not in self._index:
                    new[number] = entry[HEAD:]
            elif new.pop(number, None) is None:
                self._index.remove(number)
        shifted = np.frombuffer(b"".join(new.values()), dtype=np.uint8)
        self._index.add_all(list(new), (shifted ^ 0x80).view(np.int8).reshape(len(new), -1) if new else shifted)
