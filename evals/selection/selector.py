"""Strategies by name, and the one way in which each is asked: what cannot be chosen is set aside first, with a reason.

The built-in ones are entered by `catalogue`, which is what to import; users add their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ...errors import ConfigError, require_kind
from ..numeric import np
from .base import NOT_CHOSEN, Need, Options, Picked, Rng, Selection, Strategy
from .pool import Places, Pool

MENDS: Mapping[Need, str] = {
    "vectors": "vectors of the items, made by an embedder",
    "scores": "a score for each item, such as a critic's",
    "cells": "the attribute cell of each item",
    "texts": "the texts of the items",
    "examples": "examples of what is wanted",
}
_strategies: dict[str, Strategy] = {}


def register(strategy: Strategy) -> Strategy:
    """Enters a strategy under its name, for the command and `selector`; the same strategy again is harmless.

    Raises `ConfigError` when another one has the name.
    """
    if _strategies.get(strategy.name, strategy) != strategy:
        raise ConfigError(f"a strategy is called '{strategy.name}' already; give yours another name")
    _strategies[strategy.name] = strategy
    return strategy


def strategies() -> Mapping[str, Strategy]:
    """Returns all strategies by name."""
    return MappingProxyType(_strategies)


@dataclass(frozen=True)
class Selector:
    """One strategy with its options. It holds no items and no chance, so it may be used again and again."""

    strategy: Strategy
    options: Options

    def select(self, pool: Pool, count: int, *, seed: int = 0) -> Selection:
        """Chooses `count` items of `pool`; equal pools, options and seeds give equal selections in every process.

        Where fewer than `count` items can be chosen, it gives all of them, and a note says so.

        Raises:
            ConfigError: a negative count, or the pool lacks what the strategy needs; says what.
        """
        require_kind("pool", pool, Pool, "give Pool.of(vectors=..., scores=...)")
        require_kind("count", count, (int, np.integer), "give the number of items to choose")
        require_kind("seed", seed, (int, np.integer), "give a whole number")
        if count < 0:
            raise ConfigError(f"count is {count}; give the number of items to choose, 0 or more")
        rng = np.random.default_rng(seed)
        left_out = self._unusable(pool)
        usable = np.setdiff1d(np.arange(pool.size), np.concatenate([np.empty(0, np.int64), *left_out.values()]))
        notes = [f"{len(places)} of {pool.size} items are left out: {reason}" for reason, places in left_out.items()]
        if count == 0:
            picked = Picked(usable[:0], notes=("nothing was asked for: count is 0",))
        elif count >= len(usable):
            short = f"{count} were asked for, {len(usable)} can be chosen: all of these are in"
            picked = Picked(np.arange(len(usable)), notes=(short,) if count > len(usable) else ())
        else:
            whole = len(usable) == pool.size
            picked = self.pick(pool if whole else pool.take(usable), count, rng)
        taken = usable[picked.places]
        left_out |= {reason: usable[places] for reason, places in picked.left_out.items()}
        rest = np.setdiff1d(usable, np.concatenate([taken, *(usable[one] for one in picked.left_out.values())]))
        return Selection(
            strategy=self.strategy.name,
            seed=seed,
            options=self.options.model_dump(mode="json"),
            indices=taken,
            of=pool.size,
            left_out=left_out | {NOT_CHOSEN: rest},
            groups=tuple(sorted(picked.groups, key=lambda group: (-group.size, group.name))),
            notes=(*notes, *picked.notes),
        )

    def pick(self, pool: Pool, count: int, rng: Rng) -> Picked:
        """Asks the strategy itself, of a pool in which every item has what it needs; for strategies over others."""
        if count >= pool.size:
            return Picked(np.arange(pool.size))
        return self.strategy.pick(self.options, pool, count, rng)

    @property
    def needs(self) -> frozenset[Need]:
        """What a pool must have."""
        return self.strategy.all_needs(self.options)

    def _unusable(self, pool: Pool) -> dict[str, Places]:
        """Reason → places of the items that lack something, each under its first reason."""
        needs, name = self.needs, self.strategy.name
        for need in sorted(needs):
            given = getattr(pool, need)
            if given is None or (need == "examples" and not given):
                raise ConfigError(f"strategy '{name}' needs {MENDS[need]}; there is none here")
        found: dict[str, Places] = {}
        gone = np.zeros(pool.size, dtype=bool)

        def leave(reason: str, flags: Any) -> None:
            if (flags & ~gone).any():
                found[reason] = np.flatnonzero(flags & ~gone)
                gone[flags] = True

        if "vectors" in needs:
            leave("no_vector", pool.without_vector())
        if "texts" in needs and pool.texts is not None:
            leave("no_text", np.fromiter((not text.strip() for text in pool.texts), dtype=bool, count=pool.size))
        if "scores" in needs and pool.scores is not None:
            leave("no_score", np.isnan(pool.scores))
            if self.options.minimum is not None:
                leave("low_score", ~(pool.scores >= self.options.minimum))
        return found


def selector(name: str, **options: Any) -> Selector:
    """Returns the strategy called `name` with these options.

    Raises:
        ConfigError: there is no such strategy, or an option does not exist or cannot be; names what there is.
    """
    strategy = _strategies.get(name)
    if strategy is None:
        near = get_close_matches(str(name), _strategies, n=1, cutoff=0.5)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"no strategy is called '{name}'{meant} (there are: {', '.join(_strategies)})")
    try:
        return Selector(strategy, strategy.options.model_validate(options))
    except ValidationError as error:
        first, known = error.errors()[0], strategy.options.model_fields
        place = ".".join(str(part) for part in first["loc"]) or "options"
        near = get_close_matches(place, known, n=1) if first["type"] == "extra_forbidden" else []
        said = f"no such option; did you mean '{near[0]}'?" if near else first["msg"]
        raise ConfigError(f"strategy '{name}': {place}: {said} (options are: {', '.join(known)})") from error
