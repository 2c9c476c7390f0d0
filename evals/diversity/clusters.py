"""Cluster entropy: how evenly a set spreads over groups of like vectors."""

from __future__ import annotations

import math

from ...errors import ConfigError
from ..figure import Figure
from ..numeric import Matrix, np
from ..vectors.centres import TRAINED, fitted_centres
from .vectors import CHUNK, NO_VECTORS, Unit, same_width
from .vendi import effective

MOST = 256  # clusters


def cluster_count(count: int) -> int:
    """How many clusters are looked for by default: the square root of half the rows, from 2 to 256.

    The old rule of thumb of Mardia, Kent and Bibby 1979 (Multivariate Analysis). It makes no claim to find the number
    of topics; figures of two sets compare under the same number only.
    """
    return max(2, min(MOST, round(math.sqrt(count / 2))))


def cluster_entropy(
    vectors: Matrix | Unit, clusters: int = 0, *, fitted_to: Matrix | Unit | None = None, seed: int = 0
) -> list[Figure]:
    """Entropy of the sizes of k-means clusters, as a share of the most that it could be, and as effective clusters.

    Centres by k-means over a sample of rows of length one (`vectors/centres.py`), 64 rows a cluster.
    k-means puts centres where rows are, so a set measured by centres of its own looks more even than it is: to compare
    two sets give both the same `fitted_to` (a reference set, or both together).

    Args:
        vectors: (n, d); rows of zeros are left out with a note.
        clusters: k; 0 takes `cluster_count` of the rows that the centres are fitted to.
        fitted_to: rows that the centres are fitted to, in place of the set's own.

    Returns:
        `cluster_entropy` (share in [0, 1] of log k) and `cluster_effective` (effective clusters, exp of the entropy).

    Cost: at most 64 k rows are fitted to, a few seconds for 100,000 x 384; assigning costs n k d.

    Raises:
        ConfigError: fewer than 2 clusters or more than rows to fit them to; dimensions differ; a row is not finite.
    """
    names = (("cluster_entropy", "share"), ("cluster_effective", "effective clusters"))
    unit = Unit.of(vectors)
    basis = unit if fitted_to is None else Unit.of(fitted_to)
    same_width(unit, basis)
    if not unit.count or basis.count < 2:
        note = NO_VECTORS if not unit.count else "one text makes no clusters"
        return [Figure(name, None, kind, note=note) for name, kind in names]
    k = clusters or min(cluster_count(basis.count), basis.count)
    if not 2 <= k <= basis.count:
        raise ConfigError(f"{k} clusters were asked of {basis.count:,} rows; give at least 2 and at most that many")
    drawn = np.arange(basis.count)
    if basis.count > TRAINED * k:
        drawn = np.sort(np.random.default_rng(seed).choice(basis.count, size=TRAINED * k, replace=False))
    centres = fitted_centres(basis.rows(drawn, np.float32), k, seed % 2**32)
    sizes = np.zeros(k, dtype=np.int64)
    offset = (centres**2).sum(axis=1) / 2
    for start in range(0, unit.count, CHUNK):
        part = unit.rows(slice(start, start + CHUNK), np.float32)
        sizes += np.bincount((part @ centres.T - offset).argmax(axis=1), minlength=k)
    count = effective(sizes / sizes.sum())
    own = "" if fitted_to is None else ", fitted to another set"
    note = "; ".join(filter(None, [f"k = {k}{own}", unit.note]))
    values = (min(1.0, max(0.0, math.log(count) / math.log(k))), count)
    return [
        Figure(name, value, kind, of=unit.count, note=note) for (name, kind), value in zip(names, values, strict=True)
    ]
