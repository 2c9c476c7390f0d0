"""`zip-fit`: the items whose texts compress best together with examples of what is wanted.

Obbad et al. 2024, "ZIP-FIT: Embedding-Free Data Selection via Compression-Based Alignment", arXiv:2410.18194: the
alignment of an item is the mean over the examples of 1 - NCD, the normalised compression distance (Li et al. 2004)
NCD(x, y) = (C(xy) - min(C(x), C(y))) / max(C(x), C(y)), with C the bytes after compression, here DEFLATE.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from pydantic import Field

from ..numeric import np
from .base import Options, Picked, Rng, Strategy, shuffled_best
from .pool import Floats, Pool


class ZipFit(Options):
    """Options of `zip-fit`.

    examples: how many of the examples are compared with; of more, chance takes so many. 0 takes all.
    level:    of zlib, 1 to 9.
    """

    examples: int = Field(default=32, ge=0)
    level: int = Field(default=6, ge=1, le=9)


def _pick(options: ZipFit, pool: Pool, count: int, rng: Rng) -> Picked:
    """One compression for each pair of item and example; the examples' own are done once."""
    examples = [text for text in dict.fromkeys(pool.examples) if text.strip()]
    notes = [] if examples else ["the examples have no text: every item is as far from them"]
    if options.examples and len(examples) > options.examples:
        drawn = sorted(rng.choice(len(examples), size=options.examples, replace=False).tolist())
        notes.append(f"compared with {options.examples} of {len(examples)} examples")
        examples = [examples[number] for number in drawn]
    found = alignments(pool.all_texts, examples, level=options.level)
    order = shuffled_best(found, rng)[:count]
    if len(order):
        notes.append(
            f"alignment: {found[order].mean():.3f} on average of the chosen, {found.mean():.3f} of all that could be"
        )
    return Picked(order, notes=tuple(notes))


def alignments(texts: Sequence[str], examples: Sequence[str], *, level: int = 6) -> Floats:
    """Returns (n,) the mean over the examples of 1 - NCD(example, text); about 0 for nothing in common, to about 1.

    0 for all without examples. DEFLATE looks back 32 KB, so what stands farther apart is not seen.
    """
    total = np.zeros(len(texts))
    if not examples:
        return total
    bodies = [text.encode("utf-8", "surrogatepass") for text in texts]
    alone = np.array([_size(body, level) for body in bodies], dtype=np.float64)
    for example in examples:
        first = zlib.compressobj(level, zlib.DEFLATED, -15)
        opened = first.compress(example.encode("utf-8", "surrogatepass"))
        own = float(_size(example.encode("utf-8", "surrogatepass"), level))
        both = np.array([len(opened) + _rest(first, body) for body in bodies], dtype=np.float64)
        total += 1 - (both - np.minimum(own, alone)) / np.maximum(own, alone)
    return total / len(examples)


def _size(body: bytes, level: int) -> int:
    return _rest(zlib.compressobj(level, zlib.DEFLATED, -15), body)


def _rest(begun: zlib._Compress, body: bytes) -> int:
    """Bytes that `body` and the end of the stream take after what `begun` has read; leaves that as it is."""
    copy = begun.copy()
    return len(copy.compress(body)) + len(copy.flush())


ZIP_FIT = Strategy("zip-fit", "what compresses best together with your examples", ZipFit, _pick,
                   frozenset({"texts", "examples"}))  # fmt: skip
