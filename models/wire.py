"""The openai protocol: a Request into a body, a body into a Reply.

Every back end speaks through these two functions, and the cache decodes what it kept through the same one, so a changed
parser never pays for a call again. Plain dicts and orjson: 3 µs to write and 9 µs to read a chat of 1 KB. The openai
package's classes would read as fast, and refuse what other servers leave out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import orjson
from pydantic import BaseModel

from ..errors import BadReply, RequestRefused
from ..storage.records import Usage
from .contract import Choice, Reply, Request, TokenLogprob
from .redact import redact
from .schema import response_format

PATHS = {"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"}
SHOWN = 200  # characters of an unusable body that go into a message; `raw` keeps the rest
SEEDS = 2**63  # servers take a signed 64-bit seed
KEPT = 256 * 1024  # bytes of an unusable body that its error carries
MOST_TOKENS = 10**9  # in one call: a larger number is garbage, and would end the sums and the budgets that it goes into
RESERVED = frozenset({"model", "messages", "prompt", "input", "stream"})


def encode(request: Request, model: str) -> tuple[str, dict[str, Any]]:
    """Returns the path below the base URL and the body that asks `model` (the server's name for it).

    Raises:
        RequestRefused: the request cannot be said in the protocol: nothing to answer, or an extra that would replace
            the question or ask for a stream.
    """
    kind = request.kind
    body: dict[str, Any]
    if kind == "chat":
        if not request.messages:
            raise RequestRefused(f"a chat request{_whose(request)} has no messages; give at least one")
        body = {"model": model, "messages": [{"role": m.role, "content": m.content} for m in request.messages]}
    elif kind == "completion":
        if not request.text:
            raise RequestRefused(f"a completion request{_whose(request)} has no text; give the text to go on from")
        body = {"model": model, "prompt": request.text}
    elif kind == "embedding":
        if not request.inputs or not all(request.inputs):
            raise RequestRefused(f"an embedding request{_whose(request)} needs inputs, and no empty text among them")
        body = {"model": model, "input": request.inputs, "encoding_format": "float"}
    else:
        raise RequestRefused(f"unknown kind of request '{kind}'; known are {', '.join(PATHS)}")
    sampling = request.sampling
    if sampling.extra:
        if taken := RESERVED & sampling.extra.keys():
            raise RequestRefused(f"`extra` must not set {', '.join(sorted(taken))}: the request itself says that")
        body.update(sampling.extra)
    if kind == "embedding":
        return PATHS[kind], body
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    if sampling.n != 1:
        body["n"] = sampling.n
    if sampling.seed is not None:
        body["seed"] = sampling.seed if -SEEDS <= sampling.seed < SEEDS else sampling.seed % SEEDS
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.logprobs is not None:
        if kind == "chat":
            body["logprobs"] = True
            body["top_logprobs"] = sampling.logprobs
        else:
            body["logprobs"] = sampling.logprobs
    if sampling.prompt_logprobs is not None:
        body["prompt_logprobs"] = sampling.prompt_logprobs
    if sampling.logit_bias is not None:
        body["logit_bias"] = sampling.logit_bias
    if request.schema is not None:
        body["response_format"] = response_format(request.schema)
    return PATHS[kind], body


def dump(value: Any, options: int = 0) -> bytes:
    """Writes JSON.

    Raises:
        RequestRefused: `value` holds what JSON cannot carry, such as lone surrogates from a badly decoded document.
    """
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except TypeError as error:
        raise RequestRefused(
            f"the request cannot be written as JSON ({error}); mend the document's encoding, or the model's `extra`"
        ) from None


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def decode(request: Request, raw: bytes, seconds: float = 0.0) -> Reply:
    """Reads a body that came with status 200. `seconds` is how long the call took, for the books.

    A `finish_reason` of `length` is no error here: whether a cut answer is useless is for the repair layer to say.

    Raises:
        BadReply: HTML, cut JSON, no choices, null or empty content, a refusal, too few embeddings. `raw` is kept, and
            `tokens` tells what the server billed, where it said so.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        start = raw[:SHOWN].lstrip()[:1]
        what = "HTML or XML" if start == b"<" else "nothing" if not raw else f"text that is not JSON ({error})"
        raise _bad(request, f"the server answered with {what}", raw) from None
    if not isinstance(body, dict):
        raise _bad(request, f"the server answered with a JSON {type(body).__name__} instead of an object", raw)
    usage = body.get("usage")
    if not isinstance(usage, dict):
        usage = {}
    billed = (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    model = body.get("model")
    model = model if isinstance(model, str) else ""
    reply_usage = Usage(1, 0, billed[0], billed[1], 0.0, seconds)
    try:
        if request.kind == "embedding":
            return Reply(embeddings=_embeddings(request, body), usage=reply_usage, model=model, raw=raw)
        choices = body.get("choices")
        if not isinstance(choices, list) or not choices:
            said = body.get("error")
            why = f"an error instead of choices: {_short(said)}" if said else "no choices"
            raise BadReply(f"the server answered with {why}")
        if request.kind == "chat":
            read = tuple([_chat_choice(request, choice, body) for choice in choices])
        else:
            read = tuple([_completion_choice(request, choice) for choice in choices])
    except BadReply as error:
        raise _bad(request, str(error), raw, billed, error.retryable) from None
    # RecursionError: what the parser takes may be nested deeper than Python can print.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        why = f"the reply is not in the openai protocol's shape ({type(error).__name__}: {_short(str(error))})"
        raise _bad(request, why, raw, billed) from None
    return Reply(choices=read, usage=reply_usage, model=model, raw=raw)


def _chat_choice(request: Request, choice: dict[str, Any], body: dict[str, Any]) -> Choice:
    message = choice["message"]
    text = message.get("content")
    finish = _finish(choice)
    if not text:
        if message.get("refusal"):
            raise _refused(f"the model refused: {_short(message['refusal'])}")
        text = _without_text(request, text, finish)
    elif not isinstance(text, str):
        raise BadReply(f"the message's content is a {type(text).__name__} instead of text")
    if finish == "content_filter":
        raise _refused("the provider's content filter cut the answer")
    sampling = request.sampling
    if sampling.logprobs is None and sampling.prompt_logprobs is None:
        return Choice(text, finish)
    logprobs = (choice.get("logprobs") or {}).get("content") or ()
    return Choice(
        text,
        finish,
        tuple(
            TokenLogprob(
                one["token"],
                float(one["logprob"]),
                {other["token"]: float(other["logprob"]) for other in one.get("top_logprobs") or ()},
            )
            for one in logprobs
        ),
        _prompt_logprobs(choice.get("prompt_logprobs") or body.get("prompt_logprobs")),
    )


def _completion_choice(request: Request, choice: dict[str, Any]) -> Choice:
    text = choice.get("text")
    finish = _finish(choice)
    if not text:
        text = _without_text(request, text, finish)
    elif not isinstance(text, str):
        raise BadReply(f"the choice's text is a {type(text).__name__} instead of text")
    found = choice.get("logprobs") or {}
    tokens, values = found.get("tokens") or (), found.get("token_logprobs") or ()
    tops = found.get("top_logprobs") or [None] * len(tokens)
    return Choice(
        text,
        finish,
        tuple(
            TokenLogprob(token, float(value), {key: float(number) for key, number in (top or {}).items()})
            for token, value, top in zip(tokens, values, tops, strict=True)
            if value is not None  # the first token of an echoed prompt has none
        ),
        _prompt_logprobs(choice.get("prompt_logprobs")),
    )


def _without_text(request: Request, text: Any, finish: str) -> str:
    """Returns "" where that is an answer (a cut one, or one asked for its prompt's log-probabilities)."""
    if finish == "length" or (text == "" and request.sampling.prompt_logprobs is not None):
        return ""
    what = "null content" if text is None else "an empty text"
    raise BadReply(f"the model answered with {what} (finish_reason {finish})")


def _prompt_logprobs(found: Any) -> tuple[TokenLogprob | None, ...]:
    """Reads vLLM's list: one mapping a prompt token, token id to logprob, the prompt's own token first."""
    if not found:
        return ()
    tokens: list[TokenLogprob | None] = []
    for position in found:
        if not position:  # the first token follows nothing
            tokens.append(None)
            continue
        entries = list(position.items())
        top = {str(entry.get("decoded_token") or key): float(entry["logprob"]) for key, entry in entries}
        key, own = entries[0]
        tokens.append(TokenLogprob(str(own.get("decoded_token") or key), float(own["logprob"]), top))
    return tuple(tokens)


def _embeddings(request: Request, body: dict[str, Any]) -> tuple[tuple[float, ...], ...]:
    data = body.get("data")
    if not isinstance(data, list) or len(data) != len(request.inputs):
        count = len(data) if isinstance(data, list) else "no"
        raise BadReply(f"{len(request.inputs)} texts were sent and {count} embeddings came back")
    vectors: list[tuple[float, ...]] = [()] * len(data)
    for place, one in enumerate(data):
        vectors[int(one.get("index", place))] = tuple(map(float, one["embedding"]))
    width = len(vectors[0])
    if not width or any(len(vector) != width for vector in vectors):
        raise BadReply("the embeddings are empty, doubled, or of different lengths")
    if not all(isfinite(sum(vector)) for vector in vectors):
        raise BadReply("an embedding has a value that is not finite")
    return tuple(vectors)


def _count(usage: dict[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) and 0 < value <= MOST_TOKENS else 0


def _finish(choice: dict[str, Any]) -> str:
    value = choice.get("finish_reason")
    return value if value and isinstance(value, str) else "stop"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _whose(request: Request) -> str:
    return f" of role '{request.role}'" if request.role else ""


def _refused(why: str) -> BadReply:
    error = BadReply(why)
    error.retryable = False  # the same question gets the same refusal, and each is paid for
    return error


def _bad(request: Request, why: str, raw: bytes, billed: tuple[int, int] = (0, 0), retryable: bool = True) -> BadReply:
    # A proxy's error page may repeat the request's headers, and this text goes into the store.
    error = BadReply(f"{redact(why)}{_whose(request)}", raw=redact(raw[:KEPT].decode("utf-8", "replace")))
    error.tokens = billed
    error.retryable = retryable
    return error
