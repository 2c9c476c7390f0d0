"""What the samples of a run say to a person: its pace, when it will be done, and how far the budget goes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..storage.samples import Sample

LATELY = 60.0  # seconds of work that the pace is taken over,
ENDS = 20  # or as many as so many tasks took to end: slow models end few in a minute


@dataclass(frozen=True, slots=True)
class Pace:
    """What `seconds` of work brought."""

    seconds: float = 0.0
    ended: int = 0
    accepted: int = 0
    duplicates: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def rate(self, name: str, seconds: float = 1.0) -> float | None:
        """Returns how many `name` there were in so many seconds, None where no time went by."""
        return float(getattr(self, name)) / self.seconds * seconds if self.seconds > 0 else None

    def share(self, name: str) -> float | None:
        """Returns the share in [0, 1] of the ended tasks that were `name`, None of nothing."""
        return float(getattr(self, name)) / self.ended if self.ended else None

    def each(self, name: str) -> float | None:
        """Returns how many `name` an accepted item took, None where none was accepted."""
        return float(getattr(self, name)) / self.accepted if self.accepted else None


@dataclass(frozen=True, slots=True)
class Limit:
    """What of one kind (`tokens`, `usd`, `seconds`) is spent. `limit` is the budget, None for none.

    `at_target` is what will be spent when the target is reached, at the pace of late; `lasts` is how many accepted
    items the limit allows in all. Both are None where nothing says so.
    """

    kind: str
    spent: float
    limit: float | None = None
    at_target: float | None = None
    lasts: int | None = None

    @property
    def is_short(self) -> bool:
        """Whether the limit will be reached before the target."""
        return self.limit is not None and self.at_target is not None and self.at_target > self.limit


def whole(samples: Sequence[Sample]) -> Pace:
    """Returns what all the work so far brought."""
    return between(Sample(at=0), samples[-1]) if samples else Pace()


def lately(samples: Sequence[Sample]) -> Pace:
    """Returns what the last minute of work brought, or as long as it took to end some tasks, of the last start."""
    if not samples:
        return Pace()
    last = first = samples[-1]
    for sample in reversed(samples):
        if sample.start != last.start:
            break
        first = sample
        if last.seconds - first.seconds >= LATELY and last.ended - first.ended >= ENDS:
            break
    return between(first, last)


def between(first: Sample, last: Sample) -> Pace:
    """Returns what the work between two samples brought."""
    return Pace(
        seconds=max(0.0, last.seconds - first.seconds),
        # Failed tasks that were made pending again have not ended any more: such a stretch says nothing.
        ended=max(0, last.ended - first.ended),
        accepted=max(0, last.accepted - first.accepted),
        duplicates=max(0, last.duplicates - first.duplicates),
        calls=max(0, last.calls - first.calls),
        tokens=max(0, last.tokens - first.tokens),
        usd=max(0.0, last.usd - first.usd),
    )


def seconds_left(pace: Pace, accepted: int, target: int | None) -> float | None:
    """Returns when the target will be reached at this pace, None where nothing says so."""
    rate = pace.rate("accepted")
    return None if target is None or not rate else max(0, target - accepted) / rate


def limits(
    spent: Mapping[str, float], budget: Mapping[str, Any], pace: Pace, accepted: int, target: int | None
) -> list[Limit]:
    """Returns the budget by kind, those kinds that have a limit or of which anything is spent.

    `spent` and `budget` are as the store's marks have them; the budget's time is in minutes.
    """
    minutes = budget.get("minutes")
    most = {"tokens": budget.get("tokens"), "usd": budget.get("usd"), "seconds": minutes and minutes * 60}
    found = []
    for kind, limit in most.items():
        now = float(spent.get(kind, 0.0))
        if limit is None and not now:
            continue
        each = pace.each(kind)
        lacking = None if target is None else max(0, target - accepted)
        at_target = None if each is None or lacking is None else now + lacking * each
        lasts = None if limit is None or not each else accepted + int(max(0.0, limit - now) / each)
        found.append(Limit(kind, now, limit, at_target, lasts))
    return found


def phases(samples: Sequence[Sample]) -> dict[str, float]:
    """Returns how many seconds of work each phase took, in the order in which they came first."""
    found: dict[str, float] = {}
    before = Sample(at=0, start=0)
    for sample in samples:
        if sample.phase:
            found[sample.phase] = found.get(sample.phase, 0.0) + max(0.0, sample.seconds - before.seconds)
        before = sample
    return found
