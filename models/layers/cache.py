"""Answers a question that was answered before from the store of calls, and asks identical questions in flight once.

The key is a hash of everything that changes the answer, and nothing else. The body as received is kept and decoded
again, so a changed parser never pays again, and a task that runs a second time after a kill repeats no finished call.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from copy import copy
from dataclasses import replace
from typing import Protocol, runtime_checkable

import orjson

from ...errors import BadReply, ModelError
from ...storage.records import Usage
from ..contract import Model, Reply, Request, Sampling
from ..schema import schema_key
from ..wire import decode, dump
from .base import Layer

LOG = logging.getLogger(__name__)
DEFAULTS = Sampling()
HIT = Usage(cached_calls=1)


class CallStore(Protocol):
    """Where bodies are kept by key. Shared by all workers of a run; each value can be made again, at a price."""

    async def get(self, key: str) -> bytes | None:
        """Returns the body kept under `key`, or None."""
        ...

    async def put(self, key: str, raw: bytes) -> None:
        """Keeps `raw` under `key`, replacing what was there, and returns once it is durable."""
        ...


@runtime_checkable
class ClaimedCalls(CallStore, Protocol):
    """A CallStore whose `get` makes others wait when it finds nothing: the caller asks, and then puts or abandons."""

    def abandon(self, key: str) -> None:
        """Says that no answer comes for `key`."""
        ...


class MemoryCalls:
    """A CallStore for tests, dry runs and notebooks: it lives as long as the process."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.bodies.get(key)

    async def put(self, key: str, raw: bytes) -> None:
        self.bodies[key] = raw


def call_key(model: str, request: Request, by_variables: bool = False) -> str:
    """Returns 32 hex digits of BLAKE2b over all that changes the answer: not the task, not the role.

    Raises `RequestRefused` when the request cannot be written as JSON.

    `by_variables` is for a model that answers by the prompt's name and variables (the offline one). For all others the
    messages, which are rendered from them, say everything.
    """
    question: object
    if request.kind == "chat":
        question = [(message.role, message.content) for message in request.messages]
    elif request.kind == "completion":
        question = request.text
    else:
        question = request.inputs
    sampling = request.sampling
    drawn: object = None
    if sampling != DEFAULTS:
        drawn = [
            sampling.temperature,
            sampling.top_p,
            sampling.max_tokens,
            sampling.n,
            str(sampling.seed),  # it may have more than 64 bits
            sampling.stop,
            sampling.logprobs,
            sampling.prompt_logprobs,
            sampling.logit_bias,
            sampling.extra,
        ]
    parts = [model, request.kind, question, drawn, request.sample]
    if by_variables:
        parts += [request.prompt, request.variables]
    payload = dump(parts, orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    digest = hashlib.blake2b(payload, digest_size=16)
    if request.schema is not None:
        digest.update(schema_key(request.schema))
    return digest.hexdigest()


class Cached(Layer):
    """Keeps each reply's body in `calls`. A hit costs nothing, is counted as cached, and asks no budget."""

    def __init__(self, inner: Model, calls: CallStore, *, by_variables: bool = False) -> None:
        super().__init__(inner)
        self.calls = calls
        self.by_variables = by_variables
        self._claimed = calls if isinstance(calls, ClaimedCalls) else None
        self._flying: dict[str, asyncio.Future[bytes]] = {}

    async def complete(self, request: Request) -> Reply:
        """Answers from the store, from an identical request in flight, or from the inner model.

        Raises what the inner model raises (those who wait for an identical request get its error too: asking once
        more would only wait as long again), and `StoreError` when the store refuses.
        """
        key = call_key(self.name, request, self.by_variables)
        while (flying := self._flying.get(key)) is not None:
            try:
                raw = await asyncio.shield(flying)
            except asyncio.CancelledError:
                if flying.cancelled() and not _cancelling():
                    continue  # the one that asked was cancelled, we were not: look again, and ask ourselves
                raise
            return replace(decode(request, raw), usage=HIT, cached=True, key=key)
        asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._flying[key] = asked
        try:
            reply = await self._ask(key, request)
        except asyncio.CancelledError:
            asked.cancel()
            raise
        except BaseException as error:
            asked.set_exception(_unpaid(error))
            asked.exception()  # marks it as seen: often nobody else waits
            raise
        else:
            asked.set_result(reply.raw)
        finally:
            del self._flying[key]
        return reply

    async def _ask(self, key: str, request: Request) -> Reply:
        raw = await self.calls.get(key)
        if raw is not None:
            try:
                return replace(decode(request, raw), usage=HIT, cached=True, key=key)
            except BadReply as error:
                LOG.warning("the kept call %s cannot be read (%s); asking again", key, error)
        try:
            reply = await self.inner.complete(request)
        except BaseException:
            if self._claimed is not None:
                self._claimed.abandon(key)
            raise
        await self.calls.put(key, reply.raw)
        return replace(reply, key=key)


def _unpaid(error: BaseException) -> BaseException:
    """Returns `error` for those who only waited: what the call was billed is booked once, by the one who asked."""
    if not isinstance(error, ModelError) or error.tokens == (0, 0):
        return error
    other = copy(error)
    other.tokens, other.usd = (0, 0), 0.0
    return other


def _cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
