"""A server that takes 16 requests at a time and answers 429 above, before three workers that may send 64 each.

    python benchmarks/limiter.py [--redis redis://127.0.0.1:6379/0] [--rounds 3]

Runs 600 calls of 50 ms, 200 a worker, once with the limiter that the workers share in Redis and once with a limiter in
each process. `cap_used` is the share of the server's 16 places that was busy with answers between its first request and
its last answer; `share_429` is the refused share of all requests. Without --redis it
starts a Redis of its own. The last line is one JSON object: the median round of the shared limiter.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import orjson
from mock_server import MockServer
from redis_server import RedisServer

from gristmill.models.contract import Request
from gristmill.models.factory import build
from gristmill.models.fleet.limiter import RedisLimiter
from gristmill.models.layers.limiter import AnyLimiter, limiter_here
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Message
from gristmill.storage.redis_connection import RedisConnection

CAP, LATENCY, WORKERS, EACH, ALLOWED = 16, 0.05, 3, 200, 64


class Capped(MockServer):
    """Takes `CAP` requests at a time for `LATENCY` each, and refuses the others at once."""

    def fault(self) -> str:
        refused = self.in_flight > CAP  # this one is counted already
        self.latency = 0.0 if refused else LATENCY
        return "http429" if refused else ""


async def work(url: str, redis: str, campaign: str, number: int) -> None:
    """One worker process: waits for the word, makes its calls, prints its own CPU time."""
    spec = ModelSpec.of({"model": "openai_api/mock", "base_url": url, "max_in_flight": ALLOWED, "retries": 50})
    connection = RedisConnection(redis) if redis else None
    ours: list[RedisLimiter] = []

    def shared(label: str, most: int, patience: float) -> AnyLimiter:
        assert connection is not None
        ours.append(RedisLimiter(connection, campaign, label, most, patience))
        return ours[0]

    make = shared if redis else limiter_here
    model = build(spec, calls=None, budget=None, meter=Meter(), make_limiter=make)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    left = iter(range(EACH))

    async def slot() -> None:
        for call in left:
            await model.complete(Request(messages=(Message(role="user", content=f"{number} {call}"),)))

    began = time.process_time()
    await asyncio.gather(*(slot() for _ in range(ALLOWED)))
    print(time.process_time() - began, flush=True)
    await model.aclose()
    for limiter in ours:
        await limiter.aclose()
    if connection is not None:
        await connection.aclose()


async def measure(redis: str) -> dict[str, Any]:
    """One round: a fresh server, fresh workers, a fresh window."""
    server = Capped(latency=LATENCY, retry_after=0.0)
    await server.listen()
    campaign = uuid.uuid4().hex[:8]
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--work",
            server.url,
            campaign,
            str(number),
            "--redis",
            redis,
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
            cpu = [float((await worker.communicate())[0]) for worker in workers]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
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


async def main(redis: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = None if redis else RedisServer(Path(folder) / "redis")
        if server is not None:
            server.start()
        try:
            found: dict[str, list[dict[str, Any]]] = {"shared": [], "each process": []}
            for _ in range(rounds):
                for name, url in (("shared", redis or (server.url if server else "")), ("each process", "")):
                    found[name].append(await measure(url))
                    print(f"{name:>14}: {found[name][-1]}", flush=True)
        finally:
            if server is not None:
                server.stop()
    middle = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in found.items()
    }
    print(orjson.dumps({**middle["shared"], "each_process": middle["each process"]}).decode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs=3, metavar=("URL", "CAMPAIGN", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(options.work[0], options.redis, options.work[1], int(options.work[2])))
    else:
        asyncio.run(main(options.redis, options.rounds))
