"""The back end for OpenAI-compatible servers against a real one on this machine, sound and broken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from mock_server import MockServer
from multidict import CIMultiDict

from gristmill.errors import (
    AccessDenied,
    BadReply,
    DeadlineExceeded,
    GristmillError,
    ModelError,
    Overloaded,
    RequestRefused,
    Unreachable,
)
from gristmill.models import openai_api as module
from gristmill.models.contract import Request, Sampling
from gristmill.models.credentials import Secret
from gristmill.models.openai_api import OpenAIApi
from gristmill.models.refusals import error_of, retry_after
from gristmill.prompts.schemas import QuestionAnswer
from gristmill.storage.records import Message

ASKED = Request(messages=(Message(role="user", content="Hello?"),))
CANARY = "sk-canary-4f9d21c07ab85e36"


@pytest.fixture
async def server() -> AsyncIterator[MockServer]:
    async with MockServer() as running:
        yield running


@pytest.fixture
async def model(server: MockServer) -> AsyncIterator[OpenAIApi]:
    model = OpenAIApi("mock", server.url, timeout=2)
    yield model
    await model.aclose()
    await model.aclose()  # twice is harmless


async def test_chat_completion_and_embedding(server: MockServer, model: OpenAIApi) -> None:
    reply = await model.complete(Request(messages=ASKED.messages, sampling=Sampling(n=2, logprobs=1)))
    assert len(reply.choices) == 2
    assert reply.choices[0].logprobs
    assert reply.usage.input_tokens > 0
    assert reply.usage.seconds > 0
    structured = await model.complete(Request(messages=ASKED.messages, schema=QuestionAnswer))
    QuestionAnswer.model_validate_json(structured.text)
    assert (await model.complete(Request(kind="completion", text="Once"))).text
    embedded = await model.complete(Request(kind="embedding", inputs=("a", "b", "a")))
    assert embedded.embeddings[0] == embedded.embeddings[2] != embedded.embeddings[1]
    assert await model.models() == ("mock",)
    assert [entry.path for entry in server.log] == [
        "/v1/chat/completions",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http500", Overloaded),
        ("http429", Overloaded),
        ("html", BadReply),
        ("truncated", Unreachable),
        ("reset", Unreachable),
        ("null", BadReply),
        ("empty", BadReply),
    ],
)
async def test_every_fault_is_a_typed_error_and_the_next_call_works(
    server: MockServer, model: OpenAIApi, fault: str, error: type[ModelError]
) -> None:
    server.next_faults.append(fault)
    with pytest.raises(error) as caught:
        await model.complete(ASKED)
    assert type(caught.value) is error
    assert caught.value.retryable
    if fault == "http429":
        assert caught.value.retry_after == pytest.approx(0.2)
    assert (await model.complete(ASKED)).text


async def test_the_deadline_holds_though_bytes_still_drip(server: MockServer) -> None:
    server.next_faults.append("drip")
    model = OpenAIApi("mock", server.url, timeout=0.3)
    began = monotonic()
    with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
        await model.complete(ASKED)
    assert 0.25 < monotonic() - began < 15
    await model.aclose()


async def test_nobody_there() -> None:
    async with MockServer() as server:
        url = server.url
    model = OpenAIApi("mock", url, timeout=2)
    with pytest.raises(Unreachable, match=url):
        await model.complete(ASKED)
    await model.aclose()
    nowhere = OpenAIApi("mock", "http://no-such-host.invalid/v1", timeout=5)
    with pytest.raises(Unreachable, match="no-such-host"):
        await nowhere.complete(ASKED)
    await nowhere.aclose()


async def test_an_unknown_model_names_the_mend() -> None:
    async with MockServer(models=("known",)) as server:
        model = OpenAIApi("unknown", server.url)
        with pytest.raises(RequestRefused, match="base_url") as caught:
            await model.complete(ASKED)
        assert caught.value.status == 404
        assert not caught.value.retryable
        await model.aclose()


async def test_connections_are_reused_and_no_more_than_allowed(server: MockServer) -> None:
    server.latency = 0.005
    model = OpenAIApi("mock", server.url, max_in_flight=4)
    await asyncio.gather(*(model.complete(ASKED) for _ in range(40)))
    assert server.most_in_flight <= 4
    assert len(server._connections) <= 4
    await model.aclose()


def test_one_model_in_two_event_loops() -> None:
    """`run()` may be called twice in one program; a session belongs to one loop."""

    async def once(model: OpenAIApi) -> str:
        async with MockServer() as server:
            model._urls = OpenAIApi("mock", server.url)._urls
            try:
                return (await model.complete(ASKED)).text
            finally:
                await model.aclose()

    model = OpenAIApi("mock", "http://127.0.0.1:1/v1")
    assert asyncio.run(once(model)) == asyncio.run(once(model))


async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> TestServer:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_a_redirect_is_not_followed() -> None:
    reached = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.headers.get("Authorization"))
        return web.json_response({})

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", redirect)
    app.router.add_post("/elsewhere", elsewhere)
    async with TestServer(app) as server:
        model = OpenAIApi("m", str(server.make_url("/v1")), key=Secret(CANARY))
        with pytest.raises(RequestRefused, match="final address"):
            await model.complete(ASKED)
        await model.aclose()
    assert reached == []


async def test_a_body_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BODY", 100_000)
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(1000):
                await response.write(b" " * 50_000)
                sent += 50_000
        except ConnectionError:
            pass
        return response

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=b" " * 200_000)

    for handler in (flood, long):
        server = await serve(handler)
        model = OpenAIApi("m", str(server.make_url("/v1")), timeout=5)
        with pytest.raises(BadReply, match="longer than"):
            await model.complete(ASKED)
        await model.aclose()
        await server.close()
    assert sent < 20_000_000


async def test_a_compressed_bomb_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BODY", 1_000_000)

    async def bomb(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        response = web.Response(body=b" " * 50_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server = await serve(bomb)
    model = OpenAIApi("m", str(server.make_url("/v1")), timeout=10)
    with pytest.raises(BadReply, match="longer than"):
        await model.complete(ASKED)
    await model.aclose()
    await server.close()


async def test_a_long_request_goes_through(server: MockServer, model: OpenAIApi) -> None:
    text = "word " * 400_000
    assert (await model.complete(Request(messages=(Message(role="user", content=text),)))).text


async def test_cancelling_a_call_ends_it(server: MockServer, model: OpenAIApi) -> None:
    server.latency = 5
    task = asyncio.create_task(model.complete(ASKED))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.02)
    assert server.in_flight == 0


async def test_no_proxy_of_the_environment_is_used(
    server: MockServer, model: OpenAIApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await model.complete(ASKED)).text


async def test_the_key_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """The server repeats the key in its refusal; no error, log or repr may."""
    caplog.set_level(logging.DEBUG)
    seen = []
    async with MockServer(key=CANARY) as server:
        right = OpenAIApi("mock", server.url, key=Secret(CANARY))
        assert (await right.complete(ASKED)).text
        seen.append(repr(right) + repr(vars(right)) + repr(right._session))
        server.key = "another"
        for fault in ("", "http500", "html", "reset", "truncated", "http429"):
            if fault:
                server.key = CANARY
                server.next_faults.append(fault)
            with pytest.raises(GristmillError) as caught:
                await right.complete(ASKED)
            error: BaseException | None = caught.value
            while error is not None:
                seen.append(f"{error} {error!r} {vars(error)}")
                error = error.__cause__
            if not fault:
                assert isinstance(caught.value, AccessDenied)
                assert "[redacted]" in str(caught.value)
        await right.aclose()
    seen += [record.getMessage() for record in caplog.records]
    assert all(CANARY not in text for text in seen)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "bad"}}, RequestRefused),
        (401, {}, AccessDenied),
        (402, {}, AccessDenied),
        (403, {}, AccessDenied),
        (404, {"detail": "Not Found"}, RequestRefused),
        (408, {}, Overloaded),
        (409, {}, Overloaded),
        (422, {"detail": [{"msg": "bad"}]}, RequestRefused),
        (429, {"error": {"code": "rate_limit_exceeded"}}, Overloaded),
        (429, {"error": {"code": "insufficient_quota"}}, AccessDenied),
        (429, {"error": {"type": "insufficient_quota"}}, AccessDenied),
        (500, "plain text", Overloaded),
        (503, [1], Overloaded),
        (529, None, Overloaded),
    ],
)
def test_each_status_has_its_error(status: int, body: object, error: type[ModelError]) -> None:
    found = error_of(status, {}, orjson.dumps(body), "model 'm' at http://here")
    assert type(found) is error
    assert found.status == status
    assert "http://here" in str(found)


def test_the_servers_words_are_short_and_clean() -> None:
    body = orjson.dumps({"error": {"message": f"wrong key {CANARY} " + "x" * 5000}})
    text = str(error_of(400, {}, body, "here"))
    assert CANARY not in text
    assert len(text) < 600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-remaining-requests": "0"}, 62.5),
        ({"x-ratelimit-reset-requests": "90s", "x-ratelimit-remaining-requests": "12"}, None),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset": "3"}, 3.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(CIMultiDict(headers))
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-6))
