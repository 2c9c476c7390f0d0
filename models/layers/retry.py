"""Makes a failed call again, by class of error, with full jitter.

Full jitter (a wait drawn evenly between nothing and a bound that doubles) spreads a burst of failures best; see
Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015. A request that waits here holds no slot of the
limiter.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from time import monotonic

from ...errors import BadReply, DeadlineExceeded, ModelError
from ...storage.records import Usage
from ..contract import Model, Reply, Request
from .base import Layer
from .meter import Meter

FIRST, MOST = 0.5, 30.0  # seconds: bound of the first wait, and of any
FIRST_BAD = 0.1  # a garbled reply is no sign of load
DEADLINES = 2  # times that a deadline is tried again: each has cost the whole timeout already
GARBLED = 3  # times for a garbled reply: each may have been paid for
WAIT_MOST = 120.0  # the longest Retry-After that is waited for


class Retry(Layer):
    """Asks `inner` up to `1 + retries` times within `total` seconds, for errors that say they are `retryable`.

    The tokens of failed attempts, where the server billed any, are added to the reply's usage, or to the last error.
    """

    def __init__(self, inner: Model, retries: int = 6, *, total: float = 1800.0, meter: Meter | None = None) -> None:
        super().__init__(inner)
        self.retries = retries
        self.total = total
        self.meter = meter

    async def complete(self, request: Request) -> Reply:
        """Answers `request`, or raises the last attempt's error."""
        try:
            return await self.inner.complete(request)
        except ModelError as error:
            if not error.retryable:
                raise
            return await self._again(request, error)

    async def _again(self, request: Request, error: ModelError) -> Reply:
        started = monotonic()
        tokens_in, tokens_out = error.tokens
        deadlines = garbled = 0
        for attempt in range(self.retries):
            deadlines += isinstance(error, DeadlineExceeded)
            garbled += isinstance(error, BadReply)
            pause = wait_before(attempt, error)
            if deadlines > DEADLINES or garbled > GARBLED:
                break
            if pause > WAIT_MOST or monotonic() - started + pause > self.total:
                break
            if self.meter is not None:
                self.meter.repeat(request, error)
            await asyncio.sleep(pause)
            try:
                reply = await self.inner.complete(request)
            except ModelError as next_error:
                error = next_error
                tokens_in, tokens_out = tokens_in + error.tokens[0], tokens_out + error.tokens[1]
                if not error.retryable:
                    break
            else:
                if tokens_in or tokens_out:
                    reply = replace(reply, usage=reply.usage + Usage(input_tokens=tokens_in, output_tokens=tokens_out))
                return reply
        error.tokens = (tokens_in, tokens_out)
        raise error


def wait_before(attempt: int, error: ModelError) -> float:
    """Returns the seconds to wait before attempt `attempt` (from 0) is made again after `error`."""
    first = FIRST_BAD if isinstance(error, BadReply) else FIRST
    jitter = random.uniform(0.0, min(MOST, first * 2.0**attempt))  # noqa: S311  # spreads load, guards nothing
    if error.retry_after is not None:
        return error.retry_after + min(jitter, 1.0)
    return jitter
