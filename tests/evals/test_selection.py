"""Strategies of selection against hand-worked values, brute force and planted structure; what every one promises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from vector_sets import balanced, spread, themes, unit, whole

from gristmill.errors import ConfigError
from gristmill.evals.selection.base import Options, Picked, Strategy
from gristmill.evals.selection.beside import beside_random
from gristmill.evals.selection.catalogue import register, selector, strategies
from gristmill.evals.selection.pool import Pool
from gristmill.evals.selection.quotas import quotas
from gristmill.evals.selection.zip_fit import alignments

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


def test_chance_is_of_several_draws_and_says_where_most_of_them_lie() -> None:
    rng = np.random.default_rng(0)
    pool = Pool.of(scores=rng.normal(0.5, 0.1, size=400).clip(0, 1))
    (row,) = beside_random(selector("random").select(pool, 40, seed=5), pool, seed=5)
    assert row.random.note == "mean of 10 draws"
    assert row.random.value != row.chosen.value  # `random` does not stand beside itself
    others = [float(pool.scores[selector("random").select(pool, 40, seed=seed).indices].mean()) for seed in range(99)]
    inside = sum(row.random.low <= one <= row.random.high for one in others)
    assert inside >= 85
    (best,) = beside_random(selector("quality").select(pool, 40), pool)
    assert best.chosen.value > best.random.high


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
