"""How a fleet's work ends when something is wrong: workers that all die, results JSON cannot carry, stale queues."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from harness import SQLITE, Wire, accepting, assert_accounted, moves_on, write_campaign
from mock_server import MockServer
from processes import PATIENCE, Start, gone, until
from queue_pair import some_work
from redis.asyncio import Redis
from redis_server import RedisServer
from write_and_judge import judged

from gristmill import Fleet, Status
from gristmill.agents.state import FlowContext, FlowState
from gristmill.campaigns.admission import Admission
from gristmill.campaigns.fleet.dispatch import Dispatcher
from gristmill.campaigns.fleet.member import Member
from gristmill.campaigns.outcome import failure
from gristmill.campaigns.rounds import Contexts
from gristmill.campaigns.worker import Worker
from gristmill.errors import AccessDenied, ConfigError, NotStored
from gristmill.evals.duplicates.exact import ExactPool
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.meter import Meter
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.leases import QueueFile, SqliteCoordinatorQueue, SqliteWorkerQueue
from gristmill.storage.queue import Result, Work
from gristmill.storage.records import Draft, Message, Task
from gristmill.storage.redis_connection import LIFE_MS
from gristmill.storage.store import RunStore


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[SqliteCoordinatorQueue]:
    queue = SqliteCoordinatorQueue(tmp_path, lease=5, wait=0.1)
    await queue.begin({})
    yield queue
    await queue.close()


async def served(folder: Path, flow: Any, pool: ExactPool, ended: Callable[[], Awaitable[bool]]) -> str:
    """Runs a member over the queue in `folder` until `ended`; returns its problem."""
    queue = SqliteWorkerQueue(folder, "one", lease=5, wait=0.1)
    context = FlowContext(models={}, prompts=PromptLibrary(), pool=pool)
    worker = Worker(flow, Contexts(context), meter=Meter(), kind="sft")
    member = Member(queue, worker, "one", 4, lease=5, pool=pool)
    serving = asyncio.create_task(member.serve())
    try:
        async with asyncio.timeout(PATIENCE):
            while not await ended():  # noqa: ASYNC110  # another connection's doing
                await asyncio.sleep(0.02)
    finally:
        member.stop()
        problem = await serving
        await queue.close()
    return problem


def says(text: str, **fields: Any) -> FlowState:
    return {"drafts": [Draft(index=0, by="writer", messages=(Message(role="user", content=text),), fields=fields)]}


@pytest.mark.parametrize("value", [object(), "\ud800"], ids=["an object", "half a surrogate pair"])
async def test_what_json_cannot_carry_fails_its_task_alone(
    tmp_path: Path, coordinator: SqliteCoordinatorQueue, value: object
) -> None:
    async def flow(state: FlowState, context: FlowContext) -> FlowState:
        odd = state["task"].attributes["number"] == 1
        return says(f"text {state['task'].id}", **({"odd": value} if odd else {}))

    work = some_work(3)
    await coordinator.feed(work)

    async def ended() -> bool:
        return (await coordinator.state()).results == 3

    assert await served(tmp_path, flow, ExactPool(), ended) == ""
    results = {result.task: result for result in await coordinator.results()}
    assert [results[one.task.id].status for one in work] == [Status.ACCEPTED, Status.FAILED, Status.ACCEPTED]


async def test_rows_that_cannot_be_read_are_set_aside(tmp_path: Path, coordinator: SqliteCoordinatorQueue) -> None:
    work = some_work(3)
    await coordinator.feed(work)
    file = QueueFile(tmp_path)
    await file.run(lambda c: c.execute("UPDATE tasks SET body = '{}' WHERE id = ?", (work[0].task.id,)))
    queue = SqliteWorkerQueue(tmp_path, "one", wait=0.1)
    leases = await queue.lease(3)
    assert [lease.work for lease in leases] == work[1:]
    for lease in leases:
        await queue.finish(lease, Result(task=lease.work.task.id, epoch=1, status=Status.REJECTED, items=()))
    await file.run(lambda c: c.execute("UPDATE tasks SET result = 'x' WHERE id = ?", (work[1].task.id,)))
    assert [result.task for result in await coordinator.results()] == [work[2].task.id]
    assert [(dead.task, "cannot be read" in dead.history[-1]) for dead in await coordinator.dead()] == [
        (one.task.id, True) for one in work[:2]
    ]
    await queue.close()
    await file.close()


async def test_a_rejected_tasks_text_is_free_again_in_its_worker(
    tmp_path: Path, coordinator: SqliteCoordinatorQueue
) -> None:
    pool = ExactPool()
    twins = []

    async def flow(state: FlowState, context: FlowContext) -> FlowState:
        assert context.pool is not None
        twins.append((await context.pool.claim("the same text", state["task"].id)).twin)
        return {"decision": "reject", "reasons": ["dull"]} if len(twins) == 1 else says("the same text")

    first, second = some_work(2)

    async def ended() -> bool:
        done = (await coordinator.state()).results
        if done == 1:
            await coordinator.feed([second])
        return done == 2

    await coordinator.feed([first])
    await served(tmp_path, flow, pool, ended)
    assert twins == [None, None]
    assert await pool.held(second.task.id) == []
    assert (await pool.claim("the same text", "another")).twin == second.task.id


async def test_a_task_that_is_given_back_leaves_no_claim(tmp_path: Path, coordinator: SqliteCoordinatorQueue) -> None:
    pool = ExactPool()

    async def flow(state: FlowState, context: FlowContext) -> FlowState:
        assert context.pool is not None
        await context.pool.claim("its text", state["task"].id)
        raise AccessDenied("no")

    await coordinator.feed(some_work(1))

    async def ended() -> bool:
        return any(one.problem for one in (await coordinator.state()).workers)

    assert "no" in await served(tmp_path, flow, pool, ended)
    assert (await pool.claim("its text", "another")).twin is None
    assert (await coordinator.state()).ready == 1


async def nothing() -> None:
    return None


def dispatcher_of(queue: SqliteCoordinatorQueue, store: RunStore, work_of: Callable[[Task], Work]) -> Dispatcher:
    return Dispatcher(
        queue, Admission(store, ExactPool(), "sft"), Meter(), Budget(), lost=asyncio.Event(), restore=nothing,
        work_of=work_of, lease=1.0, say=lambda text: None,
    )  # fmt: skip


async def test_a_record_that_is_not_there_fails_its_task_alone(
    tmp_path: Path, coordinator: SqliteCoordinatorQueue
) -> None:
    (one,) = some_work(1)
    store = RunStore.open(tmp_path)
    await store.plan([one.task])

    def missing(task: Task) -> Work:
        raise NotStored("no chunk has the id 'x'")

    dispatcher = dispatcher_of(coordinator, store, missing)
    async with dispatcher.serving():
        outcome = await dispatcher.run(one.task)
    assert outcome.reason == "not_stored"
    assert store.status(one.task.id) is Status.FAILED
    await store.close()


async def test_a_queue_that_broke_while_nothing_waited_is_not_forgotten(
    tmp_path: Path, coordinator: SqliteCoordinatorQueue
) -> None:
    store = RunStore.open(tmp_path)
    (one,) = some_work(1)
    await store.plan([one.task])
    dispatcher = dispatcher_of(coordinator, store, lambda task: one)
    async with dispatcher.serving():
        file = QueueFile(tmp_path)
        await file.run(lambda connection: connection.execute("DROP TABLE tasks"))
        await asyncio.sleep(1.5)
        with pytest.raises(Exception, match="tasks"):
            await asyncio.wait_for(dispatcher.run(one.task), 3)
        await file.close()
    await store.close()


async def test_workers_that_all_die_stop_the_campaign(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.02, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 20, flow="poisoned:flow")
        code, out, err = await (
            await gristmill("run", path, "--workers", "1", "--lease", "30", GRISTMILL_TEST_POISON="Row")
        ).ended(120)
        assert code == 3, err
        assert "no worker process is left" in out
        assert RunStore.read(tmp_path / "runs/faults").books().pending == 20


async def test_an_order_to_drain_ends_the_campaign(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 5000)
        command = await gristmill("run", path, "--workers", "2")
        folder = tmp_path / "runs/faults"
        await SQLITE.pids(folder, 2)
        await until(lambda: len(server.log) >= 8)
        await (await gristmill("fleet", folder, "drain")).ended()
        code, out, err = await command.ended(30)
        assert code == 3, err
        assert "told to drain" in out
        books = RunStore.read(folder).books()
        assert books.balanced
        assert 0 < books.accepted < 300


async def test_the_first_ctrl_c_takes_back_what_no_worker_has_begun(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with MockServer(latency=1.5, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 120)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, *wire.options, "--workers", "1")
        await wire.pids(folder, 1)
        await until(lambda: len(server.log) >= 8)  # its concurrency is 8; as many more are out, ready
        state = await wire.look(folder)
        assert (state.ready, state.leased) == (8, 8)
        command.process.send_signal(signal.SIGINT)
        code, _, err = await command.ended(40)
        assert code == 130, err
        assert "finishing what workers have begun" in err
        books = RunStore.read(folder).books()
        assert books.balanced
        assert (books.accepted, len(server.log)) == (8, 16), "two calls for each task that had begun, and no other"
        server.latency = 0.02
        code, _, err = await (await gristmill("run", path, *wire.options, "--workers", "1")).ended(60)
        assert code == 0, err
        assert_accounted(folder, server, planned=120)


def rejecting(body: dict[str, Any]) -> str | None:
    return json.dumps(judged("reject", "dull")) if body.get("response_format") else None


async def test_a_stop_takes_back_what_is_ready(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.3, answer=rejecting) as server:
        path = write_campaign(tmp_path, server, 120)
        rules = "[stop]\nafter = 20\nwindow = 20\n[models.default]"
        path.write_text(path.read_text().replace("[models.default]", rules, 1))
        code, out, err = await (await gristmill("run", path, *wire.options, "--workers", "2")).ended(60)
        assert code == 3, err
        assert "were not accepted" in out
        books = RunStore.read(tmp_path / "runs/faults").books()
        assert books.balanced
        assert 20 <= books.rejected <= 20 + 7 + 8, "of those that ended beside the last, and those begun meanwhile"
        assert len(server.log) == 2 * books.rejected, "each task that had begun came to its end, no other began"


async def test_a_second_ctrl_c_ends_a_fleet_at_once(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=20, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 30)
        command = await gristmill("run", path, "--workers", "2")
        workers = await SQLITE.pids(tmp_path / "runs/faults", 2)
        await until(lambda: len(server.log) >= 8)
        command.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        command.process.send_signal(signal.SIGINT)
        code, _, err = await command.ended(30)
        assert code == 130, err
        assert time.monotonic() - began < 15  # a call takes twenty
        assert all(gone(pid) for pid in workers)
        assert RunStore.read(tmp_path / "runs/faults").books().pending == 30


async def test_a_run_made_anew_inherits_nothing_from_redis(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, *wire.options, "--workers", "1", "--lease", "1")
        await until(lambda: len(server.log) >= 30)
        command.process.kill()
        await command.ended()
        shutil.rmtree(folder)
        (tmp_path / "rows.jsonl").unlink()
        path = write_campaign(tmp_path, server, 20)
        text = (tmp_path / "rows.jsonl").read_text()
        (tmp_path / "rows.jsonl").write_text(text.replace("Row", "Other row"))
        code, out, err = await (await gristmill("run", path, *wire.options, "--workers", "1", "--lease", "1")).ended(60)
        assert code == 0, err
        assert "planned 20 = accepted 20" in out
        assert_accounted(folder, planned=20)


KEPT = {"run", "calls", "calls:uses", "calls:bytes"}  # a restart finds the answers that were paid for
# What a Redis user needs for a whole fleet, as docs/fleet.md says.
RIGHTS = "~gristmill:* +@scripting -script|flush +@stream +@hash +@set +@sortedset +@string"
MORE_RIGHTS = "+exists +del +unlink +scan +pexpire +pttl +blpop +rpush +time +memory|usage"


async def keys_of(server: RedisServer) -> dict[str, int]:
    """Each key by what follows the campaign's name, and how many ms it has left."""
    async with Redis.from_url(server.url, decode_responses=True) as client:
        return {name.partition("}:")[2]: await client.pttl(name) async for name in client.scan_iter("*")}


async def test_a_campaign_that_has_ended_leaves_nothing_in_redis(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    async with Redis.from_url(own_redis.url) as client:
        rights = (*RIGHTS.split(), *MORE_RIGHTS.split())
        await client.execute_command("ACL", "SETUSER", "mill", "on", ">s3cret", *rights)
    url = own_redis.url.replace("redis://", "redis://mill:s3cret@")
    async with MockServer(latency=0.3, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 90)
        path.write_text(path.read_text().replace("[models.default]", "[budget]\ntokens = 9000000\n[models.default]", 1))
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, "--workers", "2", "--lease", "1", GRISTMILL_REDIS=url)
        await until(lambda: len(server.log) >= 40)
        during = await keys_of(own_redis)
        assert {"manifest", "tasks", "work", "budget", "run", "calls", "alive"} <= set(during)
        assert [name for name, left in during.items() if not 0 < left <= LIFE_MS] == []

        command.process.kill()
        await command.ended()
        killed = await keys_of(own_redis)
        assert {"manifest", "tasks", "work"} <= set(killed), "a killed coordinator is started again"
        assert [name for name, left in killed.items() if not 0 < left <= LIFE_MS] == []

        command = await gristmill("run", path, "--workers", "2", "--lease", "1", GRISTMILL_REDIS=url)
        await moves_on(folder)
        command.process.send_signal(signal.SIGINT)
        code, _, err = await command.ended()
        assert code == 130, err
        assert RunStore.read(folder).books().pending > 0
        stopped = await keys_of(own_redis)
        assert set(stopped) <= KEPT, err
        assert [name for name, left in stopped.items() if not 0 < left <= LIFE_MS] == []
        shown = await (await gristmill("fleet", folder, GRISTMILL_REDIS=url)).ended()
        assert "no worker is there" in shown[1]
        assert set(await keys_of(own_redis)) == set(stopped), "who looks leaves nothing"

        code, out, err = await (
            await gristmill("run", path, "--workers", "2", "--lease", "1", GRISTMILL_REDIS=url)
        ).ended()
        assert code == 0, err
        assert "planned 90 = accepted 90" in out
        assert await keys_of(own_redis) == {}
        assert_accounted(folder, server, planned=90, in_flight=8)


@pytest.mark.parametrize(
    "fields", [{"workers": 0}, {"workers": -1}, {"lease": 0.1}, {"lease": math.nan}, {"strikes": 0}, {"grace": -1}]
)
def test_a_fleet_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        Fleet(**fields)


async def test_results_that_an_earlier_coordinator_left_are_not_waited_for(
    tmp_path: Path, coordinator: SqliteCoordinatorQueue
) -> None:
    (one,) = some_work(1)
    store = RunStore.open(tmp_path)
    await store.plan([one.task])
    await coordinator.feed([one])
    queue = SqliteWorkerQueue(tmp_path, "earlier", wait=0.1)
    (lease,) = await queue.lease(1)
    rejected = failure(one.task, "sft", "odd", "as it was")
    await queue.finish(lease, Result(task=one.task.id, epoch=1, status=Status.FAILED, items=rejected.items))
    dispatcher = dispatcher_of(coordinator, store, lambda task: one)
    async with dispatcher.serving():
        async with asyncio.timeout(5):
            while store.status(one.task.id) is Status.PENDING:  # noqa: ASYNC110  # taken before the loop asks for it
                await asyncio.sleep(0.01)
        outcome = await asyncio.wait_for(dispatcher.run(one.task), 3)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "odd")
    await queue.close()
    await store.close()
