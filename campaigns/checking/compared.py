"""What a campaign's items are held against, read in full and counted: what a dry run says before money is spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...agents.state import Guard
from ...agents.verifiers.contamination import ContaminationGuard
from ...evals.folding import words
from ..gating.known_texts import known_texts

AGAINST, CONTAMINATION = "novelty.against", "contamination.sets"


@dataclass(frozen=True)
class Compared:
    """One run, data set or evaluation set.

    key:   of the campaign that names it: `novelty.against` or `contamination.sets`.
    texts: with a word in them; `blank` are those without, which are like nothing.
    note:  what was left out, by reason; empty for nothing.
    """

    key: str
    name: str
    texts: int
    blank: int = 0
    note: str = ""

    @property
    def described(self) -> str:
        """As people read it."""
        blank = f", {self.blank:,} without a word" if self.blank else ""
        left = f" ({self.note})" if self.note else ""
        return f"{self.key} {self.name}: {self.texts:,} texts{blank}{left}"


def compared_with(against: Sequence[str], gated: Sequence[str], guards: Sequence[Guard]) -> Iterator[Compared]:
    """Reads all texts of `against`, and tells what the guards have read of their sets. Not for the event loop: a large
    set takes seconds.

    Raises:
        ConfigError: as `known_texts`.
    """
    for source in against:
        yield _known(source, gated)
    for guard in guards:
        if isinstance(guard, ContaminationGuard):
            for books in guard.index.books:
                left = ", ".join(f"{count:,} rows {reason}" for reason, count in sorted(books.skipped.items()))
                yield Compared(CONTAMINATION, books.name, books.texts, note=left)


def _known(source: str, gated: Sequence[str]) -> Compared:
    count = blank = 0
    for text, _ in known_texts(source, gated):
        count += 1
        blank += not words(text)
    return Compared(AGAINST, source, count - blank, blank)
