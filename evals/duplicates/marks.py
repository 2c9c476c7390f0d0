"""What is kept of a text that is taken, in few bytes: its hash, its signature, its vector. The store keeps these.

A mark is 16 bytes of hash; then, where near texts are looked for, one byte with the shingle's size and 128 bytes of
signature; then, where the embedder looks too, four bytes that name it and a byte for each dimension. A mark with no
signature has a zero for the size, should a vector follow.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from ...errors import StoreError
from ..numeric import Matrix, np
from .exact import HASH
from .near import LANES

TAG = 4


class Mark(NamedTuple):
    """The parts of a mark; `size` is that of the shingles, 0 without a signature; `tag` is of the vector's embedder."""

    hash: bytes
    size: int = 0
    signature: bytes = b""
    tag: bytes = b""
    vector: bytes = b""

    def packed(self) -> bytes:
        """The bytes that are stored."""
        if not self.signature and not self.vector:
            return self.hash
        return b"".join((self.hash, bytes([self.size if self.signature else 0]), self.signature, self.tag, self.vector))

    @classmethod
    def unpacked(cls, data: bytes) -> Mark:
        """Reads what `packed` gave; raises `StoreError` for anything else."""
        if len(data) == HASH:
            return cls(data)
        size = data[HASH] if len(data) > HASH else 0
        at = HASH + 1 + (LANES if size else 0)
        if len(data) < at or 0 < len(data) - at <= TAG:
            raise StoreError(f"a claim of {len(data)} bytes is in the store, which no gristmill has written")
        return cls(data[:HASH], size, data[HASH + 1 : at], data[at : at + TAG], data[at + TAG :])


def tag_of(name: str) -> bytes:
    """Four bytes that stand for an embedder's name."""
    return hashlib.blake2b(name.encode(), digest_size=TAG).digest()


def squeezed(row: Matrix) -> bytes:
    """A vector (d,) of length one as d bytes; none for one of zeros. A cosine is off by 0.01 at most, mostly 0.002."""
    largest = float(np.abs(row).max()) if len(row) else 0.0
    if not largest:
        return b""
    found: bytes = np.round(row * (127 / largest)).astype(np.int8).tobytes()
    return found


def restored(vector: bytes) -> Matrix:
    """The vector (d,) of length one that `squeezed` made bytes of."""
    row = np.frombuffer(vector, dtype=np.int8).astype(np.float32)
    found: Matrix = row / np.linalg.norm(row)
    return found


def as_kept(vector: bytes) -> Any:
    """The same as (d,) int8, of any length but zero: what an index takes without rounding it once more."""
    return np.frombuffer(vector, dtype=np.int8)
