"""A selection beside the random one of the same size: what the strategy bought, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..diversity.distance import nearest_distance
from ..diversity.vendi import vendi
from ..figure import Figure
from ..numeric import np
from .base import Selection
from .plain import RANDOM
from .pool import Places, Pool
from .selector import Selector

MOST = 20_000  # items of a set that are measured; of more, chance takes so many
ASKED = 2_000  # items of the pool that coverage asks


@dataclass(frozen=True)
class Beside:
    """One figure of the selection, and the same of as many items drawn evenly from the whole pool.

    vendi, nearest_distance: how different the chosen are from each other; see evals/diversity.
    coverage_distance:       mean cosine distance of the pool's items to their nearest chosen one; lower is better.
    quality:                 mean score of the chosen.
    """

    chosen: Figure
    random: Figure


def beside_random(selection: Selection, pool: Pool, *, seed: int = 0) -> tuple[Beside, ...]:
    """Measures a selection and a random one. Figures that need vectors or scores are left out where there are none.

    Both draw from all items that have a vector, so a least score is the strategy's own doing. Cost: Vendi n d², the
    distances 2,000 N d.
    """
    random = Selector(RANDOM, RANDOM.options()).select(pool, len(selection.indices), seed=seed).indices
    rows = zip(_figures(pool, selection.indices, seed), _figures(pool, random, seed), strict=True)
    return tuple(Beside(chosen, plain) for chosen, plain in rows)


def _figures(pool: Pool, places: Places, seed: int) -> Iterator[Figure]:
    rng = np.random.default_rng(seed)
    if pool.vectors is not None:
        some = places if len(places) <= MOST else np.sort(rng.choice(places, size=MOST, replace=False))
        chosen = _whole(pool.vectors.at(some))
        asked = np.arange(pool.size)
        if pool.size > ASKED:
            asked = np.sort(rng.choice(pool.size, size=ASKED, replace=False))
        yield vendi(chosen)
        yield nearest_distance(chosen, seed=seed)
        yield _renamed(nearest_distance(_whole(pool.vectors.at(asked)), chosen, seed=seed), "coverage_distance")
    if pool.scores is not None:
        known = pool.scores[places]
        known = known[np.isfinite(known)]
        value = float(known.mean()) if len(known) else None
        yield Figure("quality", value, of=len(known), note="" if len(known) else "no chosen item has a score")


def _whole(rows: Any) -> Any:
    """Rows that may be measured: those with a value that is not finite become rows of zeros, which say nothing."""
    return np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.float32(0))


def _renamed(figure: Figure, name: str) -> Figure:
    return Figure(name, figure.value, figure.unit, figure.low, figure.high, figure.of, figure.note)
