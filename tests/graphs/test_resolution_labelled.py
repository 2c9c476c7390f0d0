"""Resolution without a model on the labelled documents of tests/graphs/labelled: 325 mentions in 40 documents.

All were written before the rules had seen any. The rules were then looked at on `tuned.txt`; nobody looked at what they
do on `held_out.txt`, of which only the figures are known.
"""

from __future__ import annotations

import random

import pytest
from labelled import read

from gristmill.errors import ConfigError
from gristmill.evals.clustering import Clustering, compare_clusters
from gristmill.graphs.knowledge.merge import merge_resolved
from gristmill.graphs.resolution.settings import ResolutionSettings

BOTH = ("tuned.txt", "held_out.txt")


def measured(*names: str, settings: ResolutionSettings | None = None) -> Clustering:
    labelled = read(*names)
    return labelled.compare(merge_resolved(labelled.extractions, settings=settings).resolution.membership)


def test_the_set_is_as_large_as_is_said() -> None:
    labelled = read(*BOTH)
    assert len(labelled.extractions) == 40
    assert len(labelled.truth) == 325
    assert len(read("held_out.txt").truth) == 177


@pytest.mark.parametrize(
    ("names", "f1", "precision"),
    [(("tuned.txt",), 0.97, 1.0), (("held_out.txt",), 0.92, 0.98), (BOTH, 0.94, 0.99)],
    ids=["tuned", "held out", "both"],
)
def test_b_cubed_without_a_model(names: tuple[str, ...], f1: float, precision: float) -> None:
    found = measured(*names)
    assert found.f1 >= f1
    assert found.precision >= precision
    assert measured(*names, settings=ResolutionSettings(off=True)).f1 < found.f1 - 0.02


def test_the_order_of_the_documents_makes_no_difference() -> None:
    labelled = read(*BOTH)
    first = merge_resolved(labelled.extractions)
    shuffled = list(labelled.extractions)
    random.Random(7).shuffle(shuffled)
    again = merge_resolved(shuffled)
    assert again.resolution == first.resolution
    assert (again.books, dict(again.graph.entities)) == (first.books, dict(first.graph.entities))
    assert first.books.balanced


# the measure


def test_b_cubed_of_the_example_of_its_paper() -> None:
    """Bagga and Baldwin 1998: chains of 5, 2 and 5; a response that joins the first two, or the first and the last."""
    truth = dict(zip("123456789abc", "AAAAABBCCCCC", strict=True))
    small = compare_clusters(dict(zip("123456789abc", "xxxxxyyyyyyy", strict=True)), truth)
    large = compare_clusters(dict(zip("123456789abc", "xxxxxyyxxxxx", strict=True)), truth)
    assert round(small.precision, 2) == 0.76
    assert round(large.precision, 2) == 0.58
    assert small.recall == large.recall == 1.0
    assert (small.clusters, small.truths, small.elements) == (2, 3, 12)


def test_pairs_are_counted_and_nothing_is_right() -> None:
    found = compare_clusters({"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 2, "c": 2})
    assert (found.pair_precision, found.pair_recall, found.pair_f1) == (0.0, 0.0, 0.0)
    assert found.f1 == pytest.approx(2 / 3)
    empty = compare_clusters({}, {})
    assert (empty.f1, empty.pair_f1) == (1.0, 1.0)


def test_clusterings_of_other_elements_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 elements are in one clustering only, such as 'a'"):
        compare_clusters({"a": 1}, {"b": 1})
