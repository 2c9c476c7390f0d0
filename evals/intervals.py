"""95% intervals for figures that stand on a sample: of a mean, of a share, of means of groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

from .agreement import Z95, share
from .figure import Figure

_FEW = "one value has no interval"


def mean_figure(
    name: str,
    values: Sequence[float],
    *,
    unit: str = "",
    note: str = "",
    least: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
) -> Figure:
    """The mean of `values` with Student's 95% interval, held within [`least`, `most`], which a mean cannot leave.

    `whole` says that the values are all that there are, not a sample of them: then there is nothing to estimate and no
    interval. The interval needs values that do not hang on each other; the mean of 30 or more is near enough to normal
    whatever the values' distribution.
    """
    if not values:
        return Figure(name, None, unit, note=_joined(note, "nothing to measure"))
    mean = fmean(values)
    if whole:
        return Figure(name, mean, unit, of=len(values), note=note)
    if len(values) == 1:
        return Figure(name, mean, unit, of=1, note=_joined(note, _FEW))
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Figure(name, mean, unit, max(least, mean - half), min(most, mean + half), len(values), note)


def share_figure(name: str, right: int, count: int, *, unit: str = "share", note: str = "") -> Figure:
    """The share `right` of `count` with Wilson's interval."""
    if not count:
        return Figure(name, None, unit, note=_joined(note, "nothing to measure"))
    found = share(right, count)
    return Figure(name, right / count, unit, found.low, found.high, count, note)


def student(freedom: int) -> float:
    """The 97.5% quantile of Student's t with `freedom` degrees of freedom.

    By Hill's expansion in 1/freedom (G. W. Hill, Algorithm 396, CACM 13, 1970), within 0.2% from 3 degrees on; one and
    two have closed forms.
    """
    if freedom == 1:
        return math.tan(math.pi * (0.975 - 0.5))
    if freedom == 2:
        return 2 * (0.975 - 0.5) * math.sqrt(2 / (1 - 4 * (0.975 - 0.5) ** 2))
    z, n = NormalDist().inv_cdf(0.975), float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / n + second / n**2 + third / n**3 + fourth / n**4


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


__all__ = ["Z95", "mean_figure", "share_figure", "student"]
