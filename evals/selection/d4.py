"""`d4`: first the semantic duplicates go, then what is most like its cluster's centre.

Tirumala, Simig, Aghajanyan and Morcos 2023, "D4: Improving LLM Pretraining via Document De-Duplication and
Diversification", arXiv:2308.12284. Step 1 is SemDeDup (Abbas et al. 2023, arXiv:2303.09540): within a cluster, items
from the least like the centre on; one that is too like an earlier one goes. Step 2 clusters what is left anew, and
takes the least prototypical (Sorscher et al. 2022, arXiv:2206.14486), so the dense middle of each theme goes first.
"""

from __future__ import annotations

from pydantic import Field

from ..numeric import np
from .base import Options, Picked, Rng, Strategy, shuffled_best
from .clusters import Clusters, cluster, usual_clusters
from .pool import Floats, Places, Pool, Vectors

LARGEST = 20_000  # items of a cluster that are compared with each other: 1.6 GB would hold all their cosines at once
ROWS = 1024  # of those cosines that are held


class D4(Options):
    """Options of `d4`.

    clusters:   k of both steps; 0 takes the root of the number of items, at most 1024.
    similarity: the cosine from which two items are one. The paper sets a share to remove instead, 25%.
    """

    clusters: int = Field(default=0, ge=0, le=100_000)
    similarity: float = Field(default=0.95, gt=0, le=1)


def _pick(options: D4, pool: Pool, count: int, rng: Rng) -> Picked:
    """O(n k d) for each clustering, O(sum of squared sizes of clusters x d) to compare: n^1.5 d when they are even."""
    k = options.clusters or usual_clusters(pool.size, pool.size)
    first = cluster(pool.all_vectors, k, rng)
    nearest = likeness_to_earlier(pool.all_vectors, first)
    left = np.flatnonzero(nearest < options.similarity)
    notes = [f"{pool.size - len(left)} items are at least {options.similarity} like an earlier one of their cluster"]
    if first.sizes.max() > LARGEST:
        notes.append(f"clusters of more than {LARGEST} items were compared in parts: duplicates may be left")
    if len(left) <= count:
        left = _with_least_alike(left, nearest, count)
        if len(left) > int((nearest < options.similarity).sum()):
            notes.append("too few were left, so the least alike of the duplicates came back")
        chosen, groups = left, first.groups(left)
    else:
        again = cluster(pool.all_vectors.take(left), min(k, len(left)), rng)
        within = shuffled_best(-again.likeness.astype(np.float64), rng)[:count]
        chosen, groups = left[within], again.groups(within)
    gone = np.setdiff1d(np.arange(pool.size), np.union1d(left, chosen))
    prototypical = np.setdiff1d(left, chosen)
    return Picked(chosen, {"semantic_duplicate": gone, "prototypical": prototypical}, groups, tuple(notes))


def likeness_to_earlier(vectors: Vectors, found: Clusters) -> Floats:
    """Returns (n,) the largest cosine of each item to an earlier one of its cluster; -1 for the first of each.

    Earlier is who is less like the centre.
    """
    nearest = np.full(len(vectors), -1.0)
    for members in found.members():
        order = members[np.argsort(found.likeness[members], kind="stable")]
        for start in range(0, len(order), LARGEST):
            part = order[start : start + LARGEST]
            nearest[part] = _earlier(vectors, part)
    return nearest


def _earlier(vectors: Vectors, part: Places) -> Floats:
    held = vectors.at(part)
    found = np.full(len(part), -1.0)
    for start in range(0, len(part), ROWS):
        end = min(start + ROWS, len(part))
        cosines = held[start:end] @ held[:end].T
        later = np.arange(end)[None, :] >= np.arange(start, end)[:, None]
        cosines[later] = -1.0
        found[start:end] = cosines.max(axis=1)
    return found


def _with_least_alike(left: Places, nearest: Floats, count: int) -> Places:
    """Adds those of the rest that are least like an earlier one, until there are `count`."""
    rest = np.setdiff1d(np.arange(len(nearest)), left)
    back = rest[np.argsort(nearest[rest], kind="stable")][: count - len(left)]
    both: Places = np.concatenate([left, back])
    return both


D4_STRATEGY = Strategy("d4", "semantic duplicates out, then the most prototypical", D4, _pick, frozenset({"vectors"}))
