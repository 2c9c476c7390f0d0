"""Finds runs of words that a text shares with evaluation sets: 13 words by default, whatever their case and signs.

After the overlap analyses of GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix C: 13-grams of lower-cased words)
and Llama 2 (Touvron et al. 2023, arXiv:2307.09288, appendix A.6: runs found, then extended).

Not every n-gram of the sets is kept. A run of n words holds each block of k words that begins at one of its first
n - k + 1 words, so of a set's text every (n - k + 1)-th block is enough (k = 7 and every 7th for n = 13): an eighth of
the memory. A text is looked up by each of its own blocks; what is found is compared word by word, and extended to both
sides. So nothing is reported that is not there, and no run of n words is missed, but for blocks that more than `common`
texts of the sets have: they are phrases ("which of the following statements is true"), and lead nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...errors import ConfigError
from ..folding import located_words, words
from ..numeric import np
from .cells import CellStore, Kept
from .match import QUOTED, Match
from .reading import SetBooks, read_set
from .sources import EvalSet
from .texts import Cell

WORDS = 13
COMMON = 20
SHORTEST = 5  # words: of shorter texts a whole one proves nothing ("What does this mean?")
SHORTEST_INSIDE = 8  # words: from here on a whole text of a set counts within a longer text, too (GPT-3's least n)
REPEATED = 100  # rows: a text that more rows have is the set's instruction, no example
_FACTOR = 0x9E3779B97F4A7C15  # odd, its bits well mixed (Knuth's multiplicative hashing, 2^64 over the golden ratio)
_ALL = (1 << 64) - 1
_PENDING = 1 << 20
_PLACES = 8  # of a block that a text repeats over and over; more of them would make a hostile text cost its square


def check_settings(n: int, common: int) -> None:
    """Raises `ConfigError` for an n that finds nothing but chance, or a `common` that finds nothing."""
    if not 5 <= n <= 100:
        raise ConfigError(f"n is {n} words; give 5 to 100 (13 is usual: fewer find phrases that everybody uses)")
    if common < 1:
        raise ConfigError(f"common is {common} texts; give 1 or more")


class NgramIndex:
    """The runs of n words of some evaluation sets.

    Texts that several rows of a set have are kept once, under the first. Texts shorter than n words are compared as a
    whole: from 8 words on wherever they stand, from 5 on with a whole text of the item; below that, and below n for
    what a model has to give (columns such as `answer`, an assistant's messages), never. `books` say what was read.
    """

    def __init__(self, *, n: int = WORDS, common: int = COMMON) -> None:
        check_settings(n, common)
        self.n, self.common = n, common
        self.block = max(min(n, 7), (n + 1) // 2)
        self.stride = n - self.block + 1
        self.cells = CellStore()
        self.books: list[SetBooks] = []
        self.short_texts = 0  # of the sets: shorter than n words, compared as a whole
        self.left_out = 0  # of the sets: too short to be compared, or standing in too many rows
        self.repeated: set[int] = set()  # the texts of those that stand in too many rows
        self._blocks = _Postings(common)
        self._wholes = _Postings(REPEATED)
        self._lengths: set[int] = set()

    @classmethod
    def of(cls, sets: Iterable[EvalSet], *, n: int = WORDS, common: int = COMMON) -> NgramIndex:
        """Reads the sets. Raises `ConfigError` as `read_set` does."""
        index = cls(n=n, common=common)
        for one in sets:
            books = SetBooks(one.name)
            index.books.append(books)
            index.add((one.name, row.name, cell) for row in read_set(one, books) for cell in row.cells)
        index.close()
        return index

    def add(self, texts: Iterable[tuple[str, str, Cell]]) -> None:
        """Takes in the texts of one set, each as (set, row, cell)."""
        seen: dict[int, list[int]] = {}  # hash of a text -> [its number, or -1, and how many rows have it]
        for name, row, cell in texts:
            found = words(cell.text)
            if len(found) < (self.n if cell.answer else min(SHORTEST, self.n)):
                self.left_out += 1
                continue
            key = hash((len(found), cell.text))
            if key in seen:
                seen[key][1] += 1
                continue
            number = self.cells.add(Kept(name, row, cell.place, cell.text))
            seen[key] = [number, 1]
            if len(found) < self.n:
                self.short_texts += 1
                self._lengths.add(len(found))
                self._wholes.add(_hashes(found, len(found))[:1], number)
            else:
                self._blocks.add(_hashes(found, self.block)[:: self.stride], number)
        repeated = [number for number, rows in seen.values() if rows > REPEATED]
        self.left_out += len(repeated)
        self.repeated.update(repeated)
        self._blocks.leave_out(repeated)
        self._wholes.leave_out(repeated)

    def close(self) -> None:
        """Sorts what was added; after it the index can be asked."""
        self.cells.close()
        self._blocks.close()
        self._wholes.close()

    @property
    def nbytes(self) -> int:
        """Bytes that the index takes: the texts, packed, and the blocks."""
        return self.cells.nbytes + self._blocks.nbytes + self._wholes.nbytes

    def matches(self, cell: Cell, *, most: int | None = 10) -> list[Match]:
        """Returns the runs that a text shares with the sets, the longest first, `most` of them at most (None for all).

        Of a row's text each run is named once, as far as it goes; of two that overlap in the item, one.
        """
        found = words(cell.text)
        if len(found) < min(SHORTEST, self.n):
            return []
        candidates = [*self._block_hits(found), *self._whole_hits(found)]
        if not candidates:
            return []
        return self._verified(cell, candidates, most)

    def _block_hits(self, found: Sequence[str]) -> Iterator[tuple[int, int]]:
        if len(found) >= self.n:
            yield from self._blocks.find(_hashes(found, self.block))

    def _whole_hits(self, found: Sequence[str]) -> Iterator[tuple[int, int]]:
        for length in self._lengths:
            if length == len(found) or SHORTEST_INSIDE <= length < len(found):
                yield from self._wholes.find(_hashes(found, length))

    def _verified(self, cell: Cell, candidates: list[tuple[int, int]], most: int | None) -> list[Match]:
        here = located_words(cell.text)
        mine = [word for word, _, _ in here]
        there: dict[int, _Row] = {}
        runs = []
        for position, number in dict.fromkeys(candidates):
            row = there.get(number)
            if row is None:
                row = there[number] = _Row(self.cells[number], self.block, self.stride, self.n)
            if position >= row.covered and (run := row.longest(mine, position)) is not None:
                row.covered = run[1]
                runs.append(_match(cell, here, row, run))
        return sorted(runs, key=lambda run: (-run.words, run.set, run.row, run.column, run.start))[:most]


class _Row:
    """A text of a set, opened for comparison. The item's words before `covered` are in a run of it that is known."""

    def __init__(self, kept: Kept, block: int, stride: int, n: int) -> None:
        self.kept = kept
        self.located = located_words(kept.text)
        self.words = [word for word, _, _ in self.located]
        self.n = n
        self.covered = 0
        self._size = block if len(self.words) >= n else len(self.words)
        self._places: dict[tuple[str, ...], list[int]] = {}
        for place in range(0, len(self.words) - self._size + 1, stride if len(self.words) >= n else 1):
            places = self._places.setdefault(tuple(self.words[place : place + self._size]), [])
            if len(places) < _PLACES:
                places.append(place)

    def longest(self, mine: Sequence[str], position: int) -> tuple[int, int, int] | None:
        """Returns the longest run about the block at `position`: first and last word of `mine`, first of the row's."""
        best = None
        for place in self._places.get(tuple(mine[position : position + self._size]), ()):
            start, end = _extended(mine, self.words, position, place)
            if end - start >= min(self.n, len(self.words)) and (best is None or end - start > best[1] - best[0]):
                best = (start, end, place - (position - start))
        return best


def _match(cell: Cell, here: Sequence[tuple[str, int, int]], row: _Row, run: tuple[int, int, int]) -> Match:
    start, end, first = run
    span, row_span = _span(here, start, end), _span(row.located, first, first + end - start)
    return Match(
        "ngram" if len(row.words) >= row.n else "whole",
        row.kept.set,
        row.kept.row,
        row.kept.column,
        cell.place,
        *span,
        *row_span,
        score=(end - start) / len(row.words),
        words=end - start,
        quote=cell.text[span[0] : span[1]][:QUOTED],
    )


def _extended(mine: Sequence[str], theirs: Sequence[str], position: int, other: int) -> tuple[int, int]:
    """Returns the run's first and last word (exclusive) in `mine`, as far as both go on alike."""
    back = 0
    while back < min(position, other) and mine[position - back - 1] == theirs[other - back - 1]:
        back += 1
    on = 0
    while position + on < len(mine) and other + on < len(theirs) and mine[position + on] == theirs[other + on]:
        on += 1
    return position - back, position + on


def _span(located: Sequence[tuple[str, int, int]], start: int, end: int) -> tuple[int, int]:
    return located[start][1], located[end - 1][2]


def _hashes(found: Sequence[str], size: int) -> Any:
    """Returns a 64-bit hash of each run of `size` words, as a uint64 array. Of this process alone: `hash` is salted."""
    single = np.fromiter((hash(word) & _ALL for word in found), np.uint64, len(found))
    count = len(found) - size + 1
    rolled = single[:count].copy()
    for place in range(1, size):
        rolled *= np.uint64(_FACTOR)
        rolled += single[place : place + count]
    rolled ^= rolled >> np.uint64(29)
    return rolled + np.uint64(size)


class _Postings:
    """Which texts have a hash: 12 bytes for each, sorted. A hash of more than `common` texts is left out."""

    def __init__(self, common: int) -> None:
        self._common = common
        self._keys: list[Any] = []
        self._texts: list[Any] = []
        self._waiting: list[Any] = []
        self._numbers: list[int] = []
        self._size = 0
        self._out: set[int] = set()
        self.keys: Any = None
        self.texts: Any = None

    def add(self, hashes: Any, text: int) -> None:
        self._waiting.append(hashes)
        self._numbers.append(text)
        self._size += len(hashes)
        if self._size >= _PENDING:
            self._pack()

    def leave_out(self, texts: Iterable[int]) -> None:
        self._out.update(texts)

    def close(self) -> None:
        self._pack()
        keys = np.concatenate(self._keys) if self._keys else np.empty(0, np.uint64)
        self._keys = []
        texts = np.concatenate(self._texts) if self._texts else np.empty(0, np.uint32)
        self._texts = []
        if self._out:
            stays = ~np.isin(texts, np.fromiter(self._out, np.uint32, len(self._out)))
            keys, texts = keys[stays], texts[stays]
        order = np.argsort(keys, kind="stable")
        keys, texts = keys[order], texts[order]
        # a text that has a block twice counts once
        fresh = np.ones(len(keys), bool)
        fresh[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
        keys, texts = keys[fresh], texts[fresh]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.empty(0, int)
        counts = np.diff(np.append(starts, len(keys)))
        stays = np.repeat(counts <= self._common, counts)
        self.keys, self.texts = keys[stays], texts[stays]

    @property
    def nbytes(self) -> int:
        return int(self.keys.nbytes + self.texts.nbytes)

    def find(self, hashes: Any) -> Iterator[tuple[int, int]]:
        """Yields (position in `hashes`, text) for each text that has the hash there."""
        first = np.searchsorted(self.keys, hashes)
        inside = first < len(self.keys)
        hit = np.flatnonzero(inside)[self.keys[first[inside]] == hashes[inside]]
        for position in hit.tolist():
            at = int(first[position])
            while at < len(self.keys) and self.keys[at] == hashes[position]:
                yield position, int(self.texts[at])
                at += 1

    def _pack(self) -> None:
        if self._waiting:
            self._keys.append(np.concatenate(self._waiting))
            self._texts.append(np.repeat(np.array(self._numbers, np.uint32), [len(one) for one in self._waiting]))
        self._waiting, self._numbers, self._size = [], [], 0
