"""Many servers for one model: what a spec may say, and what the check and the probe tell of each."""

from __future__ import annotations

from typing import Any

import pytest
from replica_servers import serve

from gristmill.errors import ConfigError
from gristmill.models.probe import check, probe
from gristmill.models.spec import ModelSpec


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base_urls": ["http://a/v1", "http://a/v1/"]}, "http://a/v1 more than once"),
        ({"base_urls": ["http://a/v1"], "base_url": "http://b/v1"}, "base_url is set too"),
        ({"base_urls": ["a:8000"]}, "must look like"),
        ({"base_urls": ["http://me:secret@a/v1"]}, "name the key in api_key_env"),
        ({"base_urls": ["http://a/v1"], "model": "offline"}, "asks no server"),
    ],
)
def test_a_wrong_list_of_servers_names_the_mend(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        ModelSpec.of({"model": "openai_api/m", **fields})
    assert "base_urls" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_spec_of_several_servers() -> None:
    spec = ModelSpec.of({"model": "openai_api/m", "base_urls": ["http://a/v1/", "http://b/v1"]})
    assert spec.base_urls == ("http://a/v1", "http://b/v1")
    assert [one.url for one in spec.replicas] == ["http://a/v1", "http://b/v1"]
    assert all(one.replicas == (one,) for one in spec.replicas)
    assert spec.key_env is None
    assert ModelSpec.model_validate(spec.model_dump(mode="json")) == spec


async def test_check_asks_every_server() -> None:
    async with serve(2, models=("mock",)) as servers:
        urls = tuple(server.url for server in servers)
        spec = ModelSpec(model="openai_api/mock", base_urls=urls)
        await check(spec)
        servers[1].models = ("another",)
        with pytest.raises(ConfigError, match=f"{urls[1]}.*serves another"):
            await check(spec)


async def test_check_goes_on_without_a_server_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(2, models=("mock",)) as servers:
        urls = tuple(server.url for server in servers)
        spec = ModelSpec(model="openai_api/mock", base_urls=urls)
        await servers[0].stop()
        await check(spec)
        assert urls[0] in caplog.text
        await servers[1].stop()
        with pytest.raises(ConfigError, match="cannot be reached") as caught:
            await check(spec)
        assert all(url in str(caught.value) for url in urls)


async def test_probe_tells_of_every_server() -> None:
    async with serve(3, models=("mock",)) as servers:
        await servers[0].stop()
        servers[2].models = ("another",)
        found = await probe(ModelSpec(model="openai_api/mock", base_urls=tuple(server.url for server in servers)))
    assert found.usable
    assert found.models == ("mock",)
    replicas = [one for one in found.findings if one.name.startswith("replica")]
    assert [one.works for one in replicas] == [False, True, False]
    assert all(server.url in one.name for server, one in zip(servers, replicas, strict=True))
    assert all(one.works or one.mend for one in replicas)
    assert {one.name for one in found.findings if not one.name.startswith("replica")} >= {"chat", "structured output"}
