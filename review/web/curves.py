"""Agreement as pictures: where lines and bands lie, in the units of the SVG that the templates draw."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...evals.agreement import Kappa, Point, Share
from ...evals.agreement_report import AgreementReport, Threshold

LEFT, RIGHT, TOP, BOTTOM = 44.0, 350.0, 12.0, 186.0  # of the plot within 360 by 232
BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval on a line of 100 units; `value` is None where there is none."""

    value: float | None
    low: float
    high: float

    @property
    def width(self) -> float:
        return round(self.high - self.low, 2)


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision (up) against how many items a threshold lets through (right), both as points of the SVG.

    `ticks` and `levels` are the axes' labels with their places; `now` and `better` the places of the threshold that is
    set and of the suggested one, None for none.
    """

    line: str
    band: str
    dots: tuple[tuple[float, float, Point], ...]
    ticks: tuple[tuple[float, str], ...]
    levels: tuple[tuple[float, str], ...]
    wanted: float
    now: float | None
    better: tuple[float, float] | None


def whisker(found: Share | Kappa) -> Whisker:
    """Places a share in [0, 1], or a kappa in [-1, 1], on the line."""
    if isinstance(found, Share):
        value = None if found.value is None else round(100 * found.value, 2)
        return Whisker(value, round(100 * found.low, 2), round(100 * found.high, 2))
    if found.note or found.value is None or found.low is None or found.high is None:
        return Whisker(None, 0.0, 0.0)  # of one side alone kappa is 0, whatever people decide
    return Whisker(*(round(50 * (1 + part), 2) for part in (found.value, found.low, found.high)))


def curve_of(threshold: Threshold, wanted: float) -> Curve | None:
    """Returns the picture of a score's thresholds, None where nothing that was judged has the score."""
    points = sorted(threshold.suggestion.curve, key=lambda point: (point.accepted, -point.threshold))
    if not points:
        return None
    most = max(1, threshold.all, *(point.accepted for point in points))

    def across(count: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * count / most, 1)

    def up(part: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * part, 1)

    dots = tuple((across(point.accepted), up(point.precision.value or 0.0), point) for point in points)
    highs = [(across(point.accepted), up(point.precision.high)) for point in points]
    lows = [(across(point.accepted), up(point.precision.low)) for point in reversed(points)]
    better = next(((x, y) for x, y, point in dots if point.threshold == threshold.suggestion.threshold), None)
    return Curve(
        line=_points((x, y) for x, y, _ in dots),
        band=_points([*highs, *lows]),
        dots=dots,
        ticks=tuple((across(most * part / 4), f"{round(most * part / 4):,}") for part in (0, 2, 4)),
        levels=tuple((up(part / 4), f"{25 * part}%") for part in range(5)),
        wanted=up(wanted),
        now=None if threshold.reaching is None else across(threshold.reaching),
        better=better,
    )


def minimum_lines(report: AgreementReport) -> str:
    """Returns the suggested thresholds as lines of a campaign file, empty for none."""
    found: dict[str, float] = {}
    for critic in report.critics:
        for threshold in critic.thresholds:
            value = threshold.suggestion.threshold
            if value is not None and value > 0 and value != threshold.current:
                found[threshold.score] = max(value, found.get(threshold.score, 0.0))
    lines = [f"{name if BARE.fullmatch(name) else json.dumps(name)} = {value:g}" for name, value in found.items()]
    return "\n".join(["[options.minimum]", *lines]) if lines else ""


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
