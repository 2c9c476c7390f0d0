"""What a strategy of selection is, and what it gives: items chosen, items left out by reason, clusters, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..numeric import np
from .pool import Places, Pool

if TYPE_CHECKING:
    Rng = np.random.Generator
else:
    Rng = Any

Need = Literal["vectors", "scores", "cells", "texts", "examples"]
NOT_CHOSEN = "not_chosen"
"""The reason of items that nothing speaks against: others came first."""


class Options(BaseModel):
    """Options that all strategies have: frozen, and an unknown key is an error.

    minimum: the least score; items below, or without one, are left out (`low_score`) before anything else is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: float | None = Field(default=None, allow_inf_nan=False)

    @property
    def more_needs(self) -> frozenset[Need]:
        """What these options need besides what the strategy does."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """One cluster or cell: how many items it has, and how many of them were chosen."""

    name: str
    size: int
    chosen: int


@dataclass(frozen=True, eq=False)
class Picked:
    """What a strategy chose of the pool that it was shown, by place.

    places:   in the order of choice.
    left_out: reason code → places, besides those that simply were not chosen.
    """

    places: Places
    left_out: Mapping[str, Places] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Selection:
    """A subset of a pool.

    indices:  places in the pool, in the order of choice where a strategy has one (the best, the farthest first).
    of:       how many items the pool has: `of == len(indices) + sum(counts.values())`.
    left_out: reason code → places of the items that were not taken.
    groups:   clusters or cells, the largest first; empty for strategies without.
    options:  all options as JSON values, defaults too.
    """

    strategy: str
    seed: int
    options: Mapping[str, Any]
    indices: Places
    of: int
    left_out: Mapping[str, Places]
    groups: tuple[Group, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Reason code → items that were left out for it, the most frequent first."""
        sizes = {reason: len(places) for reason, places in self.left_out.items() if len(places)}
        return dict(sorted(sizes.items(), key=lambda pair: -pair[1]))


Pick = Callable[[Any, Pool, int, Rng], Picked]
"""(options, pool, count, chance) → picked. Every item of the pool has what the strategy needs, and count < its size."""


@dataclass(frozen=True)
class Strategy:
    """A way of choosing under a name. `needs` are what it cannot do without; items that lack it are left out."""

    name: str
    summary: str
    options: type[Options]
    pick: Pick
    needs: frozenset[Need] = frozenset()

    def all_needs(self, options: Options) -> frozenset[Need]:
        """Returns what the strategy needs with these options."""
        return self.needs | options.more_needs | (frozenset({"scores"}) if options.minimum is not None else frozenset())


def shuffled_best(values: Any, rng: Rng) -> Places:
    """Returns all places by value, the highest first; equal values in an order of chance, not in that of arrival."""
    chance = rng.permutation(len(values))
    order: Places = chance[np.argsort(-np.asarray(values)[chance], kind="stable")]
    return order
