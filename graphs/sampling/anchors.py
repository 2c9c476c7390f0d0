"""`anchor` and `long-tail`: any other sampler, begun at entities of some types, or at the rarest first."""

from __future__ import annotations

from array import array
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...errors import ConfigError
from .base import Foreseen, Linked, Opening, SamplerKind, SamplerOptions, Strategy
from .registry import sampler, samplers
from .sampler import Sampler

OUTER = SamplerOptions.model_fields.keys()  # what holds for the draws as a whole


class Begun(Linked):
    """Options of samplers that say where another one begins.

    draw:    the name of that other sampler.
    options: of it; `link` is that of this one where they say none.
    """

    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    draw: str = "ego"
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _inner_is_known(self) -> Self:
        if self.draw or "draw" not in self.may_be_empty:
            self.inner()
        return self

    def inner(self) -> Sampler:
        """Returns the other sampler; raises `ConfigError` when there is none, or it has no such options."""
        for option in OUTER & self.options.keys():
            raise ConfigError(
                f"options of '{self.draw}' has {option}, which is ignored there; give {option} beside draw and options"
            )
        kind = samplers().get(self.draw)
        linked = kind is not None and "link" in kind.options.model_fields
        return sampler(self.draw, **({"link": self.link, **self.options} if linked else self.options))


def check_inner(options: Begun, foreseen: Foreseen) -> None:
    """Checks the sampler that another one begins."""
    options.inner().check(foreseen)


class AnchorOptions(Begun):
    """Options of `anchor`: the entity types to begin at."""

    types: tuple[str, ...] = Field(min_length=1)


def _check_anchor(options: AnchorOptions, foreseen: Foreseen) -> None:
    for name in options.types:
        if name not in foreseen.types:
            near = get_close_matches(name.casefold(), foreseen.types, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(
                f"sampler 'anchor': types has '{name}', and no entity can have that type{meant} "
                f"(the types of this graph are: {', '.join(foreseen.types)})"
            )
    check_inner(options, foreseen)


def _open_anchor(options: AnchorOptions, opening: Opening) -> Strategy:
    graph = opening.graph
    for name in options.types:
        if name not in graph.types:
            raise ConfigError(
                f"sampler 'anchor': the graph has no entity of type '{name}' (it has: {', '.join(graph.types)})"
            )
    codes = {graph.types.index(name) for name in options.types}
    anchors = array("i", (number for number, code in enumerate(graph.type_codes) if code in codes))
    return options.inner().open(replace(opening, chosen=anchors))


ANCHOR = SamplerKind("anchor", "another sampler, begun at entities of some types", AnchorOptions, _open_anchor,
                     _check_anchor)  # fmt: skip


class LongTailOptions(Begun):
    """Options of `long-tail`.

    by: what is rare: an entity that few chunks mention (`chunks`) or that few others are joined to (`degree`).
    """

    draw: str = "entity"
    by: Literal["chunks", "degree"] = "chunks"


def _open_long_tail(options: LongTailOptions, opening: Opening) -> Strategy:
    """One group an entity, the rarest first; those that are equally rare in a shuffled order; then what is left."""
    graph = opening.graph
    offsets = (graph.chunks if options.by == "chunks" else graph.links).offsets
    numbers = list(range(len(graph))) if opening.chosen is None else list(opening.chosen)
    opening.rng.shuffle(numbers)
    numbers.sort(key=lambda number: offsets[number + 1] - offsets[number])
    return options.inner().open(replace(opening, chosen=array("i", numbers), ordered=True))


LONG_TAIL = SamplerKind("long-tail", "another sampler, begun at the rarest entities first", LongTailOptions,
                        _open_long_tail, check_inner)  # fmt: skip
