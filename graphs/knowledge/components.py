"""Connected components of links, by arrays where numpy is there."""

from __future__ import annotations

from array import array
from collections import Counter

from ..numeric import np
from . import links as arrays
from .links import Links, Numbers


def components(links: Links) -> Numbers:
    """Returns for each number the smallest number that it is connected with, itself where there is none smaller."""
    if arrays.HAS_NUMPY:
        return _by_numpy(links)
    labels = array("i", [-1]) * len(links)
    for start in range(len(links)):
        if labels[start] >= 0:
            continue
        labels[start] = start
        edge = [start]
        while edge:
            for near in links[edge.pop()]:
                if labels[near] < 0:
                    labels[near] = start
                    edge.append(near)
    return memoryview(labels)


def component_sizes(links: Links) -> list[int]:
    """Returns how many numbers each component has, one of a single number included."""
    return list(Counter(components(links)).values())


def _by_numpy(links: Links) -> Numbers:
    """Each takes the smallest label of its neighbours and of its label's label, until nothing changes.

    Labels halve their way at each step (Shiloach and Vishkin 1982), so the rounds are few: the logarithm of the size.
    """
    ends = np.asarray(links.ends)
    keys = np.asarray(links.keys)
    lower = ends < keys  # each link once
    left, right = ends[lower], keys[lower]
    labels = np.arange(len(links), dtype=np.int32)
    while len(left):
        roots, others = labels[left], labels[right]
        apart = roots != others
        if not apart.any():
            break
        left, right, roots, others = left[apart], right[apart], roots[apart], others[apart]
        np.minimum.at(labels, np.maximum(roots, others), np.minimum(roots, others))
        while True:
            shorter = labels[labels]
            if (shorter == labels).all():
                break
            labels = shorter
    found: Numbers = labels.data
    return found
