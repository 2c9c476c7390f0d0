"""The limiter of a fleet, in Redis: one window of requests in flight for each server, adapted by all workers together.

Additive increase, multiplicative decrease, as in `layers.limiter`, with two additions that a shared window needs. It
starts small and doubles (slow start, Jacobson 1988), because many workers that start at their own limits would be a
burst of refusals. And it remembers at which request the server refused: it returns to just below that quickly, stays,
and tries one more only now and then (the search of BIC, Xu, Harfoush and Rhee 2004).

Requests wait in one queue, first come first served. Whoever gives a permit back hands it to the next in the same
script, and wakes its worker through a list that the worker blocks on: nobody polls. A permit that is not renewed
lapses, so those of a crashed worker come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
from collections import deque
from time import monotonic
from typing import Any

import orjson

from ...errors import ModelError, ServerLost, StoreError
from ...storage.queue import EndpointInfo
from ...storage.redis_connection import RedisConnection
from ...storage.stopping import stopped
from ..contract import PerMinute
from ..layers.rates import NO_LIMIT
from ..layers.traffic import Traffic
from .permit import Permit, given_back
from .scripts import key_of, script, token

LOG = logging.getLogger(__name__)
ADMIT = script("rates", "admit")
LIFE = 15.0  # seconds that a permit outlives its worker
LISTEN = 2  # seconds that one blocking read lasts; under the connection's own timeout


class RedisLimiter:
    """The admission of all workers to one server and model, named by `label`. Stands in for `layers.limiter.Limiter`.

    `most` is how many requests this worker may have in flight; `limit` is the fleet's window when this worker last
    heard of it. `patience` is how many seconds the server may be gone before waiting calls fail. `rates` are what the
    server is known to allow, `kept` what the fleet keeps to.
    """

    def __init__(
        self,
        connection: RedisConnection,
        campaign: str,
        label: str,
        most: int,
        patience: float = 300.0,
        *,
        rates: PerMinute = NO_LIMIT,
        life: float = LIFE,
    ) -> None:
        self.label, self.most, self.patience, self.life = label, most, patience, life
        self.limit = 0.0
        self.rates, self.kept = rates, NO_LIMIT
        self._declared = rates
        self._traffic = Traffic()
        self._paused_until = 0.0
        self._connection = connection
        name = hashlib.blake2b(label.encode(), digest_size=8).hexdigest()
        self._keys = tuple(key_of(campaign, "limit", name, part) for part in ("state", "permits", "waiting", "seen"))
        self._wake_lists = key_of(campaign, "limit", name, "wake", "")
        self._worker, self._number = token(), itertools.count()
        self._waiting: deque[tuple[asyncio.Future[Permit], int]] = deque()  # not told to Redis yet: beyond `most`
        self._asked: dict[str, asyncio.Future[Permit]] = {}
        self._held: dict[str, Permit] = {}
        self._back: list[list[Any]] = []
        self._drop: list[str] = []
        self._open_for = -1.0
        self._full = False
        self._next = 1.0
        self._due = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the server is taken to be gone."""
        return self._open_for >= 0

    @property
    def in_flight(self) -> int:
        """Requests of this worker that are in flight."""
        return len(self._held)

    def is_full(self) -> bool:
        """Whether a request that came now would have to wait, as far as this worker knows."""
        # A request whose exchange is on its way says nothing yet: only what Redis said last counts.
        return self._full or len(self._held) + len(self._asked) + len(self._waiting) >= self.most

    def info(self) -> EndpointInfo:
        """Returns what there is to see, without the names."""
        now = monotonic()
        return self._traffic.info(now).model_copy(
            update={
                "state": "gone" if self.open else "paused" if now < self._paused_until else "ok",
                "in_flight": len(self._held),
                "waiting": len(self._asked) + len(self._waiting),
                "window": int(self.limit),
                "shared": True,
                "requests_limit": round(self.kept.requests, 1),
                "tokens_limit": round(self.kept.tokens, 1),
            }
        )

    def announce(self, limits: PerMinute, /) -> None:
        """Takes over rates that the server announced, where none were declared; said with the next exchange."""
        ours = self._declared
        self.rates = PerMinute(ours.requests or limits.requests, ours.tokens or limits.tokens)

    async def enter(self, tokens: int = 0, /) -> Permit:
        """Waits for a permit for a request of about so many `tokens`. Each `enter` is answered by one `leave`.

        Raises:
            ServerLost: the server has been gone for longer than `patience`. Not to be retried.
            RedisUnavailable: Redis was gone for longer than its own patience.
        """
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, max(0, tokens)))
        self._kick()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(0.0, turn.result(), None, answered=False, used=0)
            self._kick()
            raise

    def leave(
        self,
        started: float,
        permit: Permit,
        error: ModelError | None,
        /,
        *,
        answered: bool = True,
        used: int | None = None,
    ) -> None:
        """Gives a permit back with what was learned; sent at once, answered later. See `Limiter.leave`."""
        self._held.pop(permit.id, None)
        if answered:
            taken = used if used is not None else permit.charge if error is None else 0
            self._traffic.count(monotonic() - started, taken, error)
        self._back.append(given_back(permit, error, answered=answered, used=used))
        self._kick()

    async def aclose(self) -> None:
        """Gives back what is held, lets go who waits, and stops. The connection stays."""
        for permit in list(self._held.values()):
            self.leave(0.0, permit, None, answered=False)
        self._fail(ServerLost(f"the limiter of {self.label} was closed"))
        await stopped(*(task for task in (self._listening, self._serving) if task is not None))
        if self._back or self._drop:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._exchange()

    def _kick(self) -> None:
        self._due.set()
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        """Exchanges with Redis whenever something is new, and now and then while something is held or awaited."""
        loop = asyncio.get_running_loop()
        try:
            while self._held or self._asked or self._waiting or self._back or self._drop:
                self._due.clear()
                await self._exchange()
                if self._listening is None and self._asked:
                    self._listening = loop.create_task(self._listen())
                if not (self._held or self._asked):
                    continue
                pause = self._next * random.uniform(1.0, 1.2) if self._asked else self.life / 3  # noqa: S311  # spreads
                timer = loop.call_later(pause, self._due.set)
                try:
                    await self._due.wait()
                finally:
                    timer.cancel()
        except Exception as error:  # whoever waits is told; the next request tries anew
            self._fail(error)
        finally:
            self._serving = None

    async def _exchange(self) -> None:
        while self._waiting and len(self._asked) + len(self._held) < self.most:
            turn, tokens = self._waiting.popleft()
            if not turn.done():
                self._asked[f"{self._worker}.{next(self._number)}.{tokens}"] = turn
        for id in [id for id, turn in self._asked.items() if turn.done()]:
            del self._asked[id]  # cancelled
            self._drop.append(id)
        back, self._back = self._back, []
        drop, self._drop = self._drop, []
        said = {
            "worker": self._worker,
            "life": int(self.life * 1000),
            "most": self.most,
            "back": back,
            "want": list(self._asked),
            "hold": list(self._held),
            "drop": drop,
            "rates": [self.rates.requests, self.rates.tokens],
        }
        raw = await self._connection.run(ADMIT, self._keys, (self._wake_lists, orjson.dumps(said)))
        reply = orjson.loads(raw)
        self.limit, self._full = reply["window"], reply["full"]
        self._open_for = reply["open"] / 1000 if reply["open"] >= 0 else -1.0
        self._next = max(0.001, reply["next"] / 1000)
        self.kept = PerMinute(*reply["rates"])
        self._paused_until = monotonic() + reply["paused"] / 1000
        for grant in reply["granted"] or ():
            self._grant(grant)
        if self._open_for >= max(self.patience, 0.0) and self._asked:
            self._drop += list(self._asked)
            self._fail(self._lost(reply["last"]))
            self._due.set()

    def _grant(self, grant: list[Any]) -> None:
        permit = Permit(*grant)
        turn = self._asked.pop(permit.id, None)
        if permit.id in self._held:
            return  # said twice
        if turn is None or turn.done():
            self._back.append(given_back(permit, None, answered=False, used=0))
            self._kick()
            return
        self._held[permit.id] = permit
        turn.set_result(permit)

    async def _listen(self) -> None:
        """Reads the grants that other workers' exchanges made to this one, and when its turn will come."""
        wakes = [self._wake_lists + self._worker]
        client = self._connection.client
        later = asyncio.get_running_loop().call_later
        try:
            while self._asked:
                said = await self._connection.steady(lambda: client.blpop(wakes, timeout=LISTEN))
                if said is not None:
                    for grant in orjson.loads(said[1]):
                        if grant[0]:
                            self._grant(grant)
                        else:
                            later(grant[1] / 1000, self._due.set)
        except StoreError as error:  # the exchange meets the same and tells those who wait
            LOG.warning("the limiter of %s hears nothing: %s", self.label, error)
        finally:
            self._listening = None

    def _fail(self, error: Exception) -> None:
        for turn in (*self._asked.values(), *(turn for turn, _ in self._waiting)):
            if not turn.done():
                turn.set_exception(error)
        self._asked.clear()
        self._waiting.clear()

    def _lost(self, last: str) -> ServerLost:
        return ServerLost(
            f"{self.label} has not answered for {self.patience:g} s; start it or mend base_url, and run the same "
            f"command to go on. Last: {last}"
        )
