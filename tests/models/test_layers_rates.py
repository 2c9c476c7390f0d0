"""Rates: what may go in any time, that everything goes once, and what refusals, corrections and headers change."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import Overloaded
from gristmill.models.announced import announced
from gristmill.models.contract import PerMinute
from gristmill.models.fleet.scripts import script
from gristmill.models.layers.rates import BURST, CLIMB, CUT_LEAST, CUT_MOST, DEBT_MOST, Rates, Slot
from gristmill.models.refusals import error_of
from gristmill.storage.redis_connection import RedisConnection, Script

LUA = """
local r, now, answers = new_rates(), 0, {}
for place, per_minute in ipairs(cjson.decode(ARGV[2])) do
  hold_to(place == 1 and r.requests or r.tokens, per_minute)
end
for _, step in ipairs(cjson.decode(ARGV[1])) do
  local what = step[1]
  now = now + step[2]
  if what == 'take' then
    local wait = rates_wait(r, now, step[3])
    answers[#answers + 1] = wait
    now = now + wait
    answers[#answers + 1] = rates_take(r, now, step[3])
  elseif what == 'settle' then
    rates_settle(r, now, now - step[5], step[3], step[3], step[4], true)
  elseif what == 'refuse' then
    answers[#answers + 1] = rates_blamed(r, step[4], step[5]) and 1 or 0
    rates_refuse(r, now, now - step[6], step[4])
  end
  answers[#answers + 1] = rates_shown(r.requests)
  answers[#answers + 1] = rates_shown(r.tokens)
  answers[#answers + 1] = rates_needed(r)
end
for place, answer in ipairs(answers) do answers[place] = string.format('%.9g', answer) end
return answers
"""


def go(rates: Rates, now: float, tokens: float) -> tuple[float, Slot]:
    """Waits as a limiter does; returns when the request goes."""
    while (wait := rates.wait(now, tokens)) > 0:
        now += wait
    return now, Slot(False, 1, now, tokens, rates.take(now, tokens))


requests = st.lists(
    st.tuples(st.floats(0, 3), st.floats(1, 5_000)), min_size=1, max_size=60
)  # seconds until the next one comes, and its tokens


@settings(max_examples=150, deadline=None)
@given(arrivals=requests, per_minute=st.tuples(st.floats(1, 6_000), st.floats(600, 600_000)))
def test_in_any_time_no_more_goes_than_the_rates_and_a_burst_allow(
    arrivals: list[tuple[float, float]], per_minute: tuple[float, float]
) -> None:
    rates = Rates(PerMinute(*per_minute))
    now, went = 0.0, []
    for gap, tokens in arrivals:
        now, _ = go(rates, now + gap, tokens)
        went.append((now, tokens))
    for first in range(len(went)):
        taken = 0.0
        for number, (at, tokens) in enumerate(went[first:], start=1):
            taken += tokens
            span = at - went[first][0]
            largest = max(cost for _, cost in went[first : first + number])
            assert taken <= per_minute[1] / 60 * span + max(per_minute[1] / 60 * BURST, largest) + 1e-3 * taken
            assert number <= per_minute[0] / 60 * span + max(per_minute[0] / 60 * BURST, 1) + 1e-3 * number


@settings(max_examples=100, deadline=None)
@given(arrivals=requests, per_minute=st.floats(600, 600_000))
def test_each_request_goes_in_the_end_and_waits_for_nothing_but_those_before_it(
    arrivals: list[tuple[float, float]], per_minute: float
) -> None:
    rates = Rates(PerMinute(0, per_minute))
    now = before = 0.0
    for gap, tokens in arrivals:
        came = now + gap
        now, _ = go(rates, came, tokens)
        assert now - came <= before / (per_minute / 60) + tokens / (per_minute / 60) + 1e-3
        before += tokens


def test_one_that_is_larger_than_the_burst_goes_and_those_behind_it_pay() -> None:
    rates = Rates(PerMinute(0, 600))  # ten a second
    at, _ = go(rates, 0.0, 100)
    assert at == 0
    assert go(rates, 0.0, 1)[0] == pytest.approx(10 - BURST + 0.1)
    assert go(rates, 0.0, 100_000)[0] == pytest.approx(10.1)
    assert rates.wait(10.1, 1) < DEBT_MOST  # nobody waits longer, whatever a number says


def test_what_a_failed_call_did_not_take_is_given_back_and_what_a_good_one_took_more_is_paid() -> None:
    rates = Rates(PerMinute(0, 60_000))
    _, slot = go(rates, 0.0, 2_000)
    assert rates.wait(0.0, 1) > 1
    rates.settle(0.0, slot, 0, answered=False)
    assert rates.wait(0.0, 1) == 0
    now, slot = go(rates, 1.0, 100)
    rates.settle(now, slot, 3_100, answered=True)
    assert rates.wait(now, 1) == pytest.approx(3.1 - BURST, abs=0.05)
    assert slot.charge == 100
    for number in range(1, 200):
        now, slot = go(rates, number * 10.0, 100)
        rates.settle(now, slot, 3_100, answered=True)
    assert slot.charge == pytest.approx(3_100, rel=0.01)  # by now it is known that guesses are far too low


def test_what_was_charged_too_much_only_makes_up_for_what_was_charged_too_little() -> None:
    """A refund long after the call would be a burst on top of the rate: the server's own bucket ran over meanwhile."""
    rates = Rates(PerMinute(0, 60_000))
    for number in range(5):
        _, slot = go(rates, number * 10.0, 400)
        rates.settle(number * 10.0 + 5, Slot(False, 1, slot.at, 400, 400), 300, answered=True)
    debt = rates.tokens.debt
    rates.settle(46.0, Slot(False, 1, 40.0, 300, 300), 600, answered=True)
    assert rates.tokens.debt == debt == 0
    rates.settle(46.0, Slot(False, 1, 40.0, 300, 300), 900, answered=True)
    assert 0 < rates.tokens.debt <= 600


def test_a_refusal_cuts_by_the_share_that_was_refused_and_quiet_brings_it_back() -> None:
    rates = Rates(PerMinute(0, 60_000))
    slots = [go(rates, 0.0, 1)[1] for _ in range(100)]
    for slot in slots[:30]:
        rates.refuse(0.1, slot.at)
    assert rates.tokens.rate == pytest.approx(700)
    for slot in slots[30:]:
        rates.refuse(0.1, slot.at)
    assert rates.tokens.rate == pytest.approx(1_000 * CUT_LEAST)
    assert rates.wait(0.1, 1) > 0  # the server's bucket is empty, so is this one
    low, now = rates.tokens.rate, 0.1
    while now < 20:
        now, _ = go(rates, now, 200)
    assert rates.tokens.rate == pytest.approx(low + 1_000 * CLIMB * 20, rel=0.1)
    while now < 400:
        now, _ = go(rates, now, 200)
    assert rates.tokens.rate == 1_000  # and never above what was declared


def test_refusals_never_bring_everything_to_a_stop() -> None:
    for declared in (PerMinute(), PerMinute(600, 60_000)):
        rates = Rates(declared)
        now = 0.0
        for _ in range(300):
            now, slot = go(rates, now + 0.01, 50)
            rates.settle(now, slot, 0, answered=False)
            rates.refuse(now, slot.at, "tokens")
        assert go(rates, now, 50)[0] - now < 3


def test_an_unknown_rate_is_what_went_until_it_was_refused() -> None:
    rates = Rates()
    assert not rates.known
    now = 0.0
    while now < 12:
        now, slot = go(rates, now + 0.1, 100)
        rates.settle(now + 0.05, slot, None, answered=True)
    _, slot = go(rates, now, 100)
    rates.refuse(now, slot.at, "tokens")
    assert rates.per_minute.requests == 0
    assert 0.8 * CUT_MOST * 60_000 <= rates.per_minute.tokens <= 1.2 * 60_000


@pytest.mark.parametrize(
    ("kind", "waits", "blamed"),
    [
        ("", (0.0,) * 9, False),  # a full server refuses again and again
        ("", (1.0,) * 9, False),  # and may ask for one pause always
        ("", (1.0, 0.0) * 5, False),
        ("", (0.31, 0.12, 0.55, 0.2), True),
        ("tokens", (0.0,), True),
    ],
)
def test_a_refusal_is_for_a_rate_when_it_says_so_or_counts_in_time(
    kind: str, waits: tuple[float, ...], blamed: bool
) -> None:
    rates = Rates()
    assert any(rates.blames(kind, wait) for wait in waits) is blamed


def test_announced_rates_are_kept_where_none_are_declared() -> None:
    rates = Rates(PerMinute(600, 0))
    rates.announce(PerMinute(60, 6_000))
    assert rates.per_minute == PerMinute(600, 6_000)
    rates.announce(PerMinute(0, 12_000))
    assert rates.per_minute == PerMinute(600, 12_000)


def headers(limit: object, left: object, reset: object, kind: str = "tokens") -> dict[str, str]:
    values = {"limit": limit, "remaining": left, "reset": reset}
    return {f"x-ratelimit-{name}-{kind}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        (headers(30_000, 29_900, "200ms"), PerMinute(0, 30_000)),  # OpenAI
        (headers(500, 499, "120ms", "requests") | headers(30_000, 0, "1m0s"), PerMinute(500, 30_000)),
        (headers(14_400, 14_370, "2m59.56s", "requests"), None),  # a day's, as Groq's
        (headers(600, 599, "1s", "requests"), None),  # rounded beyond use
        (headers(30_000, 30_000, "0s"), None),
        ({"x-ratelimit-limit-tokens": "30000"}, None),
        ({}, None),
        *[
            (headers(*said), None)
            for said in (
                ("nan", 1, "1s"), ("inf", 1, "1s"), (-5, -6, "1s"), (0, 0, "1s"), (0.001, 0, "60s"), ("1e400", 1, "1s"),
                (100, 200, "60s"), (100, 0, "-60s"), (100, 0, "soon"), ("9" * 5_000, 0, "60s"), (100, "", "60s"),
                ("٣٠", 0, "60s"), (100, 0, "1d"), (1e11, 0, "60s"), ("100, 100", 0, "60s"),
            )
        ],
    ],
)  # fmt: skip
def test_headers_are_believed_when_they_fit_a_minute(said: dict[str, str], limits: PerMinute | None) -> None:
    assert announced(said) == limits


@given(st.dictionaries(st.sampled_from([*headers(0, 0, 0), *headers(0, 0, 0, "requests")]), st.text(max_size=30)))
def test_no_header_breaks_anything(said: dict[str, str]) -> None:
    found = announced(said)
    assert found is None or all(one == 0 or 1 <= one <= 1e10 for one in (found.requests, found.tokens))


@pytest.mark.parametrize(
    ("body", "said", "limit"),
    [
        ('{"error": {"message": "Rate limit reached on tokens per min (TPM): Limit 10000"}}', {}, "tokens"),
        ('{"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}}', {}, "requests"),
        ('{"error": {"message": "your rate limit of 40,000 input tokens per minute"}}', {}, "tokens"),
        ('{"error": {"message": "requests per day (RPD): Limit 200", "type": "requests"}}', {}, ""),
        ('{"error": {"message": "slow"}}', {"x-ratelimit-remaining-tokens": "0"}, "tokens"),
        ('{"error": {"message": "requests per min and tokens per min"}}', {}, ""),
        ('{"error": {"message": "too many concurrent requests"}}', {"Retry-After": "1"}, ""),
        ("<html>", {}, ""),
    ],
)
def test_a_refusal_may_name_its_rate(body: str, said: dict[str, str], limit: str) -> None:
    error = error_of(429, said, body.encode(), "here")
    assert isinstance(error, Overloaded)
    assert error.limit == limit


steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.floats(0, 7), st.integers(1, 4_000)),
        st.tuples(st.just("settle"), st.floats(0, 7), st.integers(1, 4_000), st.integers(0, 9_000), st.floats(0, 9)),
        st.tuples(
            st.just("refuse"),
            st.floats(0, 7),
            st.integers(1, 60),
            st.sampled_from(["", "tokens", "requests"]),
            st.sampled_from([0.0, 0.5, 1.0]),
            st.floats(0, 9),
        ),
    ),
    min_size=1,
    max_size=40,
)


async def test_redis_and_a_process_keep_the_same_rates(redis_url: str) -> None:
    connection = RedisConnection(redis_url)
    text = Script(script("rates").text + LUA)
    cases: list[tuple[list[Any], tuple[float, float]]] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(steps, st.sampled_from([(0.0, 0.0), (0.0, 60_000.0), (120.0, 0.0), (90.0, 600.0)]))
    def collect(events: list[Any], limits: tuple[float, float]) -> None:
        cases.append((events, limits))

    collect()
    assert len(cases) >= 50
    for events, limits in cases:
        said = await connection.run(text, (), (orjson.dumps(events), orjson.dumps(limits)))
        assert [float(one) for one in said] == pytest.approx(here(events, limits), rel=1e-6, abs=1e-6)
    await connection.aclose()


def here(events: list[Any], limits: tuple[float, float]) -> list[float]:
    rates, now, answers = Rates(PerMinute(*limits)), 0.0, []
    for event in events:
        now += event[1]
        if event[0] == "take":
            wait = rates.wait(now, event[2])
            now += wait
            answers += [wait, rates.take(now, event[2])]
        elif event[0] == "settle":
            slot = Slot(False, 1, now - event[4], event[2], event[2])
            rates.settle(now, slot, event[3], answered=True)
        else:
            answers.append(float(rates.blames(event[3], event[4])))
            rates.refuse(now, now - event[5], event[3])
        answers += [rates.per_minute.requests, rates.per_minute.tokens, rates.needed]
        assert all(math.isfinite(answer) for answer in answers)
    return answers
