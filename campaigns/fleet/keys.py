"""What a campaign has in Redis, seen from its coordinator: made this run's own, kept while it lives, then cleared.

Nothing there is worth keeping for itself: tasks, texts and spending are in the store, from which a restart tells Redis
again. So every key has an expiry (`LIFE_MS`), and what outlives a campaign is small and goes by itself.
"""

from __future__ import annotations

import asyncio
import logging

from ...errors import GristmillError
from ...models.fleet.scripts import key_of
from ...models.fleet.shared import SharedLayers
from ...storage.queue import QueueState
from ...storage.redis_connection import LIFE_MS, RedisConnection
from ...storage.redis_queue import RedisCoordinatorQueue
from ...storage.store import RunStore
from .precedents import RedisPrecedents

LOG = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds that the end of a campaign waits for a Redis that does not answer


class Keys:
    """The keys of one campaign. `run` names the run in whose folder the coordinator works, `store` has it."""

    def __init__(
        self,
        connection: RedisConnection,
        queue: RedisCoordinatorQueue,
        shared: SharedLayers,
        precedents: RedisPrecedents,
        store: RunStore,
        run: str,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._shared = shared
        self._precedents = precedents
        self._store = store
        self._run = run
        self._key = key_of(shared.campaign, "run")

    async def make_ours(self) -> None:
        """Forgets what another run of the same name left in Redis: its tasks, its texts, what it spent."""
        before = await self._connection.call("GET", self._key)
        if before is not None and before != self._run.encode():
            LOG.warning("Redis holds another run of the name %s, which is forgotten there", self._shared.campaign)
            await self._queue.remove()
            await self._shared.forget()
        await self._connection.call("SET", self._key, self._run, "PX", LIFE_MS)

    async def keep(self) -> None:
        """Renews, again and again, what is not written often enough to stay. (The queue's keys its watch renews.)"""
        while True:
            await asyncio.sleep(LIFE_MS / 1000 / 7)
            try:
                await self._connection.call("SET", self._key, self._run, "PX", LIFE_MS)
                await self._shared.renew()
                await self._precedents.tell(self._store)
            except GristmillError as error:
                LOG.warning("the keys in Redis were not renewed, which is tried again in a day: %s", error)

    async def clear(self, state: QueueState | None, *, complete: bool) -> None:
        """Forgets the campaign in Redis when the store has all of it. `state` is the queue's last, None when unknown.

        For a week there may stay: answers of models, unless the campaign is `complete`; strikes of suspects that are
        pending; and for workers that are silent but may come back, the order to leave.
        """
        if state is None or state.results:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._queue.clear(workers_left=not state.workers)
                await self._shared.forget(calls=complete)
                await self._precedents.forget()
                if complete and not state.workers:
                    await self._connection.call("DEL", self._key)
        except (TimeoutError, GristmillError) as error:
            LOG.warning("what the campaign has in Redis stays there for a week: %s", error or "it does not answer")
