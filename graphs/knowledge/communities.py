"""Communities: groups of entities that are more tightly joined with each other than with the rest.

Two methods: Leiden's (arXiv:1810.08473) by the library of the extra `graph`, which parts a million entities in a
minute, and Louvain's (Blondel et al. 2008, arXiv:0803.0476) as networkx has it, for graphs of some ten thousand. They
do not give the same communities, so a run keeps which one it began with (`KnowledgeGraph.community_method`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from importlib.util import find_spec

from ...errors import ConfigError
from ..networks import nx
from .graph import CommunityMethod, KnowledgeGraph
from .links import Links

HAS_LEIDEN = find_spec("graspologic_native") is not None


def installed_method() -> CommunityMethod:
    """Returns Leiden where its library is installed, else Louvain."""
    return "leiden" if HAS_LEIDEN else "louvain"


def find_communities(
    graph: KnowledgeGraph,
    *,
    seed: int,
    max_size: int = 20,
    resolution: float = 1.0,
    method: CommunityMethod | None = None,
) -> tuple[tuple[str, ...], ...]:
    """Parts the linked entities into connected communities of at most `max_size` entities; see `community_numbers`.

    Returns:
        Communities of two or more, largest first; ids sorted within each.
    """
    parts = community_numbers(graph, seed=seed, max_size=max_size, resolution=resolution, method=method)
    return tuple(tuple(graph.ids[number] for number in part) for part in parts)


def community_numbers(
    graph: KnowledgeGraph,
    *,
    seed: int,
    max_size: int = 20,
    resolution: float = 1.0,
    method: CommunityMethod | None = None,
) -> list[tuple[int, ...]]:
    """Parts the linked entities into connected communities of at most `max_size` entities, by number.

    Links weigh as many chunks as state their relations. A community that is too large is parted again by the same
    method, and where that fails along a breadth-first order, always into connected parts. Entities without a link are
    in no community, and neither are those whose neighbours all went to full ones (the leaves of a large star). The
    same seed and method give the same communities.

    Args:
        method: None takes the graph's own (`community_method`), and that of a graph which has none is
            `installed_method()`.

    Returns:
        Communities of two or more, largest first, then by their first numbers; numbers ascending within each.

    Raises:
        ConfigError: Leiden is asked for and not installed, or `max_size` is below 2.
    """
    if max_size < 2:
        raise ConfigError(f"max_size is {max_size}; a community has at least 2 entities")
    chosen = method or graph.community_method or installed_method()
    if chosen == "leiden" and not HAS_LEIDEN:
        raise ConfigError(
            "these communities are found by Leiden's method, which is not installed: pip install 'gristmill[graph]'; "
            "or ask for others with method = 'louvain'"
        )
    find = _by_leiden if chosen == "leiden" else _by_louvain
    parts = [part for part in find(graph.links, seed, max_size, resolution) if len(part) > 1]
    return sorted(parts, key=lambda part: (-len(part), part))


def _by_leiden(links: Links, seed: int, max_size: int, resolution: float) -> Iterator[tuple[int, ...]]:
    from .leiden import leiden  # its library is an extra

    for members, among in leiden(links, seed=seed, resolution=resolution, max_size=max_size):
        if among is None:
            yield tuple(members)
            continue
        near = {place: among[place] for place in range(len(members))}
        for piece in _cut({one: list(others) for one, others in near.items()}, max_size):
            yield tuple(members[place] for place in piece)


def _by_louvain(links: Links, seed: int, max_size: int, resolution: float) -> Iterator[tuple[int, ...]]:
    plain: nx.Graph[int] = nx.Graph()  # of integers: the method's result depends on the order of sets
    for left in range(len(links)):
        for right in links[left]:
            if left < right:
                plain.add_edge(left, right, weight=links.weight(left, right) or 1.0)
    pending = _louvain(plain, seed, resolution)
    while pending:
        part = pending.pop()
        if len(part) <= max_size:
            yield tuple(part)
            continue
        inner = _induced(plain, part)
        parts = _louvain(inner, seed, resolution)
        pending.extend(parts if len(parts) > 1 else _cut({one: sorted(inner.adj[one]) for one in part}, max_size))


def _louvain(links: nx.Graph[int], seed: int, resolution: float) -> list[list[int]]:
    """Louvain's parts, each split into its connected pieces: the method can leave a part in two."""
    if not links:
        return []
    parts = nx.community.louvain_communities(links, weight="weight", resolution=resolution, seed=seed)
    pieces = [sorted(piece) for part in parts for piece in nx.connected_components(links.subgraph(part))]
    return sorted(pieces)


def _induced(links: nx.Graph[int], part: list[int]) -> nx.Graph[int]:
    """The links within a part, as a graph of its own whose order is that of the numbers."""
    members = set(part)
    inner: nx.Graph[int] = nx.Graph()
    inner.add_nodes_from(part)
    for node in part:
        for other in sorted(links.adj[node]):
            if node < other and other in members:
                inner.add_edge(node, other, weight=links.adj[node][other]["weight"])
    return inner


def _cut(near: dict[int, list[int]], max_size: int) -> list[list[int]]:
    """Parts a connected graph into connected pieces of at most `max_size`, each grown breadth first.

    `near` has the neighbours of each number, both ascending.
    """
    left = set(near)
    pieces: list[list[int]] = []
    for start in near:
        if start not in left:
            continue
        left.discard(start)
        piece, queue = [start], deque([start])
        while queue and len(piece) < max_size:
            for one in near[queue.popleft()]:
                if one in left and len(piece) < max_size:
                    left.discard(one)
                    piece.append(one)
                    queue.append(one)
        pieces.append(sorted(piece))
    return pieces
