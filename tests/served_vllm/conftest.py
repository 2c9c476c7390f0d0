"""A served vLLM for these tests: $GRISTMILL_VLLM_URL (a server that runs already, `.../v1`), or one of our own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from vllm_server import NAME, VLLMServer, make_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model with random weights."""
    return make_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def vllm_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the openai protocol, ending in /v1."""
    given = os.environ.get("GRISTMILL_VLLM_URL")
    if given:
        yield given.rstrip("/")
        return
    server = VLLMServer(request.getfixturevalue("tiny_model"), tmp_path_factory.mktemp("vllm"))
    server.start()
    try:
        yield f"{server.root}/v1"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def served_model() -> str:
    """The name that the server answers to."""
    return os.environ.get("GRISTMILL_VLLM_MODEL", NAME)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a patience that the first request of a kind needs: it compiles kernels and grammars."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=240)) as session:
        yield session
