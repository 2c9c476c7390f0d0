"""The litellm back end's own half: what it passes on, and what it makes of litellm's errors.

litellm itself is 130 MB with dependencies of 200 more, so it is not among the test dependencies. Its exceptions are
stood in for by classes with the same names and fields; each line of the table was seen with litellm 1.109.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from gristmill.errors import (
    AccessDenied,
    BadReply,
    DeadlineExceeded,
    ModelError,
    Overloaded,
    RequestRefused,
    Unreachable,
)
from gristmill.models import litellm_api as module
from gristmill.models.contract import Request, Sampling
from gristmill.models.credentials import Secret
from gristmill.models.litellm_api import LiteLLM
from gristmill.prompts.schemas import Summary
from gristmill.storage.records import Message

ASKED = Request(messages=(Message(role="user", content="Hello?"),), schema=Summary, sampling=Sampling(seed=1))
CANARY = "sk-canary-90aa17f3c2d4"
BODY = {"choices": [{"message": {"content": '{"summary": "s"}'}, "finish_reason": "stop"}]}


class Timeout(Exception):
    status_code = 408


class APIConnectionError(Exception):
    status_code = 500


class APIResponseValidationError(Exception):
    status_code = 200


class PaymentRequiredError(Exception):
    status_code = 400


class StatusError(Exception):
    def __init__(self, text: str, status: int, **headers: str) -> None:
        super().__init__(text)
        self.status_code = status
        self.response = SimpleNamespace(headers={key.replace("_", "-"): value for key, value in headers.items()})


class Library:
    """litellm's surface as far as the back end uses it."""

    exceptions = SimpleNamespace(
        Timeout=Timeout,
        APIConnectionError=APIConnectionError,
        APIResponseValidationError=APIResponseValidationError,
        PaymentRequiredError=PaymentRequiredError,
    )

    def __init__(self, outcome: dict[str, Any] | Exception) -> None:
        self.outcome = outcome
        self.asked: dict[str, Any] = {}

    async def acompletion(self, **fields: Any) -> Any:
        self.asked = fields
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return SimpleNamespace(model_dump_json=lambda: orjson.dumps(self.outcome).decode())

    atext_completion = aembedding = acompletion

    async def close_litellm_async_clients(self) -> None:
        return None


def use(monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any] | Exception) -> tuple[LiteLLM, Library]:
    library = Library(outcome)
    monkeypatch.setattr(module, "load", lambda: library)
    return LiteLLM("anthropic/claude", key=Secret(CANARY), timeout=7), library


async def test_it_retries_nothing_itself_and_keeps_to_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    model, library = use(monkeypatch, BODY)
    reply = await model.complete(ASKED)
    assert reply.text == '{"summary": "s"}'
    assert orjson.loads(reply.raw) == BODY
    asked = library.asked
    assert (asked["model"], asked["seed"], asked["api_key"]) == ("anthropic/claude", 1, CANARY)
    assert (asked["timeout"], asked["max_retries"], asked["num_retries"]) == (7, 0, 0)
    assert asked["response_format"]["type"] == "json_schema"
    assert model.name == "litellm/anthropic/claude"
    await model.aclose()


async def test_embeddings_are_asked_for_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, library = use(monkeypatch, {"data": [{"index": 0, "embedding": [1.0]}]})
    reply = await model.complete(Request(kind="embedding", inputs=("a",)))
    assert reply.embeddings == ((1.0,),)
    assert library.asked["input"] == ["a"]
    assert "encoding_format" not in library.asked


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (Timeout("Request timed out"), DeadlineExceeded),
        (APIConnectionError("Connection error."), Unreachable),
        (caused(StatusError("Connection error.", 500), APIConnectionError("refused")), Unreachable),
        (APIResponseValidationError("odd"), BadReply),
        (PaymentRequiredError("pay"), AccessDenied),
        (StatusError("no key", 401), AccessDenied),
        (StatusError("not yours", 403), AccessDenied),
        (StatusError("unknown model", 404), RequestRefused),
        (StatusError("too long", 400), RequestRefused),
        (StatusError("slow down", 429), Overloaded),
        (StatusError("you exceeded your quota: insufficient_quota", 429), AccessDenied),
        (StatusError("down", 503), Overloaded),
        (KeyError("choices"), BadReply),
    ],
)
async def test_each_of_its_errors_becomes_one_of_ours(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, error: type[ModelError]
) -> None:
    model, _ = use(monkeypatch, raised)
    with pytest.raises(ModelError) as caught:
        await model.complete(ASKED)
    assert type(caught.value) is error
    assert "anthropic/claude" in str(caught.value)


async def test_the_servers_wish_is_read_and_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = use(monkeypatch, StatusError(f"key {CANARY} is over its rate", 429, retry_after_ms="500"))
    with pytest.raises(Overloaded) as caught:
        await model.complete(ASKED)
    assert caught.value.retry_after == 0.5
    assert CANARY not in str(caught.value) + repr(model) + repr(vars(model))
