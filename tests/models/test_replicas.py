"""Many servers for one model: who gets a request, and what happens when one is behind, slow or gone."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import pytest
from mock_server import MockServer
from replica_servers import URLS, about, serve

from gristmill.errors import ConfigError, DeadlineExceeded, ModelError, Overloaded, RequestRefused, ServerLost
from gristmill.models import replicas as module
from gristmill.models.contract import Model, Reply, Request
from gristmill.models.factory import build
from gristmill.models.fleet.shared import SharedLayers
from gristmill.models.hashing import prefix_of, ranked
from gristmill.models.layers import limiter as limits
from gristmill.models.layers import retry
from gristmill.models.layers.cache import MemoryCalls
from gristmill.models.layers.limiter import Limiter
from gristmill.models.layers.meter import Meter
from gristmill.models.replicas import Replicas, Router
from gristmill.models.spec import ModelSpec
from gristmill.storage.redis_connection import RedisConnection


def replicated(servers: Sequence[MockServer], **options: Any) -> tuple[Model, Router]:
    """The model as a campaign builds it, and its router."""
    routers: dict[tuple[str, ...], Router] = {}
    spec = ModelSpec(model="openai_api/mock", base_urls=tuple(server.url for server in servers), **options)
    model = build(spec, calls=None, budget=None, meter=Meter(), routers=routers)
    (router,) = routers.values()
    return model, router


async def ask_all(model: Model, requests: Sequence[Request], concurrency: int) -> list[Reply | BaseException]:
    room = asyncio.Semaphore(concurrency)

    async def one(request: Request) -> Reply:
        async with room:
            return await model.complete(request)

    return await asyncio.gather(*(one(request) for request in requests), return_exceptions=True)


def failures(outcomes: Sequence[Reply | BaseException]) -> list[BaseException]:
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (limits, module):
        monkeypatch.setattr(place, "PROBE_FIRST", 0.03)
        monkeypatch.setattr(place, "PROBE_MOST", 0.1)
    monkeypatch.setattr(module, "REST_MOST", 0.2)
    monkeypatch.setattr(retry, "FIRST", 0.05)


# several servers


async def test_questions_about_one_document_go_to_one_server() -> None:
    requests = [about(document, question) for question in range(5) for document in range(30)]
    seen: list[Counter[str]] = []
    async with serve(3, latency=0.002) as servers:
        for server in servers:
            held: Counter[str] = Counter()
            seen.append(held)
            server.answer = _noting(held)
        model, router = replicated(servers)
        assert not failures(await ask_all(model, requests, 6))
        await model.aclose()
    assert all(held for held in seen)
    assert sum(len(held) for held in seen) == 30, "each document is at one server only"
    assert all(count == 5 for held in seen for count in held.values())
    assert [one.calls for one in router.report()] == [held.total() for held in seen]
    assert sum(one.spilled for one in router.report()) == 0


def _noting(held: Counter[str]) -> Callable[[dict[str, Any]], str]:
    def answer(body: dict[str, Any]) -> str:
        held[body["messages"][1]["content"].split("\n")[1]] += 1
        return "Noted."

    return answer


async def test_a_crowd_about_one_document_spills_to_the_least_loaded() -> None:
    async with serve(3, latency=0.02) as servers:
        model, router = replicated(servers)
        assert not failures(await ask_all(model, [about(1, question) for question in range(300)], 60))
        most = sorted(server.most_in_flight for server in servers)
        await model.aclose()
    assert most[0] >= 8
    assert most[2] <= 45
    report = sorted(router.report(), key=lambda one: one.spilled)
    assert report[0].spilled == 0, "its own server"
    assert report[1].spilled > 0
    assert report[2].spilled > 0


async def test_a_full_server_spills_and_full_servers_keep_their_documents() -> None:
    async with serve(2, latency=0.005) as servers:
        model, router = replicated(servers, max_in_flight=4)
        assert not failures(await ask_all(model, [about(1, question) for question in range(40)], 8))
        assert all(server.most_in_flight == 4 for server in servers)
        assert sum(one.spilled for one in router.report()) >= 10
        before = sum(one.spilled for one in router.report())
        crowd = [about(document, question) for question in range(10) for document in range(20)]
        assert not failures(await ask_all(model, crowd, 64))
        spilled = sum(one.spilled for one in router.report()) - before
        await model.aclose()
    assert spilled < 60, "where all are full, to wait at the document's own server is no worse"


async def time_of(router: Router, clock: list[float], seconds: Sequence[float], concurrency: int) -> float:
    """Seconds by `clock` for 4,800 requests, as many at a time as `concurrency`; a server takes its own `seconds`."""
    flying: list[tuple[float, int, int, float]] = []  # end, number, server, start
    began = clock[0]

    def land() -> None:
        end, _, place, started = heapq.heappop(flying)
        clock[0] = end
        router.leave(place, False, started, None)

    for number in range(4800):
        if len(flying) == concurrency:
            land()
        entered = await router.enter(f"document {number % 160}", set())
        assert entered is not None
        heapq.heappush(flying, (clock[0] + seconds[entered[0]], number, entered[0], clock[0]))
    while flying:
        land()
    return clock[0] - began


async def test_a_slow_server_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of three takes ten times as long: the work takes about as long as it would with the two others alone.

    By a clock of its own: on a machine that is slow itself no server would be slower than the others.
    """
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    usual = await time_of(Router("mock", URLS[:3]), clock, (0.05, 0.05, 0.05), 48)
    router = Router("mock", URLS[:3])
    took = await time_of(router, clock, (0.5, 0.05, 0.05), 48)
    slow, *others = router.report()
    assert slow.seconds == pytest.approx(10 * others[0].seconds)
    assert slow.calls < min(other.calls for other in others) / 10, "its load counts by its slowness"
    # Two servers of three need half as long again, and the last call of the slow one half a second.
    assert took < 1.5 * usual + 0.5


async def test_a_server_that_dies_loses_nothing_and_comes_back(quick: None) -> None:
    requests = [about(document, question) for question in range(6) for document in range(60)]
    async with serve(3, latency=0.01) as servers:
        model, router = replicated(servers, retries=3)
        work = asyncio.create_task(ask_all(model, requests, 24))
        await asyncio.sleep(0.03)
        await servers[1].stop()
        assert not failures(await work)
        assert [one.out for one in router.report()] == [False, True, False]
        asked = router.report()[1].calls
        await asyncio.sleep(0.25)
        assert not failures(await ask_all(model, requests[:60], 12))
        assert router.report()[1].calls - asked <= 3, "one probe at a time, with a growing pause"
        homes = {place: one.calls for place, one in enumerate(router.report())}
        await servers[1].listen()
        await asyncio.sleep(0.25)
        await model.complete(about(0, 100))  # the probe
        assert not any(one.out for one in router.report())
        assert not failures(await ask_all(model, requests[:60], 6))
        await model.aclose()
    share = router.report()[1].calls - homes[1]
    assert 5 <= share <= 37, "it has its own documents again"


async def test_all_gone_for_a_while_costs_nobody_an_attempt(quick: None) -> None:
    async with serve(2, latency=0.005) as servers:
        model, router = replicated(servers, retries=1)
        await model.complete(about(0))
        for server in servers:
            await server.die(0.5)
        began = monotonic()
        outcomes = await ask_all(model, [about(number) for number in range(80)], 80)
        assert not failures(outcomes)
        assert 0.3 < monotonic() - began < 30
        assert not router.gone
        await model.aclose()


async def test_patience_ends_with_the_mend_and_with_all_addresses(quick: None) -> None:
    async with serve(2) as servers:
        urls = [server.url for server in servers]
    model, _ = replicated(servers, patience=0.3, retries=2)
    began = monotonic()
    outcomes = failures(await ask_all(model, [about(number) for number in range(20)], 20))
    assert 0.25 < monotonic() - began < 30
    assert len(outcomes) == 20
    lost = [outcome for outcome in outcomes if isinstance(outcome, ServerLost)]
    assert len(lost) == 20
    assert all(url in str(lost[0]) for url in urls)
    assert "base_urls" in str(lost[0])
    assert "refuse" in str(lost[0]) or "Connect" in str(lost[0])
    await model.aclose()


async def test_one_that_answers_500_is_taken_out_and_the_last_one_stays(quick: None) -> None:
    requests = [about(number) for number in range(40)]
    async with serve(2, latency=0.002) as servers:
        servers[0].faults["http500"] = 1.0
        model, router = replicated(servers, retries=0)
        assert not failures(await ask_all(model, requests, 10)), "moving on is no attempt of the retry layer"
        assert [one.out for one in router.report()] == [True, False]
        servers[1].faults["http500"] = 1.0
        outcomes = failures(await ask_all(model, requests, 10))
        assert len(outcomes) == 40
        assert all(isinstance(one, Overloaded) for one in outcomes)
        assert not router.report()[1].out, "what a single server that fails does, the last one does"
        await model.aclose()


async def test_a_busy_server_hands_over_only_to_one_with_room(quick: None) -> None:
    async with serve(2, latency=0.005) as servers:
        servers[0].burst = (1000.0, 1000.0)
        model, router = replicated(servers, retries=0)
        assert not failures(await ask_all(model, [about(number) for number in range(30)], 6))
        assert not any(one.out for one in router.report()), "busy is not gone"
        assert router.report()[0].failures == 0
        await model.aclose()


async def test_the_cache_does_not_know_the_replica(quick: None) -> None:
    calls = MemoryCalls()
    async with serve(2) as servers:
        urls = tuple(server.url for server in servers)
        for spec in (
            ModelSpec(model="openai_api/mock", base_urls=urls),
            ModelSpec(model="openai_api/mock", base_urls=urls[::-1]),
            ModelSpec(model="openai_api/mock", base_url=urls[0]),
        ):
            model = build(spec, calls=calls, budget=None, meter=Meter())
            for document in range(8):
                await model.complete(about(document))
            await model.aclose()
        assert sum(len(server.log) for server in servers) == 8
    assert len(calls.bodies) == 8


async def test_roles_share_limiters_and_what_is_known_of_the_servers() -> None:
    limiters: dict[tuple[str, str], Limiter] = {}
    routers: dict[tuple[str, ...], Router] = {}
    async with serve(2, latency=0.01) as servers:
        urls = tuple(server.url for server in servers)
        models = [
            build(
                ModelSpec(model="openai_api/mock", base_urls=urls, temperature=temperature, max_in_flight=3),
                calls=None,
                budget=None,
                meter=Meter(),
                limiters=limiters,
                routers=routers,
            )
            for temperature in (0.1, 0.9)
        ]
        requests = [about(document) for document in range(20)]
        await asyncio.gather(*(ask_all(model, requests, 20) for model in models))
        assert (len(limiters), len(routers)) == (2, 1)
        assert all(server.most_in_flight <= 3 for server in servers)
        (router,) = routers.values()
        assert sum(one.calls for one in router.report()) == 40
        for model in models:
            await model.aclose()


async def test_workers_that_share_their_limiters_agree_on_the_replicas(quick: None, redis_url: str) -> None:
    """Two workers, each with a router of its own, over limiters in Redis: they agree on who has which document, and a
    server that dies and returns costs neither of them a call."""
    connection = RedisConnection(redis_url)
    workers = []
    async with serve(2, latency=0.01) as servers:
        spec = ModelSpec(model="openai_api/mock", base_urls=tuple(server.url for server in servers), retries=3)
        for _ in range(2):
            shared = SharedLayers(connection, "replicas")
            routers: dict[tuple[str, ...], Router] = {}
            model = build(spec, calls=None, budget=None, meter=Meter(), routers=routers, make_limiter=shared.limiter)
            workers.append((shared, model, next(iter(routers.values()))))
        for _, model, _ in workers:
            assert not failures(await ask_all(model, [about(number) for number in range(20)], 6))
        calls = [[one.calls for one in router.report()] for _, _, router in workers]
        assert calls[0] == calls[1]
        assert min(calls[0]) > 0
        await servers[0].stop()
        crowd = [about(document, question) for question in range(4) for document in range(20)]
        outcomes = await asyncio.gather(*(ask_all(model, crowd, 16) for _, model, _ in workers))
        assert not failures([*outcomes[0], *outcomes[1]])
        assert all(router.report()[0].out for _, _, router in workers)
        await servers[0].listen()
        ends = monotonic() + 10
        while any(router.gone or router.report()[0].out for _, _, router in workers) and monotonic() < ends:
            await asyncio.sleep(0.05)
            for _, model, _ in workers:
                await model.complete(about(1))
        assert not any(router.report()[0].out for _, _, router in workers)
        for shared, model, _ in workers:
            await model.aclose()
            await shared.aclose()
    await connection.aclose()


# the router by itself


class Told:
    """A model that does what it is told for the number of its call."""

    name = "told"

    def __init__(self, outcome: Callable[[int], ModelError | None] = lambda number: None, delay: float = 0.0) -> None:
        self.outcome = outcome
        self.delay = delay
        self.asked = 0
        self.closed = False

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        error = self.outcome(self.asked)
        await asyncio.sleep(self.delay)
        if error is not None:
            raise error
        return Reply()

    async def aclose(self) -> None:
        self.closed = True


def first_for(request: Request, count: int) -> int:
    return ranked(prefix_of(request), URLS[:count])[0]


async def test_a_request_that_kills_its_server_does_not_visit_them_all() -> None:
    models = [Told(lambda number: Overloaded("gone", status=502)) for _ in range(5)]
    replicas = Replicas(models, Router("here", URLS))
    with pytest.raises(Overloaded):
        await replicas.complete(about(1))
    assert sum(model.asked for model in models) == 1 + module.MOVES


@pytest.mark.parametrize("error", [RequestRefused("too long"), DeadlineExceeded("slow")])
async def test_what_no_other_server_mends_is_raised_at_once(error: ModelError) -> None:
    models = [Told(lambda number: error) for _ in range(3)]
    with pytest.raises(type(error)):
        await Replicas(models, Router("here", URLS[:3])).complete(about(1))
    assert sum(model.asked for model in models) == 1


async def test_a_server_that_hangs_is_taken_out_by_its_deadlines() -> None:
    home = first_for(about(1), 3)
    models = [Told() for _ in range(3)]
    models[home].outcome = lambda number: DeadlineExceeded("nothing came")
    router = Router("here", URLS[:3])
    replicas = Replicas(models, router)
    for _ in range(module.OUT_AFTER):
        with pytest.raises(DeadlineExceeded):
            await replicas.complete(about(1))
    for _ in range(5):
        await replicas.complete(about(1))
    assert models[home].asked == module.OUT_AFTER


async def test_the_pause_between_probes_grows(quick: None) -> None:
    home = first_for(about(1), 2)
    models = [Told(), Told()]
    models[home].outcome = lambda number: ServerLost("gone")
    router = Router("here", URLS[:2])
    replicas = Replicas(models, router)
    began = monotonic()
    while monotonic() - began < 0.6:
        await replicas.complete(about(1))
        await asyncio.sleep(0.004)
    # After 0.03, 0.06, 0.12 and then every 0.2 seconds; every 0.03 seconds would be twenty.
    assert 3 <= models[home].asked <= 7


async def test_only_one_probe_is_in_flight_and_a_cancelled_one_leaves_it_to_others(quick: None) -> None:
    models = [Told(lambda number: ServerLost("gone"))]
    router = Router("here", URLS[:1], patience=5)
    replicas = Replicas(models, router)
    waiting = [asyncio.create_task(replicas.complete(about(number))) for number in range(20)]
    await asyncio.sleep(0.1)
    assert models[0].asked < 25
    models[0].outcome = lambda number: None
    models[0].delay = 0.2
    for _ in range(100):
        await asyncio.sleep(0.01)
        if router.report()[0].in_flight:
            break
    assert router.report()[0].in_flight == 1
    asked = models[0].asked
    for task in waiting[:19]:
        task.cancel()
    assert isinstance(await asyncio.wait_for(waiting[19], 2), Reply)
    assert models[0].asked <= asked + 1
    assert router.report()[0].in_flight == 0
    assert not router.gone


async def test_cancelled_calls_leave_no_load_behind() -> None:
    models = [Told(delay=5.0) for _ in range(2)]
    router = Router("here", URLS[:2])
    tasks = [asyncio.create_task(Replicas(models, router).complete(about(number))) for number in range(10)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [one.in_flight for one in router.report()] == [0, 0]
    assert [one.failures for one in router.report()] == [0, 0]
    assert [one.seconds for one in router.report()] == [0, 0], "how long a cancelled call took tells nothing"


def test_replicas_of_different_models_are_refused() -> None:
    other = Told()
    other.name = "another"  # type: ignore[misc]
    with pytest.raises(ConfigError, match="another, told"):
        Replicas([Told(), other], Router("here", URLS[:2]))
    with pytest.raises(ConfigError, match="1 models for 2 URLs"):
        Replicas([Told()], Router("here", URLS[:2]))


async def test_closing_closes_all() -> None:
    models = [Told(), Told()]
    await Replicas(models, Router("here", URLS[:2])).aclose()
    assert all(model.closed for model in models)
