"""Plans of a problem: which observations each is built on, and whether it is mended. They are a search's leaves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

PLAIN, MENDED = "plan", "mended-plan"
FIRST, SECOND = "observed_places", "derived_places"  # attributes: places in the list of observations, of derived ones


@dataclass(frozen=True)
class Leaf:
    """A plan as it is or mended, and the places of the observations that it is built on, by attribute."""

    kind: str
    places: dict[str, list[int]]


def plans(chance: random.Random, observations: int, derived: int, largest: int, *, mend: bool) -> Iterator[Leaf]:
    """Gives the plans on combinations of at most `largest` observations, and of as many that are derived of them.

    Every first combination comes once, in an order by chance, before any comes twice. There may be millions.
    """
    first = _combined(observations, largest)
    chance.shuffle(first)
    second = _combined(derived, largest) or [[]]
    kinds = (PLAIN, MENDED) if mend else (PLAIN,)
    return (Leaf(kind, {FIRST: one, SECOND: two}) for two in second for kind in kinds for one in first)


def _combined(count: int, largest: int) -> list[list[int]]:
    return [list(some) for size in range(1, largest + 1) for some in combinations(range(count), size)]
