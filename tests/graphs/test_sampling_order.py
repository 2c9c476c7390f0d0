"""The keyed order and the pool that samplers draw from."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.graphs.sampling.permutation import Permutation
from gristmill.graphs.sampling.weights import Pool


@given(count=st.integers(0, 3000), seed=st.integers(0, 5))
def test_an_order_has_every_number_once(count: int, seed: int) -> None:
    order = Permutation(count, random.Random(seed))
    assert sorted(order) == list(range(count))
    assert len(order) == count
    assert [order[place] for place in range(count)] == list(order)


def test_an_order_of_a_large_range_is_made_at_once_and_is_a_bijection() -> None:
    order = Permutation(10**15 + 7, random.Random(1))
    found = [order[place] for place in range(20_000)]
    assert len(set(found)) == 20_000
    assert all(0 <= number < 10**15 + 7 for number in found)


def test_orders_look_shuffled() -> None:
    """Each number stands at each place about as often as at another, and neighbours are not kept together."""
    first = Counter(Permutation(10, random.Random(seed))[0] for seed in range(5000))
    assert all(400 < first[number] < 600 for number in range(10))
    pairs = Counter(tuple(Permutation(5, random.Random(seed)))[:2] for seed in range(4000))
    assert len(pairs) == 20
    assert max(pairs.values()) < 2 * min(pairs.values())
    order = list(Permutation(10_000, random.Random(3)))
    assert sum(abs(one - other) == 1 for one, other in pairwise(order)) < 12  # 2 are expected


def test_a_place_outside_of_the_order_is_an_error() -> None:
    with pytest.raises(IndexError, match="place 3 is outside of an order of 3"):
        Permutation(3, random.Random(1))[3]


def test_a_pool_follows_weights_that_rise() -> None:
    weights = [1.0] * 10
    weights[4] = 0.0
    pool = Pool(range(10), weights.__getitem__, random.Random(1))
    assert 4 not in {pool.pick() for _ in range(200)}
    weights[4] = 100.0
    assert Counter(pool.pick() for _ in range(400))[4] > 300


def test_a_pool_gives_every_number_once_and_the_heavy_first() -> None:
    weights = [float(number % 7) for number in range(200)]
    pool = Pool(range(200), weights.__getitem__, random.Random(2))
    drawn = []
    while len(pool):
        place = pool.pick()
        pool.remove(place)
        pool.remove(place)
        drawn.append(place)
    assert sorted(drawn) == list(range(200))
    assert all(weights[place] > 0 for place in drawn[: sum(1 for weight in weights if weight)])
    with pytest.raises(IndexError, match="empty"):
        pool.pick()


def test_a_pool_of_weights_that_differ_by_far_gives_all() -> None:
    """Sums lose what is small beside what is large: the small ones must still come, and quickly."""
    weights = [10.0 ** (number % 17) if number % 3 else 0.0 for number in range(5000)]
    pool = Pool(range(5000), weights.__getitem__, random.Random(2))
    drawn = set()
    while len(pool):
        place = pool.pick()
        pool.remove(place)
        drawn.add(place)
    assert len(drawn) == 5000
