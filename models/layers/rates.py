"""How fast requests may go to a server: requests and tokens a minute, kept by leaky buckets and adapted by refusals.

A request goes when the buckets have room (GCRA in its form as a continuous-state leaky bucket, ITU-T I.371, annex A):
what went drains at the rate, and at most `BURST` seconds' worth may go at once. One that is larger than that goes when
the bucket is empty, and those behind it pay in waiting.

A server that refuses although the rate was kept shares its key with somebody else, or allows less than was said: the
rate is cut by the share that it refused, and climbs back. Where nothing is known, the first refusal makes what went
until then the rate. `rates.lua` beside the shared limiter does the same by the server's clock; a test compares them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..contract import PerMinute

BURST = 0.5  # seconds of the rate that may go at once; servers hold a second of it and more
DEBT_MOST = 600.0  # seconds that one request, or one wrong number of a server's, can make others wait
CUT_LEAST, CUT_MOST = 0.5, 0.95  # what a refusal leaves of the rate, at least and at most
CLIMB, CLIMB_MOST = 0.005, 0.25  # share of the rate that comes back a second: after refusals, and after long quiet
QUIET = 30.0  # seconds without a refusal that double the climb
FLOOR = 0.05  # share of the declared rate that is never cut; where none is declared: one request a second
BIN = 5.0  # seconds: one to two of these are looked back on when a rate is to be found
SPARE = 1.25  # times the requests in flight that fill a rate on average: calls differ
MEMORY = 0.05  # weight of the newest call in the means
PRIOR = 8  # calls that the first guess counts for: the first answers may be the shortest
BIAS_LEAST, BIAS_MOST = 0.02, 50.0  # of a guess is charged, whatever servers say that calls took
DOUBTS = 3  # times that a server knew anew how long to wait: it counts in time, not in places
NO_LIMIT = PerMinute()


class Slot(NamedTuple):
    """A request's leave to go: whether it is the probe, how many were in flight with it, since when, and the tokens
    that it was guessed to take and is charged."""

    probe: bool
    rank: int
    at: float
    guess: float = 0.0
    charge: float = 0.0


@dataclass(slots=True, eq=False)
class Bucket:
    """One rate. `rate` and `top` (what was declared) are a second; `debt` is what went and has not drained yet."""

    top: float = math.inf
    rate: float = math.inf
    debt: float = 0.0
    before: float = math.inf
    gone: float = 0.0
    gone_before: float = 0.0

    def wait(self, cost: float) -> float:
        """Returns the seconds until `cost` may go."""
        if self.rate == math.inf:
            return 0.0
        over = (self.debt - max(0.0, self.rate * BURST - cost)) / self.rate
        return over if over > 1e-6 else 0.0

    def add(self, amount: float) -> None:
        """Takes what goes, or, when negative, gives back what did not."""
        self.gone += amount
        if self.rate < math.inf:
            self.debt = min(max(0.0, self.debt + amount), self.rate * DEBT_MOST)

    def hold_to(self, per_minute: float) -> None:
        """Takes over a limit that was declared or announced."""
        top = per_minute / 60 if per_minute > 0 else math.inf
        self.rate = top if self.rate == self.top else min(self.rate, top)
        self.top = top

    def drain(self, passed: float, climb: float) -> None:
        """Lets `passed` seconds pass. While it holds requests back, a rate that was cut climbs by `climb` a second:
        evenly up to where it was refused, faster beyond it."""
        if not self.debt:
            return
        busy = min(passed, max(0.0, self.debt / self.rate - BURST / 2))
        self.debt = max(0.0, self.debt - self.rate * passed)
        if self.rate < self.top:
            whole = self.top if self.top < math.inf else max(self.before, self.rate)
            self.rate = min(self.top, self.rate + climb * whole * busy)

    def cut(self, left: float, floor: float) -> None:
        """Leaves the share `left` of the rate before the refusal. The server's bucket is empty: so is this one."""
        self.rate = min(self.rate, max(floor, self.before * left))
        self.debt = max(self.debt, self.rate * BURST)


class Rates:
    """The rates of one server and model. Clocks are seconds, of any origin.

    A request is charged its guess, by as much as guesses were wrong lately, and corrected when it is known what it
    took. `seconds` and `mean` are what a call takes and costs lately, in seconds and tokens.
    """

    def __init__(self, limits: PerMinute = NO_LIMIT) -> None:
        self.requests, self.tokens = Bucket(), Bucket()
        self.declared = limits
        self.requests.hold_to(limits.requests)
        self.tokens.hold_to(limits.tokens)
        self.seconds = self.mean = 0.0
        self._calls = self._doubts = 0
        self._guess = 0.0  # mean of the guesses for the calls of `mean`
        self._balance = 0.0  # what requests were charged too much, as a negative number
        self._told = 0.0  # the last Retry-After
        self._at = self._bin_at = -math.inf
        self._quiet = math.inf
        self._bin_seconds = 0.0
        self._climb = CLIMB
        self._cut = self._began = -math.inf
        self._sent = self._sent_before = self._refused = 0

    @property
    def known(self) -> bool:
        """Whether there is a rate to keep."""
        return self.requests.rate < math.inf or self.tokens.rate < math.inf

    @property
    def per_minute(self) -> PerMinute:
        """The rates that are kept now."""
        return PerMinute(*(0.0 if one.rate == math.inf else one.rate * 60 for one in (self.requests, self.tokens)))

    @property
    def _bias(self) -> float:
        return max(BIAS_LEAST, min(BIAS_MOST, self.mean / self._guess)) if self._guess else 1.0

    @property
    def needed(self) -> int:
        """How many requests in flight the rates fill (Little's law): fewer would waste what the server allows."""
        if not self.known:
            return 0
        a_second = min(self.requests.rate, self.tokens.rate / max(self.mean, 1.0))
        return math.ceil(a_second * self.seconds * SPARE) + 1

    def announce(self, limits: PerMinute) -> None:
        """Takes over what the server says that it allows, where nothing was declared."""
        if limits.requests and not self.declared.requests:
            self.requests.hold_to(limits.requests)
        if limits.tokens and not self.declared.tokens:
            self.tokens.hold_to(limits.tokens)

    def wait(self, now: float, guess: float) -> float:
        """Returns the seconds until a request that was guessed to take so many tokens may go."""
        if not self.known:
            return 0.0
        self._drain(now)
        return max(self.requests.wait(1.0), self.tokens.wait(guess * self._bias))

    def take(self, now: float, guess: float) -> float:
        """Charges a request that goes now; returns how many tokens."""
        if now - self._bin_at >= BIN:
            self._turn(now)
        self._drain(now)
        if not self._guess:
            self.mean = self._guess = max(guess, 1.0)
        charge = guess * self._bias
        self.requests.add(1.0)
        self.tokens.add(charge)
        self._sent += 1
        return charge

    def settle(self, now: float, slot: Slot, used: float | None, *, answered: bool) -> None:
        """Corrects what a request was charged to what it `used`; None is unknown. `answered` says that it went well."""
        self._drain(now)
        took = slot.charge if used is None else used
        if not answered:
            self.tokens.add(took - slot.charge)
            return
        self._calls += 1
        self.seconds += (now - slot.at - self.seconds) * max(MEMORY, 1 / self._calls)
        weight = max(MEMORY, 1 / (PRIOR + self._calls))
        self.mean += (took - self.mean) * weight
        self._guess += (slot.guess - self._guess) * weight
        # What was charged too much is not given back to be used in a burst: the server's bucket ran over meanwhile. It
        # only makes up for what was charged too little.
        self._balance = max(self._balance + took - slot.charge, -self.tokens.rate * BURST)
        if self._balance > 0:
            self.tokens.add(self._balance)
            self._balance = 0.0

    def blames(self, kind: str, retry_after: float) -> bool:
        """Whether a refusal is one for a rate: the server says so by its `kind`, a rate is known, or it knows each time
        anew how long to wait, which a server that only is full does not."""
        if retry_after > 0 and retry_after != self._told:
            self._doubts += self._told > 0
        else:
            self._doubts = 0
        self._told = retry_after
        return bool(kind) or self.known or self._doubts >= DOUBTS

    def refuse(self, now: float, taken: float, kind: str = "") -> None:
        """Cuts the rates after a request that went at `taken` was refused for them. `kind` is `requests` or `tokens`;
        where the server did not say, all that are known are cut, or else a rate of tokens is found."""
        self._drain(now)
        ours = [one for one in (self.requests, self.tokens) if one.rate < math.inf] or [self.tokens]
        if kind:
            ours = [self.requests if kind == "requests" else self.tokens]
        if taken > self._cut:  # nothing that went after the last cut was refused before: a new one
            self._climb = CLIMB_MOST if ours[0].rate == math.inf else max(CLIMB, self._climb / 4)
            self._began, self._cut, self._quiet = self._cut, now, now
            self._sent, self._sent_before, self._refused = 0, max(self._sent, 1), 0
            for one in (self.requests, self.tokens):
                one.before = one.rate if one.rate < math.inf else self._found(now, one)
        elif taken <= self._began:
            return
        self._refused += 1
        left = min(CUT_MOST, max(CUT_LEAST, 1.0 - self._refused / self._sent_before))
        for one in ours:
            least = 1.0 if one is self.requests else max(1.0, self.mean)
            one.cut(left, one.top * FLOOR if one.top < math.inf else least)

    def _turn(self, now: float) -> None:
        """Opens a new bin. What went before the last one is forgotten, and the last one too after a silence."""
        recent = now - self._bin_at < 2 * BIN
        self._bin_seconds = now - self._bin_at if recent else 0.0
        self._bin_at = now
        for one in (self.requests, self.tokens):
            one.gone_before, one.gone = one.gone if recent else 0.0, 0.0

    def _found(self, now: float, one: Bucket) -> float:
        return (one.gone_before + one.gone) / self._looked_back(now)

    def _looked_back(self, now: float) -> float:
        return max(1.0, now - self._bin_at + self._bin_seconds)

    def _drain(self, now: float) -> None:
        passed = now - self._at
        if passed <= 0:
            return
        self._at = now
        if not self.known:
            return
        self.requests.drain(passed, self._climb)
        self.tokens.drain(passed, self._climb)
        if now - self._quiet >= QUIET:
            self._climb = min(CLIMB_MOST, self._climb * 2)
            self._quiet = now
