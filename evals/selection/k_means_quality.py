"""`k-means-quality` (kMQ) and its iterative form: clusters first, then chance by quality within each.

Yu et al. 2024, "Diversify and Conquer: Diversity-Centric Data Selection with Iterative Refinement", arXiv:2409.11378.
Every cluster gives its quota, drawn without replacement with probabilities softmax(score / temperature). Two things
differ from the authors' program: scores are standardised first, so that a temperature means the same for every critic;
and what a small cluster cannot give goes to the others, where it was lost, so that N items come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from ...errors import ConfigError
from ..numeric import np
from .base import Options, Picked, Rng, Strategy
from .clusters import Clusters, cluster, usual_clusters
from .pool import Floats, Places, Pool
from .quotas import quotas

Feedback = Callable[[Places], Floats]
"""Places of the items of one round → how much more of the like is wanted of each, NaN where nothing is known."""


class KMeansQuality(Options):
    """Options of `k-means-quality`.

    clusters:    k; 0 takes the root of the number of items, at most 1024 and N.
    budget:      what a cluster gives: all the same (`equal`, as in the authors' program), or by its size
                 (`proportional`).
    temperature: in standard deviations of the score; 0 takes the best of each cluster, a high one draws evenly.
    """

    clusters: int = Field(default=0, ge=0, le=100_000)
    budget: Literal["equal", "proportional"] = "equal"
    temperature: float = Field(default=1.0, ge=0, le=1e6)


class Iterative(KMeansQuality):
    """Options of `k-means-quality-iterative`: N is drawn in so many rounds, by weights that each round changes."""

    rounds: int = Field(default=4, ge=1, le=100)


def _pick(options: KMeansQuality, pool: Pool, count: int, rng: Rng) -> Picked:
    """O(n k d) for the clusters, O(n log n) to draw."""
    found, keys, notes = _prepared(options, pool, count, rng)
    sizes = found.sizes
    given = quotas(count, _weights(options, sizes), sizes)
    places = _first(found.labels, keys, given)
    return Picked(places, groups=found.groups(places), notes=notes)


def _pick_iterative(options: Iterative, pool: Pool, count: int, rng: Rng) -> Picked:
    """Learns from `pool.feedback`, or from the scores where there is none."""
    values = pool.all_scores if pool.feedback is None else pool.feedback
    picked = in_rounds(options, pool, count, rng, lambda places: values[places])
    if pool.feedback is not None:
        return picked
    note = "no feedback was given: clusters whose items have higher scores were given more"
    return Picked(picked.places, groups=picked.groups, notes=(note, *picked.notes))


def in_rounds(options: Iterative, pool: Pool, count: int, rng: Rng, feedback: Feedback) -> Picked:
    """Draws `count` items in rounds; after each, a cluster's weight is multiplied by its items' mean feedback.

    In the paper feedback is what a reward model misses in the answers of the model that was trained on the rounds so
    far. Anything that says "more like this" will do: a critic's rate of rejection, a student's errors. It is asked for
    the items of one round before the next is drawn. Feedback is shifted so that its least over all clusters asked so
    far is 0.1 of its range: weights stay positive, and an odd round cannot end a cluster.

    Raises:
        ConfigError: feedback is not one number an item.
    """
    found, keys, notes = _prepared(options, pool, count, rng)
    sizes, weights = found.sizes, _weights(options, found.sizes)
    chosen: list[Places] = []
    told: list[str] = []
    for turn in range(options.rounds):
        taken = sum(map(len, chosen))
        due = count * (turn + 1) // options.rounds - taken
        given = quotas(due, weights, sizes)
        places = _first(found.labels, keys, given)
        keys[places] = -np.inf  # never again
        sizes = sizes - given
        chosen.append(places)
        if turn + 1 < options.rounds:
            weights = weights * _heard(found, places, feedback)
            weights = weights / weights.sum()
            spread = float(-(weights[weights > 0] * np.log(weights[weights > 0])).sum())
            told.append(f"{np.exp(spread):.1f}")
    places = np.concatenate(chosen)
    if told:
        notes = (*notes, f"effective number of clusters after each round: {', '.join(told)} of {found.count}")
    return Picked(places, groups=found.groups(places), notes=notes)


def _heard(found: Clusters, places: Places, feedback: Feedback) -> Floats:
    """(k,) factors in [0.1, 1] by the mean feedback of each cluster; the mean factor for those without any."""
    values = np.asarray(feedback(places), dtype=np.float64)
    if values.shape != places.shape:
        raise ConfigError(f"feedback has shape {values.shape} for {len(places)} items; give one number an item")
    known = np.isfinite(values)
    labels, values = found.labels[places][known], values[known]
    counts = np.bincount(labels, minlength=found.count)
    means = np.bincount(labels, values, minlength=found.count) / np.maximum(counts, 1)
    heard = counts > 0
    factors = np.ones(found.count)
    if heard.any() and (width := float(np.ptp(means[heard]))) > 0:
        factors[heard] = 0.1 + 0.9 * (means[heard] - means[heard].min()) / width
        factors[~heard] = factors[heard].mean()
    return factors


def _prepared(options: KMeansQuality, pool: Pool, count: int, rng: Rng) -> tuple[Clusters, Floats, tuple[str, ...]]:
    """Clusters, and a key for each item: the items of a cluster in descending order of keys are a draw by quality.

    log(probability) + Gumbel noise, in descending order, is drawing without replacement (Efraimidis and Spirakis 2006).
    """
    scores = pool.all_scores
    found = cluster(pool.all_vectors, options.clusters or usual_clusters(pool.size, count), rng)
    scale, notes = float(scores.std()), []
    if scale < 1e-12 * max(1.0, float(abs(scores).max())):
        scale, notes = 1.0, ["all scores are equal: each cluster's items are drawn evenly"]
    noise = rng.gumbel(size=pool.size)
    standard = (scores - scores.mean()) / scale
    if options.temperature == 0:
        ranks = np.empty(pool.size)
        ranks[np.lexsort((noise, standard))] = np.arange(pool.size)  # by score; chance decides between equal ones
        return found, ranks, tuple(notes)
    return found, standard / options.temperature + noise, tuple(notes)


def _weights(options: KMeansQuality, sizes: Places) -> Floats:
    return sizes.astype(np.float64) if options.budget == "proportional" else (sizes > 0).astype(np.float64)


def _first(labels: Places, keys: Floats, given: Places) -> Places:
    """Returns the `given[c]` items with the highest keys of each cluster c, cluster by cluster."""
    order = np.lexsort((-keys, labels))
    sizes = np.bincount(labels, minlength=len(given))
    ranks = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen: Places = order[ranks < np.repeat(given, sizes)]
    return chosen


K_MEANS_QUALITY = Strategy(
    "k-means-quality", "clusters, then chance by score within each", KMeansQuality, _pick,
    frozenset({"vectors", "scores"}),
)  # fmt: skip
K_MEANS_QUALITY_ITERATIVE = Strategy(
    "k-means-quality-iterative", "the same in rounds; feedback on one weighs the clusters of the next", Iterative,
    _pick_iterative, frozenset({"vectors", "scores"}),
)  # fmt: skip
