"""The retry: which errors, how often, how long in between."""

from __future__ import annotations

from time import monotonic

import pytest

from gristmill.errors import (
    AccessDenied,
    BadReply,
    DeadlineExceeded,
    ModelError,
    Overloaded,
    RequestRefused,
    SchemaMismatch,
    Truncated,
    Unreachable,
)
from gristmill.models.contract import Request
from gristmill.models.layers import retry as module
from gristmill.models.layers.meter import Meter
from gristmill.models.layers.retry import Retry, wait_before
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Message

ASKED = Request(messages=(Message(role="user", content="Hello?"),), role="generator")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 0.001)
    monkeypatch.setattr(module, "FIRST_BAD", 0.001)


@pytest.mark.parametrize(
    "error", [Overloaded("busy"), Unreachable("reset"), BadReply("HTML"), DeadlineExceeded("slow")]
)
async def test_a_passing_failure_is_tried_again(error: ModelError) -> None:
    meter = Meter()
    script = Scripted([error, error, "Hi."], repairs=None)
    assert (await Retry(script, 6, meter=meter).complete(ASKED)).text == "Hi."
    assert len(script.requests) == 3
    assert meter.books("generator").repeats == {error.reason: 2}


@pytest.mark.parametrize(
    "error", [RequestRefused("400"), AccessDenied("401"), Truncated("cut"), SchemaMismatch("wrong")]
)
async def test_a_final_failure_is_not(error: ModelError) -> None:
    script = Scripted([error, "Hi."], repairs=None)
    with pytest.raises(type(error)):
        await Retry(script).complete(ASKED)
    assert len(script.requests) == 1


async def test_attempts_end_with_the_last_error() -> None:
    script = Scripted([Overloaded(f"busy {number}") for number in range(9)], repairs=None)
    with pytest.raises(Overloaded, match="busy 3"):
        await Retry(script, 3).complete(ASKED)
    assert len(script.requests) == 4


async def test_no_retries_means_one_attempt() -> None:
    script = Scripted([Overloaded("busy"), "Hi."], repairs=None)
    with pytest.raises(Overloaded):
        await Retry(script, 0).complete(ASKED)
    assert len(script.requests) == 1


async def test_deadlines_are_few_as_each_costs_the_whole_timeout() -> None:
    script = Scripted(lambda _: DeadlineExceeded("slow"), repairs=None)
    with pytest.raises(DeadlineExceeded):
        await Retry(script, 6).complete(ASKED)
    assert len(script.requests) == 1 + module.DEADLINES


async def test_retry_after_is_waited_for() -> None:
    script = Scripted([Overloaded("busy", retry_after=0.15), "Hi."], repairs=None)
    began = monotonic()
    await Retry(script).complete(ASKED)
    assert 0.14 < monotonic() - began < 30


async def test_a_wish_for_an_hour_is_an_error_at_once() -> None:
    script = Scripted([Overloaded("come back later", retry_after=3600), "Hi."], repairs=None)
    began = monotonic()
    with pytest.raises(Overloaded, match="come back later"):
        await Retry(script).complete(ASKED)
    assert monotonic() - began < 600  # however slow the machine is


async def test_the_total_time_is_limited() -> None:
    script = Scripted(lambda _: Overloaded("busy", retry_after=0.4), repairs=None)
    with pytest.raises(Overloaded):
        await Retry(script, 100, total=1.0).complete(ASKED)
    assert 2 <= len(script.requests) <= 3


def test_waits_are_full_jitter_within_a_doubling_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 0.5)
    for attempt in range(10):
        waits = [wait_before(attempt, Overloaded("busy")) for _ in range(300)]
        bound = min(module.MOST, 0.5 * 2**attempt)
        assert max(waits) <= bound
        assert max(waits) > bound * 0.8
        assert min(waits) < bound * 0.2


async def test_billed_tokens_of_failed_attempts_are_not_forgotten() -> None:
    def bad() -> BadReply:
        error = BadReply("null content")
        error.tokens = (10, 5)
        return error

    reply = await Retry(Scripted([bad(), bad(), "Hi."], repairs=None)).complete(ASKED)
    assert reply.usage.input_tokens > 20
    assert reply.usage.output_tokens > 10
    with pytest.raises(BadReply) as caught:
        await Retry(Scripted([bad(), bad()], repairs=None), 1).complete(ASKED)
    assert caught.value.tokens == (20, 10)


async def test_garbled_replies_are_few_as_each_may_be_paid_for() -> None:
    script = Scripted(lambda _: BadReply("null content"), repairs=None)
    with pytest.raises(BadReply):
        await Retry(script, 9).complete(ASKED)
    assert len(script.requests) == 1 + module.GARBLED
