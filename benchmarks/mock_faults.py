"""How the mock server answers badly: the names of its faults, and bodies that are JSON of the wrong shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

FAULTS = (
    "malformed",  # JSON content cut in the middle, as a model does it
    "http500",
    "http502",
    "http429",  # with Retry-After
    "http429_bare",  # without
    "html",  # status 200 and a page
    "truncated",  # the connection closes before the body is whole
    "reset",  # the connection closes before anything is sent
    "hang",  # the request is taken, and nothing is ever said
    "drip",  # a byte now and then, without end
    "slow_headers",  # the same before the head is whole
    "null",  # null content
    "empty",  # no choices
    "length",  # finish_reason length
    "shape",  # status 200 and valid JSON of the wrong shape: those of SHAPES in turn, or `shape:NAME`
)
DRIP = 0.05  # seconds between two bytes
SLOW_HEAD = b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\nX-Slow: "
DEEP = 10_000  # levels: far more than a parser takes
NEARLY = 1_000  # levels that the parser still takes, and Python's own recursion does not

Shape = Callable[[dict[str, Any]], Any]


def _with(**changes: Any) -> Shape:
    return lambda reply: {**reply, **changes}


def _message(**changes: Any) -> Shape:
    def change(reply: dict[str, Any]) -> Any:
        (first, *rest) = reply["choices"]
        return {**reply, "choices": [{**first, "message": {**first["message"], **changes}}, *rest]}

    return change


def _choice(drop: str = "", **changes: Any) -> Shape:
    def change(reply: dict[str, Any]) -> Any:
        choices = [{key: value for key, value in {**one, **changes}.items() if key != drop} for one in reply["choices"]]
        return {**reply, "choices": choices}

    return change


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _beside(key: str, raw: bytes) -> Shape:
    """Puts bytes that orjson would not write beside the reply's other keys."""

    def change(reply: dict[str, Any]) -> bytes:
        others = orjson.dumps({name: value for name, value in reply.items() if name != key})
        return others[:-1] + b',"' + key.encode() + b'":' + raw + b"}"

    return change


# Bodies that no answer can be read from.
UNUSABLE: dict[str, Shape] = {
    "list": lambda reply: [reply],
    "text": lambda reply: "an answer",
    "nothing": lambda reply: None,
    "object": lambda reply: {},
    "choices_text": _with(choices="none"),
    "choices_object": lambda reply: {**reply, "choices": dict(enumerate(reply["choices"]))},
    "choice_null": _with(choices=[None]),
    "choice_list": _with(choices=[["message"]]),
    "no_message": _choice(drop="message"),
    "message_text": _choice(message="an answer"),
    "content_list": _message(content=[{"type": "text", "text": "an answer"}]),
    "content_number": _message(content=7),
    "content_deep": _message(content=[_nested(50).decode()]),
    "error": _with(choices=None, error={"message": "the engine is down", "code": 500}),
    "error_deep": lambda reply: b'{"error":' + _nested(NEARLY) + b"}",
    "deep": lambda reply: _nested(DEEP),
    "usage_nan": _beside("usage", b'{"prompt_tokens":NaN,"completion_tokens":Infinity}'),
    "surrogate": _beside("model", rb'"\ud800"'),
    "stray": lambda reply: orjson.dumps(reply) + b"}",
}
# Bodies that an answer stands in, with nonsense around it.
USABLE: dict[str, Shape] = {
    "usage_negative": _with(usage={"prompt_tokens": -5, "completion_tokens": -(2**63)}),
    "usage_huge": _with(usage={"prompt_tokens": 2**64 - 1, "completion_tokens": 2**63}),
    "usage_text": _with(usage={"prompt_tokens": "many", "completion_tokens": "1e9"}),
    "usage_list": _with(usage=[1, 2]),
    "usage_float": _with(usage={"prompt_tokens": 1e308, "completion_tokens": 0.5}),
    "usage_missing": _with(usage=None),
    "model_object": _with(model={"name": "mock"}),
    "model_deep": _beside("model", _nested(NEARLY)),
    "finish_list": _choice(finish_reason=["stop"]),
}
SHAPES = {**UNUSABLE, **USABLE}
GOOD = frozenset({"", *(f"shape:{name}" for name in USABLE)})  # what went wrong with an answer that can be used


def misshapen(name: str, reply: bytes) -> bytes:
    """Returns a good chat reply's body in the wrong shape `name`."""
    made = SHAPES[name](orjson.loads(reply))
    return made if isinstance(made, bytes) else orjson.dumps(made, option=orjson.OPT_NON_STR_KEYS)
