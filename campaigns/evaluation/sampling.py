"""A sample of fixed size from a stream whose length nobody knows."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Keeps `size` of all that is offered, each as likely as any other (Vitter 1985, algorithm R), the same by seed."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seen = 0
        self._kept: list[tuple[int, T]] = []
        self._random = random.Random(seed)  # noqa: S311  # a sample, not a secret

    def place(self) -> int | None:
        """Counts one more; returns where it is to be kept, None where it is not. Spares making what is not kept."""
        self.seen += 1
        if len(self._kept) < self.size:
            return len(self._kept)
        at = self._random.randrange(self.seen)
        return at if at < self.size else None

    def keep(self, at: int, one: T) -> None:
        entry = (self.seen, one)
        if at == len(self._kept):
            self._kept.append(entry)
        else:
            self._kept[at] = entry

    def kept(self) -> list[T]:
        """Returns what is kept, in the order in which it came."""
        return [one for _, one in sorted(self._kept, key=lambda entry: entry[0])]

    @property
    def note(self) -> str:
        """What a reader has to know where not all were kept."""
        return f"{self.size:,} of {self.seen:,} drawn" if self.seen > self.size else ""
