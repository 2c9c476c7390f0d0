"""Communities: groups of entities that are more tightly joined with each other than with the rest.

Louvain's method (Blondel et al. 2008, arXiv:0803.0476) as networkx has it, over integer nodes: its result depends on
the order of sets, and only integers hash alike in every process.
"""

from __future__ import annotations

from collections import deque

from ...errors import ConfigError
from ..networks import nx
from .graph import KnowledgeGraph


def find_communities(
    graph: KnowledgeGraph, *, seed: int, max_size: int = 20, resolution: float = 1.0
) -> tuple[tuple[str, ...], ...]:
    """Parts the linked entities into connected communities of at most `max_size` entities.

    Links weigh as many chunks as state their relations. A community that is too large is parted again by the same
    method, and where that fails along a breadth-first order, always into connected parts. Entities without a link are
    in no community, and neither are those whose neighbours all went to full ones (the leaves of a large star).

    Returns:
        Communities of two or more, largest first; ids sorted within each.
    """
    if max_size < 2:
        raise ConfigError(f"max_size is {max_size}; a community has at least 2 entities")
    links: nx.Graph[int] = nx.Graph()
    for left in range(len(graph.links)):
        for right in graph.links[left]:
            if left < right:
                links.add_edge(left, right, weight=graph.links.weight(left, right) or 1.0)
    pending = _louvain(links, seed, resolution)
    found: list[tuple[str, ...]] = []
    while pending:
        part = pending.pop()
        if len(part) <= max_size:
            if len(part) > 1:
                found.append(tuple(graph.ids[node] for node in part))
            continue
        inner = _induced(links, part)
        parts = _louvain(inner, seed, resolution)
        pending.extend(parts if len(parts) > 1 else _cut(inner, max_size))
    return tuple(sorted(found, key=lambda part: (-len(part), part)))


def _louvain(links: nx.Graph[int], seed: int, resolution: float) -> list[list[int]]:
    """Louvain's parts, each split into its connected pieces: the method can leave a part in two."""
    if not links:
        return []
    parts = nx.community.louvain_communities(links, weight="weight", resolution=resolution, seed=seed)
    pieces = [sorted(piece) for part in parts for piece in nx.connected_components(links.subgraph(part))]
    return sorted(pieces)


def _induced(links: nx.Graph[int], part: list[int]) -> nx.Graph[int]:
    """The links within a part, as a graph of its own whose order is that of the ids."""
    members = set(part)
    inner: nx.Graph[int] = nx.Graph()
    inner.add_nodes_from(part)
    for node in part:
        for other in sorted(links.adj[node]):
            if node < other and other in members:
                inner.add_edge(node, other, weight=links.adj[node][other]["weight"])
    return inner


def _cut(links: nx.Graph[int], max_size: int) -> list[list[int]]:
    """Parts a connected graph into connected pieces of at most `max_size`, each grown breadth first."""
    left = set(links)
    pieces: list[list[int]] = []
    for start in sorted(links):
        if start not in left:
            continue
        left.discard(start)
        piece, queue = [start], deque([start])
        while queue and len(piece) < max_size:
            for near in sorted(links.adj[queue.popleft()]):
                if near in left and len(piece) < max_size:
                    left.discard(near)
                    piece.append(near)
                    queue.append(near)
        pieces.append(sorted(piece))
    return pieces
