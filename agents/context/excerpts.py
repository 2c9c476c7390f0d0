"""A task's chunks as sentences that may be shown, each once: what overlaps or repeats is one sentence, not two."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ...evals.segments import LONE, Place, segments
from ...storage.chunking import count_tokens
from ...storage.records import Chunk, Span

GAP = "\n\n[...]\n\n"  # stands where a prompt leaves out text of a chunk
REPEATED = 40  # characters of a sentence that is shown once only; shorter ones mean what stands beside them

Sentence = tuple[int, int]
"""A sentence of a task: the place of its chunk among the sources, and its own among the chunk's sentences."""


@dataclass(frozen=True)
class Source:
    """One chunk: the places of its sentences, and for each the sentences that show it, itself or earlier ones."""

    number: int
    chunk: Chunk
    places: tuple[Place, ...]
    shown_by: tuple[tuple[Sentence, ...], ...]

    @property
    def title(self) -> str:
        """The heading path."""
        return " > ".join(self.chunk.headings)

    @property
    def own(self) -> frozenset[int]:
        """The sentences that no earlier one shows."""
        return frozenset(i for i in range(len(self.places)) if self.shown_by[i] == ((self.number, i),))

    def is_heading(self, sentence: int) -> bool:
        """Whether a sentence is a heading of Markdown."""
        return self.chunk.text.startswith("#", self.places[sentence][0])

    def spans(self, taken: Collection[int]) -> tuple[Place, ...]:
        """Returns the runs of the text in which the sentences `taken` stand; all of it when all are."""
        if len(taken) == len(self.places):
            return ((0, len(self.chunk.text)),)
        runs: list[tuple[int, int]] = []
        for one in sorted(taken):
            if runs and runs[-1][1] == one - 1:
                runs[-1] = (runs[-1][0], one)
            else:
                runs.append((one, one))
        return tuple((self.places[first][0], self.places[last][1]) for first, last in runs)

    def text(self, taken: Collection[int]) -> str:
        """Returns what is shown of the chunk, the chunk's own text when all sentences are.

        Half a character, which no encoding has, is shown as `\ufffd`.
        """
        return LONE.sub("\ufffd", GAP.join(self.chunk.text[start:end] for start, end in self.spans(taken)))

    def cost(self, taken: Collection[int]) -> int:
        """Returns the tokens of text and title; none for nothing."""
        if not taken:
            return 0
        text = self.text(taken)
        return count_tokens(f"{self.title}\n\n{text}" if self.title else text)

    def holding(self, span: Span) -> frozenset[Sentence]:
        """Returns the sentences that show a span of this chunk, all of them needed."""
        touched = (i for i, (start, end) in enumerate(self.places) if start < span.end and span.start < end)
        return frozenset(sentence for i in touched for sentence in self.shown_by[i])


def sources_of(chunks: Sequence[Chunk]) -> tuple[Source, ...]:
    """Returns the chunks' sentences, those of a document together, else in the given order."""
    documents = list(dict.fromkeys(chunk.document for chunk in chunks))
    once = {chunk.id: chunk for chunk in chunks}
    grouped = sorted(once.values(), key=lambda chunk: documents.index(chunk.document))
    sources: list[Source] = []
    known: dict[str, tuple[Sentence, ...]] = {}
    for number, chunk in enumerate(grouped):
        before = [source for source in sources if source.chunk.document == chunk.document]
        places, shown_by = segments(chunk.text), []
        for index, (start, end) in enumerate(places):
            words = " ".join(chunk.text[start:end].split())
            shown = _overlapped(before, chunk, start, end)
            if not shown and len(words) >= REPEATED:
                shown = known.get(words, ())
            shown_by.append(shown or ((number, index),))
            known.setdefault(words, shown_by[-1])
        sources.append(Source(number, chunk, places, tuple(shown_by)))
    return tuple(sources)


def _overlapped(before: Sequence[Source], chunk: Chunk, start: int, end: int) -> tuple[Sentence, ...]:
    """The sentences of an earlier chunk of the document in which `[start, end)` of this one stands, too."""
    for source in before:
        low, high = shared(source.chunk, chunk)
        if low <= start and end <= high:
            shift = chunk.start - source.chunk.start
            place = Span(chunk=source.chunk.id, start=start + shift, end=end + shift)
            return tuple(sorted(source.holding(place)))
    return ()


def shared(other: Chunk, chunk: Chunk) -> Place:
    """Returns where in `chunk` the text stands that `other`, of the same document, has too; `(0, 0)` for none."""
    shift = other.start - chunk.start
    low, high = max(0, shift), min(len(chunk.text), len(other.text) + shift)
    if low >= high or chunk.text[low:high] != other.text[low - shift : high - shift]:
        return (0, 0)
    return (low, high)


def covered(chunk: Chunk, shown: Sequence[tuple[Chunk, Sequence[Place]]]) -> Iterator[Place]:
    """Yields the runs of `chunk` that are shown, by itself or by a chunk that overlaps it, ascending."""
    runs: list[Place] = []
    for other, spans in shown:
        if other.document != chunk.document:
            continue
        low, high = shared(other, chunk)
        shift = other.start - chunk.start
        moved = ((max(low, start + shift), min(high, end + shift)) for start, end in spans)
        runs += [(start, end) for start, end in moved if start < end]
    last: Place | None = None
    for start, end in sorted(runs):
        if last is not None and not chunk.text[last[1] : start].strip():
            last = (last[0], max(end, last[1]))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last
