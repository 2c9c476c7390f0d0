"""Leiden's method (Traag et al. 2019, arXiv:1810.08473) over a graph's own arrays; needs the extra `graph`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..numeric import np
from .components import components
from .links import Links
from .splice import Array


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some numbers and the links among them, by their places here."""

    members: Array
    offsets: Array
    ends: Array
    weights: Array

    def links(self) -> Links:
        return Links(self.offsets.data, self.ends.data, self.weights.data)


def leiden(links: Links, *, seed: int, resolution: float, max_size: int) -> Iterator[tuple[list[int], Links | None]]:
    """Yields connected parts, numbers ascending; one too large that Leiden leaves whole comes with its links.

    A part of more than `max_size` numbers is parted again by itself. Those without a link are in no part.
    """
    weights = np.asarray(links.weights)
    whole = _Piece(
        np.arange(len(links), dtype=np.int32),
        np.asarray(links.offsets, dtype=np.int64),
        np.asarray(links.ends, dtype=np.int32),
        np.where(weights > 0, weights, 1.0),
    )
    pending = [whole] if len(whole.ends) else []
    while pending:
        piece = pending.pop()
        parts = list(_parted(piece, _labels(piece, seed, resolution)))
        for part in parts:
            if len(part.members) > max_size:
                if len(parts) > 1:
                    pending.append(part)
                else:
                    yield part.members.tolist(), part.links()
            elif len(part.members) > 1:
                yield part.members.tolist(), None


def _labels(piece: _Piece, seed: int, resolution: float) -> Array:
    from graspologic_native import leiden_csr  # of the extra `graph`

    count = len(piece.members)
    _, found = leiden_csr(piece.offsets, piece.ends, piece.weights, count, resolution=resolution, seed=seed)
    labels = np.empty(count, dtype=np.int32)
    labels[np.fromiter(found.keys(), np.int64, count)] = np.fromiter(found.values(), np.int32, count)
    return labels


def _parted(piece: _Piece, labels: Array) -> Iterator[_Piece]:
    """Cuts a piece by its labels, and a label that is not connected into what is."""
    sources = np.repeat(np.arange(len(labels), dtype=np.int32), np.diff(piece.offsets))
    within = labels[sources] == labels[piece.ends]
    sources, ends, weights = sources[within], piece.ends[within], piece.weights[within]
    offsets = np.zeros(len(labels) + 1, dtype=np.int64)
    np.cumsum(np.bincount(sources, minlength=len(labels)), out=offsets[1:])
    joined = np.asarray(components(Links(offsets.data, ends.data, weights.data)))
    # Each part becomes a stretch: members keep their order within it, so rows stay ascending.
    order = np.argsort(joined, kind="stable")
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    rows = np.argsort(place[sources], kind="stable")
    ends, weights = place[ends[rows]], weights[rows]
    offsets = np.concatenate([[0], np.cumsum(np.diff(offsets)[order])])
    borders = np.flatnonzero(np.diff(joined[order], prepend=-1, append=-1)).tolist()
    members = piece.members[order]
    for first, last in pairwise(borders):
        start, stop = offsets[first], offsets[last]
        yield _Piece(
            members[first:last],
            offsets[first : last + 1] - start,
            ends[start:stop] - np.int32(first),
            weights[start:stop],
        )
