"""The items that are accepted so far, as a planner sees them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from ...storage.records import Item


class Accepted(Protocol):
    """The items that are accepted so far, as a planner sees them: live, read from the store as they are asked for."""

    def __len__(self) -> int: ...

    def newest(self, count: int) -> list[Item]:
        """Returns at most `count` items, the newest first."""
        ...

    def sample(self, rng: random.Random, count: int) -> list[Item]:
        """Returns at most `count` different items, each as likely as any other."""
        ...

    def every(self) -> Iterator[Item]:
        """Yields all items, in the order in which they were accepted, a page at a time."""
        ...


class NothingAccepted:
    """An `Accepted` without an item: a view that no campaign made."""

    def __len__(self) -> int:
        return 0

    def newest(self, count: int) -> list[Item]:
        return []

    def sample(self, rng: random.Random, count: int) -> list[Item]:
        return []

    def every(self) -> Iterator[Item]:
        return iter(())
