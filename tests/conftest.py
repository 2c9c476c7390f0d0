"""What all tests share: no network beyond this machine, no key or proxy of the user's, a real Redis and PostgreSQL."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Wire
from isolation import CANARY, KEYS, PROXIES, NetworkTouched, is_loopback
from places import TESTS
from postgres_server import PostgresServer
from processes import Start, starting
from redis_server import RedisServer

# Nothing in a test may reach for a hub or a price list.
os.environ.update(HF_HUB_OFFLINE="1", LITELLM_LOCAL_MODEL_COST_MAP="True", DO_NOT_TRACK="1")

# Tests start hundreds of processes. Where no bytecode is written, as in many images of containers, each of them
# compiles the package and all that it imports anew: half of the CPU that a command takes to start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests run beside each other: one thread each for linear algebra. More wait for each other spinning, and on a busy
# machine a matrix of 1,000 x 1,000 takes a hundred times as long.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


WAITING = ("faults", "fleet", "web", "campaigns")  # folders whose tests mostly wait: for leases, servers, a browser


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the tests that wait, so that others use the processors beside them and none is left for the end."""
    places = {TESTS / folder: place for place, folder in enumerate(WAITING)}
    items.sort(key=lambda item: places.get(item.path.parent, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Lets reports of tests that print broken text travel between the processes that run the tests."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_encodable, value))
    return value


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Make every connection of this process that leaves the machine a failure."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            real = getattr(socket.socket, name)

            def guarded(self: socket.socket, address: Any, real: Any = real) -> Any:
                if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address):
                    raise NetworkTouched(f"a test connected to {address!r}; serve what it needs on 127.0.0.1")
                return real(self, address)

            patch.setattr(socket.socket, name, guarded)
        yield


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's keys and proxies: a test sees the same environment everywhere."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name in ("GRISTMILL_STORE", "GRISTMILL_REDIS", "PGPASSWORD", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def canary_keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set every provider's key to a value that must never turn up in a log, a store, an error or a repr.

    Grep what the test made for `canary-do-not-print`; the dict has each variable's whole value.
    """
    keys = {name: f"sk-{CANARY}-{name.lower().replace('_', '-')}" for name in KEYS}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return keys


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real Redis for the whole session; never skipped, never to be killed by a test."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """URL of a real Redis, shared by all tests: use key names of your own."""
    return shared_redis.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis of this test's own, to kill and start again."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def gristmill(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    """Starts `gristmill` commands as processes; at the end nothing of them, or of what they started, is left."""
    async with starting(tmp_path_factory.mktemp("said")) as start:
        yield start


@pytest.fixture(params=["sqlite", "redis"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each test that asks for it runs over both."""
    if request.param == "sqlite":
        return Wire()
    server: RedisServer = request.getfixturevalue("own_redis")
    return Wire(server.url)


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """One real PostgreSQL for the whole session; never skipped, never to be killed by a test."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(shared_postgres: PostgresServer) -> str:
    """URL of a real PostgreSQL, shared by all tests: use names of runs of your own."""
    return shared_postgres.url


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this test's own, to kill and start again."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()
