"""`balance`: quotas by attribute cell, another strategy within each; what a cell cannot give goes to the others."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Self

from pydantic import Field, model_validator

from ...errors import ConfigError
from ..numeric import np
from .base import Group, Need, Options, Picked, Rng, Strategy
from .pool import Places, Pool
from .quotas import quotas
from .selector import Selector, selector

NO_CELL = "(no cell)"


class Balance(Options):
    """Options of `balance`.

    within:  the strategy that chooses within a cell: `quality`, `random`, `k-means-quality`, ...
    options: of it.
    weights: cell → its share of N, in any unit; cells that are not named have weight 1. Of all cells alike when empty.
    """

    within: str = "quality"
    options: dict[str, Any] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.within == "balance":
            raise ValueError("a cell cannot be balanced within; name another strategy")
        self.inner()
        for cell, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of '{cell}' is {weight}; give 0 or more")
        return self

    def inner(self) -> Selector:
        """Returns the strategy within; raises `ConfigError` when there is none, or it has no such options."""
        return selector(self.within, **self.options)

    @property
    def more_needs(self) -> frozenset[Need]:
        return self.inner().needs


def _pick(options: Balance, pool: Pool, count: int, rng: Rng) -> Picked:
    """As dear as the strategy within, which is asked cell by cell."""
    names, labels = np.unique(np.array([cell or NO_CELL for cell in pool.all_cells], dtype=object), return_inverse=True)
    known = [str(name) for name in names]
    _require_known(options, known)
    sizes = np.bincount(labels, minlength=len(known))
    weights = np.array([options.weights.get(name, 1.0) for name in known])
    given = quotas(count, weights, sizes)
    inner, places, reasons = options.inner(), [], dict[str, list[Places]]()
    notes: list[str] = []
    for number, name in enumerate(known):
        members = np.flatnonzero(labels == number)
        if not given[number]:
            continue
        picked = inner.pick(pool.take(members), int(given[number]), rng)
        places.append(members[picked.places])
        for reason, some in picked.left_out.items():
            reasons.setdefault(reason, []).append(members[some])
        notes += [f"{name}: {note}" for note in picked.notes]
    groups = [Group(name, int(sizes[one]), int(given[one])) for one, name in enumerate(known)]
    short = _short(count, weights, sizes, known)
    left_out = {reason: np.concatenate(some) for reason, some in reasons.items()}
    return Picked(np.concatenate(places), left_out, tuple(groups), (*short, *notes[:20]))


def _require_known(options: Balance, known: list[str]) -> None:
    for cell in options.weights:
        if cell not in known:
            near = get_close_matches(cell, known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise ConfigError(f"strategy 'balance': no item is of the cell '{cell}'{meant} (there are: {shown})")


def _short(count: int, weights: Any, sizes: Places, known: list[str]) -> tuple[str, ...]:
    """Says which cells had less than their quota."""
    wanted = quotas(count, weights, np.full(len(sizes), count))
    short = [name for number, name in enumerate(known) if sizes[number] < wanted[number]]
    if not short:
        return ()
    named = ", ".join(short[:5]) + (", ..." if len(short) > 5 else "")
    return (f"{len(short)} cells have fewer items than their quota, which went to the others: {named}",)


BALANCE = Strategy("balance", "quotas by attribute cell, another strategy within", Balance, _pick,
                   frozenset({"cells"}))  # fmt: skip
