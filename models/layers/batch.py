"""Asks for the vectors of several tasks' texts in one request: what is wanted within a few milliseconds goes together.

It stands inside the cache and outside the budget: each asker keeps a reply of its own, under the key that its own
texts have, so that a task that runs again finds it whatever it went together with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from ...errors import AccessDenied, BadReply, ModelError, Unreachable
from ...storage.records import Usage
from ..contract import Model, Reply, Request
from ..wire import dump
from .base import Layer

MOST = 32  # texts a request: what text-embeddings-inference takes unless it is told otherwise
MOST_CHARACTERS = 100_000  # servers bound the tokens of a request too
FREE = Usage()
WAIT = 0.005  # seconds that a text waits for others; a model that writes takes hundreds of times as long


@dataclass(eq=False, slots=True)
class _Asked:
    request: Request
    answer: asyncio.Future[Reply]


@dataclass(eq=False, slots=True)
class _Batch:
    asked: list[_Asked] = field(default_factory=list)
    texts: int = 0
    characters: int = 0
    timer: asyncio.TimerHandle | None = None
    flight: asyncio.Task[None] | None = None

    def add(self, one: _Asked, characters: int) -> None:
        self.asked.append(one)
        self.texts += len(one.request.inputs)
        self.characters += characters


class Batched(Layer):
    """Puts requests of kind `embedding` together, `most` texts at most, and hands each asker its own part.

    Order is kept; a request is never divided. Requests of other kinds, and those that are full already, pass at once.
    An asker that is cancelled leaves the others alone. A server that refuses or fails a batch is asked for each of its
    requests alone, so that only the text that is at fault fails; a server that is gone, or denies access, is the error
    of all. Usage is divided by characters; what a failed attempt was billed is the first asker's.
    """

    def __init__(self, inner: Model, *, most: int = MOST, wait: float = WAIT) -> None:
        super().__init__(inner)
        self.most = most
        self.wait = wait
        self._open: _Batch | None = None

    async def complete(self, request: Request) -> Reply:
        """Answers `request`, alone or with others; raises what the inner model raises."""
        if request.kind != "embedding" or not 0 < len(request.inputs) < self.most:
            return await self.inner.complete(request)
        loop = asyncio.get_running_loop()
        asked = _Asked(request, loop.create_future())
        batch = self._join(asked, loop)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            self._left(batch)
            raise

    def _join(self, asked: _Asked, loop: asyncio.AbstractEventLoop) -> _Batch:
        characters = sum(map(len, asked.request.inputs))
        batch = self._open
        if batch is not None and not self._fits(batch, asked.request, characters):
            self._send(batch)
            batch = None
        if batch is None:
            batch = self._open = _Batch()
            batch.timer = loop.call_later(self.wait, self._send, batch)
        batch.add(asked, characters)
        if batch.texts >= self.most:
            self._send(batch)
        return batch

    def _fits(self, batch: _Batch, request: Request, characters: int) -> bool:
        first = batch.asked[0].request
        return (
            batch.texts + len(request.inputs) <= self.most
            and batch.characters + characters <= MOST_CHARACTERS
            and (first.sampling, first.sample) == (request.sampling, request.sample)
        )

    def _send(self, batch: _Batch) -> None:
        if self._open is batch:
            self._open = None
        if batch.timer is not None:
            batch.timer.cancel()
        batch.flight = asyncio.get_running_loop().create_task(self._fly(batch))

    def _left(self, batch: _Batch) -> None:
        """Ends a batch that nobody waits for any more."""
        if not all(one.answer.done() for one in batch.asked):
            return
        if self._open is batch:
            self._open = None
        if batch.timer is not None:
            batch.timer.cancel()
        if batch.flight is not None:
            batch.flight.cancel()

    async def _fly(self, batch: _Batch) -> None:
        waiting = [one for one in batch.asked if not one.answer.done()]
        try:
            if len(waiting) > 1:
                await self._together(waiting)
            elif waiting:
                await self._alone(waiting[0])
        except asyncio.CancelledError:
            for one in waiting:
                one.answer.cancel()
            raise

    async def _together(self, waiting: Sequence[_Asked]) -> None:
        first = waiting[0].request
        whole = replace(first, inputs=tuple(text for one in waiting for text in one.request.inputs))
        try:
            reply = await self.inner.complete(whole)
            if len(reply.embeddings) != len(whole.inputs):
                wrong = BadReply(
                    f"{len(whole.inputs)} texts were sent and {len(reply.embeddings)} embeddings came back"
                )
                wrong.tokens, wrong.usd = (reply.usage.input_tokens, reply.usage.output_tokens), reply.usage.usd
                raise wrong
        except (AccessDenied, Unreachable) as error:
            for one, other in zip(waiting, _copies(error, len(waiting)), strict=True):
                _fail(one, other)
        except ModelError as error:
            live = [one for one in waiting if not one.answer.done()]
            billed = [Usage(0, 0, *error.tokens, error.usd), *[FREE] * len(live)]
            await asyncio.gather(*(self._alone(one, paid) for one, paid in zip(live, billed, strict=False)))
        except Exception as error:  # a budget, or a bug: whatever it is, nobody may wait for ever
            for one in waiting:
                _fail(one, error)
        else:
            for one, part in zip(waiting, _parted(reply, [one.request for one in waiting]), strict=True):
                if not one.answer.done():
                    one.answer.set_result(part)

    async def _alone(self, one: _Asked, billed: Usage = FREE) -> None:
        """Asks for one; `billed` is what an attempt together with others has cost."""
        try:
            reply = await self.inner.complete(one.request)
        except ModelError as error:
            error.tokens = error.tokens[0] + billed.input_tokens, error.tokens[1] + billed.output_tokens
            error.usd += billed.usd
            _fail(one, error)
        except Exception as error:
            _fail(one, error)
        else:
            if not one.answer.done():
                one.answer.set_result(reply if billed == FREE else replace(reply, usage=reply.usage + billed))


def _fail(one: _Asked, error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)


def _copies(error: ModelError, count: int) -> Iterator[ModelError]:
    """One error for each asker, for they are added to; what it was billed is the first one's."""
    for place in range(count):
        one = copy(error)
        if place:
            one.tokens, one.usd = (0, 0), 0.0
        yield one


def _parted(reply: Reply, requests: Sequence[Request]) -> Iterator[Reply]:
    """Yields the reply of each request, with a body of its own for the cache."""
    sizes = [sum(map(len, request.inputs)) for request in requests]
    whole, used = sum(sizes) or 1, reply.usage
    start = before = told_in = told_out = 0
    for request, size in zip(requests, sizes, strict=True):
        rows = reply.embeddings[start : start + len(request.inputs)]
        start, before = start + len(rows), before + size
        upto_in, upto_out = used.input_tokens * before // whole, used.output_tokens * before // whole
        usage = replace(
            used, input_tokens=upto_in - told_in, output_tokens=upto_out - told_out, usd=used.usd * size / whole
        )
        told_in, told_out = upto_in, upto_out
        body = {
            "object": "list",
            "model": reply.model,
            "data": [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)],
            "usage": {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens},
        }
        yield replace(reply, embeddings=rows, usage=usage, raw=dump(body))
