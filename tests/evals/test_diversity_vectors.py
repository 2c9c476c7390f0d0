"""Figures over vectors: held to vendi-score, scikit-learn and hand-worked values, and to bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics.pairwise import cosine_distances
from vendi_score import vendi as reference

from gristmill.errors import ConfigError
from gristmill.evals.diversity.clusters import cluster_count, cluster_entropy
from gristmill.evals.diversity.coverage import coverage
from gristmill.evals.diversity.distance import nearest_distance, pairwise_distance
from gristmill.evals.diversity.measure import measure
from gristmill.evals.diversity.vectors import CHUNK
from gristmill.evals.diversity.vendi import effective, vendi, vendi_of, vendi_of_kernel, vendi_orders
from gristmill.evals.figure import Figure

# vendi-score asks scipy for a class by its old place
pytestmark = pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")
ORDERS = (0.5, 1.0, 2.0, 5.0)


def drawn(count: int, width: int, seed: int = 0) -> Any:
    """Rows of length one around a few directions."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(7, width))[rng.integers(7, size=count)] + 0.6 * rng.normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


# Vendi


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize(("count", "width"), [(300, 20), (20, 300), (50, 50)])
def test_vendi_is_that_of_vendi_score(q: float, count: int, width: int) -> None:
    rows = drawn(count, width)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    expected = reference.score_K(exact @ exact.T, q=q)
    assert value(vendi(rows, q)) == pytest.approx(expected, rel=1e-5)
    assert value(vendi_of_kernel(exact @ exact.T, q)) == pytest.approx(expected, rel=1e-5)


def test_vendi_of_many_rows_in_chunks_is_that_of_the_dual() -> None:
    rows = drawn(2 * CHUNK + 77, 24)
    assert value(vendi(rows)) == pytest.approx(reference.score_dual(rows.astype(np.float64)), rel=1e-6)


def test_vendi_at_its_ends() -> None:
    assert value(vendi(np.eye(9, dtype=np.float32))) == pytest.approx(9)
    same = np.tile(drawn(1, 12), (40, 1))
    for q in (0.0, *ORDERS, math.inf):
        assert value(vendi(same, q)) == pytest.approx(1)
    one, two = np.eye(2, dtype=np.float32)
    mixed = np.stack([one, one, one, two])  # shares 3/4 and 1/4
    assert value(vendi(mixed)) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))
    assert value(vendi(mixed, 2)) == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert value(vendi(mixed, 0)) == 2
    assert value(vendi(mixed, math.inf)) == pytest.approx(4 / 3)
    assert value(vendi(mixed, 2000)) == pytest.approx(4 / 3, rel=1e-3)  # powers of 1/4 that large are zero
    assert [one.name for one in vendi_orders(mixed, (0, 1, 2.5, math.inf))] == [
        "vendi_q0", "vendi", "vendi_q2.5", "vendi_q_inf"]  # fmt: skip


def test_vendi_does_not_mind_the_length_of_rows() -> None:
    rows = drawn(100, 16)
    lengths = np.linspace(0.1, 9, 100, dtype=np.float32)[:, None]
    assert value(vendi(rows * lengths)) == pytest.approx(value(vendi(rows)), rel=1e-5)


def test_vendi_under_any_likeness() -> None:
    items = ["mill", "mill", "wheel", "river"]
    assert value(vendi_of(items, lambda a, b: float(a == b), 2)) == pytest.approx(16 / 6)
    assert vendi_of([], lambda a, b: 1.0).note == "no item"
    circle = [[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]]
    assert "no kernel" in vendi_of_kernel(circle).note
    with pytest.raises(ConfigError, match="not symmetric"):
        vendi_of_kernel([[1.0, 0.2], [0.3, 1.0]])
    with pytest.raises(ConfigError, match=r"shape \(2, 3\)"):
        vendi_of_kernel(np.ones((2, 3)))
    with pytest.raises(ConfigError, match="row 1 of the kernel is not finite"):
        vendi_of_kernel([[1.0, 0.2, 0], [0.2, 1.0, math.nan], [0.0, 0.0, 1.0]])
    with pytest.raises(ConfigError, match="at most 5,000"):
        vendi_of(range(5001), lambda a, b: 1.0)
    with pytest.raises(ConfigError, match="order of a Vendi score is -1"):
        vendi(drawn(4, 4), -1)


@pytest.mark.parametrize("q", [0.3, 1.0, 3.0])
def test_effective_numbers_multiply(q: float) -> None:
    """Hill's replication principle: twice the kinds at half the shares are twice as many."""
    shares = np.array([0.5, 0.3, 0.2])
    assert effective(np.concatenate([shares, shares]) / 2, q) == pytest.approx(2 * effective(shares, q))


# distances


def test_pairwise_distance_is_scikit_learns() -> None:
    rows = drawn(150, 10)
    distances = cosine_distances(rows.astype(np.float64))
    figure = pairwise_distance(rows)
    assert value(figure) == pytest.approx(distances[np.triu_indices(150, 1)].mean(), rel=1e-6)
    assert figure.of == 150 * 149 // 2


def test_nearest_distance_is_scikit_learns() -> None:
    rows, others = drawn(CHUNK + 300, 6), drawn(90, 6, seed=4)
    part = rows[CHUNK - 100 :]  # rows on both sides of a chunk's end
    distances = cosine_distances(part, part)
    np.fill_diagonal(distances, 9)
    assert value(nearest_distance(part)) == pytest.approx(distances.min(axis=1).mean(), abs=1e-6)
    against = nearest_distance(part, others)
    assert value(against) == pytest.approx(cosine_distances(part, others).min(axis=1).mean(), abs=1e-6)
    assert against.name == "nearest_distance_against"
    whole, sampled = nearest_distance(rows, sample=len(rows)), nearest_distance(rows, sample=500)
    assert sampled.low is not None
    assert sampled.high is not None
    assert sampled.low - 1e-4 < value(whole) < sampled.high + 1e-4
    assert whole.low is None


def test_distances_of_twins_are_zero() -> None:
    rows = np.concatenate([drawn(30, 8), drawn(30, 8)])
    assert value(nearest_distance(rows)) == pytest.approx(0, abs=1e-6)
    assert value(pairwise_distance(np.tile(drawn(1, 8), (5, 1)))) == pytest.approx(0, abs=1e-9)


# clusters


def test_cluster_entropy_of_planted_groups() -> None:
    groups = np.repeat(np.eye(4, 16, dtype=np.float32), [400, 400, 400, 400], axis=0)
    noisy = groups + 0.01 * np.random.default_rng(0).normal(size=groups.shape).astype(np.float32)
    share, count = cluster_entropy(noisy, 4)
    assert (value(share), value(count)) == (pytest.approx(1.0), pytest.approx(4.0))
    skewed = np.repeat(noisy[::400], [1300, 100, 100, 100], axis=0)
    low, few = cluster_entropy(skewed, fitted_to=noisy, clusters=4)
    expected = math.exp(-sum(p * math.log(p) for p in (13 / 16, 1 / 16, 1 / 16, 1 / 16)))
    assert value(few) == pytest.approx(expected)
    assert value(low) == pytest.approx(math.log(expected) / math.log(4))
    assert "fitted to another set" in low.note
    assert cluster_entropy(noisy, seed=3) == cluster_entropy(noisy, seed=3)


def test_cluster_entropy_of_little() -> None:
    assert (cluster_count(1), cluster_count(200), cluster_count(10**7)) == (2, 10, 256)
    assert [one.value for one in cluster_entropy(drawn(1, 4))] == [None, None]
    with pytest.raises(ConfigError, match="9 clusters were asked of 3 rows"):
        cluster_entropy(drawn(3, 4), 9)


@pytest.mark.filterwarnings("ignore:.*distinct clusters.*")
def test_cluster_entropy_of_equal_rows_is_that_of_one_cluster() -> None:
    share, count = cluster_entropy(np.tile(drawn(1, 8), (50, 1)))
    assert (value(share), value(count)) == (0.0, pytest.approx(1.0))


# bad vectors

EVERY = (vendi, pairwise_distance, nearest_distance, lambda rows: cluster_entropy(rows)[0])


@pytest.mark.parametrize("figure", EVERY)
def test_a_row_that_is_not_finite_is_named(figure: Any) -> None:
    rows = drawn(CHUNK + 5, 4)
    rows[CHUNK + 2, 1] = math.nan
    with pytest.raises(ConfigError, match=f"row {CHUNK + 2} of the vectors is not finite"):
        figure(rows)


@pytest.mark.parametrize("figure", EVERY)
def test_rows_of_zeros_are_left_out_and_told(figure: Any) -> None:
    rows = drawn(60, 6)
    gaps = np.insert(rows, [0, 7, 60], 0.0, axis=0)
    assert value(figure(gaps)) == pytest.approx(value(figure(rows)), rel=1e-9)
    assert "3 without a vector left out" in figure(gaps).note
    for empty in (np.zeros((4, 6), dtype=np.float32), np.zeros((0, 6), dtype=np.float32)):
        assert figure(empty).value is None
        assert figure(empty).note


@pytest.mark.parametrize("figure", EVERY)
def test_what_is_no_matrix_is_refused(figure: Any) -> None:
    with pytest.raises(ConfigError, match=r"shape \(6,\)"):
        figure(np.ones(6, dtype=np.float32))
    with pytest.raises(ConfigError, match="give numbers"):
        figure(np.array([["a", "b"]]))


def test_what_cannot_be_vectors_says_why() -> None:
    with pytest.raises(ConfigError, match="vectors have several lengths"):
        vendi([[1.0, 0.0], [1.0]])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="row 1 of the vectors is too large to be squared"):
        vendi(np.array([[1.0, 0.0], [1e200, 0.0]]))


def test_vectors_of_two_models_are_refused() -> None:
    for figure in (nearest_distance, lambda a, b: cluster_entropy(a, fitted_to=b)):
        with pytest.raises(ConfigError, match="4 and of 5 dimensions"):
            figure(drawn(9, 4), drawn(9, 5))


def test_measure_with_vectors() -> None:
    texts = [f"text number {number} of the mill" for number in range(40)]
    figures = {one.name: one for one in measure(texts, drawn(40, 12), against_vectors=drawn(30, 12, seed=2))}
    assert {"vendi", "vendi_q2", "pairwise_distance", "nearest_distance", "cluster_entropy", "cluster_effective",
            "nearest_distance_against"} < set(figures)  # fmt: skip
    assert all(one.value is not None for one in figures.values())
    for lonely in ([], ["one"]):
        for one in measure(lonely, drawn(len(lonely), 12)):
            assert one.value is not None or one.note
    with pytest.raises(ConfigError, match="40 texts came with 39 vectors"):
        measure(texts, drawn(39, 12))


# coverage


def test_coverage_by_hand() -> None:
    share, count, labelled = coverage([["a", "b"], "a", ["a", "a"], "", ["x"]], known=["a", "b", "c", "d"])
    assert value(share) == 0.5
    assert share.note == "1 labels that are not of the known ones left out"
    assert value(count) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))
    assert value(labelled) == 0.8
    assert [one.name for one in (share, count, labelled)] == ["topic_coverage", "topic_effective", "topic_labelled"]


def test_coverage_of_little() -> None:
    assert coverage(["a", "b"], name="reason")[0].note == "nobody said which there are; 2 were seen"
    assert [one.value for one in coverage([], known=["a"])] == [0.0, None, None]
    assert coverage([""], known=["a"])[1].note == "no item has a topic"
    with pytest.raises(ConfigError, match="no known reason"):
        coverage(["a"], known=[], name="reason")


def test_the_reference_is_what_it_says() -> None:
    """vendi-score's own numbers, worked out once more from the definition."""
    rows = drawn(30, 5).astype(np.float64)
    shares = scipy.linalg.eigvalsh(rows @ rows.T / 30)
    shares = shares[shares > 1e-12]
    assert reference.score_K(rows @ rows.T) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()), rel=1e-6)


def test_more_clusters_than_different_rows_are_a_figure_all_the_same() -> None:
    rows = np.repeat(np.eye(3, 8, dtype=np.float32)[:2], 50, axis=0)
    entropy, effective = cluster_entropy(rows, 5)
    assert effective.value == pytest.approx(2.0)
    assert entropy.value == pytest.approx(math.log(2) / math.log(5))
    alike, one = cluster_entropy(rows[:50], 5)
    assert (alike.value, one.value) == (0.0, pytest.approx(1.0))
