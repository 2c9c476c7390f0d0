"""How far critics and people agree: precision by reason, Cohen's kappa, and where a score's threshold should lie.

A person agrees with an item as it is only by accepting it: an edit, a note or a rejection all say that it was not good
enough. Who judges only what was rejected learns nothing of what was accepted wrongly, so kappa needs both; see `kappa`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)
LEAST = 20  # judged items that reach a threshold before it is suggested: all good, their interval begins at 84%


@dataclass(frozen=True, slots=True)
class Judged:
    """What one critic and one person said of the same draft.

    `accepts` and `good` are the critic's and the person's word. `reasons` are the critic's codes; `corrected` are the
    person's own, empty where the critic's were left standing. `scores` are in [0, 1]. `round` is the campaign's.
    """

    critic: str
    accepts: bool
    good: bool
    reasons: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    round: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """A share `right` of `count` with its 95% interval."""

    right: int
    count: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share in [0, 1], None of nothing."""
        return self.right / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its 95% interval. `value` is None where it is not defined; `note` says why, and the mend.

    `both`, `critic`, `person`, `neither` count who accepted.
    """

    value: float | None
    low: float | None
    high: float | None
    both: int
    critic: int
    person: int
    neither: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold of a score: what share of the judged items at or above it is good, and how many items those are."""

    threshold: float
    precision: Share
    accepted: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Where a score's threshold should lie for a wanted precision. `threshold` is None where the data do not say.

    `note` says why, and `missing` how many more decisions it takes at least before one is suggested.
    """

    critic: str
    score: str
    wanted: float
    threshold: float | None
    curve: tuple[Point, ...]
    note: str = ""
    missing: int = 0


def share(right: int, count: int) -> Share:
    """Returns a share with its Wilson score interval (E. B. Wilson, JASA 22, 1927), which stays within [0, 1]."""
    if count == 0:
        return Share(0, 0, 0.0, 1.0)
    part, square = right / count, Z95 * Z95
    middle = (part + square / (2 * count)) / (1 + square / count)
    half = Z95 / (1 + square / count) * math.sqrt(part * (1 - part) / count + square / (4 * count * count))
    # Rounding must not put the share itself outside.
    return Share(right, count, min(part, max(0.0, middle - half)), max(part, min(1.0, middle + half)))


def precision(judged: Iterable[Judged]) -> dict[tuple[str, str], Share]:
    """Returns by (critic, reason) how often people agreed with a rejection for that reason.

    A rejection that a person confirmed for other reasons counts against the reason that the critic gave.
    """
    counts: dict[tuple[str, str], list[int]] = {}
    for one in judged:
        if one.accepts:
            continue
        for reason in one.reasons:
            right, count = counts.setdefault((one.critic, reason), [0, 0])
            confirmed = not one.good and (not one.corrected or reason in one.corrected)
            counts[one.critic, reason] = [right + confirmed, count + 1]
    return {key: share(right, count) for key, (right, count) in sorted(counts.items())}


def kappa(judged: Iterable[Judged]) -> Kappa:
    """Returns Cohen's kappa between critic and people on accept or not (J. Cohen, Educ. Psychol. Meas. 20, 1960).

    The interval is the large-sample one of Fleiss, Cohen and Everitt (Psychol. Bull. 72, 1969), cut to [-1, 1]: with
    fewer than about 50 judged items it is a rough guide.
    """
    pairs = [(one.accepts, one.good) for one in judged]
    both, critic = pairs.count((True, True)), pairs.count((True, False))
    person, neither = pairs.count((False, True)), pairs.count((False, False))
    table = (both, critic, person, neither)
    count = sum(table)
    if count == 0:
        return Kappa(None, None, None, *table, note="nothing is judged yet")
    observed = (both + neither) / count
    mine, theirs = (both + critic) / count, (both + person) / count
    expected = mine * theirs + (1 - mine) * (1 - theirs)
    if expected == 1.0:
        word = "accepted" if mine else "rejected"
        return Kappa(None, None, None, *table, note=f"critic and people only {word}; judge some of the others too")
    value = (observed - expected) / (1 - expected)
    spread = 0.0
    cells = ((both, mine, theirs), (neither, 1 - mine, 1 - theirs))
    for cell, row, column in cells:
        spread += cell / count * (1 - (row + column) * (1 - value)) ** 2
    off = critic / count * (theirs + (1 - mine)) ** 2 + person / count * ((1 - theirs) + mine) ** 2
    spread += (1 - value) ** 2 * off - (value - expected * (1 - value)) ** 2
    half = Z95 * math.sqrt(max(0.0, spread) / count) / (1 - expected)
    note = ""
    if not both + critic:
        note = "only rejected items are judged; judge some accepted ones too"
    elif not person + neither:
        note = "only accepted items are judged; judge some rejected ones too"
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), *table, note=note)


def suggest(
    judged: Iterable[Judged],
    critic: str,
    score: str,
    every: Sequence[float],
    *,
    wanted: float = 0.9,
    most: int = 50,
    least: int = LEAST,
) -> Suggestion:
    """Returns the lowest threshold of a critic's score at which the judged items are good often enough.

    None is suggested before `least` items that reach it are judged. The interval's end is no condition: 35 items of
    which each is good are the fewest whose interval lies above 90%, and few people would wait for that.

    Args:
        every: that score of all items of the run, judged or not: how many would be accepted is counted on them.
        wanted: the precision that is asked for, in [0, 1]; the share itself is compared, not its interval's end.
        most: points of the curve at most.
    """
    known = sorted(
        (value, one.good) for one in judged if one.critic == critic for name, value in one.scores if name == score
    )
    levels = sorted({value for value, _ in known})
    levels = levels[:: max(1, math.ceil(len(levels) / most))]
    curve, of_all = [], sorted(every)
    for level in levels:
        above = [good for value, good in known if value >= level]
        reaching = len(of_all) - bisect_left(of_all, level)
        curve.append(Point(level, share(sum(above), len(above)), reaching))
    if not curve:
        return Suggestion(critic, score, wanted, None, (), f"no judged item has the score '{score}'", least)
    reached = [point for point in curve if (point.precision.value or 0.0) >= wanted]
    if reached and reached[0].precision.count >= least:
        return Suggestion(critic, score, wanted, reached[0].threshold, tuple(curve))
    note, missing = _too_few(reached[0] if reached else curve[0], least)
    if not reached:
        best = max(point.precision.value or 0.0 for point in curve)
        note = f"no threshold reaches {wanted:.0%}, best {best:.0%}" + (f"; {note}" if note else "")
    return Suggestion(critic, score, wanted, None, tuple(curve), note, missing)


def _too_few(point: Point, least: int) -> tuple[str, int]:
    """Words how many more decisions a suggestion takes, from the lowest threshold that may be one."""
    good, missing = point.precision, max(0, least - point.precision.count)
    if not missing:
        return "", 0
    interval = f"{good.right} good, {100 * good.low:.0f} to {100 * good.high:.0f}%"
    of = f"{point.threshold:g} is reached by {good.count} judged {'item' if good.count == 1 else 'items'} ({interval})"
    return f"{of}: a suggestion takes {least}, decide {missing} more that reach it", missing
