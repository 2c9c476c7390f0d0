"""Texts as words and numbered n-grams: what the lexical figures read, cut once for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import require_texts
from ..folding import words
from ..numeric import np


@dataclass(frozen=True)
class Wording:
    """The words of a set of texts, folded (see `evals.folding`); a text without a word is kept out and counted.

    `texts` are those with words, as they were given; `words` are theirs, `blank` is how many were kept out.
    """

    texts: tuple[str, ...]
    words: tuple[list[str], ...]
    blank: int = 0

    @classmethod
    def of(cls, texts: Wording | Sequence[str]) -> Wording:
        """Cuts `texts` into words: 2 s for 100,000 texts of 60 words. What is cut already stays as it is.

        Raises:
            ConfigError: `texts` is one text, or something in it is none.
        """
        if isinstance(texts, Wording):
            return texts
        texts = require_texts("texts", texts)
        known: dict[str, str] = {}  # each word once in memory: a string of its own for every place is 60 bytes
        pairs = [(text, [known.setdefault(word, word) for word in found]) for text in texts if (found := words(text))]
        return cls(tuple(text for text, _ in pairs), tuple(found for _, found in pairs), len(texts) - len(pairs))

    @property
    def note(self) -> str:
        """What a reader has to know of texts that were kept out."""
        return f"{self.blank:,} without a word left out" if self.blank else ""

    @cached_property
    def _numbered(self) -> tuple[Any, Any, int]:
        """All words by number, how many words of its text follow each (itself counted), and how many differ."""
        number: dict[str, int] = {}
        flat = np.fromiter(
            (number.setdefault(word, len(number)) for found in self.words for word in found), dtype=np.int64
        )
        lengths = np.fromiter((len(found) for found in self.words), dtype=np.int64, count=len(self.words))
        return flat, np.repeat(np.cumsum(lengths), lengths) - np.arange(len(flat)), max(1, len(number))

    def grams(self, size: int) -> Any:
        """The n-grams of all texts, none across two texts, as whole numbers: equal where the n-grams are equal.

        Exact, not hashed: words are digits, and what would not fit into 64 bits is numbered by rank on the way.
        """
        flat, left, vocabulary = self._numbered
        codes, bound = flat, vocabulary
        for words_so_far in range(2, size + 1):
            keep = left >= words_so_far
            prefix = codes[keep[left >= words_so_far - 1]]
            if bound * vocabulary >= 2**63:
                known, prefix = np.unique(prefix, return_inverse=True)
                bound = len(known)
            codes = prefix * vocabulary + flat[np.flatnonzero(keep) + words_so_far - 1]
            bound *= vocabulary
        return codes

    def drawn(self, count: int, seed: int) -> Wording:
        """Returns `count` of the texts at most, drawn without replacement, in a drawn order."""
        order = list(range(len(self.texts)))
        random.Random(seed).shuffle(order)  # noqa: S311  # a sample, not a secret
        chosen = order[:count]
        return Wording(tuple(self.texts[at] for at in chosen), tuple(self.words[at] for at in chosen))

    def groups(self, size: int, most: int, seed: int) -> Iterator[Wording]:
        """Yields up to `most` disjoint groups of `size` texts, drawn; all texts as one group where two do not fit.

        Figures that hang on how many texts are compared (self-BLEU) keep the same size over sets of any size so, and
        disjoint groups are independent draws, so the mean over them has an honest interval.
        """
        count = min(most, len(self.texts) // size)
        if count < 2:
            yield self
            return
        drawn = self.drawn(count * size, seed)
        for at in range(0, count * size, size):
            yield Wording(drawn.texts[at : at + size], drawn.words[at : at + size])
