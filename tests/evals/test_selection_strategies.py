"""Each strategy of selection against hand-worked values, brute force and planted structure."""

from __future__ import annotations

import gzip
import itertools
import math
import re
import zlib
from typing import Any

import numpy as np
import pytest
from places import DOCS
from vector_sets import Matrix, balanced, spread, themes, unit, whole

from gristmill.errors import ConfigError
from gristmill.evals.selection import clusters as clusters_module
from gristmill.evals.selection import d4 as d4_module
from gristmill.evals.selection import facility as facility_module
from gristmill.evals.selection.base import NOT_CHOSEN
from gristmill.evals.selection.catalogue import selector, strategies
from gristmill.evals.selection.clusters import cluster, usual_clusters
from gristmill.evals.selection.k_means_quality import Iterative, in_rounds
from gristmill.evals.selection.pool import Pool, Vectors
from gristmill.evals.selection.zip_fit import alignments

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
    page = (DOCS / "evals.md").read_text(encoding="utf-8")
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
