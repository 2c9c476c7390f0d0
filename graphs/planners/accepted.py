"""The items of a campaign as a planner sees them: those accepted so far, and what all tasks ended with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from ...errors import NotStored
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


class Ended(Protocol):
    """What tasks ended with, whatever became of them: live, in the order that they ended."""

    def after(self, number: int, count: int) -> list[tuple[int, Item]]:
        """Returns at most `count` items that came after the one numbered `number` (0 for the first), with numbers."""
        ...

    def at(self, number: int) -> Item:
        """Returns the item numbered `number`."""
        ...


class NothingEnded:
    """An `Ended` without an item: a view that no campaign made."""

    def after(self, number: int, count: int) -> list[tuple[int, Item]]:
        return []

    def at(self, number: int) -> Item:
        raise NotStored(f"no item is numbered {number}")
