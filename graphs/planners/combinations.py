"""What recipes share that combine points of a graph: draws by relation type, each at its share and within its quota,
and the combinations of a group that is too large for one problem."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from ...errors import ConfigError, meant
from ...storage.records import Task
from ..sampling.draws import Draw
from ..sampling.engine import REFUSALS, Refuse
from ..sampling.sampler import Sampler
from .base import Options, PlanView, cell
from .groups import WeightName, graph_of, group_rng, opened, require_some, samplers_of, weight_of
from .shares import Shares

RELATIONS = ("hop1", "hop2", "hop3", "community")
LOOKED_AT = 8  # tasks of a batch by which it is told whether the plan has it; steering may pass over some


class CombinationOptions(Options):
    """Options of recipes that combine points.

    shares:       how the accepted items divide among the relation types; 0 leaves one out.
    points:       how many points of a group that is no path one problem combines.
    combinations: how many such combinations a group gives, at most.
    weight:       which points come first: those that few items touch, those with many relations, or none.
    solutions:    how often a problem is solved; with 2 or more the answer needs `least_share` of the votes.
    least_share:  share of the solutions that must agree on the answer.
    """

    relations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Relation type → the sampler that draws it, with its options."""

    shares: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(RELATIONS, 1.0))
    points: int = Field(default=3, ge=2, le=8)
    combinations: int = Field(default=3, ge=1)
    weight: WeightName = "coverage"
    solutions: int = Field(default=1, ge=1, le=64)
    least_share: float = Field(default=0.5, gt=0, le=1)

    @property
    def all_shares(self) -> dict[str, float]:
        """The shares, 1 for each relation type of the recipe where none is given."""
        return {**dict.fromkeys(self.relations, 1.0), **self.shares}

    @model_validator(mode="after")
    def _draws_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("draw", self.all_shares, {})
        self.samplers()
        return self

    def samplers(self) -> dict[str, Sampler]:
        """Returns the sampler of each relation type that has a share."""
        return samplers_of(self.all_shares, {}, self.relations, "relation")

    def require_drawn(self, key: str) -> None:
        """Raises `ConfigError` where the option `key`, a table by relation type, names one that has no share."""
        if unknown := [name for name in getattr(self, key) if not self.all_shares.get(name)]:
            raise ConfigError(f"{key} names '{unknown[0]}', which is not drawn{meant(unknown[0], self.samplers())}")


class _Quotas:
    """Says which relation types may still be drawn: those of which fewer items than their quota are accepted, pending,
    or drawn and about to be planned."""

    def __init__(self, quotas: Mapping[str, int], view: PlanView) -> None:
        self._quotas, self._view = quotas, view
        self._drawn: list[Task] = []

    def drew(self, task: Task) -> None:
        """Counts a task that is drawn, until the plan has it and `coverage` does."""
        self._drawn.append(task)

    @property
    def met(self) -> bool:
        """Whether nothing is in work that could be rejected: what no quota allows now, none will."""
        return not self._drawn and not self._view.pending()

    def allow(self, name: str) -> bool:
        if name not in self._quotas:
            return True
        if any(self._view.is_planned(task.id) for task in self._drawn[-LOOKED_AT:]):
            self._drawn.clear()  # the batch was planned: what is not among it was passed over
        waiting = sum(task.kind == name for task in self._drawn)
        return self._view.coverage.get(cell("draw", name), 0) + waiting < self._quotas[name]


def combined(
    view: PlanView,
    rng: random.Random,
    recipe: str,
    options: CombinationOptions,
    *,
    make: Callable[[Draw], Task | None],
    refuse: Refuse,
    quotas: Mapping[str, int] | None = None,
) -> Iterator[Task | None]:
    """Yields tasks of combinations, each relation type at its share, until all are exhausted.

    A group that is no path and has more than `options.points` members is parted into combinations of so many. `refuse`
    says what `make` can make no task of. A relation type of which as many are accepted or pending as its quota says is
    not drawn; None comes while there are only such and some may yet be rejected.

    Raises:
        ConfigError: there is no graph, or no sampler finds anything.
    """

    def unless_parted(draw: Draw) -> str:  # of what is parted it is not known yet
        return "" if _is_parted(draw, options.points) else refuse(draw)

    weight = weight_of(options.weight, view)
    sources = opened(view, graph_of(view, recipe), rng, options.samplers(), weight=weight, refuse=unless_parted)
    left = {name: _parted(draws, options.points, options.combinations, refuse) for name, draws in sources.items()}
    shares, limits = Shares("draw", options.all_shares, view.coverage), _Quotas(quotas or {}, view)
    while left:
        available = [name for name in left if limits.allow(name)]
        if not available and limits.met:
            break
        if not available:
            yield None
            continue
        name = shares.pick(available)
        draw = next(left[name], None)
        if draw is None:
            del left[name]
        elif (task := make(draw)) is not None and not view.is_planned(task.id):
            limits.drew(task)
            yield task
    require_some(recipe, sources)


def _is_parted(draw: Draw, points: int) -> bool:
    return not draw.ordered and len(draw.numbers) > points


def _parted(draws: Iterator[Draw], points: int, times: int, refuse: Refuse) -> Iterator[Draw]:
    """Draws `points` members of a larger group, `times` times each, the same ones whenever it is drawn.

    Ends after `REFUSALS` combinations in a row that a prompt has no room for.
    """
    refused = 0
    for draw in draws:
        if not _is_parted(draw, points):
            yield draw
            continue
        members = sorted(draw.numbers)
        chance = group_rng("combinations", sorted(draw.entities), points)
        seen: set[tuple[int, ...]] = set()
        for _ in range(times):
            some = tuple(sorted(chance.sample(members, points)))
            if some in seen:
                continue
            seen.add(some)
            part = Draw(draw.graph, draw.kind, some)
            if not refuse(part):
                refused = 0
                yield part
            elif (refused := refused + 1) >= REFUSALS:
                return
