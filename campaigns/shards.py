"""One campaign as several: a shard takes the documents whose hash falls to it, and its part of the limits.

Shards share nothing while they run: each has a coordinator, a run folder and, over Redis, keys of its own. Which shard
a document falls to is decided by its text alone, so equal documents meet in one shard, wherever they are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..errors import ConfigError

MOST = 9999  # four digits in the run's name
_WRITTEN = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Number `number` of `count` shards, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `3/64`; raises `ConfigError` for anything that is not a number from 1 to the count after the stroke."""
        found = _WRITTEN.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigError(
                f"shard is {text!r}; write NUMBER/COUNT, such as 3/64: from 1/64 to 64/64 is the whole, {MOST} at most"
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, key: str) -> bool:
        """Says whether what is known by `key` (a document's id, the name of a file that cannot be read) is its own."""
        place = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        return place % self.count == self.number - 1

    def name(self, campaign: str) -> str:
        """Returns the run's name: `valves-0003-of-0064`."""
        return f"{campaign}-{self.number:04d}-of-{self.count:04d}"

    def part(self, whole: int) -> int:
        """Returns this shard's part of a count; the parts of all shards sum up to `whole`."""
        return whole // self.count + (self.number <= whole % self.count)


def missing(shards: Iterable[str]) -> str:
    """Returns a sentence on the shards that are not among `shards` (as `3/64`), or an empty string."""
    found = {Shard.parse(text) for text in shards}
    lines = []
    for count in sorted({shard.count for shard in found}):
        here = {shard.number for shard in found if shard.count == count}
        absent = [str(number) for number in range(1, count + 1) if number not in here]
        if absent:
            more = f" and {len(absent) - 20} more" if len(absent) > 20 else ""
            lines.append(f"of {count} shards these are not among the runs: {', '.join(absent[:20])}{more}")
    return "; ".join(lines)
