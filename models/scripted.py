"""The fake that ships: answers from a list, a mapping or a function, so that a flow can be tested without a server.

Only the wire is replaced. Each answer is written in the protocol's shape and goes through the same decoder, parser and
repair as a server's, so a test that passes here exercises what runs in production, faults included.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson
from pydantic import BaseModel

from ..errors import ConfigError, RequestRefused, what_is
from .contract import Choice, Reply, Request, TokenLogprob
from .layers.base import Layer
from .layers.repair import Repair
from .wire import decode, encode

Answer = str | dict[str, Any] | list[Any] | BaseModel | Reply | bytes | Exception
Answers = (
    Sequence[Answer]
    | Callable[[Request], Answer | Awaitable[Answer]]
    | Mapping[str, Answer | Sequence[Answer] | Callable[[Request], Answer | Awaitable[Answer]]]
)


class Scripted:
    """A model that answers what it is told to.

    `answers` is a list (used in order), a function of the request (async or not), or a mapping from prompt or role to
    either of them, or to one answer given every time. One answer is
    - a str, a dict or a pydantic model: the text, or the JSON, of the answer;
    - a list: the texts of the `n` choices, or the vectors of an embedding request;
    - a Reply: its choices (log-probabilities and finish reasons too) or its embeddings;
    - bytes: the body exactly as a server would send it, sound or broken;
    - an exception: raised.

    `requests` keeps every request in order. `delay` is how long each answer takes, in seconds. `repairs` is how often
    an answer that does not fit its schema is asked again; None leaves parsing to layers around this model.
    """

    def __init__(
        self, answers: Answers, *, name: str = "scripted", delay: float = 0.0, repairs: int | None = 2
    ) -> None:
        if not callable(answers) and not isinstance(answers, str | list | tuple | Mapping):
            raise ConfigError(
                f"a script is {what_is(answers)}; give a list of answers, a function of the request, or a table of them"
            )
        self.name = name
        self.delay = delay
        self.requests: list[Request] = []
        self.closed = False
        self._answers = answers
        self._used: dict[str, count[int]] = {}
        self._model = Layer(_Wire(self)) if repairs is None else Repair(_Wire(self), repairs)

    async def complete(self, request: Request) -> Reply:
        """Answers by the script; raises its exceptions, and `RequestRefused` when it has no answer (left)."""
        return await self._model.complete(request)

    async def aclose(self) -> None:
        self.closed = True

    async def answer(self, request: Request) -> Answer:
        """Returns the script's answer to `request`."""
        answers: Any = self._answers
        key = ""
        if isinstance(answers, Mapping):
            key = request.prompt if request.prompt in answers else request.role
            if key not in answers:
                raise RequestRefused(
                    f"the script has no answer for prompt '{request.prompt}' or role '{request.role}'; "
                    f"it has answers for {', '.join(sorted(answers)) or 'nothing'}"
                )
            answers = answers[key]
        if callable(answers):
            answer = answers(request)
            chosen: Answer = await answer if inspect.isawaitable(answer) else answer
            return chosen
        if not isinstance(answers, list | tuple):
            return answers  # type: ignore[no-any-return]  # one answer for every request of this key
        place = next(self._used.setdefault(key, count()))
        if place >= len(answers):
            where = f" for '{key}'" if key else ""
            raise RequestRefused(
                f"the script's {len(answers)} answers{where} are used up, and one more was asked for by prompt "
                f"'{request.prompt}', role '{request.role}'; add answers, or give a function"
            )
        return answers[place]  # type: ignore[no-any-return]


class _Wire:
    """The transport of a Scripted model: what stands in for the server."""

    def __init__(self, script: Scripted) -> None:
        self.name = script.name
        self._script = script

    async def complete(self, request: Request) -> Reply:
        self._script.requests.append(request)
        encode(request, self.name)  # a request that a server could not be sent fails here too
        if self._script.delay:
            await asyncio.sleep(self._script.delay)
        answer = await self._script.answer(request)
        if isinstance(answer, Exception):
            raise answer
        return decode(request, answer if isinstance(answer, bytes) else body_of(request, answer, self.name), 0.0)

    async def aclose(self) -> None:
        return None


def body_of(request: Request, answer: Answer, model: str) -> bytes:
    """Writes `answer` as the body that a server would send for `request`. Tokens are counted as four characters."""
    asked = (
        sum(len(message.content) for message in request.messages) + len(request.text) + sum(map(len, request.inputs))
    )
    if request.kind == "embedding":
        vectors = answer.embeddings if isinstance(answer, Reply) else answer
        data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]  # type: ignore[arg-type]
        return orjson.dumps({"model": model, "data": data, "usage": {"prompt_tokens": asked // 4 + 1}})
    if isinstance(answer, Reply):
        choices = list(answer.choices)
    else:
        choices = [Choice(_text(one)) for one in (answer if isinstance(answer, list) else [answer])]
    write = _chat_choice if request.kind == "chat" else _completion_choice
    body = {
        "id": "scripted",
        "object": "chat.completion" if request.kind == "chat" else "text_completion",
        "model": model,
        "choices": [write(index, choice) for index, choice in enumerate(choices)],
        "usage": {
            "prompt_tokens": asked // 4 + 1,
            "completion_tokens": sum(len(choice.text) for choice in choices) // 4 + 1,
        },
    }
    return orjson.dumps(body)


def _text(answer: Any) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, BaseModel):
        return answer.model_dump_json()
    return orjson.dumps(answer).decode()


def _chat_choice(index: int, choice: Choice) -> dict[str, Any]:
    written: dict[str, Any] = {
        "index": index,
        "message": {"role": "assistant", "content": choice.text},
        "finish_reason": choice.finish_reason,
    }
    if choice.logprobs:
        written["logprobs"] = {
            "content": [
                {
                    "token": one.token,
                    "logprob": one.logprob,
                    "top_logprobs": [{"token": token, "logprob": value} for token, value in one.top.items()],
                }
                for one in choice.logprobs
            ]
        }
    return _with_prompt_logprobs(written, choice)


def _completion_choice(index: int, choice: Choice) -> dict[str, Any]:
    written: dict[str, Any] = {"index": index, "text": choice.text, "finish_reason": choice.finish_reason}
    if choice.logprobs:
        written["logprobs"] = {
            "tokens": [one.token for one in choice.logprobs],
            "token_logprobs": [one.logprob for one in choice.logprobs],
            "top_logprobs": [dict(one.top) for one in choice.logprobs],
        }
    return _with_prompt_logprobs(written, choice)


def _with_prompt_logprobs(written: dict[str, Any], choice: Choice) -> dict[str, Any]:
    if choice.prompt_logprobs:
        written["prompt_logprobs"] = [_position(one) for one in choice.prompt_logprobs]
    return written


def _position(one: TokenLogprob | None) -> dict[str, Any] | None:
    if one is None:
        return None
    entries = {one.token: one.logprob, **one.top}  # vLLM puts the prompt's own token first
    return {
        str(index): {"logprob": value, "decoded_token": token} for index, (token, value) in enumerate(entries.items())
    }
