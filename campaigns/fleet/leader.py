"""One coordinator a campaign: it leads by a lease in Redis; a second one is refused with the first one's address."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import uuid

from ...errors import RunLocked
from ...storage.redis_campaign import leader_key
from ...storage.redis_connection import RedisConnection, Script
from ...storage.stopping import stopped

LOG = logging.getLogger(__name__)
PAUSE = 0.2  # seconds between two looks at another's lease: less than a third of the shortest
ALIVE = 2  # renewals of a lease that show that its holder lives
RENEW = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
)
LEAVE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class Leader:
    """Holds the campaign's lead from `take` to `leave`, renewed every third of `lease` seconds.

    `lost` is set should another coordinator have it all the same, after this one was frozen for longer than its lease.
    """

    def __init__(self, connection: RedisConnection, campaign: str, lease: float, lost: asyncio.Event) -> None:
        self._connection = connection
        self._campaign = campaign
        self._key = leader_key(campaign)
        self.name = f"process {os.getpid()} on {socket.gethostname()} ({uuid.uuid4().hex[:8]})"
        self._milliseconds = int(lease * 1000)
        self._renewing: asyncio.Task[None] | None = None
        self._lost = lost

    async def take(self) -> None:
        """Takes the lead. A coordinator that died keeps it until its lease ends, so this waits that long.

        What tells the living from the dead is that its lease is renewed, twice: once may be the last word of a dead one
        that a Redis which was frozen has only now read. No clock of this process decides.

        Raises:
            RunLocked: another coordinator leads and lives; names it.
        """
        left, renewed = math.inf, 0
        while renewed < ALIVE:
            if await self._claim():
                self._renewing = asyncio.create_task(self._renew())
                return
            before, left = left, int(await self._connection.call("PTTL", self._key))
            renewed += left > before
            await asyncio.sleep(PAUSE)
        holder = await self._connection.call("GET", self._key)
        name = holder.decode(errors="replace") if isinstance(holder, bytes) else "another coordinator"
        raise RunLocked(
            f"{name} coordinates campaign '{self._campaign}' on this Redis; wait for it, stop it with SIGINT "
            f"(it drains and can be resumed), or give this campaign another name"
        )

    async def _claim(self) -> bool:
        return bool(await self._connection.call("SET", self._key, self.name, "NX", "PX", self._milliseconds))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._milliseconds / 3000)
            renewed = await self._connection.run(RENEW, (self._key,), (self.name, self._milliseconds))
            # A Redis that lost its memory has no leader: taking the lead anew is as good as having kept it.
            if not renewed and not await self._claim():
                LOG.error("another coordinator took the lead of campaign '%s'", self._campaign)
                self._lost.set()
                return

    async def leave(self) -> None:
        """Gives the lead up at once."""
        if self._renewing is not None:
            await stopped(self._renewing)
        await self._connection.run(LEAVE, (self._key,), (self.name,))
