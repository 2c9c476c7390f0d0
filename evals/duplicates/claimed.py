"""What came of claiming a text: it was new and is taken now, or somebody has its like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["exact", "near", "semantic"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer of a pool.

    twin:     who holds the like of the text; None when the text is the caller's now.
    how:      in which way they are alike; empty without a twin.
    likeness: of the nearest text that was found, twin or not, in [0, 1].
    measured: whether likeness was measured at all; a pool that knows equal texts only measures none.
    """

    twin: str | None = None
    how: How | Literal[""] = ""
    likeness: float = 0.0
    measured: bool = False

    @property
    def novelty(self) -> float:
        """How far the text is from the nearest: 1 for one that nothing is like, 0 for a twin's equal."""
        return 1.0 - self.likeness


NEW = Claimed()


def exact_twin(holder: str, *, measured: bool = False) -> Claimed:
    """The answer where `holder` has an equal text."""
    return Claimed(holder, "exact", 1.0, measured)
