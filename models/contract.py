"""The seam to language models: one method, a request in, a reply out.

Back ends and layers are all `Model`s; a layer wraps another. Roles see this file and nothing else of `models/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from ..storage.records import Call, Message, Usage

Kind = Literal["chat", "completion", "embedding"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw an answer; `None` leaves a choice to the server. Names are the openai protocol's.

    `logprobs` asks for the log-probability of that many top tokens; `prompt_logprobs` is vLLM's.
    `extra` goes into the request's body as it is.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logit_bias: Mapping[str, float] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model.

    kind:       `chat` reads `messages`, `completion` reads `text` (base models), `embedding` reads `inputs`.
    schema:     the pydantic model that the answer must parse into; the server is asked for its JSON schema.
    prompt:     name of the template that made the messages; with `variables` it is what the offline model answers by.
    version:    that template's content hash.
    sample:     tells repeated draws of the same question apart in the cache.
    task, role: for the books only; they never change the answer and are not part of the cache key.
    lead:       characters at the start of the first user message that requests about other sources begin with too:
                they say nothing of which replica to ask.
    """

    kind: Kind = "chat"
    messages: tuple[Message, ...] = ()
    text: str = ""
    inputs: tuple[str, ...] = ()
    schema: type[BaseModel] | None = None
    sampling: Sampling = Sampling()
    prompt: str = ""
    version: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    task: str = ""
    role: str = ""
    lead: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token with its log-probability (nats) and the alternatives that the server listed."""

    token: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the `n` answers."""

    text: str
    finish_reason: str = "stop"
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PerMinute:
    """Rates of a server: requests and tokens (in and out together) a minute. 0 is no limit, or an unknown one."""

    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    `parsed` is an instance of the request's schema (set by the repair layer, for the first choice);
    `embeddings` has one vector for each input; `raw` is the body as received, which the cache keeps under `key` (empty
    without a cache); `limits` are the rates that the server announced with it. `calls` are all that were made for it,
    this one last: what a draft or a verdict that is made of it should name.
    """

    choices: tuple[Choice, ...] = ()
    embeddings: tuple[tuple[float, ...], ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    parsed: BaseModel | None = None
    raw: bytes = b""
    cached: bool = False
    limits: PerMinute | None = None
    key: str = ""
    calls: tuple[Call, ...] = ()

    @property
    def text(self) -> str:
        """The first choice's text."""
        return self.choices[0].text if self.choices else ""

    @property
    def finish_reason(self) -> str:
        """The first choice's finish reason."""
        return self.choices[0].finish_reason if self.choices else ""


@runtime_checkable
class Model(Protocol):
    """Anything that answers requests.

    `name` identifies the weights that answer (it is part of the cache key), e.g. `openai_api/Qwen/Qwen2.5-7B-Instruct`.
    `complete` raises a `ModelError` or `BudgetExceeded`, never returns an empty success.
    `aclose` frees connections; calling it twice is harmless.
    """

    @property
    def name(self) -> str: ...

    async def complete(self, request: Request) -> Reply: ...

    async def aclose(self) -> None: ...
