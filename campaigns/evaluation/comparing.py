"""Two sets side by side: each figure of both, and the difference with its 95% interval."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from ...evals.agreement import share as wilson
from ...evals.diversity.measure import measure
from ...evals.figure import Figure
from ...evals.intervals import Z95, mean_figure, share_figure, student
from ...evals.numeric import Matrix
from .gathering import Gathered
from .measuring import vector_figures, whole_figures
from .tallies import Price, Spread

GROUPS = 10
LEAST = 20  # texts of a group
MOST = 500  # of more, the figures hardly steady and the time does


@dataclass(frozen=True)
class Beside:
    """A figure here and there, and `difference`: here less there."""

    here: Figure
    there: Figure
    difference: Figure


def compare(here: Gathered, there: Gathered, *, runs: bool = True) -> list[Beside]:
    """Compares what was gathered of two sets: shares (Newcombe 1998), means (Welch), ratios (delta method).

    Yield and cost are compared where both are `runs`: what a dataset's rows took, and what was left out, nobody knows.
    """
    return [row for row in _rows(here, there, runs) if row.here.value is not None or row.there.value is not None]


def _rows(here: Gathered, there: Gathered, runs: bool) -> Iterator[Beside]:
    if runs:
        yield _shares("accepted_share", (here.accepted, here.items), (there.accepted, there.items))
        yield _shares("first_draft_share", (here.first, here.drafts.count), (there.first, there.drafts.count))
        yield _shares("grounding_rate", (here.grounded, here.judged), (there.grounded, there.judged))
        yield _prices("tokens_per_accepted", here.tokens, there.tokens)
        yield _prices("calls_per_accepted", here.calls, there.calls)
        if here.usd.paid or there.usd.paid:
            yield _prices("usd_per_accepted", here.usd, there.usd)
        yield from _wholes(here, there)
        yield _means("drafts", here.drafts, there.drafts)
        yield _means("novelty", here.novelty, there.novelty)
    yield _means("words", here.words, there.words)
    yield _means("steps", here.steps, there.steps)
    for name in sorted(here.scores.keys() & there.scores.keys()):
        yield _means(f"score_{name}", here.scores[name], there.scores[name])


def compare_diversity(
    here: tuple[Sequence[str], Matrix | None], there: tuple[Sequence[str], Matrix | None], *, seed: int = 0
) -> list[Beside]:
    """Compares how different the texts of two sets are from each other, on groups of one size from both.

    Such figures hang on how many texts are measured, so both sets are cut into `GROUPS` groups of as many texts, drawn
    without replacement; a figure is the mean of its groups, and the difference has Welch's interval. `here` and `there`
    are texts with a vector each, or without any.
    """
    size = min(MOST, min(len(here[0]), len(there[0])) // GROUPS)
    if size < LEAST:
        note = f"needs {GROUPS * LEAST} accepted texts on both sides; {len(here[0]):,} and {len(there[0]):,} are there"
        none = Figure("diversity", None, note=note)
        return [Beside(none, none, none)]
    seen = here[1] is not None and there[1] is not None
    mine, other = (_by_name(side, size, seen=seen, seed=seed) for side in (here, there))
    told = f"mean of {GROUPS} groups of {size:,} texts"
    rows = []
    for name, (unit, values) in mine.items():
        there_values = other[name][1]
        one, two = (mean_figure(name, some, unit=unit, note=told) for some in (values, there_values))
        rows.append(Beside(one, two, _welch(name, unit, _moments(values), _moments(there_values))))
    return rows


def _by_name(
    side: tuple[Sequence[str], Matrix | None], size: int, *, seen: bool, seed: int
) -> dict[str, tuple[str, list[float]]]:
    texts, vectors = side
    drawn = random.Random(seed).sample(range(len(texts)), GROUPS * size)  # noqa: S311  # a sample, not a secret
    found: dict[str, tuple[str, list[float]]] = {}
    for start in range(0, len(drawn), size):
        places = sorted(drawn[start : start + size])
        figures = measure([texts[at] for at in places])
        if seen and vectors is not None:
            figures += vector_figures(vectors[places], seed=seed)
        for figure in figures:
            found.setdefault(figure.name, (figure.unit, []))
            if figure.value is not None:
                found[figure.name][1].append(figure.value)
    return found


def _shares(name: str, mine: tuple[int, int], other: tuple[int, int]) -> Beside:
    sides = share_figure(name, *mine), share_figure(name, *other)
    if not (mine[1] and other[1]):
        return Beside(*sides, _none(name, "share"))
    (p, q), (one, two) = (mine[0] / mine[1], other[0] / other[1]), (wilson(*mine), wilson(*other))
    low = p - q - math.hypot(p - one.low, two.high - q)
    high = p - q + math.hypot(one.high - p, q - two.low)
    return Beside(*sides, Figure(name, p - q, "share", low, high, mine[1] + other[1]))


def _prices(name: str, mine: Price, other: Price) -> Beside:
    sides = mine.figure(name), other.figure(name)
    if sides[0].value is None or sides[1].value is None:
        return Beside(*sides, _none(name, mine.unit))
    value = sides[0].value - sides[1].value
    errors = mine.error, other.error
    if errors[0] is None or errors[1] is None:
        return Beside(*sides, Figure(name, value, mine.unit, note="one item has no interval"))
    half = Z95 * math.hypot(errors[0], errors[1])
    return Beside(*sides, Figure(name, value, mine.unit, value - half, value + half, mine.items + other.items))


def _wholes(here: Gathered, there: Gathered) -> Iterator[Beside]:
    """What the whole runs spent: totals, whose difference is exact."""
    other = {figure.name: figure for figure in whole_figures(there)}
    for mine in whole_figures(here):
        if (theirs := other.get(mine.name)) is not None and mine.value is not None and theirs.value is not None:
            yield Beside(mine, theirs, Figure(mine.name, mine.value - theirs.value, mine.unit, note="totals"))


def _means(name: str, mine: Spread, other: Spread) -> Beside:
    moments = [(one.mean, one.error, one.count) if one.count else None for one in (mine, other)]
    return Beside(mine.figure(name), other.figure(name), _welch(name, mine.unit, *moments))


Moments = tuple[float, float | None, int]
"""Mean, standard error of it (None of one value), how many values."""


def _moments(values: Sequence[float]) -> Moments | None:
    if not values:
        return None
    error = math.sqrt(variance(values) / len(values)) if len(values) > 1 else None
    return fmean(values), error, len(values)


def _welch(name: str, unit: str, mine: Moments | None, other: Moments | None) -> Figure:
    if mine is None or other is None:
        return _none(name, unit)
    value, count = mine[0] - other[0], mine[2] + other[2]
    if mine[1] is None or other[1] is None:
        return Figure(name, value, unit, of=count, note="one value has no interval")
    one, two = mine[1] ** 2, other[1] ** 2
    if not one + two:
        return Figure(name, value, unit, value, value, count, "all values are alike")
    freedom = (one + two) ** 2 / (one**2 / (mine[2] - 1) + two**2 / (other[2] - 1))
    half = student(max(1, int(freedom))) * math.sqrt(one + two)
    return Figure(name, value, unit, value - half, value + half, count)


def _none(name: str, unit: str) -> Figure:
    return Figure(name, None, unit, note="one side has no value")


def differs(row: Beside) -> str:
    """Returns `more` or `less` where the interval of the difference leaves 0 out, else nothing."""
    low, high = row.difference.low, row.difference.high
    if low is None or high is None or low == high:
        return ""
    return "more" if low > 0 else "less" if high < 0 else ""
