"""Finds texts that are nearly the same: MinHash over word shingles, in bands.

Source: Broder, "On the resemblance and containment of documents" (1997); banding after Leskovec, Rajaraman and Ullman,
"Mining of Massive Datasets", chapter 3. Likeness is the Jaccard index of two texts' sets of shingles: runs of
`shingle` words, with room before the first and after the last word, so that a changed word costs as many shingles at
the ends as in the middle. It sees wording only. Of each text 128 bytes are kept and nothing else, so that likeness is
an estimate, with a standard error of at most 0.045.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import ceil, log
from operator import eq
from struct import Struct

import rensa

from ...errors import require_texts
from ..folding import words

LANES = 128  # MinHash permutations, of each of which the low byte is kept (b-bit MinHash, Li and König 2010)
SEED = 1
SHINGLE = 3
RECALL = 0.95  # of pairs that are just as alike as the threshold; the more alike, the higher: 0.99 a twentieth above
CHANCE = 1 / 256  # that the bytes of two different minima are the same
KEY = 8  # bytes of a number that stands for a band
NEVER = 2.0  # a likeness that no two texts have
LOOKED_AT = 64  # pairs compared for one text, at most: thousands of equal texts must not make each claim slower


def shingles(found: Sequence[str], size: int = SHINGLE) -> list[str]:
    """Returns the shingles of `size` words of a text's `words`; a text of n words has n + size - 1."""
    if size == 1 or not found:
        return list(found)
    ends = [""] * (size - 1)
    padded = [*ends, *found, *ends]
    return list(map(" ".join, zip(*[padded[at:] for at in range(size)], strict=False)))


def signature(text: str, size: int = SHINGLE) -> bytes:
    """Returns 128 bytes that stand for a text's shingles, or none for a text without a word: it is near no other."""
    return signature_of(words(text), size)


def signature_of(found: Sequence[str], size: int = SHINGLE) -> bytes:
    """As `signature`, of a text's `words`."""
    if not found:
        return b""
    sketch = rensa.RMinHash(LANES, SEED)
    sketch.update(shingles(found, size))
    return array("I", sketch.digest()).tobytes()[_LOW::4]


_LOW = 0 if array("I", [1]).tobytes()[0] else 3  # where the low byte of a number stands on this machine


def likeness(one: bytes, other: bytes) -> float:
    """Returns the Jaccard index, in [0, 1], as two signatures tell it; 0 where a text has none."""
    if not one or not other:
        return 0.0
    return likeness_of(sum(map(eq, one, other)))


def likeness_of(equal: int) -> float:
    """Returns the Jaccard index of two texts of whose signatures so many bytes are equal."""
    return max(0.0, (equal / LANES - CHANCE) / (1 - CHANCE))


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut: texts are compared that agree in all `rows` bytes of one of `count` bands."""

    count: int
    rows: int

    @classmethod
    def of(cls, threshold: float) -> Bands:
        """The fewest and longest bands that find `RECALL` of the pairs that are as alike as `threshold`.

        Raises:
            ValueError: the threshold is not between 0.2 and 1; below, nearly all texts would have to be compared.
        """
        if not 0.2 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold:g}; give a Jaccard index between 0.2 and 1")
        for rows in range(16, 0, -1):
            missed = 1 - threshold**rows
            needed = 1 if missed <= 0 else ceil(log(1 - RECALL) / log(missed))
            if needed * rows <= LANES:
                return cls(needed, rows)
        return cls(LANES, 1)

    def cutter(self) -> Callable[[bytes], Sequence[Hashable]]:
        """Returns what cuts a signature into `count` keys, one a band.

        Up to 8 bytes a key is a number: as `bytes` it would take 16 bytes more, and longer to look up.
        """
        cut = Struct(f"{self.rows}s" * self.count).unpack_from
        if self.rows > KEY:
            return cut
        numbers, gap = Struct(f"<{self.count}Q").unpack, bytes(KEY - self.rows)
        return lambda sketch: numbers(gap.join(cut(sketch)) + gap)


@dataclass(frozen=True, slots=True)
class Twin:
    """The text that is nearest, of those that are there: its number and its likeness in [0, 1]."""

    number: int
    likeness: float


def near_duplicates(texts: Sequence[str], *, threshold: float = 0.8, shingle: int = SHINGLE) -> dict[int, Twin]:
    """Returns, for each text that is near an earlier one that was kept, that one: keyed by the text's number.

    The first of several that are alike is kept, as the gate of a campaign would do. Linear in the texts.

    Raises:
        ConfigError: what is given is no list of texts.
        ValueError: the threshold is not between 0.2 and 1.
    """
    index = NearIndex(threshold)
    found: dict[int, Twin] = {}
    numbers: list[int] = []
    for number, text in enumerate(require_texts("texts", texts)):
        nearest = index.claim(signature(text, shingle), threshold)
        if nearest is not None and nearest.likeness >= threshold:
            found[number] = Twin(numbers[nearest.number], nearest.likeness)
        else:
            numbers.append(number)
    return found


def near_matches(
    texts: Iterable[str], against: Iterable[str], *, threshold: float = 0.8, shingle: int = SHINGLE
) -> list[Twin | None]:
    """Returns for each of `texts` the one of `against` that is nearest, if it is as near as `threshold`.

    Raises:
        ValueError: the threshold is not between 0.2 and 1.
    """
    index = NearIndex(threshold)
    for text in against:
        index.add(signature(text, shingle))
    nearest = (index.nearest(signature(text, shingle)) for text in texts)
    return [one if one is not None and one.likeness >= threshold else None for one in nearest]


class NearIndex:
    """Signatures in memory, by number, found by their bands: for each band a dict of the last that had these bytes.

    Measured: 1.1 KB a text at a threshold of 0.8, of a million texts.
    """

    def __init__(self, threshold: float) -> None:
        self.bands = Bands.of(threshold)
        self._keys = self.bands.cutter()
        self._sketches: list[bytes] = []
        self._last: list[dict[Hashable, int]] = [{} for _ in range(self.bands.count)]
        self._before: dict[int, int] = {}  # of a number times the bands, plus the band: who had the same bytes before

    def __len__(self) -> int:
        return len(self._sketches)

    def sketch(self, number: int) -> bytes:
        """Returns the signature with that number; none where it was empty or removed."""
        return self._sketches[number]

    def add(self, sketch: bytes) -> int:
        """Keeps a signature and returns its number. An empty one gets a number too, and is never found."""
        self.claim(sketch, NEVER)
        return len(self._sketches) - 1

    def claim(self, sketch: bytes, least: float, besides: Container[int] = ()) -> Twin | None:
        """Returns what `nearest` does, and keeps the signature as `add` does unless that is as alike as `least`.

        Both in one pass: at a million texts the time goes into fetching the dicts' memory.
        """
        number = len(self._sketches)
        if not sketch:
            self._sketches.append(sketch)
            return None
        keys = self._keys(sketch)
        held = list(map(dict.setdefault, self._last, keys, repeat(number)))
        if held.count(number) == len(held):
            self._sketches.append(sketch)
            return None
        found = None
        if least < NEVER:
            found = self._compared(sketch, [None if one == number else one for one in held], besides)
        if found is not None and found.likeness >= least:
            for last, key, before in zip(self._last, keys, held, strict=True):
                if before == number:
                    del last[key]
            return found
        self._sketches.append(sketch)
        self._chain(keys, number, held)
        return found

    def nearest(self, sketch: bytes, besides: Container[int] = ()) -> Twin | None:
        """Returns the nearest of the signatures that share a band, the first of several; None when none does.

        `besides` are numbers that do not count. Of more than `LOOKED_AT` candidates the last added are compared.
        """
        if not sketch:
            return None
        return self._compared(sketch, list(map(dict.get, self._last, self._keys(sketch))), besides)

    def _compared(self, sketch: bytes, held: Sequence[int | None], besides: Container[int]) -> Twin | None:
        """The nearest of those that have a band's bytes; `held` are the last of them, by band."""
        seen: set[int] = set()
        for band, number in enumerate(held):
            while number is not None and len(seen) < LOOKED_AT:
                if number not in besides:
                    seen.add(number)
                number = self._before.get(number * self.bands.count + band)
        if not seen:
            return None
        found, number = max((likeness(sketch, self._sketches[number]), -number) for number in seen)
        return Twin(-number, found)

    def _chain(self, keys: Sequence[Hashable], number: int, held: Sequence[int]) -> None:
        """Puts a number before those that were the last to have its bytes."""
        for band, (last, key, before) in enumerate(zip(self._last, keys, held, strict=True)):
            if before != number:
                self._before[number * self.bands.count + band] = before
                last[key] = number

    def remove(self, number: int) -> None:
        """Takes a signature out: it is found no more. Its number is not given again. Twice is harmless."""
        sketch, self._sketches[number] = self._sketches[number], b""
        if not sketch:
            return
        count = self.bands.count
        for band, (last, key) in enumerate(zip(self._last, self._keys(sketch), strict=True)):
            before = self._before.pop(number * count + band, None)
            at = last[key]
            if at == number:
                if before is None:
                    del last[key]
                else:
                    last[key] = before
                continue
            while (following := self._before[at * count + band]) != number:
                at = following
            if before is None:
                del self._before[at * count + band]
            else:
                self._before[at * count + band] = before
