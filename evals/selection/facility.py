"""`facility-location`: the items that stand for all others best, by lazy greedy.

F(S) = sum over i of max over j in S of max(0, cos(i, j)): each item counts by its nearest chosen one. F is monotone and
submodular, so greedy reaches at least 1 - 1/e = 63% of the best possible (Nemhauser, Wolsey and Fisher 1978), and lazy
greedy (Minoux 1978) chooses the same with far fewer gains worked out: a gain only shrinks, so an old one is a bound.

Over more than `ground` items the sum runs over a sample of them: F is then an estimate with an error of at most
sqrt(ln(2/p) / (2 ground)) a set with probability 1 - p (Hoeffding), 1.4% at 10,000 and p = 5%, and 63% is of that
estimate's best. Why no library does this here: docs/decisions/2026-11-21-facility-location.md.
"""

from __future__ import annotations

from pydantic import Field

from ..numeric import Matrix, np
from .base import Need, Options, Picked, Rng, Strategy
from .nearby import choose, known
from .pool import Floats, Places, Pool, Vectors

HELD = 150_000_000  # cosines that are kept at most, 0.6 GB; more are worked out again when they are asked for
AT_ONCE = 256  # gains that are worked out together at most: one matrix product in place of many


class Facility(Options):
    """Options of `facility-location`.

    ground:  items that F is summed over; more of them are sampled down to so many.
    quality: what the best score adds to an item's gain: gains are multiplied by 1 + quality x (the score, put
             between 0 for the least and 1 for the best). 0 needs no scores. With it the bound is not promised.
    """

    ground: int = Field(default=10_000, ge=1, le=1_000_000)
    quality: float = Field(default=0.0, ge=0, le=100)

    @property
    def more_needs(self) -> frozenset[Need]:
        return frozenset({"scores"}) if self.quality else frozenset()


def _pick(options: Facility, pool: Pool, count: int, rng: Rng) -> Picked:
    """O(n ground d) for the first gains, then O(ground d) for each gain that is worked out again.

    These are hundreds for a choice, so where likenesses cannot be kept and many are chosen, `nearby.py` does it.
    """
    ground, notes = pool.all_vectors, []
    if pool.size > options.ground:
        ground = pool.all_vectors.take(np.sort(rng.choice(pool.size, size=options.ground, replace=False)))
        notes.append(f"representation is measured on a sample of {options.ground} of {pool.size} items")
    boosts = _boosts(options, pool)
    if pool.size * len(ground) > HELD and (nearest := known(pool.size, len(ground), count)):
        places = choose(ground, pool.all_vectors, boosts, count, nearest, rng)
        notes.append(f"of each item the {nearest} nearest were looked at")
    else:
        places = _Greedy(ground, pool.all_vectors, boosts).run(count).places
    notes.append(f"the mean likeness of an item to its nearest chosen one is {_covered(ground, pool, places):.3f}")
    return Picked(places, notes=tuple(notes))


def _covered(ground: Vectors, pool: Pool, places: Places) -> float:
    if not len(places):
        return 0.0
    chosen = pool.all_vectors.at(places).T
    found = sum(float(np.maximum((some @ chosen).max(axis=1), 0).sum()) for _, some in ground.blocks(2048))
    return found / max(1, len(ground))


def _boosts(options: Facility, pool: Pool) -> Floats:
    if not options.quality or pool.scores is None:
        return np.ones(pool.size)
    width = float(np.ptp(pool.scores))
    standing = (pool.scores - pool.scores.min()) / width if width else np.zeros(pool.size)
    return 1 + options.quality * standing


class _Greedy:
    """Lazy greedy; `covered` is each ground item's likeness to its nearest chosen one."""

    def __init__(self, ground: Vectors, vectors: Vectors, boosts: Floats) -> None:
        self._ground: Matrix = ground.block(0, len(ground)).T
        self._vectors, self._boosts = vectors, boosts
        self._ones = np.ones(len(ground), dtype=np.float32)
        self._held: Matrix | None = None
        if len(vectors) * len(ground) <= HELD:
            self._held = self._likeness(np.arange(len(vectors)))
        self.covered: Matrix = np.zeros(len(ground), dtype=np.float32)
        self.places: Places = np.empty(0, dtype=np.int64)

    def run(self, count: int) -> _Greedy:
        size = len(self._vectors)
        starts = range(0, size, AT_ONCE)
        bounds = np.concatenate([self._gains(np.arange(one, min(one + AT_ONCE, size))) for one in starts])
        chosen: list[int] = []
        while len(chosen) < count:
            place = self._best(bounds, exact=not chosen)
            bounds[place] = -np.inf
            chosen.append(place)
            np.maximum(self.covered, self._likeness(np.array([place]))[0], out=self.covered)
        self.places = np.array(chosen, dtype=np.int64)
        return self

    def _best(self, bounds: Floats, *, exact: bool) -> int:
        """Returns the item of the largest gain, the first of equal ones; mends the bounds that it works out."""
        fresh: set[int] = set()
        size = 8
        while (best := int(bounds.argmax())) not in fresh and not exact:
            size = min(size * 2, AT_ONCE, len(bounds))
            top = np.argpartition(-bounds, size - 1)[:size] if size < len(bounds) else np.arange(len(bounds))
            stale = {best, *top.tolist()} - fresh
            again = np.array(sorted(place for place in stale if np.isfinite(bounds[place])))
            bounds[again] = self._gains(again)
            fresh |= stale
        return best

    def _gains(self, places: Places) -> Floats:
        gained = self._likeness(places) - self.covered
        np.maximum(gained, 0, out=gained)
        sums: Floats = (gained @ self._ones).astype(np.float64) * self._boosts[places]
        return sums

    def _likeness(self, places: Places) -> Matrix:
        """(len(places), ground) cosines, not under 0."""
        if self._held is not None:
            rows: Matrix = self._held[places]
            return rows
        found: Matrix = self._vectors.at(places) @ self._ground
        np.maximum(found, 0, out=found)
        return found


FACILITY = Strategy("facility-location", "the items that stand for all others best", Facility, _pick,
                    frozenset({"vectors"}))  # fmt: skip
