"""From votes on pairs to scores: the Bradley-Terry model, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError
from ..figure import Figure
from ..intervals import Z95
from ..numeric import Lazy, np

MOST = 3_000  # texts: a minute and a half of CPU
STEPS, EXACT = 300_000, 1e-8  # of the fit over the number of texts; the mean change of a strength at which it ends
PRIOR = 0.1
choix = Lazy("choix", "choix", "evals")
csgraph = Lazy("scipy.sparse.csgraph", "scipy", "evals")
linalg = Lazy("scipy.linalg", "scipy", "evals")


@dataclass(frozen=True, slots=True)
class Vote:
    """What a pair of texts, by their places, was found to be: `left` is the share in [0, 1] of the vote for the left.

    1 where the left won both ways round, 0 where the right did, 1/2 where they tied or the order decided.
    """

    first: int
    second: int
    left: float


def strengths(votes: Sequence[Vote], count: int, *, prior: float = PRIOR, name: str = "strength") -> list[Figure]:
    """The Bradley-Terry strength of each of `count` texts: log-odds to win, around a mean of zero.

    Bradley and Terry 1952 (Biometrika 39); as QuRating (Wettig et al. 2024, arXiv:2402.09739) scores texts by pairs.
    The text i wins against j with probability 1 / (1 + exp(s_j - s_i)). Fitted by choix (iterative Luce spectral
    ranking, Maystre and Grossglauser 2015), each pair one vote however often it was asked, with `prior` of
    a vote won and one lost added to each text, spread over all others: without it a text that won every vote would have
    no finite strength.

    Returns:
        One figure a text, in order, `of` its votes. Its 95% interval is from the inverse of the likelihood's second
        derivatives (prior included), for the difference from the mean text of the same part. A text without a vote has
        no strength. Where votes fall into parts that were never compared with each other, each part has a mean of
        zero of its own and the note says so: strengths compare within a part alone.

    Unit: log-odds. Cost: the cube of the number of texts: 1,000 take 10 s of CPU, 3,000 at most. Where the fit does not
    settle (long chains of clear votes with nothing across) there is no strength, and the note says so.

    Raises:
        ConfigError: a vote names a text that is not there, or itself twice, or a share outside [0, 1]; too many texts.
    """
    if count > MOST:
        raise ConfigError(f"{count:,} texts are too many to rank at once; draw at most {MOST:,}")
    if not prior > 0:
        raise ConfigError(f"the prior of strengths is {prior}; give more than 0, usually {PRIOR}")
    wins = np.zeros((count, count), dtype=np.float64)
    for vote in votes:
        _check(vote, count)
        wins[vote.first, vote.second] += vote.left
        wins[vote.second, vote.first] += 1 - vote.left
    asked = wins + wins.T
    parts, part_of = csgraph.connected_components(asked > 0, directed=False) if count else (0, [])
    figures = [Figure(name, None, "log-odds", note="no vote on it")] * count
    several = sum(int((part_of == part).sum()) > 1 for part in range(parts)) > 1
    for part in range(parts):
        members = np.flatnonzero(part_of == part)
        if len(members) < 2:
            continue
        note = f"one of {len(members)} that were compared; others were never compared with these" if several else ""
        fitted = _fitted(wins[np.ix_(members, members)], prior)
        if fitted is None:
            for place in members.tolist():
                figures[place] = Figure(name, None, "log-odds", note="the votes do not settle; compare more pairs")
            continue
        values, errors = fitted
        for place, value, error in zip(members.tolist(), values, errors, strict=True):
            voted = round(float(asked[place].sum()))
            low, high = value - Z95 * error, value + Z95 * error
            figures[place] = Figure(name, value, "log-odds", low, high, voted, note)
    return figures


def _fitted(wins: Any, prior: float) -> tuple[list[float], list[float]] | None:
    count = len(wins)
    smoothed = wins + prior / (count - 1) * (1 - np.eye(count))
    try:
        values = choix.ilsr_pairwise_dense(smoothed, max_iter=1 + STEPS // count, tol=EXACT * count)
    except RuntimeError:  # what choix says when it ran out of steps
        return None
    values = values - values.mean()
    chances = 1 / (1 + np.exp(values[None, :] - values[:, None]))
    weights = (smoothed + smoothed.T) * chances * (1 - chances)
    information = np.diag(weights.sum(axis=1)) - weights
    # strengths are known up to a constant, so the information has one direction of zero: ones. Filling it with ones
    # and taking them off the inverse again gives the pseudo-inverse, which is the covariance around the mean.
    ones = np.full((count, count), 1 / count)
    covariance = linalg.inv(information + ones) - ones
    errors = [math.sqrt(max(0.0, float(one))) for one in np.diagonal(covariance)]
    return [float(one) for one in values], errors


def _check(vote: Vote, count: int) -> None:
    if not (0 <= vote.first < count and 0 <= vote.second < count) or vote.first == vote.second:
        raise ConfigError(f"a vote is on the texts {vote.first} and {vote.second} of {count}; give two that are there")
    if not 0 <= vote.left <= 1:
        raise ConfigError(f"the vote on {vote.first} and {vote.second} is {vote.left}; give a share in [0, 1]")
