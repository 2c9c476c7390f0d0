"""A server that takes 16 requests at a time and answers 429 above, before three workers that may send 64 each.
Then one that allows 600,000 tokens a minute, a second's worth at once.

    python benchmarks/limiter.py [--redis redis://127.0.0.1:6379/0] [--rounds 3] [--tokens-for 30]

Runs 600 calls of 50 ms, 200 a worker, once with the limiter that the workers share in Redis and once with a limiter in
each process. `cap_used` is the share of the server's 16 places that was busy with answers between its first request and
its last answer; `share_429` is the refused share of all requests. Without --redis it
starts a Redis of its own.

The second server is asked by the same workers for 30 s (--tokens-for): its rate declared, announced in its headers,
and unknown, to limiters that share it and to one in each process. `tokens_used` is the share of the allowed tokens that
it gave out from its first request on, `tokens_share_429` the refused share of all requests; `steady` looks at the
second half.

The last line is one JSON object: the median round of the shared limiter, and the declared rate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import orjson
from mock_server import MockServer, RateLimit
from redis_server import RedisServer

from gristmill.models.contract import PerMinute, Request
from gristmill.models.factory import build
from gristmill.models.fleet.limiter import RedisLimiter
from gristmill.models.layers.limiter import AnyLimiter, limiter_here
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Message
from gristmill.storage.redis_connection import RedisConnection

CAP, LATENCY, WORKERS, EACH, ALLOWED = 16, 0.05, 3, 200, 64
TOKENS_PER_MINUTE, ANSWER_SECONDS = 600_000, 1.0


class Capped(MockServer):
    """Takes `CAP` requests at a time for `LATENCY` each, and refuses the others at once."""

    def fault(self) -> str:
        refused = self.in_flight > CAP  # this one is counted already
        self.latency = 0.0 if refused else LATENCY
        return "http429" if refused else ""


async def work(url: str, redis: str, campaign: str, number: int, rate: float, seconds: float) -> None:
    """One worker process: waits for the word, makes its calls (for `seconds`, if any), prints its own CPU time."""
    spec = ModelSpec.of({"model": "openai_api/mock", "base_url": url, "max_in_flight": ALLOWED, "retries": 500})
    spec = spec.model_copy(update={"tokens_per_minute": rate})
    connection = RedisConnection(redis) if redis else None
    ours: list[RedisLimiter] = []

    def shared(label: str, most: int, patience: float, rates: PerMinute) -> AnyLimiter:
        assert connection is not None
        ours.append(RedisLimiter(connection, campaign, label, most, patience, rates=rates))
        return ours[0]

    make = shared if redis else limiter_here
    model = build(spec, calls=None, budget=None, meter=Meter(), make_limiter=make)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    left = iter(range(EACH) if not seconds else itertools.count())

    async def slot() -> None:
        for call in left:
            words = "word " * (call * 7919 % 400 if seconds else 0)  # prompts of 1 to 600 tokens
            await model.complete(Request(messages=(Message(role="user", content=f"{number} {call} {words}"),)))

    began = time.process_time()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await asyncio.gather(*(slot() for _ in range(ALLOWED)))
    print(time.process_time() - began, flush=True)
    await model.aclose()
    for limiter in ours:
        await limiter.aclose()
    if connection is not None:
        await connection.aclose()


async def run_workers(url: str, redis: str, rate: float = 0.0, seconds: float = 0.0) -> list[float]:
    """Runs the worker processes to their end; returns the CPU seconds of each."""
    campaign = uuid.uuid4().hex[:8]
    more = ("--redis", redis, "--rate", str(rate), "--seconds", str(seconds))
    workers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--work", url, campaign, str(number), *more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(WORKERS)
    ]
    try:
        async with asyncio.timeout(120):
            for worker in workers:
                assert worker.stdout is not None
                assert await worker.stdout.readline() == b"ready\n"
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write(b"go\n")
            return [float((await worker.communicate())[0]) for worker in workers]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()


async def measure(redis: str) -> dict[str, Any]:
    """One round: a fresh server, fresh workers, a fresh window."""
    server = Capped(latency=LATENCY, retry_after=0.0)
    await server.listen()
    try:
        cpu = await run_workers(server.url, redis)
    finally:
        await server.stop()
    calls = WORKERS * EACH
    served = [entry for entry in server.log if entry.status == 200]
    assert len(served) == calls, f"{len(served)} of {calls} calls were answered"
    seconds = max(entry.ended for entry in served) - min(entry.began for entry in server.log)
    busy = sum(entry.ended - entry.began for entry in served)
    return {
        "cap_used": round(busy / CAP / seconds, 3),
        "share_429": round(1 - len(served) / len(server.log), 4),
        "seconds": round(seconds, 2),
        "cpu_ms_a_call": round(1000 * sum(cpu) / calls, 2),
    }


async def measure_tokens(redis: str, seconds: float, *, declared: bool, announced: bool) -> dict[str, float]:
    """So many seconds before a server that counts tokens."""
    limit = RateLimit(tokens=TOKENS_PER_MINUTE, announced=announced)
    server = MockServer(latency=ANSWER_SECONDS, limit=limit)
    await server.listen()
    halves: list[tuple[float, float]] = []

    async def look() -> None:
        while not server.in_flight:  # noqa: ASYNC110  # the workers are other processes
            await asyncio.sleep(0.01)
        for _ in range(2):
            used, requests = limit.used, len(server.log)
            await asyncio.sleep(seconds / 2)
            refused = [entry.status == 429 for entry in server.log[requests:]]
            share = (limit.used - used) / (TOKENS_PER_MINUTE / 60 * seconds / 2)
            halves.append((share, sum(refused) / max(1, len(refused))))

    looking = asyncio.create_task(look())
    rate = TOKENS_PER_MINUTE / (1 if redis else WORKERS) if declared else 0.0
    try:
        await run_workers(server.url, redis, rate, seconds + 1)
        await looking
    finally:
        looking.cancel()
        await server.stop()
    return {
        "tokens_used": round(sum(share for share, _ in halves) / 2, 3),
        "tokens_share_429": round(sum(entry.status == 429 for entry in server.log) / len(server.log), 4),
        "steady_used": round(halves[1][0], 3),
        "steady_share_429": round(halves[1][1], 4),
    }


async def main(redis: str, rounds: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = None if redis else RedisServer(Path(folder) / "redis")
        if server is not None:
            server.start()
        try:
            url = redis or (server.url if server else "")
            found: dict[str, list[dict[str, Any]]] = {"shared": [], "each process": []}
            for _ in range(rounds):
                for name, where in (("shared", url), ("each process", "")):
                    found[name].append(await measure(where))
                    print(f"{name:>14}: {found[name][-1]}", flush=True)
            tokens: dict[str, dict[str, float]] = {}
            for name in ("declared", "announced", "unknown"):
                for whose, where in (("shared", url), ("each process", "")):
                    key = f"{name}, {whose}"
                    tokens[key] = await measure_tokens(
                        where, seconds, declared=name == "declared", announced=name == "announced"
                    )
                    print(f"{key:>23}: {tokens[key]}", flush=True)
        finally:
            if server is not None:
                server.stop()
    middle = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in found.items()
    }
    last = {**middle["shared"], **tokens["declared, shared"], "each_process": middle["each process"], "tokens": tokens}
    print(orjson.dumps(last).decode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens-for", type=float, default=30.0, help="seconds of each run that counts tokens")
    parser.add_argument("--work", nargs=3, metavar=("URL", "CAMPAIGN", "NUMBER"), help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        url, campaign, number = options.work
        asyncio.run(work(url, options.redis, campaign, int(number), options.rate, options.seconds))
    else:
        asyncio.run(main(options.redis, options.rounds, options.tokens_for))
