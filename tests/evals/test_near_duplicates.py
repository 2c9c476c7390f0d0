"""Near duplicates by MinHash: signatures, bands, the index, and both batch functions."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.evals.duplicates import near
from gristmill.evals.duplicates.near import (
    Bands,
    NearIndex,
    Twin,
    likeness,
    near_duplicates,
    near_matches,
    shingles,
    signature,
)
from gristmill.evals.folding import words

VOCABULARY = [f"word{number}" for number in range(5000)]


def text_of(rng: random.Random, length: int = 60) -> str:
    return " ".join(rng.choices(VOCABULARY, k=length))


def changed(rng: random.Random, text: str, count: int) -> str:
    found = text.split()
    for place in rng.sample(range(len(found)), count):
        found[place] = rng.choice(VOCABULARY)
    return " ".join(found)


def jaccard(one: str, other: str) -> float:
    first, second = set(shingles(words(one))), set(shingles(words(other)))
    return len(first & second) / len(first | second)


def test_shingles_reach_over_both_ends() -> None:
    assert shingles(["a", "b"], 3) == ["  a", " a b", "a b ", "b  "]
    assert shingles(["a", "b"], 1) == ["a", "b"]
    assert shingles([], 3) == []
    # A changed word costs three shingles wherever it stands.
    whole = ["one", "two", "three", "four", "five"]
    for place in range(5):
        other = [*whole[:place], "x", *whole[place + 1 :]]
        assert len(set(shingles(whole)) - set(shingles(other))) == 3


def test_likeness_is_the_jaccard_index_within_its_standard_error() -> None:
    rng = random.Random(3)
    off = []
    for count in (0, 1, 2, 4, 8, 16, 60) * 60:
        text = text_of(rng)
        other = changed(rng, text, count)
        off.append(likeness(signature(text), signature(other)) - jaccard(text, other))
    assert abs(sum(off) / len(off)) < 0.006  # no bias
    assert (sum(one * one for one in off) / len(off)) ** 0.5 < 0.045
    assert likeness(signature("The Mill!"), signature("the mill")) == 1.0


def test_a_text_without_words_is_near_nothing() -> None:
    assert signature("") == signature("?! \U0001f600") == b""
    assert likeness(b"", b"") == 0.0
    assert near_duplicates(["", "", "?!", "a mill", "a mill"]) == {4: Twin(3, 1.0)}
    assert near_duplicates([]) == {}
    assert near_matches([""], [""]) == [None]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_what_is_as_alike_as_the_threshold(threshold: float) -> None:
    bands = Bands.of(threshold)
    assert bands.count * bands.rows <= near.LANES
    assert 1 - (1 - threshold**bands.rows) ** bands.count >= near.RECALL
    keys = bands.cutter()
    whole = bytes(range(128))
    assert len(keys(whole)) == bands.count
    for at in range(128):  # each byte that a band has tells, and only in its own band
        other = keys(whole[:at] + b"\xff" + whole[at + 1 :])
        differ = {band for band, (one, two) in enumerate(zip(keys(whole), other, strict=True)) if one != two}
        assert differ == ({at // bands.rows} if at < bands.count * bands.rows else set())


@pytest.mark.parametrize("threshold", [0.1, 0.0, -1, 1.1, float("nan")])
def test_thresholds_that_cannot_work_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.2 and 1"):
        Bands.of(threshold)


def test_planted_near_duplicates_are_found_and_others_are_not() -> None:
    rng = random.Random(5)
    texts = [text_of(rng) for _ in range(1500)]
    planted = {1500 + number: number for number in range(500)}
    texts += [changed(rng, texts[number], 1) for number in range(500)]  # Jaccard of about 0.9
    found = near_duplicates(texts, threshold=0.8)
    assert all(planted[number] == twin.number for number, twin in found.items())
    assert len(found) >= 470
    assert near_duplicates([text_of(rng) for _ in range(500)]) == {}


def test_the_first_of_many_that_are_equal_is_kept() -> None:
    assert near_duplicates(["the same text"] * 500) == {number: Twin(0, 1.0) for number in range(1, 500)}


def test_matches_name_the_nearest_of_the_other_side() -> None:
    rng = random.Random(7)
    against = [text_of(rng) for _ in range(200)]
    texts = [changed(rng, against[17], 1), text_of(rng), against[3], ""]
    first, second, third, fourth = near_matches(texts, against, threshold=0.7)
    assert first is not None
    assert first.number == 17
    assert 0.7 <= first.likeness < 1
    assert third == Twin(3, 1.0)
    assert second is fourth is None
    # Thousands of equal ones bound the work, not the answer.
    assert near_matches(["a b c d"], ["a b c d"] * 3000)[0] is not None


def test_what_is_removed_is_found_no_more() -> None:
    rng = random.Random(9)
    index = NearIndex(0.8)
    base = text_of(rng)
    alike = [signature(base), *(signature(changed(rng, base, 1)) for _ in range(6))]
    numbers = [index.add(sketch) for sketch in alike]
    for number in (numbers[3], numbers[0], numbers[6], numbers[3]):  # in the middle, first, last, and twice
        index.remove(number)
        nearest = index.nearest(alike[3])
        assert nearest is not None
        assert nearest.number not in (numbers[3],)
    assert index.nearest(alike[0], besides=(1, 2, 4, 5)) is None
    for number in (1, 2, 4, 5):
        index.remove(number)
    assert index.nearest(alike[0]) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=60))
def test_the_index_answers_as_a_list_would(steps: list[tuple[int, bool]]) -> None:
    rng = random.Random(11)
    bases = [text_of(rng, 40) for _ in range(3)]
    sketches = [signature(changed(rng, bases[number % 3], number // 3)) for number in range(12)]
    index, held = NearIndex(0.8), dict[int, bytes]()
    keys = index.bands.cutter()
    for which, adds in steps:
        if adds or not held:
            held[index.add(sketches[which])] = sketches[which]
        else:
            number = sorted(held)[which % len(held)]
            index.remove(number)
            del held[number]
        sharing = {
            number
            for number, sketch in held.items()
            if set(enumerate(keys(sketch))) & set(enumerate(keys(sketches[which])))
        }
        found = index.nearest(sketches[which])
        if not sharing:
            assert found is None
        else:
            best = max((likeness(sketches[which], held[number]), -number) for number in sharing)
            assert found == Twin(-best[1], best[0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(("claim", "remove", "look"))), max_size=60))
def test_a_claim_is_a_look_and_then_an_addition(steps: list[tuple[int, str]]) -> None:
    rng = random.Random(13)
    bases = [text_of(rng, 40) for _ in range(3)]
    sketches = [signature(changed(rng, bases[number % 3], number // 2)) for number in range(11)] + [b""]
    claimed, plain = NearIndex(0.8), NearIndex(0.8)
    for which, step in steps:
        sketch, number = sketches[which], which % max(1, len(plain))
        if step == "remove" and len(plain):
            claimed.remove(number)
            plain.remove(number)
        elif step == "claim":
            besides = {number} if which % 2 else set()
            nearest = plain.nearest(sketch, besides)
            if nearest is None or nearest.likeness < 0.8:
                plain.add(sketch)
            assert claimed.claim(sketch, 0.8, besides) == nearest
        assert len(claimed) == len(plain)
        assert [claimed.nearest(one) for one in sketches] == [plain.nearest(one) for one in sketches]
