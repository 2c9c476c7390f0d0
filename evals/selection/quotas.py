"""How many items each cluster or cell may give: shares by weight, within what there is, leftovers passed on."""

from __future__ import annotations

from ..numeric import np
from .pool import Floats, Places


def quotas(count: int, weights: Floats, sizes: Places) -> Places:
    """Divides `count` by `weights` among groups of `sizes` items; what one cannot give goes to the others.

    Whole numbers by the largest remainder (Hamilton's method), equal remainders to the earlier group. A group of weight
    0 gives only when all others are spent. The sum is `count`, or all that there is. k groups, at most k rounds.

    Args:
        weights: (k,), at least 0.
        sizes:   (k,), items of each group.
    """
    given = np.zeros(len(sizes), dtype=np.int64)
    left = min(count, int(sizes.sum()))
    weights = np.where(np.isfinite(weights), weights, 0.0).astype(np.float64)
    while left:
        room = sizes - given
        live = (room > 0) & (weights > 0)
        if not live.any():
            live, weights = room > 0, np.ones(len(sizes))
        shares = np.where(live, weights, 0.0)
        shares = shares / shares.sum() * left
        full = live & (shares >= room)
        if full.any():  # these give all they have; what is left is divided anew among the others
            given[full] = sizes[full]
        else:
            whole = np.floor(shares).astype(np.int64)
            most = np.argsort(-(shares - whole), kind="stable")[: left - int(whole.sum())]
            whole[most] += 1
            given += whole
        left = min(count, int(sizes.sum())) - int(given.sum())
    return given
