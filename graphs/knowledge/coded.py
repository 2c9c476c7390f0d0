"""Numbers for texts of which most come again: the ids of chunks and entities, by the ten thousand.

Ids mostly have one length. Then a table of their hashes is asked for a whole batch at once (numpy): a dictionary of a
million texts waits for memory at each of them. Texts of other lengths go through a dictionary, with the same numbers.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..numeric import np
from . import links as arrays
from .links import Numbers

Array = Any
ROUNDS = 64  # places looked at for one text: more have equal hashes by intent only, and a dictionary takes over


class Coded:
    """Different texts, numbered as they first come."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._table: _Table | None = None
        self._fits = arrays.HAS_NUMPY

    def __len__(self) -> int:
        return len(self._numbers) if self._table is None else self._table.count

    def number(self, texts: Sequence[str]) -> Numbers:
        """Returns the numbers of texts; those that come for the first time get the next ones."""
        if self._fits and texts:
            if self._table is None and not self._numbers:
                self._table = _Table(len(texts[0]))
            found = None if self._table is None else self._table.number(texts)
            if found is not None:
                return found
            self._numbers.update((text, number) for number, text in enumerate(self.texts()))
            self._table, self._fits = None, False
        return array("i", map(self._numbers.__getitem__, texts))

    def texts(self) -> list[str]:
        """Returns the different texts, by number."""
        return list(self._numbers) if self._table is None else self._table.texts()


class _Table:
    """ASCII texts of one length in open addressing: each slot has a number or -1."""

    def __init__(self, width: int) -> None:
        self._width = width
        self.count = 0
        self._keys = np.zeros((1024, -(-max(1, width) // 8)), dtype=np.uint64)
        self._hashes = np.zeros(1024, dtype=np.uint64)
        self._slots = np.full(4096, -1, dtype=np.int32)

    def number(self, texts: Sequence[str]) -> Numbers | None:
        """Returns the numbers of texts, None when they do not fit in here."""
        joined = "".join(texts)
        if not self._width or not joined.isascii() or set(map(len, texts)) != {self._width}:
            return None
        padded = np.zeros((len(texts), self._keys.shape[1] * 8), dtype=np.uint8)
        padded[:, : self._width] = np.frombuffer(joined.encode(), dtype=np.uint8).reshape(-1, self._width)
        keys = padded.view(np.uint64)
        hashes = self._hashed(keys)
        found = self._find(keys, hashes)
        if found is None:
            return None
        missing = np.flatnonzero(found < 0)
        if len(missing):
            _, first, which = np.unique(hashes[missing], return_index=True, return_inverse=True)
            rank = np.argsort(np.argsort(first))  # numbers in the order of coming
            fresh = missing[np.sort(first)]
            if (keys[missing] != keys[fresh][rank[which]]).any():
                return None  # two texts with one hash
            found[missing] = self.count + rank[which]
            if not self._add(keys[fresh], hashes[fresh]):
                return None
        numbers: Numbers = found.data
        return numbers

    def texts(self) -> list[str]:
        rows = self._keys[: self.count].view(np.uint8)[:, : self._width]
        whole = rows.tobytes().decode("ascii")
        return [whole[start : start + self._width] for start in range(0, len(whole), self._width or 1)]

    def _hashed(self, keys: Array) -> Array:
        """Mixes the words of each text (the constants and shifts of splitmix64)."""
        mixed = np.full(len(keys), 0x9E3779B97F4A7C15, dtype=np.uint64)
        for word in range(keys.shape[1]):
            mixed = (mixed ^ keys[:, word]) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(29))

    def _find(self, keys: Array, hashes: Array) -> Array | None:
        last = np.uint64(len(self._slots) - 1)
        found = np.full(len(keys), -1, dtype=np.int32)
        asked, slot = np.arange(len(keys)), (hashes & last).astype(np.int64)
        for _ in range(ROUNDS):
            there = self._slots[slot]
            taken = there >= 0
            asked, slot, there = asked[taken], slot[taken], there[taken]
            if not len(asked):
                return found
            same = (self._hashes[there] == hashes[asked]) & (self._keys[there] == keys[asked]).all(axis=1)
            found[asked[same]] = there[same]
            asked, slot = asked[~same], (slot[~same] + 1) & int(last)
        return None if len(asked) else found

    def _add(self, keys: Array, hashes: Array) -> bool:
        """Takes in texts that are not there yet."""
        first, count = self.count, self.count + len(keys)
        if count > len(self._keys):
            room = 1 << (count * 2 - 1).bit_length()
            self._keys = np.concatenate([self._keys, np.zeros((room - len(self._keys), keys.shape[1]), np.uint64)])
            self._hashes = np.concatenate([self._hashes, np.zeros(room - len(self._hashes), np.uint64)])
            self._slots = np.full(room * 4, -1, dtype=np.int32)
            first = 0  # all are placed anew
        self._keys[self.count : count], self._hashes[self.count : count] = keys, hashes
        self.count = count
        return self._place(np.arange(first, count, dtype=np.int32))

    def _place(self, numbers: Array) -> bool:
        last = np.uint64(len(self._slots) - 1)
        slot = (self._hashes[numbers] & last).astype(np.int64)
        for _ in range(ROUNDS):
            free = self._slots[slot] < 0
            self._slots[slot[free]] = numbers[free]  # of several that want one slot the last has it
            left = self._slots[slot] != numbers
            numbers, slot = numbers[left], (slot[left] + 1) & int(last)
            if not len(numbers):
                return True
        return False
