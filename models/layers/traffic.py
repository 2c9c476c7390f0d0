"""What goes to a server and comes back, counted at a few additions a call; rates are read now and then."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import NamedTuple

from ...errors import ModelError
from ...storage.queue import EndpointInfo

SPAN = 60.0  # seconds that are looked back on
STEP = 2.0  # seconds between two readings that are kept


class _Reading(NamedTuple):
    at: float
    calls: int
    refused: int
    failed: int
    tokens: float
    seconds: float


class Traffic:
    """Counts the calls of one limiter. `now` is in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.calls = self.refused = self.failed = 0
        self.tokens = self.seconds = 0.0
        self._readings: deque[_Reading] = deque([self._read(monotonic())])

    def count(self, seconds: float, tokens: float, error: ModelError | None) -> None:
        """Counts a call that ended after `seconds`, well or with `error`."""
        self.calls += 1
        self.seconds += seconds
        self.tokens += tokens
        if error is not None:
            if error.status == 429:
                self.refused += 1
            else:
                self.failed += 1

    def info(self, now: float) -> EndpointInfo:
        """Returns rates, shares and latency of about the last `SPAN` seconds, since the start where that is less."""
        here = self._read(now)
        readings = self._readings
        while len(readings) > 1 and now - readings[1].at >= SPAN:
            readings.popleft()
        then = readings[0]
        if now - readings[-1].at >= STEP:
            readings.append(here)
        minutes = max(now - then.at, 1.0) / 60
        calls = here.calls - then.calls
        return EndpointInfo(
            calls=calls,
            requests_per_minute=round(calls / minutes, 1),
            tokens_per_minute=round((here.tokens - then.tokens) / minutes, 1),
            refused=round((here.refused - then.refused) / max(calls, 1), 4),
            failed=round((here.failed - then.failed) / max(calls, 1), 4),
            seconds=round((here.seconds - then.seconds) / max(calls, 1), 4),
        )

    def _read(self, now: float) -> _Reading:
        return _Reading(now, self.calls, self.refused, self.failed, self.tokens, self.seconds)
