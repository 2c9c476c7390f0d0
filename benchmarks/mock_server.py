"""An OpenAI-compatible server that answers at once, or badly: for benchmarks and fault tests.

    python benchmarks/mock_server.py --port 8000 --latency 0.02 --fault malformed=0.1 --fault http500=0.05

It is a bare asyncio protocol because aiohttp's server, at about 5,000 requests a second, would be what a benchmark
measures. Tests use it in their own loop: `async with MockServer(...) as server`, then `server.url`, `server.log`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson
from mock_faults import DRIP, FAULTS, GOOD, SHAPES, SLOW_HEAD, misshapen

OUTPUT = 32  # tokens that an answer is said to have
Answer = Callable[[dict[str, Any]], "str | bytes | None"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: a hash of its path and body, when it came and was answered, with which status and fault."""

    key: str
    path: str
    began: float
    ended: float
    status: int
    fault: str

    @property
    def good(self) -> bool:
        """Whether an answer that can be used was sent."""
        return self.status == 200 and self.fault in GOOD


@dataclass
class RateLimit:
    """Token buckets of `requests` and `tokens` a minute (0: none) that hold `seconds` of their rate.

    A request is charged what its reply will say that it used; one that does not fit is refused with the seconds until
    it would in Retry-After. `named` says in words which rate it was; `announced` puts x-ratelimit headers on replies.
    """

    requests: float = 0.0
    tokens: float = 0.0
    seconds: float = 1.0
    named: bool = False
    announced: bool = False
    used: float = 0.0
    _at: float = 0.0
    _left: dict[str, float] = field(default_factory=dict)

    def refuse(self, tokens: float) -> tuple[str, float]:
        """Charges a request; returns the rate that refuses it and the seconds to wait, or an empty name."""
        now = monotonic()
        costs = {"requests": (self.requests, 1.0), "tokens": (self.tokens, tokens)}
        for kind, (rate, _) in costs.items():
            whole = rate / 60 * self.seconds
            self._left[kind] = min(whole, self._left.get(kind, whole) + rate / 60 * (now - self._at))
        self._at = now
        for kind, (rate, cost) in costs.items():
            short = min(cost, rate / 60 * self.seconds) - self._left[kind]  # a larger one than the bucket may go too
            if rate and short > 1e-9:
                return kind, short / (rate / 60)
        for kind, (_, cost) in costs.items():
            self._left[kind] -= cost
        self.used += tokens
        return "", 0.0

    def headers(self) -> str:
        """The lines that announce the rates, as OpenAI's server does; for a bucket that holds a minute of them."""
        lines = ""
        for kind, rate in (("requests", self.requests), ("tokens", self.tokens)):
            if rate:
                missing = rate / 60 * self.seconds - self._left[kind]
                left = max(0, int(rate - missing))
                lines += f"x-ratelimit-limit-{kind}: {rate:.0f}\r\nx-ratelimit-remaining-{kind}: {left}\r\n"
                lines += f"x-ratelimit-reset-{kind}: {1000 * missing * 60 / rate:.0f}ms\r\n"
        return lines


@dataclass
class MockServer:
    """The server. `faults` are probabilities by name; names put into `next_faults` come first, one a request.

    `answer` may give the content for a body (None: the usual one; bytes: the whole HTTP body). `key` is required as
    a bearer token, `models` are the names it knows (any, when empty). `burst` is (every, lasts): for `lasts` seconds
    out of `every` it answers 429. `retry_after` goes with each 429. `limit` is a rate that it holds its clients to.
    `log` has what was answered; `asked` counts each question as it comes, also those whose asker was gone before the
    answer.
    """

    latency: float = 0.0
    faults: dict[str, float] = field(default_factory=dict)
    burst: tuple[float, float] | None = None
    retry_after: float = 0.2
    limit: RateLimit | None = None
    key: str | None = None
    models: tuple[str, ...] = ()
    answer: Answer | None = None
    seed: int = 0
    port: int = 0
    log: list[Entry] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    next_faults: deque[str] = field(default_factory=deque)
    traceparents: list[str] = field(default_factory=list)  # the W3C headers that came with requests
    in_flight: int = 0
    most_in_flight: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        if unknown := set(self.faults) - set(FAULTS):
            raise ValueError(f"unknown faults {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}")
        self._random = random.Random(self.seed)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._began = 0.0
        self._reviver: asyncio.Task[None] | None = None
        self._contents: dict[str, str] = {}
        self._shapes = itertools.cycle(SHAPES)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def repeated(self) -> dict[str, int]:
        """How often each question came that came more than once."""
        return {key: count for key, count in Counter(entry.key for entry in self.log).items() if count > 1}

    @property
    def repaid(self) -> int:
        """How many good answers were sent to questions that had got one before."""
        counts = Counter(entry.key for entry in self.log if entry.good)
        return sum(counts.values()) - len(counts)

    async def __aenter__(self) -> MockServer:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reviver is not None:
            self._reviver.cancel()
        await self.stop()

    async def listen(self) -> None:
        """Listens, on the same port as before when it listened already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, backlog=2048, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._began = self._began or monotonic()

    async def stop(self) -> None:
        """Refuses connections and resets those that stand: what a killed server looks like."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.reset()
        await asyncio.sleep(0)

    async def die(self, seconds: float) -> None:
        """Is dead for `seconds`, then listens again. Returns at once."""
        await self.stop()

        async def revive() -> None:
            await asyncio.sleep(seconds)
            await self.listen()

        self._reviver = asyncio.create_task(revive())

    def fault(self) -> str:
        """Draws the next request's fault, or "" for none."""
        drawn = self._draw()
        return f"shape:{next(self._shapes)}" if drawn == "shape" else drawn

    def _draw(self) -> str:
        if self.next_faults:
            return self.next_faults.popleft()
        if self.burst is not None and (monotonic() - self._began) % self.burst[0] < self.burst[1]:
            return "http429"
        if self.faults:
            draw = self._random.random()
            for name, chance in self.faults.items():
                draw -= chance
                if draw < 0:
                    return name
        return ""

    def respond(self, path: str, raw: bytes, authorization: str, fault: str) -> tuple[int, bytes, str]:
        """Returns status, body and content type for a request; after the type the seconds to wait, if any."""
        if self.key is not None and authorization != f"Bearer {self.key}":
            # Some servers repeat the key that was sent; what is done with that is tested too.
            return 401, _error(f"Incorrect API key provided: {authorization}", "invalid_api_key"), "json"
        if path.endswith("/models"):
            names = self.models or ("mock",)
            return 200, orjson.dumps({"object": "list", "data": [{"id": name} for name in names]}), "json"
        if path.endswith("/stats"):
            counts = Counter(entry.fault or "ok" for entry in self.log)
            stats = {"requests": len(self.log), "repeated": len(self.repeated), "faults": counts}
            return 200, orjson.dumps({**stats, "most_in_flight": self.most_in_flight}), "json"
        if fault in ("http500", "http502"):
            return int(fault[4:]), _error("the engine is down", "server_error"), "json"
        if fault.startswith("http429"):
            return 429, _error("slow down", "rate_limit_exceeded"), "json"
        if fault == "html":
            return 200, b"<html><body>Login</body></html>", "html"
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return 400, _error("the body is not JSON", "invalid_request_error"), "json"
        if self.models and body.get("model") not in self.models:
            return 404, _error(f"The model '{body.get('model')}' does not exist.", "model_not_found"), "json"
        if self.limit is not None:
            kind, wait = self.limit.refuse(_used(body, raw))
            if kind:
                words = f"Rate limit reached on {kind} per min" if self.limit.named else "slow down"
                return 429, _error(words, "rate_limit_exceeded"), f"json {wait:.3f}"
        if path.endswith("/embeddings"):
            content = self.answer(body) if self.answer is not None else None
            if isinstance(content, bytes):
                return 200, content, "json"
            vectors = [{"index": i, "embedding": _vector(text)} for i, text in enumerate(body["input"])]
            usage = {"prompt_tokens": sum(len(text) // 4 + 1 for text in body["input"])}
            return 200, orjson.dumps({"model": body["model"], "data": vectors, "usage": usage}), "json"
        if path.endswith("/chat/completions"):
            return 200, self._chat(body, raw, fault), "json"
        if path.endswith("/completions"):
            return 200, self._completion(body, raw, fault), "json"
        return 404, _error(f"no such path: {path}", "not_found"), "json"

    def _chat(self, body: dict[str, Any], raw: bytes, fault: str) -> bytes:
        content = self.answer(body) if self.answer is not None else None
        if isinstance(content, bytes):
            return content
        text: str | None = content if content is not None else self._content(body, raw)
        if fault in ("malformed", "length"):
            text = text[: len(text) // 2] if text else text
        elif fault == "null":
            text = None
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length" if fault == "length" else "stop",
                **({"logprobs": {"content": [_logprob(text or "")]}} if body.get("logprobs") else {}),
            }
            for index in range(body.get("n", 1))
        ]
        reply = self._reply(body, raw, [] if fault == "empty" else choices)
        return misshapen(fault.partition(":")[2], reply) if fault.startswith("shape") else reply

    def _completion(self, body: dict[str, Any], raw: bytes, fault: str) -> bytes:
        content = self.answer(body) if self.answer is not None else None
        if isinstance(content, bytes):
            return content
        text = content if content is not None else f" and so on {_mark(raw)}"
        choice = {"index": 0, "text": text, "finish_reason": "length" if fault == "length" else "stop"}
        return self._reply(body, raw, [] if fault == "empty" else [choice])

    def _reply(self, body: dict[str, Any], raw: bytes, choices: list[dict[str, Any]]) -> bytes:
        usage = {"prompt_tokens": len(raw) // 4, "completion_tokens": OUTPUT * len(choices)}
        return orjson.dumps({"id": "mock", "model": body.get("model"), "choices": choices, "usage": usage})

    def _content(self, body: dict[str, Any], raw: bytes) -> str:
        asked = body.get("response_format")
        if not asked or asked.get("type") != "json_schema":
            return f"A plain answer {_mark(raw)}."
        name = asked["json_schema"]["name"]
        content = self._contents.get(name)
        if content is None:
            schema = asked["json_schema"]["schema"]
            content = self._contents[name] = orjson.dumps(instance(schema, schema)).decode()
        return content.replace("%mark%", _mark(raw))


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length bodies and keep-alive, and no more."""

    def __init__(self, server: MockServer) -> None:
        self.server = server
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.later: asyncio.TimerHandle | None = None
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1
        self.server._connections.add(self)
        if self.server._server is None:  # accepted by the kernel before the server died
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.server._connections.discard(self)
        self.transport = None
        if self.later is not None:
            self.later.cancel()
        if self.busy:
            self.busy = False
            self.server.in_flight -= 1

    def reset(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self._next()

    def _next(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(headers.get("content-length", "0"))
        if len(self.buffer) < end + 4 + length:
            return
        raw, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        path = head[0].split(" ")[1]
        server = self.server
        self.busy = True
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        fault = server.fault() if length else ""
        began = monotonic()
        key = _key(path, raw) if raw else ""
        if raw:
            server.asked[key] += 1
        if parent := headers.get("traceparent"):
            server.traceparents.append(parent)
        status, body, kind = server.respond(path, raw, headers.get("authorization", ""), fault)
        arguments = (path, key, began, status, body, kind, fault)
        if server.latency and length and " " not in kind:  # who refuses a rate does so at once
            self.later = asyncio.get_running_loop().call_later(server.latency, self._send, *arguments)
        else:
            self._send(*arguments)

    def _send(self, path: str, key: str, began: float, status: int, body: bytes, kind: str, fault: str) -> None:
        server, transport = self.server, self.transport
        if transport is None:
            return
        if key:
            server.log.append(Entry(key, path, began, monotonic(), status, fault))
        kind, _, wait = kind.partition(" ")
        kind = "application/json" if kind == "json" else "text/html"
        extra = ""
        if status == 429 and fault != "http429_bare":
            extra = f"Retry-After: {wait or server.retry_after}\r\n"
        if server.limit is not None and server.limit.announced and key:
            extra += server.limit.headers()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode()
        if fault == "reset":
            transport.abort()
            return
        if fault == "hang":
            return
        if fault == "slow_headers":
            transport.write(SLOW_HEAD)
            self._drip(itertools.cycle(b"a"))
            return
        if fault == "truncated":
            transport.write(head + body[: len(body) // 2])
            transport.close()
            return
        if fault == "drip":
            transport.write(head)
            self._drip(itertools.cycle(b" "))
            return
        transport.write(head + body)
        self.busy = False
        server.in_flight -= 1
        if self.buffer:
            self._next()

    def _drip(self, stream: itertools.cycle[int]) -> None:
        if self.transport is not None:
            self.transport.write(bytes([next(stream)]))
            self.later = asyncio.get_running_loop().call_later(DRIP, self._drip, stream)


def instance(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Returns a value that fits `schema`. Each string carries `%mark%`, to be replaced by the request's own mark."""
    if "$ref" in schema:
        return instance(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][0], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: instance(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema["items"], root)] if "items" in schema else []
    if kind in ("number", "integer"):
        return schema.get("maximum", schema.get("minimum", 1))
    if kind == "boolean":
        return True
    return None if kind == "null" else "words %mark%"


def _used(body: dict[str, Any], raw: bytes) -> int:
    if "input" in body:
        return sum(len(text) // 4 + 1 for text in body["input"])
    return len(raw) // 4 + OUTPUT * int(body.get("n", 1))


def _key(path: str, raw: bytes) -> str:
    return hashlib.blake2b(path.encode() + raw, digest_size=12).hexdigest()


def _mark(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=6).hexdigest()


def _vector(text: str) -> list[float]:
    return [byte / 255 - 0.5 for byte in hashlib.blake2b(text.encode(), digest_size=16).digest()]


def _logprob(text: str) -> dict[str, Any]:
    return {"token": text[:4], "logprob": -0.1, "top_logprobs": [{"token": text[:4], "logprob": -0.1}]}


def _error(message: str, code: str) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": code, "code": code}})


async def _serve(options: argparse.Namespace) -> None:
    faults = {name: float(chance) for name, _, chance in (item.partition("=") for item in options.fault)}
    burst = tuple(float(part) for part in options.burst.split("/")) if options.burst else None
    server = MockServer(latency=options.latency, faults=faults, burst=burst, port=options.port, seed=options.seed)  # type: ignore[arg-type]
    if options.requests_per_minute or options.tokens_per_minute:
        server.limit = RateLimit(options.requests_per_minute, options.tokens_per_minute, announced=options.announce)
    async with server:
        print(server.url, flush=True)
        if options.dead:
            after, lasts = (float(part) for part in options.dead.split("/"))
            await asyncio.sleep(after)
            await server.die(lasts)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the URL is printed")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds before each answer")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=CHANCE", help=", ".join(FAULTS))
    parser.add_argument("--burst", metavar="EVERY/LASTS", help="429 for LASTS seconds out of every EVERY")
    parser.add_argument("--dead", metavar="AFTER/LASTS", help="dead for LASTS seconds, AFTER seconds from the start")
    parser.add_argument("--requests-per-minute", type=float, default=0.0, help="429 above; 0 is no limit")
    parser.add_argument("--tokens-per-minute", type=float, default=0.0, help="429 above; 0 is no limit")
    parser.add_argument("--announce", action="store_true", help="x-ratelimit headers on every reply")
    parser.add_argument("--seed", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
