"""How well a clustering agrees with the true one: B³ and pairwise precision, recall and F1.

B³ is that of Bagga and Baldwin, "Algorithms for Scoring Coreference Chains" (LREC 1998): for each element the share of
its cluster that is truly with it (precision), and the share of its true cluster that its own cluster has (recall),
averaged over the elements. A wrong merge of two large entities costs as much as it harms; single elements count as
well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import comb

from ..errors import ConfigError
from ..storage.records import Record


class Clustering(Record):
    """Agreement of a clustering with the true one; shares in [0, 1]. `clusters` and `truths` count the clusters."""

    elements: int
    clusters: int
    truths: int
    precision: float
    recall: float
    f1: float
    pair_precision: float
    pair_recall: float
    pair_f1: float


def compare_clusters(found: Mapping[str, Hashable], true: Mapping[str, Hashable]) -> Clustering:
    """Compares two clusterings, each a mapping of element to the name of its cluster.

    Nothing to be wrong about is right: with no elements, or no pairs, the shares are 1. Linear in the elements.

    Raises:
        ConfigError: the two are not of the same elements; it names some.
    """
    if found.keys() != true.keys():
        odd = sorted(found.keys() ^ true.keys())
        raise ConfigError(
            f"{len(odd)} elements are in one clustering only, such as '{odd[0]}'; give both a cluster for each element"
        )
    both = Counter((found[one], true[one]) for one in found)
    ours, theirs = Counter(found.values()), Counter(true.values())
    count = len(found)
    precision = sum(size * size / ours[cluster] for (cluster, _), size in both.items()) / count if count else 1.0
    recall = sum(size * size / theirs[truth] for (_, truth), size in both.items()) / count if count else 1.0
    agreed = _pairs(both.values())
    pair_precision, pair_recall = _share(agreed, _pairs(ours.values())), _share(agreed, _pairs(theirs.values()))
    return Clustering(
        elements=count,
        clusters=len(ours),
        truths=len(theirs),
        precision=precision,
        recall=recall,
        f1=_harmonic(precision, recall),
        pair_precision=pair_precision,
        pair_recall=pair_recall,
        pair_f1=_harmonic(pair_precision, pair_recall),
    )


def _pairs(sizes: Iterable[int]) -> int:
    return sum(comb(size, 2) for size in sizes)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _harmonic(left: float, right: float) -> float:
    return 2 * left * right / (left + right) if left + right else 0.0
