"""What a vLLM server says on the wire, without gristmill: the facts that models/wire.py rests on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.vllm

Post = Callable[..., Awaitable[dict[str, Any]]]
MESSAGES = [{"role": "user", "content": "What does a mill do?"}]
VERDICT = {
    "type": "object",
    "properties": {"verdict": {"enum": ["accept", "reject"]}, "score": {"enum": [1, 2, 3]}},
    "required": ["verdict", "score"],
    "additionalProperties": False,
}


@pytest.fixture
def post(http: aiohttp.ClientSession, vllm_url: str, served_model: str) -> Post:
    async def call(path: str, *, status: int = 200, **body: Any) -> dict[str, Any]:
        async with http.post(f"{vllm_url}{path}", json={"model": served_model, **body}) as reply:
            text = await reply.text()
            assert reply.status == status, text
            answer = json.loads(text)
            assert isinstance(answer, dict)
            return answer

    return call


async def metric(http: aiohttp.ClientSession, vllm_url: str, name: str) -> float:
    """Sum of a counter's samples in /metrics."""
    async with http.get(f"{vllm_url.removesuffix('/v1')}/metrics") as reply:
        lines = (await reply.text()).splitlines()
    values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} "))]
    assert values, f"no metric {name}"
    return sum(values)


async def test_models_lists_the_served_name(http: aiohttp.ClientSession, vllm_url: str, served_model: str) -> None:
    async with http.get(f"{vllm_url}/models") as reply:
        listed = await reply.json()
    assert served_model in [entry["id"] for entry in listed["data"]]


async def test_chat_with_n_and_logprobs(post: Post) -> None:
    answer = await post(
        "/chat/completions", messages=MESSAGES, max_tokens=8, n=3, seed=1, logprobs=True, top_logprobs=2
    )
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    for choice in answer["choices"]:
        tokens = choice["logprobs"]["content"]
        assert 1 <= len(tokens) <= 8
        assert all(entry["logprob"] <= 0 and len(entry["top_logprobs"]) >= 2 for entry in tokens)
    assert answer["usage"]["completion_tokens"] <= 24


async def test_a_seed_repeats_the_answer(post: Post) -> None:
    async def draw(seed: int) -> list[float]:
        answer = await post("/completions", prompt="The wheel", max_tokens=12, temperature=1.0, seed=seed, logprobs=0)
        values = answer["choices"][0]["logprobs"]["token_logprobs"]
        assert isinstance(values, list)
        return values

    first = await draw(7)
    assert await draw(7) == pytest.approx(first, abs=0.05)
    assert await draw(8) != pytest.approx(first, abs=0.05)


async def test_completion_with_prompt_logprobs(post: Post) -> None:
    answer = await post("/completions", prompt="The river turns the wheel", max_tokens=1, prompt_logprobs=1)
    (choice,) = answer["choices"]
    given = choice["prompt_logprobs"]
    assert given[0] is None  # nothing comes before the first token
    assert len(given) == answer["usage"]["prompt_tokens"]
    assert all(entry["logprob"] <= 0 for position in given[1:] for entry in position.values())


async def test_json_schema_is_enforced(post: Post) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": VERDICT, "strict": True}}
    for seed in range(3):
        answer = await post("/chat/completions", messages=MESSAGES, max_tokens=64, seed=seed, response_format=form)
        said = json.loads(answer["choices"][0]["message"]["content"])
        assert set(said) == {"verdict", "score"}
        assert said["verdict"] in {"accept", "reject"}
        assert said["score"] in {1, 2, 3}


async def test_stop_and_logit_bias(post: Post) -> None:
    plain = await post("/completions", prompt="a", max_tokens=1, logprobs=0, temperature=0, return_token_ids=True)
    (token,) = plain["choices"][0]["token_ids"]
    banned = await post(
        "/completions", prompt="a", max_tokens=1, temperature=0, logit_bias={str(token): -100}, return_token_ids=True
    )
    assert banned["choices"][0]["token_ids"] != [token]
    answer = await post(
        "/completions", prompt="a", max_tokens=64, temperature=0, logit_bias={str(token): -100}, min_tokens=1
    )
    text = answer["choices"][0]["text"]
    mark = next(letter for letter in text if letter.isascii())
    cut = await post(
        "/completions", prompt="a", max_tokens=64, temperature=0, logit_bias={str(token): -100}, stop=[mark]
    )
    assert cut["choices"][0]["text"] == text.partition(mark)[0]
    assert cut["choices"][0]["finish_reason"] == "stop"


async def test_a_shared_prefix_is_served_from_the_cache(post: Post, http: aiohttp.ClientSession, vllm_url: str) -> None:
    """The CPU build caches blocks of 128 tokens: a shorter shared prefix never hits."""
    prefix = "The river turns the wheel, the wheel turns the shaft, and the shaft turns the stone. " * 20
    await post("/completions", prompt=f"{prefix} First.", max_tokens=1)
    before = await metric(http, vllm_url, "vllm:prefix_cache_hits_total")
    answer = await post("/completions", prompt=f"{prefix} Second.", max_tokens=1)
    hits = await metric(http, vllm_url, "vllm:prefix_cache_hits_total") - before
    assert 128 <= hits <= answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"model": "no-such-model", "messages": MESSAGES}),
        (400, {"messages": MESSAGES, "max_tokens": 10_000_000}),
        (400, {"messages": MESSAGES, "temperature": -1}),
    ],
)
async def test_a_wrong_request_is_refused_with_a_message(post: Post, status: int, body: dict[str, Any]) -> None:
    answer = await post("/chat/completions", status=status, **body)
    assert answer["error"]["message"]
