"""A selection beside random ones of the same size: what the strategy bought, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from ..diversity.distance import nearest_distance
from ..diversity.vendi import vendi
from ..figure import Figure
from ..intervals import student
from ..numeric import np
from .base import Selection
from .plain import RANDOM
from .pool import Places, Pool
from .selector import Selector

MOST = 20_000  # items of a set that are measured; of more, chance takes so many
ASKED = 2_000  # items of the pool that coverage asks
DRAWS, LARGE, FEW = 10, 5_000, 3  # random sets; chosen items from on which few of them do, for they hardly differ


@dataclass(frozen=True)
class Beside:
    """One figure of the selection, and the same of as many items drawn evenly from the whole pool.

    `random` is the mean of several draws; its interval is where 95% of single draws lie: a selection inside it is one
    that chance may give (mean ± t s √(1 + 1/n), as if draws were normal).

    vendi, nearest_distance: how different the chosen are from each other; see evals/diversity.
    coverage_distance:       mean cosine distance of the pool's items to their nearest chosen one; lower is better.
    quality:                 mean score of the chosen.
    """

    chosen: Figure
    random: Figure


def beside_random(selection: Selection, pool: Pool, *, seed: int = 0) -> tuple[Beside, ...]:
    """Measures a selection and random ones. Figures that need vectors or scores are left out where there are none.

    Random sets are drawn from all items, so a least score is the strategy's own doing; none is drawn by `seed` itself,
    which `random` draws by. Cost, for each of 11 sets (4 of more than 5,000 items): Vendi n d², distances 2,000 N d.
    """
    count = len(selection.indices)
    drawn = [
        list(_figures(pool, Selector(RANDOM, RANDOM.options()).select(pool, count, seed=seed + number).indices, seed))
        for number in range(1, (DRAWS if count <= LARGE else FEW) + 1)
    ]
    return tuple(
        Beside(chosen, _of_draws(draws))
        for chosen, *draws in zip(_figures(pool, selection.indices, seed), *drawn, strict=True)
    )


def _of_draws(draws: Sequence[Figure]) -> Figure:
    """The mean of a figure of some draws, and where 95% of single ones lie."""
    known = [one for one in draws if one.value is not None]
    values = [one.value for one in known if one.value is not None]
    if not known:
        return draws[0]
    first, mean, low, high = known[0], fmean(values), None, None
    if len(values) > 1:
        half = student(len(values) - 1) * stdev(values) * math.sqrt(1 + 1 / len(values))
        low, high = max(mean - half, min(0.0, *values)), mean + half
    note = "; ".join(filter(None, (f"mean of {len(values)} draws", first.note)))
    return Figure(first.name, mean, first.unit, low, high, first.of, note)


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
