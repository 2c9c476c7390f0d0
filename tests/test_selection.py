"""Strategies of selection against hand-worked values, brute force and planted structure; what every one promises."""

from __future__ import annotations

import gzip
import itertools
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gristmill.errors import ConfigError
from gristmill.evals.selection import clusters as clusters_module
from gristmill.evals.selection import d4 as d4_module
from gristmill.evals.selection import facility as facility_module
from gristmill.evals.selection.base import NOT_CHOSEN, Options, Picked, Selection, Strategy
from gristmill.evals.selection.beside import beside_random
from gristmill.evals.selection.catalogue import register, selector, strategies
from gristmill.evals.selection.clusters import cluster, usual_clusters
from gristmill.evals.selection.k_means_quality import Iterative, in_rounds
from gristmill.evals.selection.pool import Pool, Vectors
from gristmill.evals.selection.quotas import quotas
from gristmill.evals.selection.zip_fit import alignments

Matrix = NDArray[np.float32]


def unit(rows: Any) -> Matrix:
    found = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def spread(count: int, dimensions: int = 8, seed: int = 0) -> Matrix:
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)))


def themes(*sizes: int, dimensions: int = 16, noise: float = 0.05, seed: int = 0) -> tuple[Matrix, NDArray[np.int64]]:
    """Planted clusters of these sizes around orthogonal directions, with the theme of each vector."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.eye(dimensions, dtype=np.float32)[labels]
    return unit(centres + noise * np.random.default_rng(seed).normal(size=centres.shape)), labels


def whole(count: int, seed: int = 0) -> Pool:
    """A pool that has all that any strategy needs."""
    rng = np.random.default_rng(seed)
    return Pool.of(
        vectors=spread(count, seed=seed),
        scores=rng.random(count),
        feedback=rng.random(count),
        cells=[f"cell {number % 5}" for number in range(count)],
        texts=[f"Item {number} says that the valve of pump {number * 7 % 31} leaks." for number in range(count)],
        examples=["The valve of pump 3 leaks.", "A turbine spins."],
    )


def balanced(found: Selection) -> None:
    """Every item of the pool is in exactly one place."""
    every = np.concatenate([found.indices, *found.left_out.values()])
    assert sorted(every.tolist()) == list(range(found.of))
    assert found.of == len(found.indices) + sum(found.counts.values())


EVERY = sorted(strategies())


# what every strategy promises


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("count", [0, 1, 7, 59, 60, 90])
def test_every_strategy_gives_so_many_and_accounts_for_all(name: str, count: int) -> None:
    found = selector(name).select(whole(60), count, seed=3)
    balanced(found)
    assert len(found.indices) == min(count, 60)
    if count == 90:
        assert "90 were asked for, 60 can be chosen: all of these are in" in found.notes
    if count == 0:
        assert "nothing was asked for: count is 0" in found.notes
    if found.groups:
        assert sum(group.chosen for group in found.groups) == count


@pytest.mark.parametrize("name", EVERY)
def test_every_strategy_is_the_same_for_the_same_seed(name: str) -> None:
    first, again = (selector(name).select(whole(200), 20, seed=5) for _ in range(2))
    assert first.indices.tolist() == again.indices.tolist()
    assert first.notes == again.notes
    assert first.groups == again.groups


@pytest.mark.parametrize("name", ["random", "k-means-quality", "k-means-quality-iterative"])
def test_chance_differs_by_seed(name: str) -> None:
    drawn = {tuple(sorted(selector(name).select(whole(200), 20, seed=seed).indices.tolist())) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("name", EVERY)
def test_items_without_a_vector_a_score_or_a_text_are_left_out_and_counted(name: str) -> None:
    pool = whole(30)
    vectors = np.array(pool.all_vectors.matrix)
    vectors[3] = 0
    vectors[4] = np.nan
    vectors[5, 2] = np.inf
    scores = [None if number in (5, 6) else float(number) for number in range(30)]
    texts = ["  " if number == 7 else text for number, text in enumerate(pool.all_texts)]
    found = selector(name).select(
        Pool.of(vectors=vectors, scores=scores, cells=pool.cells, texts=texts, examples=pool.examples), 22
    )
    balanced(found)
    needs = selector(name).needs
    expected = {
        **({"no_vector": 3} if "vectors" in needs else {}),
        **({"no_score": 1 if "vectors" in needs else 2} if "scores" in needs else {}),
        **({"no_text": 1} if "texts" in needs else {}),
    }
    assert {reason: found.counts.get(reason, 0) for reason in expected} == expected
    for reason in expected:
        assert any(note.endswith(f"items are left out: {reason}") for note in found.notes)
    assert not set(found.indices.tolist()) & {place for reason in expected for place in found.left_out[reason].tolist()}


@pytest.mark.parametrize("name", EVERY)
def test_identical_items_are_chosen_from_without_a_fault(name: str) -> None:
    same = unit(np.ones((50, 4)))
    pool = Pool.of(vectors=same, scores=[0.5] * 50, cells=["a"] * 50, texts=["the same"] * 50, examples=["the same"])
    found = selector(name).select(pool, 10, seed=1)
    balanced(found)
    assert len(set(found.indices.tolist())) == 10


@pytest.mark.parametrize("name", EVERY)
def test_one_item_is_chosen_and_an_empty_pool_gives_nothing(name: str) -> None:
    one = selector(name).select(whole(1), 1)
    assert one.indices.tolist() == [0]
    nothing = Pool.of(vectors=np.empty((0, 4), np.float32), scores=[], cells=[], texts=[], examples=["a"])
    assert selector(name).select(nothing, 5).indices.tolist() == []


@pytest.mark.parametrize("name", EVERY)
def test_a_strategy_says_what_it_lacks(name: str) -> None:
    bare = Pool.of(size=10)
    if selector(name).needs:
        with pytest.raises(ConfigError, match=f"'{name}' needs .*; there is none here"):
            selector(name).select(bare, 3)
    else:
        assert len(selector(name).select(bare, 3).indices) == 3


@pytest.mark.parametrize("name", EVERY)
def test_the_least_score_holds_for_every_strategy(name: str) -> None:
    found = selector(name, minimum=0.5).select(whole(60), 10)
    balanced(found)
    scores = whole(60).all_scores
    assert (scores[found.indices] >= 0.5).all()
    assert found.counts["low_score"] == int((scores < 0.5).sum())


@pytest.mark.parametrize("name", ["quality", "k-center", "zip-fit", "balance"])
@given(seed=st.integers(0, 1000))
@hypothesis_settings(max_examples=15, deadline=None)
def test_the_order_of_items_does_not_matter(name: str, seed: int) -> None:
    """Where nothing is drawn and no two are equal: the same items, whatever the order that they came in."""
    rng = np.random.default_rng(seed)
    pool = whole(40, seed=seed)
    pool = Pool.of(
        vectors=pool.all_vectors.matrix,
        scores=rng.permutation(40) / 40,
        cells=pool.cells,
        texts=[f"{rng.integers(10**9)} {text}" for text in pool.all_texts],
        examples=["Item 1000 says that the valve leaks."],
    )
    order = rng.permutation(40)
    straight = selector(name).select(pool, 11)
    mixed = selector(name).select(pool.take(order), 11)
    if name == "zip-fit":  # lengths in bytes tie: the alignments are the same, not the items among equal ones
        values = alignments(pool.all_texts, pool.examples)
        assert sorted(values[straight.indices]) == sorted(values[order[mixed.indices]])
    else:
        assert set(straight.indices.tolist()) == set(order[mixed.indices].tolist())


def test_a_matrix_that_is_no_matrix_of_unit_vectors_is_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"vectors": spread(3) * 2}, "item 0 has length 2, not 1; divide each row by its length"),
        ({"vectors": np.ones(3, np.float32)}, r"vectors are \(3,\) float32; give a matrix \(n, d\) of float32"),
        ({"vectors": np.ones((3, 2), np.int64)}, "int64"),
        ({"vectors": np.ones((3, 0), np.float32)}, "give a matrix"),
        ({"vectors": spread(3), "scores": [1.0]}, "one length, not vectors 3, scores 1"),
        ({"scores": ["good"]}, "scores must be numbers or None"),
        ({"scores": [1.0, float("inf")]}, "scores of item 1 is infinite"),
        ({"scores": [[1.0]]}, "give one number an item"),
        ({}, "one length, not nothing"),
    ]
    for given_, message in cases:
        with pytest.raises(ConfigError, match=message):
            Pool.of(**given_)
    with pytest.raises(ConfigError, match="count is -1"):
        selector("random").select(whole(3), -1)


def test_names_and_options_that_do_not_exist_are_named() -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("kmeans-quality", {}, r"did you mean 'k-means-quality'\? \(there are: random, quality"),
        ("nothing like it", {}, "no strategy is called"),
        ("d4", {"simlarity": 0.9}, "did you mean 'similarity'"),
        ("d4", {"similarity": 2}, "similarity: Input should be less than or equal to 1"),
        ("balance", {"within": "qualty"}, "did you mean 'quality'"),
        ("balance", {"within": "balance"}, "name another strategy"),
        ("balance", {"within": "d4", "options": {"x": 1}}, "options are: minimum, clusters, similarity"),
        ("balance", {"weights": {"a": -1}}, "weight of 'a' is -1"),
    ]
    for name, options, message in cases:
        with pytest.raises(ConfigError, match=message):
            selector(name, **options)
    other = Strategy("random", "another", Options, lambda *_: Picked(np.empty(0, np.int64)))
    with pytest.raises(ConfigError, match="called 'random' already"):
        register(other)
    assert register(strategies()["random"]) is strategies()["random"]


def test_vectors_in_a_file_are_read_by_blocks(tmp_path: Path) -> None:
    vectors = themes(400, 300, 200)[0]
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    for name in ("k-means-quality", "k-center", "d4", "facility-location"):
        scores = np.linspace(0, 1, 900)
        here = selector(name).select(Pool.of(vectors=vectors, scores=scores), 30)
        there = selector(name).select(Pool.of(vectors=mapped, scores=scores), 30)
        assert here.indices.tolist() == there.indices.tolist()


# quotas


@pytest.mark.parametrize(
    ("count", "weights", "sizes", "expected"),
    [
        (10, [1, 1], [100, 100], [5, 5]),
        (10, [1, 1, 1], [100, 100, 100], [4, 3, 3]),
        (10, [1, 1, 1], [2, 100, 100], [2, 4, 4]),
        (10, [3, 1, 1], [100, 100, 100], [6, 2, 2]),
        (10, [1, 0], [3, 100], [3, 7]),  # a group of weight 0 gives only when the others are spent
        (10, [0, 0], [5, 20], [5, 5]),
        (10, [1, 1], [2, 3], [2, 3]),
        (0, [1], [5], [0]),
        (7, [2, 3, 5], [100, 100, 100], [1, 2, 4]),  # 1.4, 2.1, 3.5: the largest remainder is the third's
    ],
)
def test_quotas_by_hand(count: int, weights: list[float], sizes: list[int], expected: list[int]) -> None:
    assert quotas(count, np.array(weights, float), np.array(sizes)).tolist() == expected


@given(
    st.integers(0, 500),
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 60)), min_size=1, max_size=12),
)
@hypothesis_settings(deadline=None)
def test_quotas_sum_up_and_ask_for_no_more_than_there_is(count: int, groups: list[tuple[float, int]]) -> None:
    sizes = np.array([size for _, size in groups])
    given_ = quotas(count, np.array([weight for weight, _ in groups]), sizes)
    assert given_.sum() == min(count, sizes.sum())
    assert ((given_ >= 0) & (given_ <= sizes)).all()


# random and quality


def test_quality_takes_the_best_and_chance_decides_between_equals() -> None:
    scores = [0.1, 0.9, 0.5, 0.5, 0.5, 0.8]
    found = selector("quality").select(Pool.of(scores=scores), 3)
    assert found.indices[:2].tolist() == [1, 5]
    assert found.notes == ("chance chose 1 of 3 items whose score is 0.5, the lowest that is in",)
    last = {int(selector("quality").select(Pool.of(scores=scores), 3, seed=seed).indices[2]) for seed in range(30)}
    assert last == {2, 3, 4}
    assert selector("quality").select(Pool.of(scores=scores), 2).notes == ()


def test_random_draws_every_item_alike() -> None:
    counts = np.zeros(10)
    for seed in range(2000):
        counts[selector("random").select(Pool.of(size=10), 3, seed=seed).indices] += 1
    assert abs(counts / 2000 - 0.3).max() < 0.05  # 0.05 is 4.9 standard errors


# k-means


def test_planted_clusters_are_found_and_every_vector_is_with_its_nearest_centre() -> None:
    vectors, labels = themes(300, 200, 100, 40)
    found = cluster(Vectors(vectors), 4, np.random.default_rng(0))
    assert sorted(found.sizes.tolist()) == [40, 100, 200, 300]
    assert len({(int(a), int(b)) for a, b in zip(labels, found.labels, strict=True)}) == 4
    assert found.likeness.min() > 0.8
    members = list(found.members())
    assert sorted(np.concatenate(members).tolist()) == list(range(640))
    assert all((found.labels[places] == number).all() for number, places in enumerate(members))


def test_more_clusters_than_different_vectors_are_so_many() -> None:
    vectors = unit(np.repeat(np.eye(3), 20, axis=0))
    assert cluster(Vectors(vectors), 10, np.random.default_rng(0)).count == 3
    assert (usual_clusters(1, 5), usual_clusters(10_000, 5), usual_clusters(10**8, 10**6)) == (1, 5, 1024)


def test_centres_learned_from_a_sample_serve_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters_module, "TRAINED", 8)
    vectors, labels = themes(500, 500, 500)
    found = cluster(Vectors(vectors), 3, np.random.default_rng(4))
    assert len({(int(a), int(b)) for a, b in zip(labels, found.labels, strict=True)}) == 3


# k-means-quality


def test_k_means_quality_covers_every_theme_where_the_best_scores_do_not() -> None:
    vectors, labels = themes(200, 200, 200, 200, 200)
    scores = np.random.default_rng(1).random(1000) + (labels == 0) * 1.0  # a critic that likes one theme
    pool = Pool.of(vectors=vectors, scores=scores)
    best = labels[selector("quality").select(pool, 100).indices]
    assert set(best.tolist()) == {0}
    found = selector("k-means-quality", clusters=5).select(pool, 100)
    assert np.bincount(labels[found.indices]).tolist() == [20] * 5
    plain = selector("random").select(pool, 100).indices
    within = labels == 1
    chosen = np.intersect1d(found.indices, np.flatnonzero(within))
    assert scores[chosen].mean() > scores[within].mean() > 0
    assert scores[found.indices].mean() > scores[plain].mean() - 0.2


def test_a_temperature_of_nothing_takes_the_best_of_each_cluster() -> None:
    vectors, labels = themes(50, 30, 20)
    scores = np.random.default_rng(2).random(100)
    found = selector("k-means-quality", clusters=3, temperature=0).select(Pool.of(vectors=vectors, scores=scores), 9)
    for theme in range(3):
        members = np.flatnonzero(labels == theme)
        best = members[np.argsort(-scores[members])[:3]]
        assert set(best.tolist()) <= set(found.indices.tolist())


def test_draws_within_a_cluster_follow_the_softmax_of_standardised_scores() -> None:
    """One cluster, one item drawn: how often each comes is its probability."""
    scores = np.array([0.0, 0.25, 0.5, 1.0])
    logits = (scores - scores.mean()) / scores.std() / 2
    expected = np.exp(logits) / np.exp(logits).sum()
    pool = Pool.of(vectors=unit(np.ones((4, 3))), scores=scores)
    counts = np.zeros(4)
    for seed in range(4000):
        counts[selector("k-means-quality", temperature=2).select(pool, 1, seed=seed).indices] += 1
    assert abs(counts / 4000 - expected).max() < 0.04  # five standard errors


def test_budgets_may_follow_the_sizes_of_clusters() -> None:
    vectors, labels = themes(600, 300, 100)
    pool = Pool.of(vectors=vectors, scores=np.zeros(1000))
    found = selector("k-means-quality", clusters=3, budget="proportional").select(pool, 100)
    assert np.bincount(labels[found.indices]).tolist() == [60, 30, 10]
    assert "all scores are equal: each cluster's items are drawn evenly" in found.notes
    small = selector("k-means-quality", clusters=3).select(pool, 450)
    assert np.bincount(labels[small.indices]).tolist() == [175, 175, 100]  # what the small one lacks goes to the others


def test_feedback_moves_the_rounds_to_where_more_is_wanted() -> None:
    vectors, labels = themes(300, 300, 300)
    pool = Pool.of(vectors=vectors, scores=np.random.default_rng(0).random(900), feedback=(labels == 2) * 1.0)
    found = selector("k-means-quality-iterative", clusters=3, rounds=3).select(pool, 90)
    # rounds of 30: even first; then by weights 0.1 : 0.1 : 1, and by their squares
    assert np.bincount(labels[found.indices]).tolist() == [13, 12, 65]
    assert any("effective number of clusters" in note for note in found.notes)
    one = selector("k-means-quality-iterative", clusters=3, rounds=1).select(pool, 90)
    assert np.bincount(labels[one.indices]).tolist() == [30, 30, 30]


def test_feedback_is_asked_for_one_round_before_the_next_is_drawn() -> None:
    vectors, _ = themes(100, 100)
    pool = Pool.of(vectors=vectors, scores=np.zeros(200))
    asked: list[list[int]] = []

    def feedback(places: Any) -> Any:
        asked.append(places.tolist())
        return np.full(len(places), np.nan)  # nothing is known: the weights stay as they are

    picked = in_rounds(Iterative(rounds=4, clusters=2), pool, 40, np.random.default_rng(0), feedback)
    assert [len(places) for places in asked] == [10, 10, 10]  # after the last round nobody has to be asked
    assert len(set(picked.places.tolist())) == 40
    assert set(itertools.chain(*asked)) <= set(picked.places.tolist())
    with pytest.raises(ConfigError, match="one number an item"):
        in_rounds(Iterative(clusters=2), pool, 40, np.random.default_rng(0), lambda places: np.zeros(1))


# k-center


def radius(vectors: Matrix, chosen: Any) -> float:
    """The largest distance of an item to its nearest chosen one."""
    distances = np.sqrt(np.maximum(0, 2 - 2 * vectors.astype(np.float64) @ vectors[list(chosen)].T))
    return float(distances.min(axis=1).max())


@pytest.mark.parametrize("seed", range(12))
def test_k_center_is_within_twice_the_best_radius(seed: int) -> None:
    vectors = spread(12, 3, seed)
    best = min(radius(vectors, chosen) for chosen in itertools.combinations(range(12), 4))
    found = selector("k-center").select(Pool.of(vectors=vectors), 4)
    mine = radius(vectors, found.indices)
    assert mine <= 2 * best + 1e-6
    assert found.notes[-1] == f"the farthest item is at distance {mine:.3f} from its nearest chosen one"


def test_k_center_takes_the_farthest_next() -> None:
    angles = np.array([0.0, 0.1, 0.2, 1.0, 3.0])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = selector("k-center").select(Pool.of(vectors=vectors), 4)
    assert found.indices.tolist() == [2, 4, 3, 0]  # the mean points to 0.27; then 2.8 away, 0.8, 0.2
    assert sorted(selector("k-center").select(Pool.of(vectors=vectors), 3).indices.tolist()) == [2, 3, 4]


def test_k_center_says_when_only_copies_are_left() -> None:
    vectors = unit(np.repeat(np.eye(3), 4, axis=0))
    found = selector("k-center").select(Pool.of(vectors=vectors), 5)
    assert len({place // 4 for place in found.indices[:3].tolist()}) == 3
    assert "2 of 5 chosen items have the vector of an earlier one: no other was left" in found.notes


def test_k_center_reads_a_large_file_in_place() -> None:
    pool = whole(100)
    held, mapped = (selector("k-center", in_memory=most).select(pool, 20) for most in (4.0, 0.0))
    assert held.indices.tolist() == mapped.indices.tolist()


# facility location


def worth(vectors: Matrix, chosen: Any) -> float:
    return float(np.maximum(0, vectors.astype(np.float64) @ vectors[list(chosen)].T).max(axis=1).sum())


@pytest.mark.parametrize("seed", range(12))
def test_facility_location_reaches_its_bound_and_is_the_plain_greedy(seed: int) -> None:
    vectors = spread(13, 3, seed)
    best = max(worth(vectors, chosen) for chosen in itertools.combinations(range(13), 4))
    found = selector("facility-location").select(Pool.of(vectors=vectors), 4).indices.tolist()
    assert worth(vectors, found) >= (1 - 1 / math.e) * best
    for turn, place in enumerate(found):  # two that are each other's nearest have equal gains, so not by place
        greedy = max(worth(vectors, [*found[:turn], one]) for one in range(13))
        assert worth(vectors, [*found[:turn], place]) == pytest.approx(greedy, abs=1e-6)


@pytest.mark.parametrize("held", [0, 10**9])
def test_lazy_greedy_is_the_plain_one_at_any_size(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facility_module, "HELD", held)
    monkeypatch.setattr(facility_module, "known", lambda *sizes: 0)  # else the nearest alone are looked at
    vectors = spread(700, 6, seed=1)
    found = selector("facility-location").select(Pool.of(vectors=vectors), 40).indices.tolist()
    cosines = np.maximum(0, vectors.astype(np.float64) @ vectors.T)
    covered = np.zeros(700)
    for place in found:
        gains = np.maximum(cosines - covered[:, None], 0).sum(axis=0)
        assert gains[place] >= gains.max() - 1e-4  # float32: another of the same gain is as good
        covered = np.maximum(covered, cosines[:, place])


def test_facility_location_by_nearest_items_is_nearly_as_good_as_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(40, 32))[rng.integers(40, size=3000)] + 0.4 * rng.normal(size=(3000, 32)))
    pool = Pool.of(vectors=vectors, scores=rng.random(3000))
    by_all = selector("facility-location").select(pool, 100).indices
    weighed = selector("facility-location", quality=1.0).select(pool, 100).indices
    monkeypatch.setattr(facility_module, "HELD", 0)
    found = selector("facility-location").select(pool, 100)
    assert any("of each item the 256 nearest" in note for note in found.notes)
    assert len(set(found.indices.tolist())) == 100
    assert found.indices.tolist() == selector("facility-location").select(pool, 100).indices.tolist()

    def covered(places: Any) -> float:
        return float((vectors @ vectors[places].T).max(axis=1).clip(0).mean())

    assert covered(found.indices) > 0.98 * covered(by_all)
    again = selector("facility-location", quality=1.0).select(pool, 100).indices
    assert pool.all_scores[again].mean() == pytest.approx(pool.all_scores[weighed].mean(), abs=0.05)
    assert pool.all_scores[again].mean() > pool.all_scores[found.indices].mean()


def test_facility_location_by_nearest_items_fills_up_where_nothing_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facility_module, "HELD", 0)
    same = Pool.of(vectors=unit(np.ones((2000, 4))))
    found = selector("facility-location").select(same, 300).indices
    assert len(set(found.tolist())) == 300
    assert len(selector("facility-location").select(same, 0).indices) == 0


def test_facility_location_over_a_sample_is_nearly_as_good() -> None:
    vectors, labels = themes(400, 300, 200, 100)
    pool = Pool.of(vectors=vectors)
    full = selector("facility-location").select(pool, 8)
    part = selector("facility-location", ground=200).select(pool, 8)
    assert "representation is measured on a sample of 200 of 1000 items" in part.notes
    assert set(labels[part.indices[:4]].tolist()) == {0, 1, 2, 3}
    assert worth(vectors, part.indices) > 0.98 * worth(vectors, full.indices)


def test_quality_tips_facility_location_between_equals() -> None:
    vectors = unit(np.repeat(np.eye(4), 5, axis=0))
    scores = np.tile([0.1, 0.2, 0.9, 0.3, 0.4], 4)
    found = selector("facility-location", quality=1.0).select(Pool.of(vectors=vectors, scores=scores), 4)
    assert sorted(found.indices.tolist()) == [2, 7, 12, 17]
    with pytest.raises(ConfigError, match="needs a score"):
        selector("facility-location", quality=1.0).select(Pool.of(vectors=vectors), 4)


# D4


def test_d4_drops_planted_duplicates_first() -> None:
    vectors, _ = themes(60, 60, 60, noise=0.3)
    copies = unit(vectors[:40] + 0.001 * np.random.default_rng(3).normal(size=(40, 16)))
    pool = Pool.of(vectors=np.concatenate([vectors, copies]))
    found = selector("d4", clusters=3, similarity=0.999).select(pool, 100)
    assert found.counts["semantic_duplicate"] == 40
    gone = set(found.left_out["semantic_duplicate"].tolist())
    for original in range(40):  # one of each pair went, whichever is nearer to the centre
        assert len({original, 180 + original} & gone) == 1
    assert found.counts["prototypical"] == 80


def test_d4_then_drops_what_is_most_like_the_centre() -> None:
    angles = np.array([0.0, 0.02, -0.02, 0.3, -0.3, 0.6, -0.6])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = selector("d4", clusters=1, similarity=1.0).select(Pool.of(vectors=vectors), 2)
    assert sorted(found.indices.tolist()) == [5, 6]
    assert sorted(selector("d4", clusters=1, similarity=1.0).select(Pool.of(vectors=vectors), 4).indices) == [
        3,
        4,
        5,
        6,
    ]


def test_d4_gives_the_least_alike_back_when_too_few_are_left() -> None:
    angles = np.array([0.0, 0.01, 0.5, 0.53, 1.2])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = selector("d4", clusters=1, similarity=0.999).select(Pool.of(vectors=vectors), 4)
    assert len({0, 1} & set(found.indices.tolist())) == 1  # 0.01 apart: of all pairs the most alike
    assert {2, 3, 4} <= set(found.indices.tolist())
    assert "too few were left, so the least alike of the duplicates came back" in found.notes


def test_large_clusters_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d4_module, "LARGEST", 50)
    monkeypatch.setattr(d4_module, "ROWS", 7)
    vectors = unit(np.ones((120, 4)))
    found = selector("d4").select(Pool.of(vectors=vectors), 3)
    assert found.counts["semantic_duplicate"] == 117
    assert any("compared in parts" in note for note in found.notes)
    rows = d4_module.likeness_to_earlier(Vectors(vectors), cluster(Vectors(vectors), 1, np.random.default_rng(0)))
    assert (rows < 0).sum() == 3


# ZIP-FIT


def test_alignment_by_hand() -> None:
    """Against the formula, with each of the three sizes compressed by itself."""

    def size(text: str) -> int:
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        return len(deflate.compress(text.encode())) + len(deflate.flush())

    texts = ["The valve of the pump leaks oil.", "Sheep graze on the hill.", "the pump leaks oil. The valve"]
    examples = ["The valve of the pump leaks.", "A pump has a valve."]
    expected = [
        sum(1 - (size(one + text) - min(size(one), size(text))) / max(size(one), size(text)) for one in examples) / 2
        for text in texts
    ]
    assert alignments(texts, examples).tolist() == pytest.approx(expected)
    # gzip has 18 bytes around the same stream
    assert len(gzip.compress(texts[0].encode(), 6, mtime=0)) - 18 == size(texts[0])


def test_zip_fit_ranks_the_look_alike_first() -> None:
    examples = [
        "theorem add_zero (n : Nat) : n + 0 = n := by simp",
        "theorem zero_add (n : Nat) : 0 + n = n := by simp",
    ]
    texts = [
        "The harvest of apples in the valley was poor this year, said the farmers.",
        "theorem add_comm (m n : Nat) : m + n = n + m := by omega",
        "Rain fell on the western coast for eleven days in a row.",
        "theorem mul_one (n : Nat) : n * 1 = n := by simp",
    ]
    found = selector("zip-fit").select(Pool.of(texts=texts, examples=examples), 2)
    assert found.indices.tolist() == [3, 1]


def test_zip_fit_compares_with_some_of_many_examples() -> None:
    pool = Pool.of(texts=["pump 1 leaks", "a hill"], examples=[f"pump {number} leaks" for number in range(100)])
    found = selector("zip-fit", examples=5).select(pool, 1)
    assert found.indices.tolist() == [0]
    assert "compared with 5 of 100 examples" in found.notes
    empty = selector("zip-fit").select(Pool.of(texts=["a", "b"], examples=["  "]), 1)
    assert "the examples have no text: every item is as far from them" in empty.notes


# balance


def test_balance_gives_each_cell_its_quota_and_passes_leftovers_on() -> None:
    cells = ["easy"] * 80 + ["hard"] * 15 + ["odd"] * 3 + [""] * 2
    scores = np.arange(100) / 100
    found = selector("balance").select(Pool.of(cells=cells, scores=scores), 20)
    assert {group.name: (group.size, group.chosen) for group in found.groups} == {
        "easy": (80, 8), "hard": (15, 7), "odd": (3, 3), "(no cell)": (2, 2),
    }  # fmt: skip
    assert {79, 78, 94, 97, 99} <= set(found.indices.tolist())  # the best of each
    assert any(note.startswith("2 cells have fewer items than their quota") for note in found.notes)


def test_balance_by_weights_names_cells_that_do_not_exist() -> None:
    pool = Pool.of(cells=["easy"] * 50 + ["hard"] * 50, scores=np.zeros(100))
    found = selector("balance", weights={"hard": 3}).select(pool, 20)
    assert {group.name: group.chosen for group in found.groups} == {"easy": 5, "hard": 15}
    with pytest.raises(
        ConfigError, match=r"no item is of the cell 'haard'; did you mean 'hard'\? .there are: easy, hard"
    ):
        selector("balance", weights={"haard": 3}).select(pool, 20)


def test_another_strategy_chooses_within_the_cells() -> None:
    vectors, labels = themes(40, 40, 40, 40)
    cells = ["left" if label < 2 else "right" for label in labels]
    pool = Pool.of(vectors=vectors, cells=cells)
    found = selector("balance", within="k-center").select(pool, 4)
    balanced(found)
    assert sorted(labels[found.indices].tolist()) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="needs vectors"):
        selector("balance", within="k-center").select(Pool.of(cells=cells), 4)
    d4 = selector("balance", within="d4").select(pool, 20)
    balanced(d4)
    assert set(d4.counts) <= {"semantic_duplicate", "prototypical", NOT_CHOSEN}


def test_the_page_names_every_strategy_and_its_options() -> None:
    page = (Path(__file__).parent.parent / "docs" / "evals.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]*)\| ([^|]*)\|$", page.partition("\n## Selection\n")[2], re.MULTILINE)
    table = {name: (needs, options) for name, needs, options in rows}
    assert list(table) == list(strategies())
    inherited = {"k-means-quality-iterative": "k-means-quality"}
    for name, strategy in strategies().items():
        needs, options = table[name]
        assert {need for need in needs.strip().split(", ") if need} == strategy.needs
        known = set(strategy.options.model_fields) - {"minimum"}
        told = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", options))) - {"minimum"}
        if name in inherited:
            known -= set(strategies()[inherited[name]].options.model_fields)
        assert told == known, name


# beside random


def test_a_selection_stands_beside_a_random_one() -> None:
    vectors, labels = themes(900, 50, 50, noise=0.02)
    pool = Pool.of(vectors=vectors, scores=np.where(labels == 0, 0.9, 0.4))
    found = selector("k-means-quality", clusters=3).select(pool, 30)
    rows = {row.chosen.name: row for row in beside_random(found, pool)}
    assert list(rows) == ["vendi", "nearest_distance", "coverage_distance", "quality"]
    assert rows["vendi"].chosen.value == pytest.approx(3, abs=0.2)  # three themes, ten items of each
    assert rows["vendi"].random.value < 2.2  # nine in ten of one theme
    assert rows["quality"].chosen.value == pytest.approx(17 / 30)  # (0.9 + 0.4 + 0.4) / 3
    assert rows["quality"].random.value > 0.8
    best = selector("quality").select(pool, 30)
    covered = {row.chosen.name: row for row in beside_random(best, pool)}["coverage_distance"]
    assert covered.chosen.value > covered.random.value  # one theme stands for none of the others


def test_figures_beside_random_are_never_nan() -> None:
    vectors = spread(20)
    vectors[3] = np.nan
    vectors[4] = 0
    cases = [
        Pool.of(vectors=vectors, scores=[None] * 20),
        Pool.of(scores=[0.5] * 20),
        Pool.of(vectors=unit(np.ones((20, 3)))),
        Pool.of(size=20),
    ]
    for pool in cases:
        for count in (0, 1, 20):
            for row in beside_random(selector("random").select(pool, count), pool):
                for figure in (row.chosen, row.random):
                    assert figure.note or math.isfinite(figure.value)
