"""The limiter: how many at a time, in which order, and what happens while a server is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from time import monotonic

import pytest

from gristmill.errors import AccessDenied, DeadlineExceeded, ModelError, Overloaded, RequestRefused, Unreachable
from gristmill.models.contract import Reply, Request
from gristmill.models.layers import limiter as module
from gristmill.models.layers.limiter import Limited, Limiter

ASKED = Request()


class Served:
    """Answers after `delay`, or raises what `fault` gives for the number of the call and the calls in flight."""

    name = "served"

    def __init__(self, delay: float = 0.0, fault: Callable[[int, int], ModelError | None] | None = None) -> None:
        self.delay = delay
        self.fault = fault or (lambda number, flying: None)
        self.asked = 0
        self.flying = self.most = 0
        self.order: list[str] = []

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        self.order.append(request.task)
        try:
            error = self.fault(self.asked, self.flying)
            await asyncio.sleep(self.delay)
            if error is not None:
                raise error
            return Reply()
        finally:
            self.flying -= 1

    async def aclose(self) -> None:
        return None


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_FIRST", 0.02)
    monkeypatch.setattr(module, "PROBE_MOST", 0.05)


async def test_no_more_than_the_limit_at_a_time_and_in_order() -> None:
    served = Served(0.002)
    limited = Limited(served, Limiter("here", 4))
    await asyncio.gather(*(limited.complete(Request(task=str(number))) for number in range(40)))
    assert served.most == 4
    assert served.order == [str(number) for number in range(40)]


async def test_overload_halves_the_limit_once_a_window_and_success_brings_it_back() -> None:
    served = Served(0.01, lambda number, flying: Overloaded("busy", status=429) if number <= 16 else None)
    limiter = Limiter("here", 16)
    limited = Limited(served, limiter)
    await asyncio.gather(*(limited.complete(ASKED) for _ in range(16)), return_exceptions=True)
    assert limiter.limit == 8  # sixteen failures that left together are one sign
    served.delay = 0.0005
    await asyncio.gather(*(limited.complete(ASKED) for _ in range(400)))
    assert limiter.limit == 16


async def test_the_limit_grows_only_when_it_is_used() -> None:
    served = Served()
    limiter = Limiter("here", 16)
    limiter.limit = 8
    for _ in range(50):
        await Limited(served, limiter).complete(ASKED)
    assert limiter.limit == 8


async def test_it_finds_what_a_server_can_take() -> None:
    """A server that refuses the eleventh request at a time: most of 300 calls pass, and the limit ends near ten."""
    served = Served(0.002, lambda number, flying: Overloaded("full", status=429) if flying > 10 else None)
    limiter = Limiter("here", 64)
    limited = Limited(served, limiter)

    async def until_it_works() -> None:
        while True:
            try:
                await limited.complete(ASKED)
            except Overloaded:
                await asyncio.sleep(0.002)
            else:
                return

    await asyncio.gather(*(until_it_works() for _ in range(300)))
    assert 3 <= limiter.limit <= 16
    assert served.asked < 450


async def test_a_deadline_is_a_sign_of_overload_too() -> None:
    limiter = Limiter("here", 8)
    served = Served(fault=lambda number, flying: DeadlineExceeded("slow"))
    with pytest.raises(DeadlineExceeded):
        await Limited(served, limiter).complete(ASKED)
    assert limiter.limit == 4
    assert not limiter.open


async def test_retry_after_pauses_everybody() -> None:
    served = Served(fault=lambda number, flying: Overloaded("wait", retry_after=0.1) if number == 1 else None)
    limited = Limited(served, Limiter("here", 8))
    with pytest.raises(Overloaded):
        await limited.complete(ASKED)
    began = monotonic()
    await asyncio.gather(*(limited.complete(ASKED) for _ in range(3)))
    assert 0.08 < monotonic() - began < 30


async def test_a_server_that_is_gone_for_a_while_fails_nobody() -> None:
    back = monotonic() + 0.3
    served = Served(0.001, lambda number, flying: Unreachable("refused") if monotonic() < back else None)
    limiter = Limiter("here", 32)
    limited = Limited(served, limiter)
    outcomes = await asyncio.gather(*(limited.complete(ASKED) for _ in range(100)), return_exceptions=True)
    early = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(early) <= module.OPENS_AFTER - 1  # those who fail before the circuit opens are for the retry layer
    assert served.asked < 100 + 32 + 20  # all that were in flight, then one probe at a time
    assert not limiter.open
    assert limiter.in_flight == 0


async def test_only_one_probe_is_in_flight() -> None:
    back = monotonic() + 0.3
    served = Served(0.03, lambda number, flying: Unreachable("refused") if monotonic() < back else None)
    limited = Limited(served, Limiter("here", 8))
    tasks = [asyncio.create_task(limited.complete(ASKED)) for _ in range(20)]
    await asyncio.sleep(0.1)  # what started before the circuit opened has failed by now
    served.most = 0
    await asyncio.sleep(0.12)
    assert served.most == 1
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_caller_alone_waits_for_the_server_too() -> None:
    back = monotonic() + 0.2
    served = Served(fault=lambda number, flying: Unreachable("refused") if monotonic() < back else None)
    limited = Limited(served, Limiter("here", 8))
    failures = 0
    while True:
        try:
            await limited.complete(ASKED)
        except Unreachable:
            failures += 1
        else:
            break
    assert failures == module.OPENS_AFTER - 1


async def test_a_gateway_without_its_server_opens_the_circuit() -> None:
    back = monotonic() + 0.2
    served = Served(fault=lambda number, flying: Overloaded("gone", status=502) if monotonic() < back else None)
    limiter = Limiter("here", 8)
    outcomes = await asyncio.gather(
        *(Limited(served, limiter).complete(ASKED) for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Reply) for outcome in outcomes) >= 28


async def test_patience_ends_with_the_mend_and_without_a_retry() -> None:
    served = Served(fault=lambda number, flying: Unreachable("connection refused"))
    limited = Limited(served, Limiter("model 'm' at http://here/v1", 8, patience=0.15))
    began = monotonic()
    outcomes = await asyncio.gather(*(limited.complete(ASKED) for _ in range(20)), return_exceptions=True)
    assert monotonic() - began < 30
    lost = [outcome for outcome in outcomes if isinstance(outcome, Unreachable) and not outcome.retryable]
    assert len(lost) >= 18
    message = str(lost[0])
    assert "http://here/v1" in message
    assert "connection refused" in message
    assert "base_url" in message
    asked = served.asked
    with pytest.raises(Unreachable):
        await asyncio.wait_for(limited.complete(ASKED), 0.5)
    assert served.asked <= asked + 1


@pytest.mark.parametrize("error", [AccessDenied("wrong key"), RequestRefused("too long")])
async def test_a_final_error_passes_at_once_and_frees_its_slot(error: ModelError) -> None:
    limiter = Limiter("here", 2)
    served = Served(fault=lambda number, flying: error)
    for _ in range(5):
        with pytest.raises(type(error)):
            await asyncio.wait_for(Limited(served, limiter).complete(ASKED), 1)
    assert limiter.in_flight == 0
    assert limiter.limit == 2


async def test_cancelled_callers_lose_no_slot() -> None:
    served = Served(0.02)
    limiter = Limiter("here", 2)
    limited = Limited(served, limiter)
    tasks = [asyncio.create_task(limited.complete(ASKED)) for _ in range(12)]
    await asyncio.sleep(0.005)
    for task in (tasks[0], tasks[3], tasks[11]):  # one in flight, two waiting
        task.cancel()
    await asyncio.sleep(0)
    # The slot of the first is given to the third by now; it goes before it runs again.
    tasks[2].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, Reply) for outcome in outcomes) == 8
    assert limiter.in_flight == 0
    await asyncio.wait_for(asyncio.gather(limited.complete(ASKED), limited.complete(ASKED)), 1)


async def test_a_cancelled_probe_leaves_the_circuit_to_others() -> None:
    gone = True
    served = Served(0.05, lambda number, flying: Unreachable("refused") if gone else None)
    limiter = Limiter("here", 4)
    limited = Limited(served, limiter)
    tasks = [asyncio.create_task(limited.complete(ASKED)) for _ in range(8)]
    for _ in range(500):  # until all that started before the circuit opened have failed, and a probe is on its way
        await asyncio.sleep(0.005)
        if limiter.open and served.flying == 1 and limiter.in_flight == 1:
            break
    assert limiter.open
    gone = False
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(await asyncio.wait_for(limited.complete(ASKED), 2), Reply)
    assert not limiter.open


async def test_a_request_that_comes_as_a_pause_ends_does_not_stop_the_clock_of_those_that_wait() -> None:
    limiter = Limiter("here", 8)
    probe = await limiter.enter()
    limiter.leave(monotonic(), probe, Overloaded("busy", status=429, retry_after=0.05))
    waiting = asyncio.create_task(limiter.enter())
    await asyncio.sleep(0)
    time.sleep(0.06)  # noqa: ASYNC251  # the pause is over, and the loop has not come round to its timer
    late = asyncio.create_task(limiter.enter())
    await asyncio.wait_for(asyncio.gather(waiting, late), 1)
    assert limiter.in_flight == 2
