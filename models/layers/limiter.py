"""Finds how many requests a server takes at a time, and waits for a server that is gone.

Additive increase, multiplicative decrease (Chiu and Jain 1989, as in TCP) on the requests in flight: the server itself
says when it is too much. Rates stand beside it (`rates.py`): a server that refuses for tokens a minute would take as
many requests at a time, only later. And a circuit: when nothing answers any more, everybody waits while one probe at a
time goes through, so that a restart of the server costs nobody an attempt. Waiters go in the order they came.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from ...errors import DeadlineExceeded, ModelError, Overloaded, RequestRefused, ServerLost, Unreachable
from ...storage.queue import EndpointInfo
from ..contract import Model, PerMinute, Reply, Request
from .base import Layer
from .budget import estimate
from .rates import NO_LIMIT, Rates, Slot
from .traffic import Traffic

OPENS_AFTER = 3  # failures in a row, with no answer in between, that open the circuit
PROBE_FIRST, PROBE_MOST = 0.25, 2.0  # seconds between probes: the first, doubled each time up to the last
DECREASE = 0.5
PAUSE_MOST = 60.0  # seconds that one Retry-After may pause a whole pool
ANSWER_MOST = 256  # tokens that are guessed for an answer: most have fewer than they may have
GATEWAY = frozenset({502, 503, 504})  # what a proxy answers while the server behind it is gone


class AnyLimiter(Protocol):
    """What `Limited` asks: a process's own `Limiter`, or one that a fleet shares. What `enter` gives, `leave` takes."""

    @property
    def open(self) -> bool: ...

    def is_full(self) -> bool: ...

    async def enter(self, tokens: int = 0, /) -> Any: ...

    def leave(
        self,
        started: float,
        slot: Any,
        error: ModelError | None,
        /,
        *,
        answered: bool = True,
        used: int | None = None,
    ) -> None: ...

    def announce(self, limits: PerMinute, /) -> None: ...

    def info(self) -> EndpointInfo: ...


MakeLimiter = Callable[[str, int, float, PerMinute], AnyLimiter]  # label, most in flight, patience in seconds, rates


class Limiter:
    """The admission to one endpoint and model. `limit` moves between 1 and `most`; it starts at `most`.

    `patience` is how many seconds the server may be gone before waiting calls fail; `rates` are what it allows.
    """

    def __init__(self, label: str, most: int, *, patience: float = 300.0, rates: PerMinute = NO_LIMIT) -> None:
        self.label = label
        self.most = most
        self.limit = float(most)
        self.patience = patience
        self.in_flight = 0
        self.rates = Rates(rates)
        self._traffic = Traffic()
        self._step = max(1.0, most / 32)  # requests added a window, so that 128 are back from 64 in 16 windows
        self._waiting: deque[tuple[asyncio.Future[Slot], int]] = deque()
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
        return bool(self._waiting) or not self._room(monotonic(), 0)

    def info(self) -> EndpointInfo:
        """Returns what there is to see, without the names."""
        now = monotonic()
        kept = self.rates.per_minute
        return self._traffic.info(now).model_copy(
            update={
                "state": "gone" if self.open else "paused" if now < self._paused_until else "ok",
                "in_flight": self.in_flight,
                "waiting": len(self._waiting),
                "window": int(self.limit),
                "requests_limit": round(kept.requests, 1),
                "tokens_limit": round(kept.tokens, 1),
            }
        )

    def announce(self, limits: PerMinute, /) -> None:
        """Takes over rates that the server announced, where none were declared."""
        self.rates.announce(limits)

    async def enter(self, tokens: int = 0, /) -> Slot:
        """Waits for a slot for a request that may take so many `tokens`, by a rough guess. One `leave` answers it.

        Raises:
            ServerLost: the server has been gone for longer than `patience`. Not to be retried.
        """
        now = monotonic()
        if not self._waiting and self._room(now, tokens):
            return self._take(now, tokens)
        if self._gone(now):
            raise self._lost()
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._admit()  # a pause may have ended just now, before its timer: with nothing in flight nobody else looks
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The slot was ours already, and nothing was sent: hand it on.
                self.leave(monotonic(), turn.result(), None, answered=False, used=0)
            raise

    def leave(
        self,
        started: float,
        slot: Slot,
        error: ModelError | None,
        /,
        *,
        answered: bool = True,
        used: int | None = None,
    ) -> None:
        """Gives the slot back and learns from the outcome.

        `answered` is false when the call was cancelled; `used` is how many tokens it took, None when nobody knows.
        """
        now = monotonic()
        saturated = self.in_flight >= int(self.limit)
        self.in_flight -= 1
        if slot.probe:
            self._probing = False
        good = answered and error is None
        self.rates.settle(now, slot, used, answered=good)
        if answered:
            self._traffic.count(now - slot.at, slot.charge * good if used is None else used, error)
        if isinstance(error, Overloaded | DeadlineExceeded):
            self._refused(now, started, slot, error)
        if error is not None and is_down(error):
            self._failed(now, slot.probe, error)
        elif answered and not isinstance(error, DeadlineExceeded):
            self._failures = 0
            self._opened = None
            if error is None and saturated and self.limit < self.most:
                self.limit = min(float(self.most), self.limit + self._step / self.limit)
        if self.limit < self.most and self.limit < (needed := self.rates.needed):
            self.limit = float(min(self.most, needed))
        self._admit()

    def _refused(self, now: float, started: float, slot: Slot, error: ModelError) -> None:
        if error.status == 429 and self.rates.blames(error.limit, error.retry_after or 0.0):
            self.rates.refuse(now, slot.at, error.limit)
        # Requests that left before the last decrease say nothing new: one decrease a window. A refusal that names a
        # rate says nothing of the window.
        if started > self._decreased and not error.limit:
            self.limit = max(1.0, self.limit * DECREASE)
            self._decreased = now
        if error.retry_after:
            self._paused_until = max(self._paused_until, now + min(error.retry_after, PAUSE_MOST))

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

    def _room(self, now: float, tokens: int) -> bool:
        if now < self._paused_until:
            return False
        if self._opened is not None:
            free = not self._probing and now >= self._probe_at
        else:
            free = self.in_flight < int(self.limit)
        return free and self.rates.wait(now, tokens) <= 0

    def _take(self, now: float, tokens: int) -> Slot:
        self.in_flight += 1
        charge = self.rates.take(now, tokens)
        if self._opened is not None:
            self._probing = True
        return Slot(self._opened is not None, self.in_flight, now, tokens, charge)

    def _admit(self) -> None:
        now = monotonic()
        waiting = self._waiting
        while waiting:
            turn, tokens = waiting[0]
            if turn.done():
                waiting.popleft()  # cancelled
            elif self._room(now, tokens):
                waiting.popleft()
                turn.set_result(self._take(now, tokens))
            else:
                break
        if self._gone(now):
            while waiting:
                turn, _ = waiting.popleft()
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
        turn_comes = now + self.rates.wait(now, self._waiting[0][1])
        if self._opened is not None:
            if not self._probing:
                at = max(self._probe_at, self._paused_until, turn_comes)
            at = min(at, self._opened + self.patience)
        elif self.in_flight < int(self.limit):
            at = max(self._paused_until, turn_comes)
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
        tokens_in, tokens_out = estimate(request)
        guess = tokens_in + min(tokens_out, ANSWER_MOST * request.sampling.n)
        while True:
            slot = await limiter.enter(guess)
            started = monotonic()
            try:
                reply = await self.inner.complete(request)
            except ModelError as error:
                limiter.leave(started, slot, error, used=_used_by(error))
                if limiter.open and error.retryable and is_down(error):
                    continue
                raise
            except BaseException:
                limiter.leave(started, slot, None, answered=False)
                raise
            if reply.limits is not None:
                limiter.announce(reply.limits)
            limiter.leave(started, slot, None, used=(reply.usage.input_tokens + reply.usage.output_tokens) or None)
            return reply


def _used_by(error: ModelError) -> int | None:
    """How many tokens a failed call took: none where the server refused it, unknown where it may have worked on."""
    billed = sum(error.tokens)
    if billed or isinstance(error, Overloaded | Unreachable | RequestRefused):
        return billed
    return None


def limiter_here(label: str, most: int, patience: float, rates: PerMinute = NO_LIMIT) -> AnyLimiter:
    """Makes a limiter of this process alone."""
    return Limiter(label, most, patience=patience, rates=rates)


def is_down(error: ModelError) -> bool:
    """Whether `error` says that nobody is there, and not that somebody is busy."""
    return isinstance(error, Unreachable) or (isinstance(error, Overloaded) and error.status in GATEWAY)
