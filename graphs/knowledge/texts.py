"""Many texts as one piece of memory: a million ids take 40 MB here, and 100 MB as Python's strings."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import overload

from ..numeric import np
from . import links
from .links import Numbers

ERRORS = "surrogatepass"  # a lone surrogate, which text cut badly may have, is kept as it is
UNKNOWN = -1


class Texts(Sequence[str]):
    """Texts by number, as UTF-8 in one piece: text i is `data[offsets[i]:offsets[i + 1]]`.

    UTF-8 sorts as the text does, so texts that were sorted as strings are found by bisection.
    """

    __slots__ = ("_width", "data", "offsets")

    def __init__(self, offsets: Numbers, data: bytes) -> None:
        self.offsets = offsets
        self.data = data
        self._width = UNKNOWN

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Packs texts in their order."""
        packing = Packing()
        packing.add(texts if isinstance(texts, Sequence) else list(texts))
        return packing.packed()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if type(place) is int and 0 <= place < len(self.offsets) - 1:  # what is asked for by the million
            return str(self.data[self.offsets[place] : self.offsets[place + 1]], "utf-8", ERRORS)
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        count = len(self)
        place = place + count if place < 0 else place
        if not 0 <= place < count:
            raise IndexError(f"there are {count} texts, none at {place}")
        return str(self.data[self.offsets[place] : self.offsets[place + 1]], "utf-8", ERRORS)

    def take(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Returns the texts of these numbers, which are in `[0, len)`; faster than one by one."""
        data, width = self.data, self.width
        if width:
            return tuple([str(data[one * width : one * width + width], "utf-8", ERRORS) for one in numbers])
        offsets = self.offsets
        return tuple([str(data[offsets[one] : offsets[one + 1]], "utf-8", ERRORS) for one in numbers])

    @property
    def width(self) -> int:
        """The bytes of each text where all have as many, as ids do; else 0. Without offsets to look up, a text of a
        large graph is there in half the time: memory that was not read lately is what it waits for."""
        if self._width == UNKNOWN:
            self._width = _common_width(self.offsets)
        return self._width

    def joined(self, numbers: Iterable[int], mark: bytes) -> bytes:
        """Returns the UTF-8 of the texts of these numbers with a mark between them."""
        data, offsets = self.data, self.offsets
        return mark.join([data[offsets[one] : offsets[one + 1]] for one in numbers])

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self.offsets[1:]:
            yield str(self.data[start:end], "utf-8", ERRORS)
            start = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return self.data == other.data and list(self.offsets) == list(other.offsets)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((len(self), self.data))

    def find(self, text: str) -> int | None:
        """Returns the number of a text among texts that are sorted, None when it is not there."""
        place = self.place(text)
        return place if place < len(self) and self[place] == text else None

    def place(self, text: str) -> int:
        """Returns the number before which a text would stand among texts that are sorted."""
        data, offsets, wanted = self.data, self.offsets, text.encode("utf-8", ERRORS)
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if data[offsets[middle] : offsets[middle + 1]] < wanted:
                low = middle + 1
            else:
                high = middle
        return low


def _common_width(offsets: Numbers) -> int:
    if len(offsets) < 2:
        return 0
    width = offsets[1] - offsets[0]
    if links.HAS_NUMPY:
        return width if bool((np.diff(np.asarray(offsets)) == width).all()) else 0
    return width if all(end - start == width for start, end in pairwise(offsets)) else 0


class Packing:
    """Texts that come by the thousand and are packed as they come."""

    def __init__(self) -> None:
        self._lengths = array("q")
        self._pieces: list[bytes] = []

    def add(self, texts: Sequence[str]) -> None:
        """Adds texts behind those that came before."""
        joined = "".join(texts)
        if joined.isascii():  # as nearly all ids are: one copy instead of one for each
            self._lengths.extend(map(len, texts))
            self._pieces.append(joined.encode())
            return
        pieces = [text.encode("utf-8", ERRORS) for text in texts]
        self._lengths.extend(map(len, pieces))
        self._pieces.append(b"".join(pieces))

    def packed(self) -> Texts:
        """Returns what was added."""
        offsets = array("q", accumulate(self._lengths, initial=0))
        return Texts(memoryview(offsets), b"".join(self._pieces))
