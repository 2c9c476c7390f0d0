"""What came of the tasks that were drawn on one chunk: for planners that spend trials by how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tried:
    """Counts of tasks: `planned = accepted + rejected + failed + pending`. `rejected` is by the first reason."""

    planned: int = 0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0

    @property
    def ended(self) -> int:
        """How many are no longer pending."""
        return self.accepted + sum(self.rejected.values()) + self.failed


UNTRIED = Tried()


def untried(chunk: str, kind: str) -> Tried:
    """What a view says that no campaign made."""
    return UNTRIED
