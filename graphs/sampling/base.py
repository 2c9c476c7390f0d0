"""What a sampler is: options, and a strategy that proposes groups. What is common to all drawing stands in `engine`."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigError
from ..knowledge.graph import Link
from ..knowledge.links import Numbers
from .draws import Draw, Group
from .numbered import Numbered
from .roots import Even, InOrder, Roots, Weighted
from .sources import Sources
from .walker import Walker
from .weights import Bounded, Weight, uniform


class SamplerOptions(BaseModel):
    """Options that all samplers have: frozen, and an unknown key is an error.

    label:   the `kind` of its draws; the sampler's name when empty.
    repeats: draw with replacement; else each group comes once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = ""
    repeats: bool = False


class Linked(SamplerOptions):
    """Options of samplers that go from one entity to the next.

    link: what joins two: a stated `relation`, a shared chunk (`cooccurrence`), or `any` of them.
    """

    link: Link = "relation"


class Sized(Linked):
    """Options of samplers that draw around an entity; `max_nodes` bounds the group with the entity."""

    max_nodes: int = Field(default=8, ge=2, le=1000)


class Strategy(Protocol):
    """One way of drawing, opened over a graph.

    mend:   what to change when it finds nothing.
    finite: whether `propose` gives every group by itself and then None; else what it leaves is looked for in `rest`.
    """

    mend: str
    finite: bool

    def propose(self) -> Group | str | None:
        """Draws a group by chance: a group, why this try gave none, or None when chance gives no more.

        Its work is bounded, whatever the graph.
        """
        ...

    def rest(self) -> Iterator[Group | str]:
        """Goes through every group, those drawn before too, and says why where a candidate is none."""
        ...

    def key(self, group: Group) -> bytes:
        """Returns what two groups that count as one have in common."""
        ...

    def draw(self, kind: str, group: Group) -> Draw:
        """Makes the draw of a group."""
        ...


@dataclass(frozen=True)
class Opening:
    """What a strategy is opened with.

    chosen: the numbers that draws begin with, in the order `ordered` takes them; None for all.
    scores: a score by fact (relation or entity id); see `uncertainty`.
    """

    graph: Numbered
    rng: random.Random
    weight: Weight = uniform
    sources: Sources | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    chosen: Numbers | None = None
    ordered: bool = False
    repeats: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether draws begin anywhere, all alike."""
        return self.chosen is None and self.weight is uniform

    def walker(self, link: Link) -> Walker:
        return Walker(self.graph, link, self.weight, self.rng)

    def roots(self, link: Link | None) -> Roots:
        """Returns where draws begin: entities with something next to them by `link`, all of them for None."""
        numbers = self._candidates(link)
        if self.ordered:
            return InOrder(numbers)
        if self.weight is uniform:
            return Even(numbers, self.rng)
        most = self.weight.most if isinstance(self.weight, Bounded) else 0.0
        return Weighted(numbers, self.weight(self.graph), self.rng, most)

    def _candidates(self, link: Link | None) -> Numbers:
        graph = self.graph
        if link is None:
            return range(len(graph)) if self.chosen is None else self.chosen
        joined = graph.linked if link == "relation" else graph.mentioned
        if self.chosen is None:
            return joined
        known = set(joined)
        return array("i", (number for number in self.chosen if number in known))

    def root_by_root(self, link: Link | None) -> Callable[[], int]:
        """Returns what gives the next root of a sampler that draws one group a root."""
        roots = self.roots(link)
        return roots.pick if self.repeats else roots.take

    def need_sources(self, name: str, what: str) -> Sources:
        """Returns the sources; raises `ConfigError` when none were given."""
        if self.sources is None:
            raise ConfigError(
                f"sampler '{name}' needs {what} and the graph does not have them; give draws(..., "
                f"sources=Sources.of(chunks)), in a planner sources=view.sources"
            )
        return self.sources


@dataclass(frozen=True)
class Foreseen:
    """What is known of a graph before it is built: the names of the entity types that it can have."""

    types: tuple[str, ...]


def _nothing(options: Any, foreseen: Foreseen) -> None:
    pass


@dataclass(frozen=True)
class SamplerKind:
    """A way of drawing under a name.

    open:  options, opening → a strategy. Raises `ConfigError` when the graph or the sources lack what it needs.
    check: options, foreseen → nothing. Raises `ConfigError` for what no such graph can have: a campaign asks before
           anything is spent. It may read files that the options name.
    """

    name: str
    summary: str
    options: type[SamplerOptions]
    open: Callable[[Any, Opening], Strategy]
    check: Callable[[Any, Foreseen], None] = _nothing


class Sets:
    """The part that is common to strategies whose groups are sets of entities."""

    ordered = False
    finite = False

    def __init__(self, graph: Numbered) -> None:
        self.graph = graph

    def key(self, group: Group) -> bytes:
        return array("i", sorted(group)).tobytes()

    def draw(self, kind: str, group: Group) -> Draw:
        return Draw(self.graph, kind, group, ordered=self.ordered)


class RootByRoot(Sets):
    """The part that is common to strategies that give one group a root, and so come to an end."""

    finite = True

    def rest(self) -> Iterator[Group | str]:
        return iter(())


class Paths(Sets):
    """The part that is common to strategies whose groups are paths; a path and its reverse are one."""

    ordered = True

    def key(self, group: Group) -> bytes:
        return array("i", min(group, group[::-1])).tobytes()
