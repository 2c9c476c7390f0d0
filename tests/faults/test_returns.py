"""What people send back, in fleets and under faults: one task for each event, one result, whoever is killed when."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness import (
    CONCURRENCY,
    FAST,
    LONG_LEASE,
    SLOW,
    SQLITE,
    Wire,
    assert_accounted,
    completed,
    coordinator,
    run_of,
    seeded,
    worker,
    write_campaign,
)
from mock_server import MockServer
from postgres_server import PostgresServer
from processes import Start, until
from redis_server import RedisServer
from sent_back import NOTE, assert_returned, desk_of, items, refine_tasks, returned, send_back
from write_and_judge import judged

from gristmill import Item, Status
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

COUNT = 40
KEYS: dict[str, Any] = {"flow": "", "recipe": "grounded-qa", "max_tasks": COUNT, "prompts": [],
                        "options": {"propose": False, "kinds": ["fact"]}}  # fmt: skip


def mending(body: dict[str, Any]) -> str:
    """Writes a question on a valve, keeps it when it mends the answer; even valves are judged well, and mended ones."""
    text = body["messages"][-1]["content"]
    passage = re.findall(r"Row \d+: the valve number (\d+) opens at \d+ degrees\.", text)[0]
    quote = next(line for line in text.splitlines() if line.startswith("Row "))
    if '"decision"' in text:
        good = int(passage) % 2 == 0 or "As asked" in text
        return json.dumps(judged() if good else judged("reject", "trivial"))
    if '{"suggestions"' in text:
        return json.dumps({"suggestions": ["Say more."]})
    answer = "As asked: at so many degrees." if "Rewrite this question" in text else "At so many degrees."
    return json.dumps({"question": f"When does valve {passage} open?", "answer": answer, "evidence": [quote]})


@asynccontextmanager
async def campaign(folder: Path, **keys: Any) -> AsyncIterator[tuple[Path, MockServer]]:
    """A campaign whose model rejects every other question."""
    async with MockServer(latency=FAST, answer=mending) as server:
        yield write_campaign(folder, server, COUNT, **{**KEYS, **keys}), server


async def some(folder: Path, status: Status, count: int) -> list[Item]:
    """Waits until so many first versions have ended with `status`; returns them."""

    def found() -> list[Item]:
        try:
            ended = items(folder, status)
        except Exception:  # it is being made
            return []
        return [item for item in ended if "refines" not in item.attributes][:count]

    await until(lambda: len(found()) == count)
    return found()


def assert_one_of_each(folder: Path, origins: list[Item], server: MockServer | None = None, **more: int) -> None:
    """Each origin has one task and one result, mended and accepted; every other task ended too."""
    assert_accounted(folder, server, planned=COUNT + len(origins), **more)
    tasks = refine_tasks(folder)
    assert len(tasks) == len(origins)
    assert {task.attributes["refines"] for task, _ in tasks} == {origin.id for origin in origins}
    for origin in origins:
        (result,) = returned(folder, origin.id)
        assert_returned(result, origin)
        assert result.verdicts[0].by == "reviewer"
        assert result.status is Status.ACCEPTED, result.reasons
        assert result.messages[0] == origin.messages[0]
        assert "As asked" in result.messages[1].content


async def test_a_fleet_mends_what_is_sent_back_while_it_runs_and_after_its_end(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with campaign(tmp_path) as (path, server):
        server.latency = SLOW / 2
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        # The accepted ones hold their question in the pool, which over Redis names its owner in short.
        origins = [*await some(folder, Status.REJECTED, 2), *await some(folder, Status.ACCEPTED, 2)]
        for origin in origins:
            await send_back(folder, origin.id)
        await until(lambda: len(refine_tasks(folder)) == len(origins))
        server.latency = FAST
        await completed(command)
        assert_one_of_each(folder, origins, server)
        later = [item for item in items(folder) if item not in origins and "refines" not in item.attributes][:3]
        for origin in later:
            await send_back(folder, origin.id)
        asked = len(server.log)
        out = await completed(await coordinator(gristmill, path, wire))
        assert f"planned {COUNT + 7} = " in out
        assert "7 sent back" in out
        assert_one_of_each(folder, [*origins, *later], server)
        assert len(server.log) == asked + 3 * 3  # suggest, edit, judge


async def test_a_worker_that_is_killed_over_it_costs_nothing(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with campaign(tmp_path) as (path, server):
        folder = run_of(path)
        await completed(await coordinator(gristmill, path, wire, 1))
        origins = [item for item in items(folder) if item.status is Status.REJECTED][:6]
        for origin in origins:
            await send_back(folder, origin.id)
        server.latency = SLOW
        command = await coordinator(gristmill, path, wire, 0)
        first = await worker(gristmill, path, wire, "first")
        await wire.worker(folder, "first")
        await until(lambda: server.in_flight > 0)
        await first.killed()
        second = await worker(gristmill, path, wire, "second")
        await wire.worker(folder, "second")
        server.latency = FAST
        await completed(command)
        await completed(second)
        assert_one_of_each(folder, origins, server, in_flight=CONCURRENCY)


async def test_whenever_a_coordinator_is_killed_there_is_one_task_and_one_result(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    chance = seeded(7)
    async with campaign(tmp_path) as (path, server):
        server.latency = 0.1
        folder = run_of(path)
        origins: list[Item] = []
        for _ in range(4):  # between event and plan, between plan and result, or anywhere else
            command = await coordinator(gristmill, path, wire, 1)
            ended = await some(folder, Status.REJECTED, len(origins) + 1)
            origins.append(next(item for item in ended if item not in origins))
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            await send_back(folder, origins[-1].id)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await command.killed()
        server.latency = FAST
        await completed(await coordinator(gristmill, path, wire, 1))
        assert_one_of_each(folder, origins)


async def test_one_process_that_is_killed_between_plan_and_result_goes_on(tmp_path: Path, gristmill: Start) -> None:
    async with campaign(tmp_path) as (path, server):
        folder = run_of(path)
        await completed(await gristmill("run", path))
        origins = [item for item in items(folder) if item.status is Status.REJECTED][:2]
        for origin in origins:
            await send_back(folder, origin.id)
        server.latency = 60.0
        command = await gristmill("run", path)
        await until(lambda: len(refine_tasks(folder)) == 2 and server.in_flight == 2)
        await command.killed()
        assert [status for _, status in refine_tasks(folder)] == [Status.PENDING] * 2
        server.latency = FAST
        await completed(await gristmill("run", path))
        assert_one_of_each(folder, origins, server, in_flight=2)


async def test_a_run_in_postgres_mends_too_and_counts_what_people_accept(
    tmp_path: Path, gristmill: Start, own_postgres: PostgresServer
) -> None:
    url = own_postgres.url
    async with campaign(tmp_path) as (path, _):
        folder = run_of(path)
        await completed(await gristmill("run", path, "--store", url))
        rejected = items(folder, Status.REJECTED, url)
        await send_back(folder, rejected[0].id, url=url)
        async with desk_of(folder, url) as desk:
            await desk.decide_many([item.id for item in rejected[1:4]], Action.ACCEPT, "ada")
        out = await completed(await gristmill("run", path, "--store", url, "--workers", "1"))
        (result,) = returned(folder, rejected[0].id, url)
        assert_returned(result, rejected[0])
        assert result.status is Status.ACCEPTED
        assert f"planned {COUNT + 1} = accepted {COUNT // 2 + 1} + rejected {COUNT // 2}" in out
        assert f"people: +3 accepted, 1 sent back; {COUNT // 2 + 4} items count as accepted" in out


async def test_two_hundred_send_backs_at_once_while_it_runs(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=FAST, answer=mending) as server:
        path = write_campaign(tmp_path, server, 400, **{**KEYS, "max_tasks": 400})
        folder = run_of(path)
        await completed(await gristmill("run", path))
        origins = items(folder, Status.REJECTED)
        assert len(origins) == 200
        server.latency = 0.05
        command = await coordinator(gristmill, path, SQLITE, 2, lease=LONG_LEASE)
        async with desk_of(folder) as desk:
            bulk = await desk.decide_many([item.id for item in origins], Action.SEND_BACK, "ada", note=NOTE)
            assert not bulk.refused
            undone = await desk.undo_many([event for event in bulk.events if event.item == origins[-1].id], "ada")
            assert not undone.refused
        await completed(command)
        await completed(await gristmill("run", path))  # should it have ended before they came
        store = RunStore.read(folder)
        books = store.books()
        store.close_reading()
        assert books.balanced
        assert books.pending == 0
        results = {item.attributes["refines"] for item in items(folder) if "refines" in item.attributes}
        assert results | {origins[-1].id} == {item.id for item in origins}
        assert len(refine_tasks(folder)) == len(results)
