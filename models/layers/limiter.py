"""Finds how many requests a server takes at a time, and waits for a server that is gone.

Additive increase, multiplicative decrease (Chiu and Jain 1989, as in TCP) on the requests in flight: the server itself
says when it is too much. A circuit stands beside it: when nothing answers any more, everybody waits while one probe at
a time goes through, so that a restart of the server costs nobody an attempt. Waiters go in the order they came.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from ...errors import DeadlineExceeded, ModelError, Overloaded, ServerLost, Unreachable
from ..contract import Model, Reply, Request
from .base import Layer

OPENS_AFTER = 3  # failures in a row, with no answer in between, that open the circuit
PROBE_FIRST, PROBE_MOST = 0.25, 2.0  # seconds between probes: the first, doubled each time up to the last
DECREASE = 0.5
PAUSE_MOST = 60.0  # seconds that one Retry-After may pause a whole pool
GATEWAY = frozenset({502, 503, 504})  # what a proxy answers while the server behind it is gone


class AnyLimiter(Protocol):
    """What `Limited` asks: a process's own `Limiter`, or one that a fleet shares. What `enter` gives, `leave` takes."""

    @property
    def open(self) -> bool: ...

    def is_full(self) -> bool: ...

    async def enter(self) -> Any: ...

    def leave(self, started: float, slot: Any, error: ModelError | None, /, *, answered: bool = True) -> None: ...


MakeLimiter = Callable[[str, int, float], AnyLimiter]  # label, most in flight, patience in seconds


class Limiter:
    """The admission to one endpoint and model. `limit` moves between 1 and `most`; it starts at `most`.

    `patience` is how many seconds the server may be gone before waiting calls fail.
    """

    def __init__(self, label: str, most: int, *, patience: float = 300.0) -> None:
        self.label = label
        self.most = most
        self.limit = float(most)
        self.patience = patience
        self.in_flight = 0
        self._step = max(1.0, most / 32)  # requests added a window, so that 128 are back from 64 in 16 windows
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._paused_until = -math.inf
        self._decreased = -math.inf
        self._failures = 0
        self._opened: float | None = None
        self._probing = False
        self._probe_at = 0.0
        self._probe_wait = PROBE_FIRST
        self._last = ""

    @property
    def open(self) -> bool:
        """Whether the server is taken to be gone."""
        return self._opened is not None

    def is_full(self) -> bool:
        """Whether a request that came now would have to wait."""
        return bool(self._waiting) or not self._room(monotonic())

    async def enter(self) -> bool:
        """Waits for a slot; returns whether this request is the probe. Each `enter` is answered by one `leave`.

        Raises:
            ServerLost: the server has been gone for longer than `patience`. Not to be retried.
        """
        if not self._waiting and self._room(monotonic()):
            return self._take()
        if self._gone(monotonic()):
            raise self._lost()
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()  # a pause may have ended just now, before its timer: with nothing in flight nobody else looks
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(monotonic(), turn.result(), None, answered=False)  # the slot was ours already: hand it on
            raise

    def leave(self, started: float, probe: bool, error: ModelError | None, *, answered: bool = True) -> None:
        """Gives the slot back and learns from the outcome. `answered` is false when the call was cancelled."""
        now = monotonic()
        saturated = bool(self._waiting) or self.in_flight >= int(self.limit)
        self.in_flight -= 1
        if probe:
            self._probing = False
        if isinstance(error, Overloaded | DeadlineExceeded):
            # Requests that left before the last decrease say nothing new: one decrease a window.
            if started > self._decreased:
                self.limit = max(1.0, self.limit * DECREASE)
                self._decreased = now
            if error.retry_after:
                self._paused_until = max(self._paused_until, now + min(error.retry_after, PAUSE_MOST))
        if error is not None and is_down(error):
            self._failed(now, probe, error)
        elif answered and not isinstance(error, DeadlineExceeded):
            self._failures = 0
            self._opened = None
            if error is None and saturated and self.limit < self.most:
                self.limit = min(float(self.most), self.limit + self._step / self.limit)
        self._admit()

    def _failed(self, now: float, probe: bool, error: ModelError) -> None:
        self._failures += 1
        self._last = str(error)
        if self._opened is None:
            if self._failures >= OPENS_AFTER:
                self._opened = now
                self._probe_wait = PROBE_FIRST
                self._probe_at = now + PROBE_FIRST
        elif probe:
            self._probe_wait = min(PROBE_MOST, self._probe_wait * 2)
            self._probe_at = now + self._probe_wait

    def _room(self, now: float) -> bool:
        if now < self._paused_until:
            return False
        if self._opened is not None:
            return not self._probing and now >= self._probe_at
        return self.in_flight < int(self.limit)

    def _take(self) -> bool:
        self.in_flight += 1
        if self._opened is None:
            return False
        self._probing = True
        return True

    def _admit(self) -> None:
        now = monotonic()
        while self._waiting and self._room(now):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._take())
        if self._gone(now):
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(self._lost())
        self._wake_later()

    def _wake_later(self) -> None:
        """Sets the timer for the next moment at which waiting may change by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        now = monotonic()
        at = self._paused_until if self._paused_until > now else math.inf
        if self._opened is not None:
            if not self._probing:
                at = max(self._probe_at, self._paused_until)
            at = min(at, self._opened + self.patience)
        if at < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now) + 0.001, self._admit)

    def _gone(self, now: float) -> bool:
        return self._opened is not None and now - self._opened >= self.patience

    def _lost(self) -> ServerLost:
        return ServerLost(
            f"{self.label} has not answered for {self.patience:g} s; start it or mend base_url, and run the same "
            f"command to go on. Last: {self._last}"
        )


class Limited(Layer):
    """Lets a request to `inner` pass when `limiter` does. One limiter may stand before several models of one server."""

    def __init__(self, inner: Model, limiter: AnyLimiter) -> None:
        super().__init__(inner)
        self.limiter = limiter

    async def complete(self, request: Request) -> Reply:
        """Asks once admitted, and asks again, without any attempt being counted, while the server is gone."""
        limiter = self.limiter
        while True:
            slot = await limiter.enter()
            started = monotonic()
            try:
                reply = await self.inner.complete(request)
            except ModelError as error:
                limiter.leave(started, slot, error)
                if limiter.open and error.retryable and is_down(error):
                    continue
                raise
            except BaseException:
                limiter.leave(started, slot, None, answered=False)
                raise
            limiter.leave(started, slot, None)
            return reply


def limiter_here(label: str, most: int, patience: float) -> AnyLimiter:
    """Makes a limiter of this process alone."""
    return Limiter(label, most, patience=patience)


def is_down(error: ModelError) -> bool:
    """Whether `error` says that nobody is there, and not that somebody is busy."""
    return isinstance(error, Unreachable) or (isinstance(error, Overloaded) and error.status in GATEWAY)
