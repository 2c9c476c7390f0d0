"""Where the documents state a fact: the passages of its mentions, cut into what is marked and what stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import NotStored
from ...storage.records import Span
from ...storage.store import RunStore

AROUND = 140  # characters before the first mention and after the last
LONGEST = 900  # characters of a passage


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a chunk. `pieces` are its text in order, each with whether it is marked.

    `document` is the document's name, `headings` the path above. `cut` says whether text is left out before and after.
    `more` is how many mentions of the same chunk lie beyond it.
    """

    document: str
    headings: tuple[str, ...]
    chunk: str
    pieces: tuple[tuple[str, bool], ...]
    cut: tuple[bool, bool]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages from number `start` on; `chunks` is how many there are, one a chunk; `mentions` counts the spans."""

    shown: tuple[Passage, ...]
    start: int
    chunks: int
    mentions: int

    @property
    def next(self) -> int | None:
        """The number to go on from, None at the end."""
        end = self.start + len(self.shown)
        return end if end < self.chunks else None


def passages(store: RunStore, spans: Sequence[Span], start: int = 0, limit: int = 8) -> Passages:
    """Returns the passages that hold `spans`, those of one chunk together, the chunks with most of them first."""
    of_chunk: dict[str, list[Span]] = {}
    for span in spans:
        of_chunk.setdefault(span.chunk, []).append(span)
    ranked = sorted(of_chunk, key=lambda chunk: -len(of_chunk[chunk]))  # stable: else as the records have them
    shown = tuple(_passage(store, chunk, of_chunk[chunk]) for chunk in ranked[start : start + limit])
    return Passages(shown, start, len(ranked), len(spans))


def _passage(store: RunStore, id: str, spans: Sequence[Span]) -> Passage:
    try:
        chunk = store.chunk(id)
        name = store.document_name(chunk.document)
    except NotStored:  # a graph that was made elsewhere, or of documents that were read anew
        return Passage("", (), id, tuple((span.quote, True) for span in spans[:1]), (False, False), len(spans) - 1)
    text = chunk.text
    marked = joined(spans, len(text))
    if not marked:
        return Passage(name, chunk.headings, id, ((text[:LONGEST], False),), (False, len(text) > LONGEST))
    start = _word(text, max(0, marked[0][0] - AROUND))
    kept = [one for one in marked if one[1] <= start + LONGEST] or [(marked[0][0], min(marked[0][1], start + LONGEST))]
    end = min(len(text), kept[-1][1] + AROUND)
    pieces: list[tuple[str, bool]] = []
    at = start
    for first, last in kept:
        pieces += [(text[at:first], False), (text[first:last], True)]
        at = last
    pieces.append((text[at:end], False))
    beyond = sum(span.start >= kept[-1][1] for span in spans)
    return Passage(
        name, chunk.headings, id, tuple(one for one in pieces if one[0]), (start > 0, end < len(text)), beyond
    )


def joined(spans: Sequence[Span], length: int) -> list[tuple[int, int]]:
    """Returns the spans as (start, end) in order, those that touch made one, none beyond a text of `length`."""
    found: list[tuple[int, int]] = []
    for start, end in sorted((min(span.start, length), min(span.end, length)) for span in spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _word(text: str, place: int) -> int:
    """Returns the beginning of the next word, so that no passage begins within one."""
    if place == 0:
        return 0
    space = text.find(" ", place, place + 25)
    return place if space < 0 else space + 1
