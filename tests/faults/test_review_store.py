"""The review pages while the database of their run is stopped, hangs or is cut off: nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dropping_proxy import DroppingProxy
from isolation import CANARY
from item_states import fill, made
from postgres_server import PostgresServer
from processes import Start, until
from served import serve
from visitor import Answer, Visitor, visitor

from gristmill.storage.reviews import Reviews
from gristmill.storage.store import RunStore

ITEMS = [made(f"more {number:02}", reasons=("unclear",)) for number in range(12)]
IDS = [item.id for _, item in ITEMS]
PAGES = ("/", f"/items/{IDS[0]}", "/dashboard", "/graph", "/agreement")
PARTS = ("/rows", "/bars", "/dashboard/parts", "/graph/data", "/following")
AWAY = "The store does not answer"
Turn = Callable[[], Awaitable[None]]


@pytest.fixture
async def run(tmp_path: Path, own_postgres: PostgresServer) -> Path:
    """A run with twelve items that wait, in a database of this test's own."""
    folder = tmp_path / "reviewed"
    store = RunStore.open(folder, own_postgres.url)
    await fill(store, *ITEMS)
    await store.close()
    return folder


@asynccontextmanager
async def faulty(fault: str, server: PostgresServer) -> AsyncIterator[tuple[str, Turn, Turn]]:
    """The URL of the database, what makes it go away, and what brings it back."""
    if fault == "cut off":
        async with DroppingProxy(server.url) as proxy:

            async def cut() -> None:
                proxy.cut()

            async def heal() -> None:
                proxy.heal()

            yield (
                server.url.replace(f":{server.port}/", f":{proxy.url.rpartition(':')[2].partition('/')[0]}/"),
                cut,
                heal,
            )
        return
    ways = {"stopped": (server.kill, server.start), "hanging": (server.freeze, server.thaw)}
    away, back = ways[fault]
    try:
        yield server.url, lambda: asyncio.to_thread(away), lambda: asyncio.to_thread(back)
    finally:
        if fault == "hanging":
            server.thaw()


async def look(ada: Visitor, path: str) -> Answer:
    return await ada.get(path, Accept="text/html", **({"HX-Request": "true"} if path in PARTS else {}))


async def decide(ada: Visitor, item: str, event: str) -> Answer:
    body = {"event": event, "action": "accept", "seen": ""}
    return await ada.ask("POST", f"/items/{item}/decisions", json=body, headers={"Accept": "application/json"})


def actions(url: str, item: str) -> list[str]:
    store = RunStore.read("reviewed", url)
    try:
        return [one.action.value for one in Reviews(store).history(item)]
    finally:
        store.close_reading()


@pytest.mark.parametrize("fault", ["stopped", "hanging", "cut off"])
async def test_pages_say_that_the_store_is_away_and_come_back_with_it(
    run: Path, gristmill: Start, own_postgres: PostgresServer, fault: str
) -> None:
    async with faulty(fault, own_postgres) as (url, go_away, come_back):
        served = await serve(gristmill, run, "--store", url)
        async with visitor(served) as ada:
            for path in PAGES:
                assert (await ada.get(path)).status == 200, path
            await go_away()
            events = {id: uuid.uuid4().hex for id in IDS[:6]}
            waiting = [asyncio.create_task(look(ada, path)) for path in (*PAGES, *PARTS)]
            deciding = [asyncio.create_task(decide(ada, id, event)) for id, event in events.items()]
            for path in ("/static/base.css", "/nowhere"):  # what needs no store does not wait for it
                assert (await ada.get(path)).status in {200, 404}
                assert not any(one.done() for one in (*waiting, *deciding)), path
            for one in await asyncio.gather(*waiting):
                assert one.status == 503
                assert AWAY in one.text
                assert int(one.headers["retry-after"]) > 0
                one.assert_safe()
            assert {one.status for one in await asyncio.gather(*deciding)} == {503}
            again = await look(ada, "/")  # known to be away by now: said without a wait
            assert 'http-equiv="refresh"' in again.text
            part = await look(ada, "/rows")
            assert part.status == 503
            assert "http-equiv" not in part.text
            await come_back()
            for path in (*PAGES, *PARTS):
                await until(lambda path=path: is_there(ada, path))
            for id, event in events.items():  # as the browser sends them, again and again
                await until(lambda id=id, event=event: is_taken(ada, id, event))
            await asyncio.gather(*(decide(ada, id, event) for id, event in events.items()))
        for id in events:
            assert actions(own_postgres.url, id) == ["accept"]
        assert [actions(own_postgres.url, id) for id in IDS[6:]] == [[]] * 6
        assert "Traceback" not in served.said
        assert CANARY not in served.said
        served.command.process.send_signal(signal.SIGINT)
        code, _, err = await served.command.ended()
        assert code in {0, 130}, err


async def is_there(ada: Visitor, path: str) -> bool:
    return (await look(ada, path)).status == 200


async def is_taken(ada: Visitor, item: str, event: str) -> bool:
    return (await decide(ada, item, event)).status == 200


@pytest.mark.parametrize("asked", [(), (*PAGES, *PARTS)])
async def test_it_ends_while_its_store_hangs(
    run: Path, gristmill: Start, own_postgres: PostgresServer, asked: tuple[str, ...]
) -> None:
    served = await serve(gristmill, run, "--store", own_postgres.url)
    async with visitor(served) as ada, faulty("hanging", own_postgres) as (_, go_away, _):
        assert (await ada.get("/graph")).status == 200
        await go_away()
        waiting = [look(ada, path) for path in asked] + [decide(ada, id, uuid.uuid4().hex) for id in IDS[: len(asked)]]
        told: list[Any] = await asyncio.gather(*waiting)
        assert {one.status for one in told} <= {503}
        served.command.process.send_signal(signal.SIGINT)
        code, _, err = await served.command.ended(120)
        assert code in {0, 130}, err
        assert "Traceback" not in err


async def test_who_is_killed_in_the_middle_of_decisions_takes_each_once_when_it_is_there_again(
    run: Path, gristmill: Start, own_postgres: PostgresServer
) -> None:
    served = await serve(gristmill, run, "--store", own_postgres.url, "--token", "a-token-that-stays-the-same")
    events = {id: uuid.uuid4().hex for id in IDS}
    async with visitor(served) as ada:
        deciding = [asyncio.create_task(decide(ada, id, event)) for id, event in events.items()]
        await asyncio.wait(deciding, return_when=asyncio.FIRST_COMPLETED)
        await served.command.killed()
        await asyncio.gather(*deciding, return_exceptions=True)
    again = await serve(gristmill, run, "--store", own_postgres.url, "--port", served.port)
    async with visitor(again) as ada:
        for answer in await asyncio.gather(*(decide(ada, id, event) for id, event in events.items())):
            assert answer.status == 200, answer.text
    assert [actions(own_postgres.url, id) for id in IDS] == [["accept"]] * len(IDS)
