"""Embeds texts without a model: hashed character n-grams.

Each vector counts the text's character 3- to 5-grams in 512 hashed places (sublinear counts, signed hashing after
Weinberger et al. 2009, length one). It sees spelling, not meaning: near-copies are close, paraphrases are not.
"""

from __future__ import annotations

import math
import zlib

from .sentences import one_line

DIMENSIONS = 512
MAX_CHARACTERS = 20_000


def embed(text: str) -> tuple[float, ...]:
    """Returns a vector of 512 numbers of length one (all zero for a text without a letter)."""
    counts: dict[str, int] = {}
    padded = f" {one_line(text[:MAX_CHARACTERS]).lower()} "
    for size in (3, 4, 5):
        for at in range(len(padded) - size + 1):
            gram = padded[at : at + size]
            counts[gram] = counts.get(gram, 0) + 1
    vector = [0.0] * DIMENSIONS
    for gram, count in counts.items():
        code = zlib.crc32(gram.encode())
        vector[code % DIMENSIONS] += (1 + math.log(count)) * (1 if code & 0x80000000 else -1)
    length = math.sqrt(sum(value * value for value in vector))
    return tuple(round(value / length, 6) for value in vector) if length else tuple(vector)
