"""Opens the steering of a run from its spec, its store and its graph."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ...storage.store import RunStore
from .cells import Cells
from .curves import Curve, curves, documents_of
from .spec import DIMENSIONS, SteerSpec
from .steering import Steering

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ...graphs.knowledge.graph import KnowledgeGraph


def open_steering(spec: SteerSpec, store: RunStore, graph: KnowledgeGraph | None, *, seed: int) -> Steering | None:
    """Returns what chooses a run's tasks; None where the campaign does not steer.

    Raises:
        ConfigError: communities are steered by and there is no graph.
    """
    if not spec.on:
        return None
    spec.check()
    communities = communities_of(graph, seed) if "community" in spec.dimensions else None
    return Steering(spec, Cells(spec.dimensions, documents_of(store), communities))


def communities_of(graph: KnowledgeGraph | None, seed: int) -> dict[str, list[str]]:
    """Returns the numbers of each entity's communities, as text; the largest community is 1.

    Raises `ConfigError` without a graph.
    """
    if graph is None:
        raise ConfigError("steer.dimensions has 'community', and this recipe needs no graph; leave it out")
    from ...graphs.knowledge.communities import find_communities  # networkx: only where communities are asked for

    found: defaultdict[str, list[str]] = defaultdict(list)
    for number, members in enumerate(find_communities(graph, seed=seed), start=1):
        for entity in members:
            found[entity].append(str(number))
    return dict(found)


def curves_of_run(store: RunStore) -> list[Curve]:
    """Returns the curves of a run by the dimensions of its campaign, communities among them where it has a graph."""
    campaign = store.mark("campaign") or {}
    dimensions = (campaign.get("steer") or {}).get("dimensions") or DIMENSIONS
    communities = None
    if "community" in dimensions and store.count("entities"):
        from ...graphs.knowledge.graph import KnowledgeGraph  # networkx: only where communities are asked for

        communities = communities_of(KnowledgeGraph.load(store), int(campaign.get("seed") or 0))
    return curves(store, dimensions=dimensions, communities=communities)
