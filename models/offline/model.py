"""The offline model: answers gristmill's built-in prompts by rules over what they show, without a network or weights.

It reads a request's prompt name and variables, never the rendered messages, so an edited template changes nothing. What
it answers is taken out of what it is shown, in English; it is for trying, for testing, and as a baseline to beat.
"""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from ...errors import RequestRefused
from ..contract import Reply, Request
from ..spec import OFFLINE
from ..wire import decode
from . import embedding
from .asked import Asked
from .rules import RULES

MEND = "bind a real model to that role, e.g. openai_api/MODEL with base_url"


class Offline:
    """A `Model` without a network. The same prompt, variables, seed and sample give the same answer on every machine.

    name: `offline`, or `offline/weak`, which says less and errs more: the second model of recipes that compare two.
    Usage is counted at four characters a token and costs nothing.
    """

    def __init__(self, name: str = OFFLINE[0]) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request) -> Reply:
        """Answers a built-in prompt, or embeds texts by character n-grams.

        Raises:
            RequestRefused: the prompt is none of `RULES`, lacks a variable, or is asked for in another shape. Names
                what is near and the mend.
        """
        began = time.perf_counter()
        body = _embeddings(request) if request.kind == "embedding" else _answer(request, self._name)
        return decode(request, orjson.dumps(body), time.perf_counter() - began)

    async def aclose(self) -> None:
        """Does nothing: there is no connection."""


def unanswered(prompt: str) -> str:
    """Says why a prompt is not answered and what mends it; empty for one that is."""
    if prompt in RULES:
        return ""
    if not prompt:
        return f"the offline model answers gristmill's own prompts by their names, and this question has none; {MEND}"
    near = difflib.get_close_matches(prompt, RULES, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"the offline model has no rule for prompt '{prompt}'{hint}; {MEND}. docs/offline.md lists what it answers"


def _answer(request: Request, name: str) -> dict[str, Any]:
    if why := unanswered(request.prompt):
        raise RequestRefused(why)
    rule, needed = RULES[request.prompt]
    if missing := needed - request.variables.keys():
        raise RequestRefused(
            f"prompt '{request.prompt}' gave the offline model no {', '.join(sorted(missing))}; add it to the "
            f"variables that the role gives, or {MEND}"
        )
    weak = name == OFFLINE[1]
    answers = [
        rule(Asked(request.prompt, request.variables, _seed(request, draw), weak))
        for draw in range(max(1, request.sampling.n))
    ]
    told = [one.model_dump_json() if isinstance(one, BaseModel) else one for one in answers]
    _require_schema(request, told[0])
    asked = sum(len(message.content) for message in request.messages) + len(request.text)
    return _body(request, name, told, _usage(asked, sum(map(len, told))))


def _require_schema(request: Request, told: str) -> None:
    if request.schema is None:
        return
    try:
        request.schema.model_validate_json(told)
    except ValidationError as error:
        raise RequestRefused(
            f"prompt '{request.prompt}' wants its answer as {request.schema.__name__}, which the offline model's "
            f"rule for it does not give ({error.error_count()} errors); {MEND}"
        ) from None


def _body(request: Request, name: str, told: Sequence[str], usage: dict[str, int]) -> dict[str, Any]:
    """The body of a reply as the openai protocol has it, for a chat or for text that was to be gone on with."""
    ended = {"finish_reason": "stop", "logprobs": None}
    if request.kind == "completion":
        choices: list[dict[str, Any]] = [{"index": i, "text": text, **ended} for i, text in enumerate(told)]
        return {"object": "text_completion", "model": name, "choices": choices, "usage": usage}
    choices = [{"index": i, "message": {"role": "assistant", "content": text}, **ended} for i, text in enumerate(told)]
    return {"object": "chat.completion", "model": name, "choices": choices, "usage": usage}


def _seed(request: Request, draw: int) -> int:
    """Returns the seed of one answer, from the sampling's seed and from which draw of the question this is."""
    parts = repr((request.sampling.seed or 0, request.sample, draw)).encode()
    return int.from_bytes(hashlib.blake2b(parts, digest_size=6).digest(), "big")


def _usage(asked: int, told: int) -> dict[str, int]:
    prompt, completion = asked // 4 + 1, told // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _embeddings(request: Request) -> dict[str, Any]:
    if not request.inputs:
        raise RequestRefused("an embedding request needs inputs; give at least one text")
    data = [
        {"object": "embedding", "index": i, "embedding": embedding.embed(text)} for i, text in enumerate(request.inputs)
    ]
    return {
        "object": "list",
        "model": "offline",
        "data": data,
        "usage": {**_usage(sum(map(len, request.inputs)), 0), "completion_tokens": 0},
    }
