"""Agreement of critics with people: against worked values, a reference implementation, and at the edges."""

from __future__ import annotations

import random
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.evals.agreement import Judged, kappa, precision, share, suggest


def pairs(both: int, critic: int, person: int, neither: int) -> list[Judged]:
    cells = ((True, True, both), (True, False, critic), (False, True, person), (False, False, neither))
    return [Judged("critic", accepts, good) for accepts, good, count in cells for _ in range(count)]


@pytest.fixture(scope="module")
def statsmodels() -> Any:
    """Loads scipy and pandas, which collecting tests should not."""
    return SimpleNamespace(
        cohens_kappa=import_module("statsmodels.stats.inter_rater").cohens_kappa,
        proportion_confint=import_module("statsmodels.stats.proportion").proportion_confint,
    )


def test_kappa_of_a_worked_example() -> None:
    found = kappa(pairs(20, 5, 10, 15))  # the textbook's table: observed 0.7, expected 0.5
    assert found.value == pytest.approx(0.4)
    assert (found.both, found.critic, found.person, found.neither) == (20, 5, 10, 15)


@given(st.tuples(*[st.integers(1, 60)] * 4))
def test_kappa_and_its_interval_are_the_reference_implementations(
    statsmodels: Any, cells: tuple[int, int, int, int]
) -> None:
    found, reference = kappa(pairs(*cells)), statsmodels.cohens_kappa([cells[:2], cells[2:]])
    assert found.value == pytest.approx(reference.kappa)
    assert found.low == pytest.approx(max(-1.0, reference.kappa_low), abs=1e-6)
    assert found.high == pytest.approx(min(1.0, reference.kappa_upp), abs=1e-6)


@pytest.mark.parametrize(
    ("cells", "note"), [((0, 0, 0, 0), "nothing"), ((9, 0, 0, 0), "only accepted"), ((0, 0, 0, 9), "only rejected")]
)
def test_kappa_that_is_not_defined_says_why(cells: tuple[int, int, int, int], note: str) -> None:
    found = kappa(pairs(*cells))
    assert found.value is None
    assert note in found.note


def test_judging_rejected_items_only_is_said() -> None:
    found = kappa(pairs(0, 0, 4, 6))
    assert found.value == 0.0
    assert "accepted ones too" in found.note


@given(st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_shares_have_wilsons_interval(statsmodels: Any, of: tuple[int, int]) -> None:
    found = share(*of)
    low, high = statsmodels.proportion_confint(*of, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert 0 <= found.low <= (found.value or 0) <= found.high <= 1


def test_precision_by_critic_and_reason() -> None:
    found = precision(
        [
            Judged("critic", False, False, ("trivial",)),
            Judged("critic", False, True, ("trivial", "unclear")),
            Judged("critic", False, False, ("trivial",), corrected=("ungrounded",)),
            Judged("critic", False, False, ("trivial",), corrected=("trivial",)),
            Judged("judge", False, False, ("trivial",)),
            Judged("judge", True, False),
        ]
    )
    assert {key: (value.right, value.count) for key, value in found.items()} == {
        ("critic", "trivial"): (2, 4),
        ("critic", "unclear"): (0, 1),
        ("judge", "trivial"): (1, 1),
    }


def scored(value: float, good: bool) -> Judged:
    return Judged("critic", False, good, scores=(("clear", value),))


def test_a_threshold_is_suggested_with_its_curve() -> None:
    judged = [scored(value / 10, value >= 6) for value in range(10)] * 5
    found = suggest(judged, "critic", "clear", [0.55, 0.65, 0.7, 0.95])
    assert found.threshold == 0.6
    at = {point.threshold: point for point in found.curve}
    assert at[0.6].precision.value == 1.0
    assert at[0.6].accepted == 3
    assert at[0.0].precision.value == pytest.approx(0.4)


def test_two_judged_items_suggest_nothing_and_say_how_many_it_takes() -> None:
    few = [*[scored(0.2, False)] * 4, scored(0.7, True), scored(0.8, True)]
    found = suggest(few, "critic", "clear", [])
    assert (found.threshold, found.missing) == (None, 18)
    assert found.note == (
        "0.7 is reached by 2 judged items (2 good, 34 to 100%): a suggestion takes 20, decide 18 more that reach it"
    )
    assert suggest([*few, *[scored(0.7, True)] * 17], "critic", "clear", []).missing == 1
    enough = suggest([*few, *[scored(0.7, True)] * 18], "critic", "clear", [])
    assert (enough.threshold, enough.missing, enough.note) == (0.7, 0, "")
    bad = suggest([scored(0.2, False), scored(0.9, False)], "critic", "clear", [])
    assert (bad.threshold, bad.missing) == (None, 18)
    assert bad.note.startswith("no threshold reaches 90%, best 0%; 0.2 is reached by 2 judged items (0 good, 0 to 66%)")
    assert suggest([], "critic", "clear", []).missing == 20


def test_a_long_curve_is_thinned_and_a_threshold_that_is_not_there_is_said() -> None:
    dice = random.Random(1)
    judged = [scored(dice.random(), False) for _ in range(5000)]
    found = suggest(judged, "critic", "clear", [])
    assert len(found.curve) <= 50
    assert found.threshold is None
    assert (found.note, found.missing) == ("no threshold reaches 90%, best 0%", 0)
    assert "no judged item" in suggest(judged, "critic", "fun", []).note
