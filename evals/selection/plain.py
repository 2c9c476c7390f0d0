"""`random`, the baseline that every report shows, and `quality`, the best by score."""

from __future__ import annotations

from ..numeric import np
from .base import Options, Picked, Rng, Strategy, shuffled_best
from .pool import Pool


def _random(_: Options, pool: Pool, count: int, rng: Rng) -> Picked:
    return Picked(np.sort(rng.choice(pool.size, size=count, replace=False)))


def _quality(_: Options, pool: Pool, count: int, rng: Rng) -> Picked:
    """The `count` highest scores; chance decides between equal ones at the border. O(n log n)."""
    scores = pool.all_scores
    order = shuffled_best(scores, rng)
    last = scores[order[count - 1]]
    taken, there = int((scores[order[:count]] == last).sum()), int((scores == last).sum())
    drawn = f"chance chose {taken} of {there} items whose score is {last:.4g}, the lowest that is in"
    return Picked(order[:count], notes=(drawn,) if taken < there else ())


RANDOM = Strategy("random", "every item alike; the baseline", Options, _random)
QUALITY = Strategy("quality", "the highest scores", Options, _quality, frozenset({"scores"}))
