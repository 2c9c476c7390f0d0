"""Greedy facility location where each ground item knows its nearest items only: for pools that lazy greedy is slow on.

An item that is far from a ground item hardly ever represents it, so likenesses below its `NEAREST` (or more) best ones
count as nothing, as in the sparse mode of submodlib. Then a choice changes few gains, and these are taken
off at once: no gain is worked out twice.
"""

from __future__ import annotations

from ..numeric import Matrix, np
from .base import Rng
from .pool import Floats, Places, Vectors

NEAREST = 256  # items that a ground item knows at least
SPARE = 8  # times as many as an even division of the items among those chosen would give it
MOST = 40_000_000  # pairs that are kept at most: 0.3 GB
AT_ONCE = 25_000_000  # cosines that are worked out at a time, 0.1 GB


def known(size: int, ground: int, count: int) -> int:
    """How many items each ground item is to know; 0 where so many cannot be kept, or would be nearly all."""
    found = max(NEAREST, SPARE * -(-size // max(1, count)))
    return 0 if found * ground > MOST or 2 * found > size else found


def choose(ground: Vectors, vectors: Vectors, boosts: Floats, count: int, nearest: int, rng: Rng) -> Places:
    """Returns the places of `count` items, the first of equal gains first; at random what no ground item knows.

    O(n ground d) for the likenesses, which is most of it, then O(ground nearest) for all choices together.
    """
    items, likeness = _nearest(ground, vectors, nearest)
    gains = np.bincount(items.ravel(), weights=likeness.ravel(), minlength=len(vectors)) * boosts
    covered = np.zeros(len(ground), dtype=np.float32)
    knows, starts = _by_item(items, len(vectors))
    free = np.ones(len(vectors), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < count:
        place = int(gains.argmax())
        if gains[place] <= 1e-6:  # what is left adds nothing
            break
        chosen.append(place)
        free[place] = False
        pairs = knows[starts[place] : starts[place + 1]]
        rows, values = pairs // nearest, likeness.ravel()[pairs]
        better = values > covered[rows]
        rows, values = rows[better], values[better]
        before, after = covered[rows, None], values[:, None]
        lost = np.maximum(likeness[rows] - before, 0) - np.maximum(likeness[rows] - after, 0)
        covered[rows] = values
        gains -= np.bincount(items[rows].ravel(), weights=lost.ravel(), minlength=len(gains)) * boosts
        gains[place] = -np.inf
    rest = rng.permutation(np.flatnonzero(free))[: count - len(chosen)]
    return np.concatenate([np.array(chosen, dtype=np.int64), rest.astype(np.int64)])


def _nearest(ground: Vectors, vectors: Vectors, nearest: int) -> tuple[Places, Matrix]:
    """(ground, nearest) places of the items that are most like each ground item, and their cosines, not under 0."""
    items: Places = np.empty((len(ground), nearest), dtype=np.int32)  # half the room of int64
    likeness = np.empty((len(ground), nearest), dtype=np.float32)
    for start, some in ground.blocks(max(1, AT_ONCE // len(vectors))):
        cosines = np.empty((len(some), len(vectors)), dtype=np.float32)
        for at, block in vectors.blocks():
            np.matmul(some, block.T, out=cosines[:, at : at + len(block)])
        found = np.argpartition(cosines, len(vectors) - nearest, axis=1)[:, -nearest:]
        items[start : start + len(some)] = found
        likeness[start : start + len(some)] = np.take_along_axis(cosines, found, axis=1)
    np.maximum(likeness, 0, out=likeness)
    return items, likeness


def _by_item(items: Places, size: int) -> tuple[Places, Places]:
    """The pairs of each item: places in `items.ravel()`, item after item, and where those of each begin."""
    flat = items.ravel()
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=size))])
    return np.argsort(flat, kind="stable"), starts
