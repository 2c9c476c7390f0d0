"""CSR rows and links: the same with numpy and without, the same as a dictionary says."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.graphs.knowledge import links as module
from gristmill.graphs.knowledge.links import Links, Rows, grouped

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60)
BOTH = pytest.mark.parametrize("numpy", [True, False])


@pytest.fixture(autouse=True)
def _as_installed():
    yield
    module.HAS_NUMPY = True


@BOTH
@given(pairs=PAIRS)
def test_rows_hold_each_pair_once_in_order(numpy: bool, pairs: list[tuple[int, int]]) -> None:
    module.HAS_NUMPY = numpy
    rows = Rows.of([key for key, _ in pairs], [value for _, value in pairs], 10)
    expected = defaultdict(set)
    for key, value in pairs:
        expected[key].add(value)
    assert [list(rows[key]) for key in range(10)] == [sorted(expected[key]) for key in range(10)]
    assert all(rows.has(key, value) == (value in expected[key]) for key in range(10) for value in range(10))
    assert len(rows) == 10
    assert [rows.size(key) for key in range(10)] == [len(expected[key]) for key in range(10)]


@BOTH
@given(pairs=PAIRS)
def test_links_are_symmetric_and_add_their_weights(numpy: bool, pairs: list[tuple[int, int]]) -> None:
    module.HAS_NUMPY = numpy
    weights = [float(place + 1) for place in range(len(pairs))]
    links = Links.between([left for left, _ in pairs], [right for _, right in pairs], weights, 10)
    expected: dict[tuple[int, int], float] = defaultdict(float)
    for (left, right), weight in zip(pairs, weights, strict=True):
        if left != right:
            expected[left, right] += weight
            expected[right, left] += weight
    assert links.count == len(expected) // 2
    assert {(left, right): links.weight(left, right) for left in range(10) for right in links[left]} == expected
    assert all(links.weight(node, node) == 0.0 for node in range(10))


@BOTH
@given(keys=st.lists(st.integers(0, 5), max_size=40))
def test_groups_keep_the_order_of_places(numpy: bool, keys: list[int]) -> None:
    module.HAS_NUMPY = numpy
    offsets, order = grouped(keys, 6)
    groups = [list(order[offsets[key] : offsets[key + 1]]) for key in range(6)]
    assert groups == [[place for place, other in enumerate(keys) if other == key] for key in range(6)]
