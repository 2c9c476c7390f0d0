"""How workers anywhere get the precedents that a task names: a copy of the store's sets in Redis."""

from __future__ import annotations

import orjson

from ...models.fleet.scripts import key_of
from ...storage.precedents import mark_of, rounds_of
from ...storage.redis_connection import LIFE_MS, RedisConnection
from ...storage.store import RunStore


class RedisPrecedents:
    """The sets of a campaign's rounds, each under a key that its version names; they never change."""

    def __init__(self, connection: RedisConnection, campaign: str) -> None:
        self._connection = connection
        self._campaign = campaign
        self._told: set[str] = set()

    async def get(self, version: str) -> object:
        """Returns the JSON values of a set, None when Redis does not have it."""
        found = await self._connection.call("GET", self._key(version))
        return None if found is None else orjson.loads(found)

    async def tell(self, store: RunStore) -> None:
        """Writes all sets of the run, or prolongs them: tasks of an earlier start may still name theirs."""
        for version in dict.fromkeys(one.version for one in rounds_of(store) if one.version):
            body = orjson.dumps(store.mark(mark_of(version)))
            await self._connection.call("SET", self._key(version), body, "PX", LIFE_MS)
            self._told.add(version)

    async def forget(self) -> None:
        """Removes what was told."""
        for version in sorted(self._told):
            await self._connection.call("DEL", self._key(version))
        self._told.clear()

    def _key(self, version: str) -> str:
        return key_of(self._campaign, "precedents", version)
