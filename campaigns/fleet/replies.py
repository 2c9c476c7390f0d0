"""Brings the raw replies of a Redis fleet into the run's store: what items name must outlive the shared cache.

Workers over Redis know no store, and their results stay small: the coordinator fetches what they name, some hundred at
a time, beside the admission, which waits for none of it. A reply that the cache has dropped meanwhile is not kept, and
costs no task anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice

from ...errors import GristmillError
from ...models.fleet.calls import RedisCalls
from ...storage.records import Item
from ...storage.store import RunStore

LOG = logging.getLogger(__name__)
EVERY = 0.2  # seconds between two fetches
AT_ONCE = 200  # replies of one fetch: some hundred KB
WANTED = 50_000  # keys that wait at most, while Redis or the store is away
PATIENCE = 10.0  # seconds that the end of a campaign waits for the last of them


class Replies:
    """Copies replies from `calls` to `store`: `want` them, `keep` at it while it works, `finish` at its end."""

    def __init__(self, calls: RedisCalls, store: RunStore) -> None:
        self._calls = calls
        self._store = store
        self._wanted: dict[str, None] = {}  # by key, the oldest first
        self._copying = asyncio.Lock()
        self.missed = 0  # replies that could not be kept

    def want(self, items: Iterable[Item]) -> None:
        """Notes the replies that `items` name."""
        for item in items:
            self._wanted.update((call.key, None) for call in item.all_calls if call.key)
        while len(self._wanted) > WANTED:
            del self._wanted[next(iter(self._wanted))]
            self.missed += 1

    async def keep(self) -> None:
        """Copies, again and again, what is wanted; what Redis or the store does not do now waits for the next time."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self._copy()
            except GristmillError as error:
                LOG.warning("%d raw replies wait to be kept: %s", len(self._wanted), error)
                await asyncio.sleep(PATIENCE)

    async def finish(self) -> None:
        """Copies the last of them, as far as that takes no longer than `PATIENCE`, and says what is not kept."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._copy()
        except (TimeoutError, GristmillError) as error:
            self.missed += len(self._wanted)
            LOG.warning("the last raw replies are not kept: %s", error or "Redis does not answer")
        if self.missed:
            LOG.warning("%d raw replies were no longer in the fleet's cache, and are not kept", self.missed)

    async def _copy(self) -> None:
        async with self._copying:
            while self._wanted:
                keys = list(islice(self._wanted, AT_ONCE))
                found = await self._calls.kept(keys)
                if found:
                    await self._store.put_all(found)
                for key in keys:
                    self._wanted.pop(key, None)
                self.missed += len(keys) - len(found)
