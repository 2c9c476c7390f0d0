"""Stops a run before it spends more than it may: tokens, US dollars, or seconds of wall time.

A call reserves what it may cost at most before it is made and settles what it did cost afterwards. When the rest of the
budget is only taken by calls in flight, a call waits for them to settle: what they do not use is free again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Protocol

from ...errors import BudgetExceeded, ConfigError, ModelError
from ..contract import Model, Reply, Request
from ..schema import schema_key
from .base import Layer

OUTPUT_GUESS = 1024  # tokens reserved for an answer whose request sets no max_tokens
CHARACTERS_PER_TOKEN = 3.0  # English prose has 4 to 4.5, code and digits about 3: reserve too much, never too little
MESSAGE_TOKENS = 8  # what a chat template puts around one message


@dataclass(frozen=True, slots=True)
class Spent:
    """What is spent: tokens in and out together, US dollars, seconds of wall time while the budget was running."""

    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0


class Allowance(Protocol):
    """What `Budgeted` asks before a call and tells after it: a process's own `Budget`, or one that a fleet shares."""

    async def reserve(self, tokens: int, usd: float) -> Any:
        """Sets `tokens` and `usd` aside and returns what `settle` takes; raises `BudgetExceeded`."""
        ...

    def settle(self, reserved: Any, tokens: int, usd: float) -> None:
        """Gives a reservation back and books what the call did cost."""
        ...


class Budget:
    """Limits shared by all models of a run; None is no limit.

    `spent` may be given on resume, so that a stopped run does not get its budget anew. The clock starts now; `Budget`
    made with no limits never refuses.

    Raises:
        ConfigError: a limit is zero or negative.
    """

    def __init__(
        self,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
        *,
        spent: Spent | None = None,
    ) -> None:
        for key, limit in (("tokens", tokens), ("usd", usd), ("seconds", seconds)):
            if limit is not None and not limit > 0:
                raise ConfigError(f"budget {key} is {limit}; give a number above 0, or leave it out for no limit")
        self.tokens, self.usd, self.seconds = tokens, usd, seconds
        before = spent or Spent()
        self._tokens, self._usd = before.tokens, before.usd
        self._began = monotonic() - before.seconds
        self._reserved_tokens, self._reserved_usd = 0, 0.0
        self._flying = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def spent(self) -> Spent:
        """What is settled so far; calls in flight are not in it."""
        return Spent(self._tokens, self._usd, monotonic() - self._began)

    def check(self, tokens: int = 0, usd: float = 0.0) -> None:
        """Raises `BudgetExceeded` when `tokens` or `usd` more would pass a limit, or the time is over."""
        if self.seconds is not None and monotonic() - self._began >= self.seconds:
            raise exceeded("time", self.seconds, self.spent)
        if self.tokens is not None and self._tokens + tokens > self.tokens:
            raise exceeded("tokens", self.tokens, self.spent, tokens)
        if self.usd is not None and self._usd + usd > self.usd:
            raise exceeded("usd", self.usd, self.spent, usd)

    async def reserve(self, tokens: int, usd: float) -> tuple[int, float]:
        """Sets `tokens` and `usd` aside. Waits while only calls in flight stand in the way.

        Raises:
            BudgetExceeded: what is settled already leaves too little, or the time is over.
        """
        self.check(tokens, usd)
        while self._flying and not self._fits(tokens, usd):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
            self.check(tokens, usd)
        self._reserved_tokens += tokens
        self._reserved_usd += usd
        self._flying += 1
        return tokens, usd

    def settle(self, reserved: tuple[int, float], tokens: int, usd: float) -> None:
        """Gives a reservation back and books what the call did cost."""
        self._reserved_tokens -= reserved[0]
        self._reserved_usd -= reserved[1]
        self._flying -= 1
        self._tokens += tokens
        self._usd += usd
        while self._waiting:  # each looks again for itself; nothing is handed over, so a cancelled one loses nothing
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def book(self, tokens: int, usd: float) -> None:
        """Books what others have spent, without a reservation: a fleet's workers pay, its coordinator counts."""
        self._tokens += tokens
        self._usd += usd

    def _fits(self, tokens: int, usd: float) -> bool:
        return (self.tokens is None or self._tokens + self._reserved_tokens + tokens <= self.tokens) and (
            self.usd is None or self._usd + self._reserved_usd + usd <= self.usd
        )


def exceeded(kind: str, limit: float, spent: Spent, more: float = 0) -> BudgetExceeded:
    """Returns the error that names the limit of `kind` (`tokens`, `usd`, `time`), what is spent, and the mend."""
    if kind == "time":
        return BudgetExceeded(kind, f"the time budget of {limit:g} s is spent ({spent.seconds:.0f} s)")
    if kind == "tokens":
        text = f"the token budget of {limit:,} is spent: {spent.tokens:,} are used and the next call may take {more:,}"
    else:
        text = f"the budget of {limit:.4g} USD is spent: {spent.usd:.4f} are used and the next call may take {more:.4f}"
    return BudgetExceeded(kind, f"{text}; raise `{kind}` and run the same command to go on")


class Budgeted(Layer):
    """Prices each call of `inner` and holds it to `budget`. Prices are US dollars per million tokens."""

    def __init__(self, inner: Model, budget: Allowance, *, price_in: float = 0.0, price_out: float = 0.0) -> None:
        super().__init__(inner)
        self.budget = budget
        self.price_in, self.price_out = price_in, price_out

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """Returns what so many tokens cost, in US dollars."""
        return (input_tokens * self.price_in + output_tokens * self.price_out) / 1e6

    async def complete(self, request: Request) -> Reply:
        """Reserves, asks, settles; raises `BudgetExceeded` before the call when it could pass a limit."""
        tokens_in, tokens_out = estimate(request)
        reserved = await self.budget.reserve(tokens_in + tokens_out, self.price(tokens_in, tokens_out))
        billed = (0, 0)
        try:
            reply = await self.inner.complete(request)
            billed = (reply.usage.input_tokens, reply.usage.output_tokens)
        except ModelError as error:
            billed = error.tokens
            error.usd = self.price(*billed)
            raise
        finally:
            cost = self.price(*billed)
            self.budget.settle(reserved, billed[0] + billed[1], cost)
        return replace(reply, usage=replace(reply.usage, usd=cost)) if cost else reply


def estimate(request: Request) -> tuple[int, int]:
    """Returns how many tokens the request's text and its answers may take: counts of characters, guessed high."""
    if request.kind == "chat":
        tokens_in = sum(_tokens(message.content) + MESSAGE_TOKENS for message in request.messages)
        if request.schema is not None:  # hosted models are shown the schema, and bill it
            tokens_in += int(len(schema_key(request.schema)) / CHARACTERS_PER_TOKEN)
    elif request.kind == "completion":
        tokens_in = _tokens(request.text)
    else:
        return sum(map(_tokens, request.inputs)), 0
    per_answer = request.sampling.max_tokens
    return tokens_in, (OUTPUT_GUESS if per_answer is None else per_answer) * request.sampling.n


def _tokens(text: str) -> int:
    # Outside ASCII a character is often a token of its own, and seldom more.
    return int(len(text) / CHARACTERS_PER_TOKEN) + 1 if text.isascii() else len(text) + 1
