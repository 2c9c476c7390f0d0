"""The budget of a fleet, in Redis: what all workers have spent and set aside, added up by one script.

Settled and reserved together never pass a limit, so the fleet stops at it and not after it. The reservation of a worker
that died lapses. A call is settled once, by its process's own count, however often the command arrives. Should Redis
lose its memory, each worker's next command tells it what that worker last knew to be spent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
from dataclasses import dataclass

from ...errors import BudgetExceeded, ConfigError
from ...storage.redis_connection import RedisConnection
from ...storage.stopping import stopped
from ..layers.budget import Spent, exceeded
from .scripts import key_of, script, token

RESERVE, SETTLE = script("reserve"), script("settle")
RENEW, RESTORE = script("renew_reservations"), script("restore_budget")
LIFE = 30.0  # seconds that a reservation outlives its worker
REMEMBER = 600.0  # seconds for which a process that has gone quiet is still known by its last settlements
LAST = 500  # of them: more than one pipeline sends again, and as many as Redis packs (`set-max-intset-entries`)
LOOK_FIRST, LOOK_MOST = 0.05, 1.0  # seconds between looks, while only calls in flight stand in the way
BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for one call; `money` is in billionths of a US dollar."""

    id: str
    tokens: int
    money: int


class RedisBudget:
    """Limits shared by all workers of a campaign; None is no limit. Stands in for `layers.budget.Budget`.

    Raises:
        ConfigError: a limit is zero or negative.
    """

    def __init__(
        self,
        connection: RedisConnection,
        campaign: str,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
        *,
        life: float = LIFE,
    ) -> None:
        for name, limit in (("tokens", tokens), ("usd", usd), ("seconds", seconds)):
            if limit is not None and not limit > 0:
                raise ConfigError(f"budget {name} is {limit}; give a number above 0, or leave it out for no limit")
        self.tokens, self.usd, self.seconds, self.life = tokens, usd, seconds, life
        self._connection = connection
        self._token, self._number, self._settlement = token(), itertools.count(), itertools.count()
        self._keys = tuple(key_of(campaign, "budget", *part) for part in ((), ("expiry",), ("held",)))
        self._mine = key_of(campaign, "budget", "settled", self._token)
        self._known = (0, 0, 0)  # tokens, money, milliseconds
        self._held: dict[str, Reservation] = {}
        self._settled = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    @property
    def spent(self) -> Spent:
        """What the fleet had settled when this process last heard; `look` asks."""
        tokens, money, elapsed = self._known
        return Spent(tokens, money / BILLION, elapsed / 1000)

    async def look(self) -> Spent:
        """Returns what the fleet has settled so far; raises `RedisUnavailable`."""
        await self._ask("", 0, 0)
        return self.spent

    async def restore(self, spent: Spent) -> None:
        """Takes up what a stopped campaign had spent. The coordinator calls it when it starts; less is never booked."""
        known = (spent.tokens, math.ceil(spent.usd * BILLION), int(spent.seconds * 1000))
        await self._connection.run(RESTORE, self._keys[:1], known)
        await self._ask("", 0, 0)

    async def reserve(self, tokens: int, usd: float) -> Reservation:
        """Sets `tokens` and `usd` aside. Waits while only calls in flight, of any worker, stand in the way.

        Raises:
            BudgetExceeded: what is settled already leaves too little, or the time is over.
            RedisUnavailable: Redis was gone for longer than its patience.
        """
        wanted = Reservation(f"{self._token}.{next(self._number)}", tokens, math.ceil(usd * BILLION))
        pause = LOOK_FIRST
        while True:
            self._settled.clear()
            try:
                verdict = await self._ask(wanted.id, wanted.tokens, wanted.money)
            except asyncio.CancelledError:
                self.settle(wanted, 0, 0.0)  # it may have been set aside already
                raise
            if verdict == "reserved":
                self._held[wanted.id] = wanted
                if self._renewing is None:
                    self._renewing = asyncio.get_running_loop().create_task(self._renew())
                return wanted
            if verdict != "wait":
                raise self._exceeded(verdict, tokens, usd)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1.0)):  # noqa: S311  # spreads load
                    await self._settled.wait()
            pause = min(LOOK_MOST, pause * 2)

    def settle(self, reserved: Reservation, tokens: int, usd: float) -> None:
        """Gives a reservation back and books what the call did cost; sent at once, answered later."""
        self._held.pop(reserved.id, None)
        args = (reserved.id, tokens, math.ceil(usd * BILLION), int(REMEMBER * 1000), next(self._settlement), LAST)
        self._connection.post(SETTLE, (*self._keys, self._mine), args)
        self._settled.set()

    async def aclose(self) -> None:
        """Stops renewing. The connection stays."""
        if self._renewing is not None:
            await stopped(self._renewing)

    def _exceeded(self, verdict: str, tokens: int, usd: float) -> BudgetExceeded:
        limit, more = {"time": (self.seconds, 0.0), "tokens": (self.tokens, tokens), "usd": (self.usd, usd)}[verdict]
        return exceeded(verdict, limit or 0, self.spent, more)

    async def _ask(self, id: str, tokens: int, money: int) -> str:
        limits = (
            "" if self.tokens is None else self.tokens,
            "" if self.usd is None else math.floor(self.usd * BILLION),
            "" if self.seconds is None else int(self.seconds * 1000),
        )
        life = int(self.life * 1000)
        reply = await self._connection.run(RESERVE, self._keys, (id, tokens, money, *limits, life, *self._known))
        self._known = (int(reply[1]), int(reply[2]), int(reply[3]))
        return str(reply[0], "ascii")

    async def _renew(self) -> None:
        try:
            while self._held:
                await asyncio.sleep(self.life / 3)
                held = [part for one in self._held.values() for part in (one.id, one.tokens, one.money)]
                if held:
                    self._connection.post(RENEW, self._keys, (int(self.life * 1000), *held))
        finally:
            self._renewing = None
