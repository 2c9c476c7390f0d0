"""CSR rows and links: the same with numpy and without, the same as a dictionary says."""

from __future__ import annotations

from collections import defaultdict

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.graphs.knowledge import links as module
from gristmill.graphs.knowledge.coded import Coded
from gristmill.graphs.knowledge.components import components
from gristmill.graphs.knowledge.links import Links, Pairs, Rows, grouped
from gristmill.graphs.knowledge.texts import Texts

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


@BOTH
@given(pairs=PAIRS)
def test_rows_turn_round(numpy: bool, pairs: list[tuple[int, int]]) -> None:
    module.HAS_NUMPY = numpy
    rows = Rows.of([key for key, _ in pairs], [value for _, value in pairs], 10)
    turned = rows.turned(10)
    assert [list(turned[value]) for value in range(10)] == [
        [key for key in range(10) if rows.has(key, value)] for value in range(10)
    ]
    assert list(rows.sizes) == [rows.size(key) for key in range(10)]


@BOTH
@given(pairs=PAIRS)
def test_pairs_find_parallel_relations_whichever_way(numpy: bool, pairs: list[tuple[int, int]]) -> None:
    module.HAS_NUMPY = numpy
    found = Pairs.of([left for left, _ in pairs], [right for _, right in pairs], 10)
    for left in range(10):
        for right in range(10):
            expected = [number for number, pair in enumerate(pairs) if set(pair) == {left, right}]
            assert list(found.between(left, right)) == expected


@BOTH
@given(pairs=PAIRS)
def test_components_are_those_of_networkx(numpy: bool, pairs: list[tuple[int, int]]) -> None:
    module.HAS_NUMPY = numpy
    plain = nx.Graph(pairs)
    plain.add_nodes_from(range(10))
    links = Links.between([left for left, _ in pairs], [right for _, right in pairs], [1.0] * len(pairs), 10)
    expected = {node: min(part) for part in nx.connected_components(plain) for node in part}
    assert dict(enumerate(components(links))) == expected


@given(texts=st.lists(st.text(max_size=5), unique=True, max_size=30), other=st.text(max_size=5))
def test_packed_texts_are_found_by_their_order(texts: list[str], other: str) -> None:
    ordered = sorted({*texts, "\ud800", "\U0010ffff"})  # as strings sort, so does what is packed
    packed = Texts.of(ordered)
    assert list(packed) == ordered == [packed[place] for place in range(len(ordered))]
    assert [packed.find(text) for text in ordered] == list(range(len(ordered)))
    assert packed.find(other + "!") == (ordered.index(other + "!") if other + "!" in ordered else None)
    assert packed[-1] == ordered[-1]
    assert packed[:2] == tuple(ordered[:2])
    with pytest.raises(IndexError):
        packed[len(ordered)]
    assert packed == Texts.of(ordered) != Texts.of(ordered[1:])


@BOTH
@given(
    batches=st.lists(
        st.one_of(
            st.lists(st.text("abc", min_size=9, max_size=9), max_size=30),
            st.lists(st.integers(0, 5000).map("chunk-{:08}".format), max_size=30),
            st.lists(st.text(max_size=3), max_size=5),
        ),
        max_size=6,
    )
)
def test_texts_are_numbered_as_they_first_come(numpy: bool, batches: list[list[str]]) -> None:
    module.HAS_NUMPY = numpy
    coded, expected = Coded(), {}
    for batch in batches:
        for text in batch:
            expected.setdefault(text, len(expected))
        assert list(coded.number(batch)) == [expected[text] for text in batch]
    assert coded.texts() == list(expected)
    assert len(coded) == len(expected)


def test_many_ids_of_one_length_keep_their_numbers_as_their_table_grows() -> None:
    coded = Coded()
    texts = [f"chunk-{number * 2654435761 % 2**32:08x}" for number in range(20_000)]
    for start in range(0, len(texts), 700):
        assert list(coded.number(texts[start : start + 700])) == list(range(start, min(start + 700, len(texts))))
    assert list(coded.number(texts[::-1])) == list(range(len(texts)))[::-1]
    assert list(coded.number(["of another length", texts[7]])) == [20_000, 7]
    assert list(coded.number(texts[:3])) == [0, 1, 2]
