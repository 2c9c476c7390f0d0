"""What every embedder does with the numbers it got: checks them, and makes rows of length one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import BadReply
from ..folding import words
from ..numeric import Matrix, np

SHOWN = 60  # characters of a text that a message shows


def has_words(text: str) -> bool:
    """True for a text that has anything to embed; of an empty one, or of punctuation alone, there is no vector."""
    return bool(words(text))


def unit_rows(vectors: Any, texts: Sequence[str], *, source: str, width: int = 0) -> Matrix:
    """Returns `vectors`, one for each of `texts`, as (n, d) float32 with rows of length one; zero rows stay zero.

    `source` names what made them in errors; `width` is the d that is expected, 0 for any.

    Raises:
        BadReply: another number of vectors than of texts, of several or of another length, or with a value that is not
            finite; names the source and the text.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadReply(f"{source} gave vectors of different lengths, or values that are no numbers") from None
    if len(rows) != len(texts):
        raise BadReply(
            f"{source} was given {len(texts)} texts and gave {len(rows)} vectors; its first text was "
            f"{shown(texts[0] if texts else '')}"
        )
    if rows.ndim != 2 or not rows.shape[1]:
        raise BadReply(f"{source} gave vectors of shape {rows.shape}; ({len(texts)}, d) is needed")
    if width and rows.shape[1] != width:
        raise BadReply(
            f"{source} gave {rows.shape[1]} numbers for {shown(texts[0])} and {width} before; "
            f"vectors of two models cannot be compared: is one model served under this name, on every replica?"
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        at = int(np.argmin(finite))
        raise BadReply(f"{source} gave a vector with values that are not finite for {shown(texts[at])}")
    largest = np.abs(rows).max(axis=1, keepdims=True)  # first to the size of one, so that no square overflows
    rows = rows / np.where(largest > 0, largest, 1.0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Matrix = (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return found


def spread(found: Matrix, places: Sequence[int], count: int) -> Matrix:
    """Returns (count, d): the rows of `found` at `places`, zeros elsewhere."""
    rows: Matrix = np.zeros((count, found.shape[1]), dtype=np.float32)
    rows[list(places)] = found
    return rows


def shown(text: str) -> str:
    """The start of a text, for a message."""
    line = " ".join(text[: 2 * SHOWN].split())
    return repr(line if len(line) <= SHOWN else line[: SHOWN - 1] + "…")
