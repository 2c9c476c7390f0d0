"""One chunk as a witness: where the names, quotes and figures of an answer stand in it, or that they do not.

Knows no answer and no schema. What is handed back is always the chunk's own characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...evals.grounding import locate, locate_ends
from ...evals.segments import segments
from ...storage.records import Chunk, Span
from ..names import MAX_NAME, name_key, occurrences, split_alias, tidy, without_article

LONGEST_ELIDED = 1_000  # characters from the first word to the last of a quote that leaves out its middle
LONGEST_RAW = 4 * MAX_NAME  # characters of a name that are read at all: enough to see that it is too long
LONGER = 2  # times the chunk's length that a quote may have; more of it cannot be there
LEAST_END = 2  # words on either side of what such a quote leaves out
ANCHOR = 7  # words; a quote of so few is the beginning of what it quotes, which goes on to the end of its sentence
_ELISION = re.compile(r"\s*(?:\u2026|\.{3}|\[(?:\u2026|\.{3})\])\s*")
_TRAILING = re.compile(r"(?:\u2026|\.{3}|\[(?:\u2026|\.{3})\])[\"'\u201d\u2019]?\s*$")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_COMMAS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_POINTS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?")
_SPACED = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?!\d)")

_EITHER = re.compile(f"{_SPACED.pattern}|{_NUMBER.pattern}")


@dataclass(frozen=True)
class Name:
    """A name that an answer gives: what equal names share, its form, its acronym, and its spans in the chunk.

    `nearby` is true when only what stands before the chunk has it.
    """

    key: str
    text: str
    alias: str
    spans: tuple[Span, ...]
    nearby: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """Where a quote stands. `repaired` is true when it took an alignment: its wording is not the chunk's."""

    span: Span
    repaired: bool


class Witness:
    """Answers what the text of `chunk` has; `before` is what its reader was shown of the text before it."""

    def __init__(self, chunk: Chunk, before: str = "") -> None:
        self.chunk = chunk
        self.before = before
        self._names: dict[str, Name] = {}
        self._quotes: dict[tuple[str, tuple[str, ...]], Quote | None] = {}

    def name(self, raw: str) -> Name:
        """Finds a name as the model wrote it, or its long form or acronym alone, in the chunk."""
        raw = raw[:LONGEST_RAW]
        if raw not in self._names:
            self._names[raw] = self._find(raw)
        return self._names[raw]

    def quote(self, text: str, names: Sequence[Name] = ()) -> Quote | None:
        """Finds a quote by its wording, or by both its ends when it leaves out its middle, or by alignment.

        A quote of at most `ANCHOR` words, or with `…` at its end, is the beginning of what it quotes: the span goes on
        to the end of the sentence, and begins with the sentence where the names of what it states stand before. Where
        such words stand several times, the first place counts whose sentence has most of `names`.
        """
        if len(text) > LONGER * len(self.chunk.text):
            return None
        key = (text, tuple(name.key for name in names))
        if key not in self._quotes:
            self._quotes[key] = self._located(text, names)
        return self._quotes[key]

    def _located(self, text: str, names: Sequence[Name]) -> Quote | None:
        if (begun := self._begun(text)) and (places := list(occurrences(begun, self.chunk.text))):
            return Quote(self._sentence(places, names), repaired=False)
        found = locate(text, [self.chunk], ratio=None)
        if found is not None and (begun or _TRAILING.search(text)):
            found = self._sentence([(found.start, found.end)], names)
        if found := found or self._elided(text):
            return Quote(found, repaired=False)
        found = locate(text, [self.chunk])
        return None if found is None else Quote(found, repaired=True)

    def _begun(self, text: str) -> str:
        """Returns the words of an anchor, "" for a quote that is none."""
        words = tidy(_TRAILING.sub("", text))
        return words if 2 <= len(words.split()) <= ANCHOR and not _ELISION.search(words) else ""

    def _sentence(self, places: Sequence[tuple[int, int]], names: Sequence[Name]) -> Span:
        """The place whose sentence has most of the names, with the rest of the sentence."""

        def reach(place: tuple[int, int]) -> tuple[int, int]:
            touched = [one for one in segments(self.chunk.text) if one[0] < place[1] and place[0] < one[1]]
            return (min(place[0], touched[0][0]), max(place[1], touched[-1][1])) if touched else place

        def within(start: int, end: int) -> int:
            return sum(any(start <= span.start and span.end <= end for span in name.spans) for name in names)

        place = max(places, key=lambda one: (within(*reach(one)), -one[0]))
        start, end = reach(place)
        start = start if within(start, end) > within(place[0], end) else place[0]
        return self.span(start, end) if end - start <= LONGEST_ELIDED else self.span(*place)

    def value(self, text: str) -> str:
        """Returns the chunk's own characters of a short value, on one line; "" when it is not there."""
        found = locate(text, [self.chunk], ratio=None)
        return "" if found is None else " ".join(found.quote.split())

    def figures(self, text: str) -> str | None:
        """Returns `text` with its numbers as the chunk writes them; None when the chunk lacks one of them."""
        missing = False

        def own(match: re.Match[str]) -> str:
            nonlocal missing
            written = next((self._numbers[key] for key in _readings(match[0]) if key in self._numbers), "")
            if not written and all(part in self._numbers for part in _NUMBER.findall(match[0])):
                written = match[0]  # two numbers side by side, which are no thousands
            missing = missing or not written
            return written

        mended = _EITHER.sub(own, text)
        return None if missing else mended

    def spans(self, name: str) -> list[Span]:
        """Returns every place where `name` stands as whole words."""
        return [self.span(start, end) for start, end in occurrences(name, self.chunk.text)]

    def span(self, start: int, end: int) -> Span:
        return Span(chunk=self.chunk.id, start=start, end=end, quote=self.chunk.text[start:end])

    def _find(self, raw: str) -> Name:
        text, alias = split_alias(raw)
        if len(text) > MAX_NAME:
            return Name(name_key(text), text, alias, ())
        if not self.spans(text):  # "the enzymes" where the passage has them without the article
            text = without_article(text)
        if " " not in text and text[1:].islower() and any(span.quote.islower() for span in self.spans(text.lower())):
            text = text.lower()  # the passage writes it small somewhere, so it is a common noun: Enzymes, enzymes
        spans = self.spans(text) or (self.spans(alias) if alias else []) or self.spans(tidy(raw))
        nearby = not spans and bool(text) and any(occurrences(text, self.before))
        return Name(name_key(text), text, alias, tuple(spans), nearby)

    def _elided(self, text: str) -> Span | None:
        parts = [part for part in _ELISION.split(text) if part]
        if len(parts) < 2 or any(len(part.split()) < LEAST_END for part in (parts[0], parts[-1])):
            return None
        return locate_ends(parts[0], parts[-1], self.chunk, most=LONGEST_ELIDED)

    @cached_property
    def _numbers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for pattern in (_NUMBER, _SPACED):
            for match in pattern.finditer(self.chunk.text):
                for key in _readings(match[0]):
                    found.setdefault(key, match[0])
        return found


def _readings(number: str) -> Iterator[str]:
    """Yields what equal numbers share: as written, then without what groups thousands."""
    yield number
    if _COMMAS.fullmatch(number):
        yield number.replace(",", "")
    elif _POINTS.fullmatch(number):
        yield number.replace(".", "").replace(",", ".")
    elif _SPACED.fullmatch(number):
        yield "".join(filter(str.isdigit, number))
