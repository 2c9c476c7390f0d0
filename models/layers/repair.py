"""Parses an answer into the schema that was asked for, and asks again, with what was wrong, when it does not fit.

Small models wrap JSON in prose or code fences, or miss a field. The first is read anyway; the second is answered with
the validation error, at most `repairs` times. Nothing is guessed: JSON that was cut is not completed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from ...errors import SchemaMismatch, Truncated
from ...storage.records import Message
from ..contract import Model, Reply, Request
from .base import Layer
from .meter import Meter

SHOWN_ERRORS = 8
SCANNED = 64  # opening brackets tried in one answer: text full of brackets must not cost quadratic time
ASK_AGAIN = (
    "That answer cannot be used:\n{problems}\n"
    "Answer again: one JSON object that fits the schema, with these problems mended, and no text around it."
)
DECODER = json.JSONDecoder()


class Repair(Layer):
    """Sets `Reply.parsed` for requests with a schema. `usage` and `calls` of the reply are of all that was asked."""

    def __init__(self, inner: Model, repairs: int = 2, meter: Meter | None = None) -> None:
        super().__init__(inner)
        self.repairs = repairs
        self.meter = meter

    async def complete(self, request: Request) -> Reply:
        """Answers `request`, parsed.

        Raises:
            Truncated: a chat answer was cut at max_tokens. (Not for a request that reads log-probabilities, nor for a
                completion: base models go on until they are cut.)
            SchemaMismatch: the answer still does not fit after `repairs` more questions; `raw` is its text.
        """
        reply = await self.inner.complete(request)
        schema = request.schema
        if schema is None or request.kind == "embedding":
            _refuse_cut(request, reply)
            return reply
        usage, calls = reply.usage, reply.calls
        asked = request
        for attempt in range(self.repairs + 1):
            if attempt:
                usage, calls = usage + reply.usage, calls + reply.calls
            _refuse_cut(request, reply)
            try:
                parsed = parse(reply.text, schema)
            except SchemaMismatch as error:
                if attempt == self.repairs:
                    raise
                if self.meter is not None:
                    self.meter.repeat(request, error)
                asked = _again(asked, reply.text, str(error))
            else:
                return replace(reply, parsed=parsed, usage=usage, calls=calls)
            reply = await self.inner.complete(asked)
        raise AssertionError("unreachable: the last attempt returns or raises")


def parse(text: str, schema: type[BaseModel]) -> BaseModel:
    """Reads an instance of `schema` out of `text`: the whole of it, or a JSON value within prose or code fences.

    Where several values fit, the last one counts: models think first and answer last.

    Raises:
        SchemaMismatch: nothing in it fits; says field by field why not, and carries the text.
    """
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        problem = error
    found = list(_values(text))
    for value in reversed(found):
        try:
            return schema.model_validate(value)
        except ValidationError as error:
            problem = error
    raise SchemaMismatch(_problems(problem, schema, bool(found)), raw=text)


def _values(text: str) -> Iterator[Any]:
    """Yields the JSON objects and arrays that stand in `text`, outermost only, in order."""
    text = text.rpartition("</think>")[2]
    place = 0
    for _ in range(SCANNED):
        starts = [start for start in (text.find("{", place), text.find("[", place)) if start >= 0]
        if not starts:
            return
        try:
            value, place = DECODER.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            place = min(starts) + 1
        else:
            yield value


def _problems(error: ValidationError, schema: type[BaseModel], found: bool) -> str:
    lines = []
    for one in error.errors(include_url=False, include_input=False, include_context=False)[:SHOWN_ERRORS]:
        where = ".".join(str(part) for part in one["loc"])
        lines.append(f"- {where or schema.__name__}: {one['msg'][:200]}")
    if not found:
        fields = ", ".join(schema.model_json_schema().get("properties", {}))
        lines.append(f"- no complete JSON value was found; the object asked for has the fields {fields}")
    return "\n".join(lines)


def _again(request: Request, text: str, problems: str) -> Request:
    said = Message(role="assistant", content=text)
    return replace(
        request,
        messages=(*request.messages, said, Message(role="user", content=ASK_AGAIN.format(problems=problems))),
    )


def _refuse_cut(request: Request, reply: Reply) -> None:
    if reply.finish_reason != "length":
        return
    sampling = request.sampling
    scoring = request.schema is None and (sampling.logprobs is not None or sampling.prompt_logprobs is not None)
    if request.kind == "chat" and not scoring:
        limit = "the server's limit" if sampling.max_tokens is None else f"max_tokens {sampling.max_tokens}"
        raise Truncated(f"the answer was cut at {limit}; raise max_tokens or ask for less", raw=reply.text)
