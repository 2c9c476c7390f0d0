"""A request's leave to go, from the fleet's limiter, and the words in which it is given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import DeadlineExceeded, ModelError, Overloaded
from ..layers.limiter import PAUSE_MOST, is_down


@dataclass(frozen=True, slots=True)
class Permit:
    """A request's leave to go. `rank` is how many were in flight with it; `at` is the server's clock, in ms; `charge`
    is how many tokens it is charged. The last part of the `id` is how many it was guessed to take."""

    id: str
    rank: int
    at: int
    probe: bool
    charge: int = 0


def given_back(permit: Permit, error: ModelError | None, *, answered: bool, used: int | None) -> list[Any]:
    """Returns what `admit.lua` is told of a request that has ended. Its letters are explained there."""
    pause = 0.0
    down = error is not None and is_down(error)
    what = "d" if down else ""
    if isinstance(error, Overloaded | DeadlineExceeded):
        what += "b"
        pause = min(error.retry_after or 0.0, PAUSE_MOST)
        if error.status == 429:
            what += "r" + {"requests": "q", "tokens": "t"}.get(error.limit, "")
    if answered and not down and not isinstance(error, DeadlineExceeded):
        what += "a" if error is not None else "ao"
    text = str(error)[:200] if down else ""
    return [
        permit.id,
        permit.at,
        permit.rank,
        what,
        int(pause * 1000),
        text,
        -1 if used is None else used,
        permit.charge,
    ]
