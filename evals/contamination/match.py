"""The record of one match between an item and a row of an evaluation set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ngram", "whole", "near", "semantic"]
QUOTED = 200  # characters of a quotation


@dataclass(frozen=True, slots=True)
class Match:
    """What an item shares with a row.

    kind:     `ngram`, a run of words; `whole`, a short text of the set; `near`, by shingles; `semantic`, by vectors.
    set, row, column: where in the sets, e.g. `gsm8k.jsonl`, `#7`, `question`.
    place:    which of the item's texts, e.g. `messages.0`; "" where the item is one text.
    start, end: characters of that text; `row_start`, `row_end`: characters of the row's.
    score:    in [0, 1]. Of `ngram` and `whole` the share of the row's words in the run, of `near` the estimated
              Jaccard similarity, of `semantic` the cosine.
    words:    the run's length in words; 0 where the match is no run.
    quote:    the item's words, 200 characters at most.
    item:     the item's id, "" at the gate.
    """

    kind: Kind
    set: str
    row: str
    column: str
    place: str
    start: int
    end: int
    row_start: int
    row_end: int
    score: float
    words: int = 0
    quote: str = ""
    item: str = ""

    @property
    def described(self) -> str:
        """One line for people."""
        if self.words:
            what = f"{self.words} words"
        else:
            what = f"{'wording' if self.kind == 'near' else 'meaning'} {self.score:.2f}"
        how = "stands in" if self.words else "is like"
        spans = f"[{self.start}:{self.end}] {how} {self.set} {self.row} {self.column}"
        return f"{what} of {self.place or 'the text'}{spans}[{self.row_start}:{self.row_end}]"
