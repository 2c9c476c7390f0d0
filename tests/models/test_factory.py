"""Specs, the stack that is built of them, and the check and the probe before a campaign."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from mock_server import MockServer

from gristmill.errors import ConfigError
from gristmill.models.contract import Model, Request, Sampling
from gristmill.models.factory import build, transport
from gristmill.models.layers.cache import MemoryCalls
from gristmill.models.layers.limiter import Limiter
from gristmill.models.layers.meter import Meter
from gristmill.models.litellm_api import check_version
from gristmill.models.probe import check, probe
from gristmill.models.spec import ModelSpec
from gristmill.prompts.library import PromptLibrary
from gristmill.prompts.schemas import Summary
from gristmill.storage.records import Message

ASKED = Request(messages=(Message(role="user", content="Hello?"),), schema=Summary, role="generator", task="t")
CANARY = "sk-canary-51c09d3e77f2"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("openai/gpt", "did you mean 'openai_api/gpt'"),
        ("ofline", "did you mean 'offline'"),
        ("anthropic/claude", "known are offline, openai_api, litellm, vllm_engine"),
        ("openai_api", "'openai_api/<name>'"),
        ("openai_api/", "'openai_api/<name>'"),
        ("offline/x", "form 'offline'"),
        ({"model": "offline", "temprature": 1}, "'temprature' is unknown; did you mean 'temperature'"),
        ({"model": "offline", "api_key": "x"}, "'api_key' is unknown"),
        ({"model": "offline", "temperature": -1}, "temperature"),
        ({"model": "offline", "max_in_flight": 0}, "max_in_flight"),
        ({"model": "openai_api/m", "base_url": "localhost:8000"}, "http://localhost:8000/v1"),
        ({"model": "openai_api/m", "base_url": "ftp://here/v1"}, "base_url"),
        ({}, "model"),
    ],
)
def test_a_wrong_spec_names_the_key_and_the_mend(fields: str | dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ModelSpec.of(fields)


@pytest.mark.parametrize(
    "url", [f"http://user:{CANARY}@here/v1", f"http://here/v1?key={CANARY}", f"http://{CANARY}@here"]
)
def test_a_key_in_the_url_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigError, match="api_key_env") as caught:
        ModelSpec.of({"model": "openai_api/m", "base_url": url})
    assert CANARY not in str(caught.value)


def test_a_spec_of_a_name_alone() -> None:
    spec = ModelSpec.of("openai_api/Qwen/Qwen2.5-7B-Instruct")
    assert (spec.backend, spec.served_name) == ("openai_api", "Qwen/Qwen2.5-7B-Instruct")
    assert (spec.url, spec.key_env) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    local = ModelSpec.of({"model": "openai_api/m", "base_url": "http://localhost:8000/v1/"})
    assert (local.url, local.key_env) == ("http://localhost:8000/v1", None)
    assert ModelSpec.of(local) is local


def test_building_without_the_key_fails_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="export OPENAI_API_KEY="):
        build(ModelSpec.of("openai_api/gpt"), calls=None, budget=None, meter=Meter())


@pytest.mark.parametrize(("model", "extra"), [("litellm/anthropic/claude", "litellm"), ("vllm_engine/m", "vllm")])
def test_a_missing_extra_names_its_install(model: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.setattr("importlib.metadata.version", _not_installed)
    with pytest.raises(ConfigError, match=rf"pip install 'gristmill\[{extra}\]'"):
        transport(ModelSpec.of(model))


def _not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def test_litellms_stolen_and_old_releases_are_refused() -> None:
    for version in ("1.82.7", "1.82.8"):
        with pytest.raises(ConfigError, match="credential stealer"):
            check_version(version)
    for version in ("1.83.10", "0.9", "weird"):
        with pytest.raises(ConfigError, match="too old"):
            check_version(version)
    for version in ("1.84.0", "1.109.1", "2.0"):
        check_version(version)


async def test_the_stack_parses_caches_meters_and_counts_spending() -> None:
    async with MockServer() as server:
        meter = Meter()
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, temperature=0.3, price_in=1.0, price_out=2.0)
        model = build(spec, calls=MemoryCalls(), budget=None, meter=meter)
        assert isinstance(model, Model)
        assert model.name == "openai_api/mock"
        reply = await model.complete(ASKED)
        assert isinstance(reply.parsed, Summary)
        again = await model.complete(ASKED)
        assert again.cached
        assert again.parsed == reply.parsed
        assert len(server.log) == 1
        usage, _ = meter.take("t")
        assert (usage.calls, usage.cached_calls) == (1, 1)
        expected = (usage.input_tokens * 1.0 + usage.output_tokens * 2.0) / 1e6
        assert usage.usd == pytest.approx(expected)
        assert usage.seconds > 0
        await model.aclose()


async def test_a_specs_sampling_is_part_of_the_question() -> None:
    """Two campaigns that share a store of calls and differ in temperature share no answers."""
    async with MockServer() as server:
        calls = MemoryCalls()
        for temperature in (0.1, 0.9):
            spec = ModelSpec(model="openai_api/mock", base_url=server.url, temperature=temperature)
            model = build(spec, calls=calls, budget=None, meter=Meter())
            assert not (await model.complete(ASKED)).cached
            await model.aclose()
        assert len(calls.bodies) == 2


async def test_a_wrong_key_ends_at_once_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", CANARY)
    async with MockServer(key="right") as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, api_key_env="MY_KEY")
        with pytest.raises(ConfigError, match="MY_KEY") as caught:
            await check(spec)
        assert server.url in str(caught.value)
        found = await probe(spec)
        assert not found.usable
        assert "MY_KEY" in found.findings[0].mend
        assert all(CANARY not in text for text in (str(caught.value), repr(found), repr(spec), spec.model_dump_json()))


async def test_check_passes_a_good_server_and_spends_nothing() -> None:
    async with MockServer(models=("mock",)) as server:
        await check(ModelSpec(model="openai_api/mock", base_url=server.url))
        assert server.log == []


async def test_check_names_the_models_there_are() -> None:
    async with MockServer(models=("qwen-small", "qwen-large")) as server:
        with pytest.raises(ConfigError, match=r"did you mean 'openai_api/qwen-large'\?.*qwen-small"):
            await check(ModelSpec(model="openai_api/qwen-lage", base_url=server.url))


async def test_check_names_the_address_where_nobody_is() -> None:
    async with MockServer() as server:
        url = server.url
    with pytest.raises(ConfigError, match=url) as caught:
        await check(ModelSpec(model="openai_api/mock", base_url=url))
    assert "start the server" in str(caught.value)
    found = await probe(ModelSpec(model="openai_api/mock", base_url=url))
    assert not found.usable
    assert url in found.findings[0].mend


async def test_a_busy_server_passes_the_check() -> None:
    async with MockServer(faults={"http429": 1.0}) as server:
        await check(ModelSpec(model="openai_api/unlisted", base_url=server.url))


async def test_probe_tells_what_works() -> None:
    async with MockServer(models=("mock",)) as server:
        found = await probe(ModelSpec(model="openai_api/mock", base_url=server.url))
    assert found.usable
    assert found.models == ("mock",)
    assert found.latency is not None
    assert {one.name: one.works for one in found.findings} == {
        "reachable": True,
        "models": True,
        "chat": True,
        "structured output": True,
        "logprobs": True,
    }


async def test_probe_tells_what_does_not_and_the_mend() -> None:
    async with MockServer(answer=lambda body: "It is wet.") as server:
        found = await probe(ModelSpec(model="openai_api/mock", base_url=server.url))
    assert found.usable
    structured = next(one for one in found.findings if one.name == "structured output")
    assert not structured.works
    assert structured.mend


def test_a_key_file_is_named_when_missing(tmp_path: Path) -> None:
    spec = ModelSpec(model="openai_api/m", base_url="http://h/v1", api_key_file=str(tmp_path / "k"))
    with pytest.raises(ConfigError, match="api_key_file"):
        transport(spec)


async def test_extra_goes_into_every_body() -> None:
    bodies = []

    def answer(body: dict[str, object]) -> None:
        bodies.append(body)

    async with MockServer(answer=answer) as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, extra={"top_k": 3})
        model = build(spec, calls=None, budget=None, meter=Meter())
        await model.complete(Request(messages=ASKED.messages, sampling=Sampling(seed=1)))
        await model.aclose()
    assert bodies[0]["top_k"] == 3
    assert bodies[0]["seed"] == 1


async def test_models_of_one_server_share_their_limiter() -> None:
    async with MockServer(latency=0.01) as server:
        limiters: dict[tuple[str, str], Limiter] = {}
        models = [
            build(
                ModelSpec(model="openai_api/mock", base_url=server.url, temperature=temperature, max_in_flight=3),
                calls=None,
                budget=None,
                meter=Meter(),
                limiters=limiters,
            )
            for temperature in (0.1, 0.9)
        ]
        await asyncio.gather(*(model.complete(ASKED) for model in models for _ in range(10)))
        assert len(limiters) == 1
        assert server.most_in_flight == 3
        for model in models:
            await model.aclose()


async def test_offline_needs_no_server_and_is_cached_by_what_it_answers_by() -> None:
    prompt = PromptLibrary().get("propose-question")
    meter = Meter()
    model = build(ModelSpec.of("offline"), calls=MemoryCalls(), budget=None, meter=meter)
    replies = []
    for passage in ("The Rhine is a river in Europe. It is 1,233 km long.", "The Rhine is a river in Europe."):
        variables = {"passage": passage, "headings": [], "kind": "fact", "kind_description": "a fact"}
        request = Request(
            messages=ASKED.messages, schema=prompt.schema, prompt=prompt.name, variables=variables, role="proposer"
        )
        replies += [await model.complete(request), await model.complete(request)]
    assert [reply.cached for reply in replies] == [False, True, False, True]
    assert all(reply.parsed is not None for reply in replies)
    assert meter.books("proposer").tally.usd == 0
    await check(ModelSpec.of("offline"))
    assert (await probe(ModelSpec.of("offline"))).usable
