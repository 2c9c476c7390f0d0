"""A sampler by name and options, ready to be opened over any graph."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ..knowledge.graph import KnowledgeGraph
from .base import Foreseen, Opening, SamplerKind, SamplerOptions, Strategy
from .engine import Draws, Refuse
from .numbered import numbered
from .sources import Sources
from .weights import Weight, uniform

NO_SCORES: Mapping[str, float] = {}


@dataclass(frozen=True)
class Sampler:
    """One kind of draw with its options. It holds no graph and no chance, so it may be used again and again."""

    kind: SamplerKind
    options: SamplerOptions

    @property
    def label(self) -> str:
        """What its draws are called."""
        return self.options.label or self.kind.name

    def check(self, foreseen: Foreseen) -> None:
        """Raises `ConfigError` for what a graph of this kind cannot have, before there is one; see `SamplerKind`."""
        self.kind.check(self.options, foreseen)

    def open(self, opening: Opening) -> Strategy:
        """Opens the bare strategy, for samplers that build on others."""
        return self.kind.open(self.options, opening)

    def draws(
        self,
        graph: KnowledgeGraph,
        rng: random.Random,
        *,
        weight: Weight = uniform,
        sources: Sources | None = None,
        scores: Mapping[str, float] = NO_SCORES,
        refuse: Refuse | None = None,
    ) -> Draws:
        """Opens the sampler: an iterator of draws. Equal graphs, seeds and weights give equal draws in every process.

        Args:
            weight: steers where a group begins and each next step; live, see `weights`.
            sources: documents and tokens of the chunks, for the samplers that need them.
            scores: by fact, for `uncertainty`.
            refuse: says why a draw is of no use, which is counted in `Draws.books`; the next one takes its place.

        Raises:
            ConfigError: the graph or the sources lack what this sampler needs; says what.
        """
        opening = Opening(numbered(graph), rng, weight, sources, scores, repeats=self.options.repeats)
        strategy = self.open(opening)
        weigh = None if weight is uniform else weight(opening.graph)
        return Draws(self.label, strategy, rng, weigh=weigh, repeats=self.options.repeats, refuse=refuse)
