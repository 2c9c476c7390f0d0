"""Which model writes the next response to a prompt, and which responses it is shown: the plan of a search, no call.

A policy is a pure function of what was tried so far, so a search that was killed and goes on takes the same steps as
long as its calls are answered alike. The tree search is in `search_tree.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import ConfigError
from ...storage.records import content_id


@dataclass(frozen=True, slots=True)
class Step:
    """One response to be written: by which role, and shown which earlier ones, by their numbers from 0."""

    writer: str
    shown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """A step that was taken. `reward` is in [0, 1]; None where no response came, or nobody could score it."""

    step: Step
    reward: float | None


Policy = Callable[[Sequence[Tried], str], Sequence[Step]]
"""`(tried, seed) -> steps`: the steps to take next, all at once; none when the search is over.

A tried step's place is its number. `seed` is another for each task, and what is left to chance hangs on it alone."""

Pick = Callable[[Sequence[Tried]], int | None]
"""`tried -> number` of the response that becomes the item; None when none can."""


def best(tried: Sequence[Tried]) -> int | None:
    """The response of the highest reward, the first of equals."""
    rewards = [(one.reward, -number) for number, one in enumerate(tried) if one.reward is not None]
    return -max(rewards)[1] if rewards else None


def last(tried: Sequence[Tried]) -> int | None:
    """The newest response."""
    return next((number for number in reversed(range(len(tried))) if tried[number].reward is not None), None)


def closing(tried: Sequence[Tried]) -> int | None:
    """The response of the last step; none where that step failed, whatever was written before."""
    return len(tried) - 1 if tried and tried[-1].reward is not None else None


def best_of(writers: Sequence[str], responses: int) -> Policy:
    """Writes all responses at once, none seeing another; each is by a writer drawn anew."""
    pool = require_writers(writers)

    def plan(tried: Sequence[Tried], seed: str) -> Sequence[Step]:
        return [Step(chance(seed, number).choice(pool)) for number in range(len(tried), responses)]

    return plan


def in_sequence(writers: Sequence[str], responses: int) -> Policy:
    """Writes one response, and then each by the newest one; the writers take turns, in an order that the seed draws."""
    pool = require_writers(writers)

    def plan(tried: Sequence[Tried], seed: str) -> Sequence[Step]:
        number = len(tried)
        if number >= responses:
            return ()
        newest = last(tried)
        return (Step(shuffled(pool, seed)[number % len(pool)], () if newest is None else (newest,)),)

    return plan


def in_layers(writers: Sequence[str], layers: int, aggregator: str) -> Policy:
    """Has all writers write at once, `layers` times, shown what the layer before wrote; then `aggregator` writes once.

    Where a whole layer failed, the next is shown the one before it.
    """
    pool = require_writers(writers)
    if layers < 1:
        raise ConfigError(f"layers is {layers}; writers need at least 1, before the aggregator")

    def plan(tried: Sequence[Tried], seed: str) -> Sequence[Step]:
        layer = len(tried) // len(pool)
        if len(tried) > layers * len(pool):
            return ()
        shown: tuple[int, ...] = ()
        for before in range(layer):
            first = before * len(pool)
            numbers = range(first, first + len(pool))
            shown = tuple(number for number in numbers if tried[number].reward is not None) or shown
        if layer == layers:
            return (Step(aggregator, shown),)
        return [Step(writer, shown) for writer in pool]

    return plan


def require_writers(writers: Sequence[str], least: int = 1) -> tuple[str, ...]:
    """Returns the writers; raises `ConfigError` where they are fewer than `least`, or one is named twice or not."""
    if isinstance(writers, str) or len(writers) < least or not all(writers):
        raise ConfigError(f"writers is {writers!r}; give the names of {least} roles at least")
    if len(set(writers)) < len(writers):
        twice = next(name for name in writers if list(writers).count(name) > 1)
        raise ConfigError(f"writers names '{twice}' twice; give each role once, and two roles to one model if need be")
    return tuple(writers)


def chance(*parts: object) -> random.Random:
    """Returns a generator that hangs on `parts` (JSON values) alone."""
    return random.Random(content_id("search", *parts))  # noqa: S311  # nothing secret hangs on it


def shuffled(pool: Sequence[str], seed: str) -> list[str]:
    """Returns `pool` in the order that `seed` draws."""
    return chance(seed).sample(list(pool), len(pool))
