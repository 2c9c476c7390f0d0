"""A source passage as a page shows it: what is cited is marked, what lies far from it is folded. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...storage.records import Span

AROUND = 350  # characters that stay in view on both sides of what is marked
WORTH = 300  # characters that are worth folding


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text with the names of the marks that lie over all of it."""

    text: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring stretches, in view or folded away."""

    stretches: tuple[Stretch, ...]
    folded: bool = False

    @property
    def length(self) -> int:
        return sum(len(stretch.text) for stretch in self.stretches)


Mark = tuple[int, int, str]  # from, to, name


def located(span: Span, text: str) -> tuple[int, int] | None:
    """Returns where in `text` a span lies: where it says, or where its quote is found; None when it is not there."""
    if span.start < span.end <= len(text) and span.quote in ("", text[span.start : span.end]):
        return span.start, span.end
    place = text.find(span.quote) if span.quote else -1
    return None if place < 0 else (place, place + len(span.quote))


def passage(text: str, marks: Iterable[Mark], around: int = AROUND) -> tuple[Part, ...]:
    """Returns `text` in parts that joined are the text again. Marks may overlap and reach beyond its ends."""
    if not text:
        return ()
    inside = [(max(0, start), min(len(text), end), name) for start, end, name in marks]
    inside = [mark for mark in inside if mark[0] < mark[1]]
    found: list[Part] = []
    end = 0
    for start, until in _windows(text, inside, around):
        if start > end:
            found.append(Part((Stretch(text[end:start]),), folded=True))
        found.append(Part(_stretches(text, start, until, inside)))
        end = until
    if end < len(text):
        found.append(Part((Stretch(text[end:]),), folded=True))
    return tuple(found)


def _windows(text: str, marks: Sequence[Mark], around: int) -> list[tuple[int, int]]:
    """What stays in view: the surroundings of each mark, or the beginning; apart by at least what is worth folding."""
    wanted = sorted((max(0, start - around), min(len(text), end + around)) for start, end, _ in marks)
    found: list[tuple[int, int]] = []
    for start, end in wanted or [(0, min(len(text), around))]:
        if found and start - found[-1][1] < WORTH:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((0 if start < WORTH else _word_start(text, start), end))
    return [(start, len(text) if len(text) - end < WORTH else _word_end(text, end)) for start, end in found]


def _word_start(text: str, place: int) -> int:
    """The beginning of the word at `place`, unless that is far away."""
    for back in range(40):
        if text[place - back - 1].isspace():
            return place - back
    return place


def _word_end(text: str, place: int) -> int:
    for ahead in range(40):
        if text[place + ahead].isspace():
            return place + ahead
    return place


def _stretches(text: str, start: int, end: int, marks: Sequence[Mark]) -> tuple[Stretch, ...]:
    """The text from `start` to `end`, cut wherever a mark begins or ends."""
    begins: dict[int, list[str]] = {}
    ends: dict[int, list[str]] = {}
    for first, last, name in marks:
        if first < end and last > start:
            begins.setdefault(max(first, start), []).append(name)
            ends.setdefault(min(last, end), []).append(name)
    lying: Counter[str] = Counter()
    found: list[Stretch] = []
    for here, there in pairwise(sorted({start, end, *begins, *ends})):
        lying.update(begins.get(here, ()))
        lying.subtract(ends.get(here, ()))
        found.append(Stretch(text[here:there], tuple(sorted(name for name, count in lying.items() if count > 0))))
    return tuple(found)
