"""How much of their prompts two vLLM servers reuse: documents kept to one server, beside requests in turn.

    python benchmarks/prefix_cache.py [--documents 40] [--concurrency 8] [--python .venv-vllm/bin/python]

Two real vLLM servers (CPU build, a tiny model with random weights: `make test-vllm` installs them) answer the prompts
that a question and answer goes through: propose, write, judge, suggest, edit. Each document's prompts follow each
other, as in a flow, and several documents are under way. Half of the run goes through the replicas of a model with
`base_urls`, half sends requests to the two servers in turn; each over documents of its own, of one size, so that
neither finds the other's in the caches. vLLM counts tokens asked for and tokens reused.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from operator import add
from pathlib import Path
from time import monotonic

from gristmill.errors import Truncated
from gristmill.models.contract import Model, Reply, Request, Sampling
from gristmill.models.factory import build
from gristmill.models.layers.meter import Meter
from gristmill.models.replicas import Router
from gristmill.models.spec import ModelSpec
from gristmill.prompts.library import PromptLibrary

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "shared"))

import vllm_server  # noqa: E402  # a helper of the tests

LABELS = ("by prefix", "in turn", "in turn", "by prefix")  # so that a machine that gets busier favours neither
PROMPTS = (
    "propose-question",
    "write-question-answer",
    "judge-question-answer",
    "suggest-edits",
    "edit-question-answer",
)
QUERIES, HITS = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
VALUES = {
    "headings": [],
    "kind": "fact",
    "kind_description": "",
    "topic": "",
    "angle": "",
    "quote": "",
    "question": "What turns the wheel of the mill?",
    "answer": "The tide does.",
    "evidence": ["The tide turns the wheel."],
    "decision": "revise",
    "scores": [],
    "comment": "Name the mill.",
    "reasons": ["unclear"],
    "suggestions": ["Name the mill."],
}


@dataclass
class InTurn:
    """Sends each request to the next model."""

    models: list[Model]

    def __post_init__(self) -> None:
        self.name = self.models[0].name
        self._next = cycle(self.models)

    async def complete(self, request: Request) -> Reply:
        return await next(self._next).complete(request)

    async def aclose(self) -> None:
        for model in self.models:
            await model.aclose()


@dataclass(frozen=True)
class Row:
    """One way of sending: tokens asked for and reused, seconds, and requests by server."""

    label: str
    queries: int
    hits: int
    seconds: float
    shares: tuple[int, ...]

    def plus(self, other: Row) -> Row:
        shares = tuple(map(add, self.shares, other.shares))
        return Row(
            self.label, self.queries + other.queries, self.hits + other.hits, self.seconds + other.seconds, shares
        )

    @property
    def rate(self) -> float:
        return self.hits / max(1, self.queries)


def documents(count: int, characters: int, seed: int) -> list[str]:
    """Returns texts of the example documents' sentences, in an order of their own."""
    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples/corpus").glob("*.[mt][dx]*"))]
    sentences = [part.strip() for page in pages for part in re.split(r"(?<=[.!?])\s+", page) if len(part) > 30]
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        text = ""
        while len(text) < characters:
            text += draw.choice(sentences) + " "
        made.append(text[:characters])
    return made


def counted(server: vllm_server.VLLMServer) -> tuple[int, int, int]:
    """Returns tokens asked for, tokens reused and requests ended, as the server counts them."""
    with urllib.request.urlopen(f"{server.root}/metrics", timeout=10) as reply:
        text = reply.read().decode()

    def total(name: str) -> int:
        return int(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))

    return total(QUERIES), total(HITS), total("vllm:request_success_total")


async def ask(model: Model, passage: str, room: asyncio.Semaphore) -> None:
    """Sends one document's prompts, each after the one before was answered. What is answered is noise."""
    library = PromptLibrary()
    async with room:
        for name in PROMPTS:
            messages = library.get(name).render({**VALUES, "passage": passage})
            sampling = Sampling(temperature=0.0, max_tokens=4, extra={"ignore_eos": True})
            with contextlib.suppress(Truncated):  # four tokens are enough: prompts are what is measured
                await model.complete(Request(messages=messages, sampling=sampling, prompt=name))


async def part(
    label: str, model: Model, servers: list[vllm_server.VLLMServer], texts: list[str], concurrency: int
) -> Row:
    before = [counted(server) for server in servers]
    room = asyncio.Semaphore(concurrency)
    began = monotonic()
    await asyncio.gather(*(ask(model, text, room) for text in texts))
    seconds = monotonic() - began
    after = [counted(server) for server in servers]
    gained = [tuple(b - a for a, b in zip(old, new, strict=True)) for old, new in zip(before, after, strict=True)]
    return Row(label, sum(g[0] for g in gained), sum(g[1] for g in gained), seconds, tuple(gain[2] for gain in gained))


def models(servers: list[vllm_server.VLLMServer]) -> tuple[Model, Model, Router]:
    """Returns the replicas and the models in turn, with the same layers around each server."""
    urls = tuple(f"{server.root}/v1" for server in servers)
    routers: dict[tuple[str, ...], Router] = {}
    name = f"openai_api/{vllm_server.NAME}"
    sticky = build(ModelSpec(model=name, base_urls=urls), calls=None, budget=None, meter=Meter(), routers=routers)
    in_turn = InTurn(
        [build(ModelSpec(model=name, base_url=url), calls=None, budget=None, meter=Meter()) for url in urls]
    )
    return sticky, in_turn, next(iter(routers.values()))


async def measure(servers: list[vllm_server.VLLMServer], options: argparse.Namespace) -> list[Row]:
    _, warm, _ = models(servers)
    # Kernels are compiled at the first requests, and the system message is in both caches from here on.
    await part("warm", warm, servers, documents(4, options.characters, seed=0), 1)
    sticky, in_turn, router = models(servers)
    rows: dict[str, Row] = {}
    for seed, (label, model) in enumerate(zip(LABELS, (sticky, in_turn, in_turn, sticky), strict=True), start=1):
        texts = documents(options.documents // 2, options.characters, seed)
        row = await part(label, model, servers, texts, options.concurrency)
        rows[label] = rows[label].plus(row) if label in rows else row
    for model in (warm, sticky, in_turn):
        await model.aclose()
    print("spilled by the router:", [one.spilled for one in router.report()])
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--characters", type=int, default=6000, help="of each document; a block is 128 tokens")
    parser.add_argument("--concurrency", type=int, default=8, help="documents under way at a time")
    parser.add_argument("--python", type=Path, default=vllm_server.PYTHON, help="of the environment with vLLM")
    options = parser.parse_args()
    vllm_server.PYTHON = options.python
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = vllm_server.make_model(place / "model")
        servers = []
        for number in range(2):
            (place / str(number)).mkdir()
            servers.append(vllm_server.VLLMServer(model, place / str(number)))
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(vllm_server.VLLMServer.start, servers))
            rows = asyncio.run(measure(servers, options))
        finally:
            for server in servers:
                server.stop()
    asked = options.documents * len(PROMPTS)
    print(f"{options.documents} documents of {options.characters} characters, {asked} requests each way, 2 servers")
    print(f"{'requests':<12}{'tokens':>10}{'reused':>10}{'rate':>8}{'seconds':>10}  by server")
    for row in rows:
        shares = " + ".join(map(str, row.shares))
        print(f"{row.label:<12}{row.queries:>10,}{row.hits:>10,}{row.rate:>8.1%}{row.seconds:>10.1f}  {shares}")
    sticky, in_turn = rows
    print(json.dumps({"hit_rate_sticky": round(sticky.rate, 4), "hit_rate_round_robin": round(in_turn.rate, 4)}))


if __name__ == "__main__":
    main()
