"""`community`: the communities of the graph, each once."""

from __future__ import annotations

from typing import Self
from weakref import WeakKeyDictionary

from pydantic import Field, model_validator

from ...errors import ConfigError
from ..knowledge.communities import community_numbers
from ..knowledge.graph import CommunityMethod, KnowledgeGraph
from .base import Opening, RootByRoot, SamplerKind, SamplerOptions
from .draws import Group
from .numbered import Numbered
from .roots import NONE, Even, InOrder, Roots, Weighted


class CommunityOptions(SamplerOptions):
    """Options of `community`.

    min_size, max_size: of a community; a larger one is parted again, always into connected parts.
    resolution:         of the modularity: more gives smaller ones.
    seed:               of the partition, apart from that of the draws: all samplers of a graph have the same.
    method:             `leiden` or `louvain`; by default the one that the run noted when it built the graph.
    """

    min_size: int = Field(default=3, ge=2)
    max_size: int = Field(default=20, ge=2)
    resolution: float = Field(default=1.0, gt=0)
    seed: int = 0
    method: CommunityMethod | None = None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.min_size > self.max_size:
            raise ConfigError(f"min_size is {self.min_size} and max_size {self.max_size}; no community could be both")
        return self


_found: WeakKeyDictionary[KnowledgeGraph, dict[tuple[object, ...], list[Group]]] = WeakKeyDictionary()


def _parts_of(graph: Numbered, options: CommunityOptions) -> list[Group]:
    """Returns the communities by number; they are found once a graph."""
    whole = graph.graph()
    if whole is None:
        raise ConfigError("the graph of this sampler is gone; keep it as long as samplers are opened over it")
    parts = _found.setdefault(whole, {})
    key = (options.seed, options.max_size, options.resolution, options.method)
    if key not in parts:
        parts[key] = community_numbers(
            whole,
            seed=options.seed,
            max_size=options.max_size,
            resolution=options.resolution,
            method=options.method,
        )
    return parts[key]


class _Communities(RootByRoot):
    """By the mean weight of their members."""

    mend = "no community is so large: take a smaller min_size, or draw `ego`, which needs none"

    def __init__(self, options: CommunityOptions, opening: Opening) -> None:
        super().__init__(opening.graph)
        parts = _parts_of(opening.graph, options)
        chosen = None if opening.chosen is None else set(opening.chosen)
        self._parts = [
            part for part in parts
            if len(part) >= options.min_size and (chosen is None or not chosen.isdisjoint(part))
        ]  # fmt: skip
        roots = self._roots(opening)
        self._root = roots.pick if opening.repeats else roots.take

    def _roots(self, opening: Opening) -> Roots:
        places = range(len(self._parts))
        if opening.everywhere:
            return Even(places, opening.rng)
        if opening.ordered and opening.chosen is not None:
            rank = {number: place for place, number in enumerate(opening.chosen)}
            last = len(rank)
            return InOrder(sorted(places, key=lambda place: min(rank.get(one, last) for one in self._parts[place])))
        weigh = opening.weight(opening.graph)
        return Weighted(
            places, lambda place: sum(map(weigh, self._parts[place])) / len(self._parts[place]), opening.rng
        )

    def propose(self) -> Group | None:
        place = self._root()
        return None if place == NONE else self._parts[place]


def _open(options: CommunityOptions, opening: Opening) -> _Communities:
    return _Communities(options, opening)


COMMUNITY = SamplerKind("community", "a community of the graph (Leiden or Louvain)", CommunityOptions, _open)
