"""Several servers of one model: sends a request where its prefix is, elsewhere when that one is behind or gone.

Prefix first, load second, as SGLang's cache-aware router does it (Zheng et al. 2024, "SGLang", section 3), with a hash
in place of a tree of what each server holds: workers then agree without sharing anything.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from time import monotonic

from ..errors import ConfigError, DeadlineExceeded, ModelError, Overloaded, ServerLost, Unreachable
from .contract import Model, Reply, Request
from .hashing import prefix_of, ranked
from .layers.limiter import PROBE_FIRST, PROBE_MOST, is_down

LOG = logging.getLogger(__name__)
SLACK = 16  # requests in flight that are no reason to leave: a server batches as few at nearly the price of one
FACTOR = 1.5  # times the replicas' mean load: above it (and above the slack) a request goes elsewhere
OUT_AFTER = 3  # failures in a row, with no answer in between
REST_MOST = 15.0  # seconds between probes of one replica, while others work
MOVES = 2  # other replicas that one attempt may turn to: a request that kills its server must not visit them all
MEMORY = 15  # last calls whose median is a replica's latency: the first calls of a server compile, and may take 30 s
SLOW = 3.0  # times the usual latency that are no sign of a slow server: prompts differ, caches are cold at first


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """One replica's books.

    `calls` were sent to it, `failures` of them found nobody, an error of the server or no end; `spilled` came although
    another holds their prefix. `seconds` is what a call takes lately, 0 before the first.
    """

    url: str
    out: bool
    in_flight: int
    calls: int
    failures: int
    spilled: int
    seconds: float


@dataclass(slots=True, eq=False)
class _Replica:
    url: str
    full: Callable[[], bool]
    in_flight: int = 0
    calls: int = 0
    failures: int = 0
    spilled: int = 0
    took: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    seconds: float = 0.0
    streak: int = 0
    out: bool = False
    probing: bool = False
    rest: float = PROBE_FIRST
    probe_at: float = 0.0

    def is_full(self) -> bool:
        """Whether a request would wait. A limiter that others share is known by its last answer, so ask one again."""
        return self.in_flight > 0 and self.full()


class Router:
    """Where requests for one model go, and which of its servers work. Shared by all that ask these servers.

    `full` tells for each URL whether a request would have to wait there; `patience` is how many seconds all of them may
    be gone before calls fail.
    """

    def __init__(
        self, label: str, urls: Sequence[str], full: Sequence[Callable[[], bool]] = (), *, patience: float = 300.0
    ) -> None:
        self.label = label
        self.urls = tuple(urls)
        self.patience = patience
        self._replicas = [
            _Replica(url, tell) for url, tell in zip(self.urls, full or [lambda: False] * len(urls), strict=True)
        ]
        self._gone: float | None = None
        self._changed = asyncio.Event()
        self._last = "the limiter found nobody there"

    def report(self) -> tuple[ReplicaReport, ...]:
        """Returns the books, in the order of the URLs."""
        return tuple(
            ReplicaReport(one.url, one.out, one.in_flight, one.calls, one.failures, one.spilled, one.seconds)
            for one in self._replicas
        )

    async def enter(self, prefix: str, tried: set[int]) -> tuple[int, bool] | None:
        """Returns the replica for a request, by its place, and whether the request is its probe. One `leave` each.

        None when all that work are in `tried`. When none works it waits, and `tried` is forgotten.

        Raises:
            ServerLost: none has worked for `patience` seconds.
        """
        order = ranked(prefix, self.urls)
        while True:
            now = monotonic()
            if self._gone is not None:
                tried.clear()
            for place in order:
                one = self._replicas[place]
                if one.out and not one.probing and now >= one.probe_at and place not in tried:
                    one.probing = True
                    return self._take(place), True
            working = [place for place in order if not self._replicas[place].out]
            if working:
                left = [place for place in working if place not in tried]
                return (self._take(self._choose(left, working, sticky=bool(prefix))), False) if left else None
            await self._wait(now)

    @property
    def gone(self) -> bool:
        """Whether no replica works."""
        return self._gone is not None

    def has_room(self, tried: set[int]) -> bool:
        """Whether a replica that works and is not in `tried` would take a request at once."""
        return any(not one.out and place not in tried and not one.is_full() for place, one in enumerate(self._replicas))

    def leave(
        self, place: int, probe: bool, started: float, error: ModelError | None, *, answered: bool = True
    ) -> None:
        """Ends what `enter` began, and learns from the outcome. `answered` is false when the call was cancelled."""
        one = self._replicas[place]
        one.in_flight -= 1
        if probe:
            one.probing = False
            self._wake()
        if not answered:
            return
        now = monotonic()
        if error is None or isinstance(error, DeadlineExceeded):
            one.took.append(now - started)
            one.seconds = median_low(one.took)
        if error is None or not is_failure(error):
            self._answered(one)
        else:
            self._failed(one, probe, error, now)

    def _choose(self, left: list[int], working: list[int], *, sticky: bool) -> int:
        """Picks from `left`, which is in the order of the prefix's hash.

        Load is requests in flight, and more where each takes far longer than at the others.
        """
        known = [self._replicas[place].seconds for place in working if self._replicas[place].seconds]
        usual = median_low(known) if known else math.inf

        def load(place: int, more: int = 0) -> float:
            one = self._replicas[place]
            return (one.in_flight + more) * max(1.0, one.seconds / (SLOW * usual))

        free = [place for place in left if not self._replicas[place].is_full()]
        home = left[0]
        if sticky and (home in free or not free):
            mean = sum(map(load, working)) / len(working)
            if load(home) <= max(SLACK, FACTOR * mean):
                return home
        best = min(free or left, key=lambda place: load(place, 1))
        if sticky and best != home:
            self._replicas[best].spilled += 1
        return best

    def _take(self, place: int) -> int:
        one = self._replicas[place]
        one.in_flight += 1
        one.calls += 1
        return place

    def _answered(self, one: _Replica) -> None:
        one.streak = 0
        if one.out:
            one.out = False
            one.rest = PROBE_FIRST
            self._gone = None
            self._wake()
            LOG.info("%s: %s answers again", self.label, one.url)

    def _failed(self, one: _Replica, probe: bool, error: ModelError, now: float) -> None:
        one.failures += 1
        one.streak += 1
        if not isinstance(error, ServerLost):
            self._last = str(error)
        if one.out:
            if probe:
                one.rest = min(REST_MOST if self._gone is None else PROBE_MOST, one.rest * 2)
                one.probe_at = now + one.rest
            return
        others = any(not other.out for other in self._replicas if other is not one)
        # A server that fails and is there is better than none: its errors go to the retry layer, as a single one's do.
        gone = isinstance(error, ServerLost) or (one.streak >= OUT_AFTER and (others or is_down(error)))
        if not gone:
            return
        one.out = True
        one.probe_at = now + one.rest
        LOG.warning("%s: %s is taken out after %d failures in a row: %s", self.label, one.url, one.streak, self._last)
        if not others:
            self._gone = now
            for other in self._replicas:
                other.rest = min(other.rest, PROBE_MOST)
                other.probe_at = min(other.probe_at, now + other.rest)

    async def _wait(self, now: float) -> None:
        """Waits for a replica to come back, or for a probe to be due."""
        ends = (now if self._gone is None else self._gone) + self.patience
        if now >= ends:
            raise ServerLost(
                f"{self.label}: none of {', '.join(self.urls)} has answered for {self.patience:g} s; start one or mend "
                f"base_urls, and run the same command to go on. Last: {self._last}"
            )
        until = min([ends, *(one.probe_at for one in self._replicas if not one.probing)])
        changed = self._changed
        try:
            async with asyncio.timeout(max(0.001, until - now)):
                await changed.wait()
        except TimeoutError:
            pass

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Replicas:
    """One Model over several that have the same weights; `models` are in the order of the router's URLs.

    Each should let go at once when its server is gone (a limiter without patience): the patience is the router's.

    Raises:
        ConfigError: the models' names differ, so that their answers must not share a cache.
    """

    def __init__(self, models: Sequence[Model], router: Router) -> None:
        if len(models) != len(router.urls) or not models:
            raise ConfigError(f"{router.label}: {len(models)} models for {len(router.urls)} URLs; give one for each")
        if len(names := {model.name for model in models}) > 1:
            raise ConfigError(f"{router.label}: replicas must serve one model; these are {', '.join(sorted(names))}")
        self.name = models[0].name
        self.models = tuple(models)
        self.router = router

    async def complete(self, request: Request) -> Reply:
        """Asks the replica that holds the prefix, and up to two others when it fails.

        Raises what the last one asked raises, and `ServerLost` when all have been gone for longer than the patience.
        """
        prefix = prefix_of(request)
        tried: set[int] = set()
        moves = 0
        error: ModelError = Unreachable(f"{self.router.label}: no replica answers now")
        while moves <= MOVES or self.router.gone:
            turn = await self.router.enter(prefix, tried)
            if turn is None:
                break
            place, probe = turn
            started = monotonic()
            try:
                reply = await self.models[place].complete(request)
            except ModelError as caught:
                self.router.leave(place, probe, started, caught)
                if not self._moves_on(caught, probe, tried | {place}):
                    raise
                tried.add(place)
                moves += not probe
                if not isinstance(caught, ServerLost):  # final for that one replica only
                    error = caught
            except BaseException:
                self.router.leave(place, probe, started, None, answered=False)
                raise
            else:
                self.router.leave(place, probe, started, None)
                return reply
        raise error

    def _moves_on(self, error: ModelError, probe: bool, tried: set[int]) -> bool:
        if isinstance(error, ServerLost):
            return True
        if not error.retryable:
            return False
        if is_failure(error):
            return probe or not isinstance(error, DeadlineExceeded)  # else it has cost the whole timeout already
        return isinstance(error, Overloaded) and self.router.has_room(tried)

    async def aclose(self) -> None:
        """Closes all replicas."""
        for model in self.models:
            await model.aclose()


def is_failure(error: ModelError) -> bool:
    """Whether `error` says that this server does not work, and not that it is busy or dislikes the request."""
    if isinstance(error, Overloaded):
        return error.status is not None and error.status >= 500
    return isinstance(error, Unreachable | DeadlineExceeded)
