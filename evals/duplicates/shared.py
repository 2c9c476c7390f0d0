"""The novelty pool of a fleet, in Redis: a text is taken once, whichever workers come to it at the same moment."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ...models.fleet.scripts import key_of, script
from ...storage.redis_connection import RedisConnection
from .exact import text_key

CLAIM, END, RESTORE = (script("owner", name) for name in ("claim_text", "end_claims", "restore_texts"))
BATCH = 500  # hashes restored by one script: about a millisecond of the server


class RedisPool:
    """The texts that are taken in a campaign, each by one owner. Implements `agents.state.Pool`.

    Redis keeps hashes, no texts: 8 bytes of each, of which two are the bucket (that there is any false twin among 10
    million texts has a chance of 3 in a million), and 6 bytes of the owner once the text is kept for good. Measured:
    27 MB for a million texts.

    Every method raises `RedisUnavailable` when Redis was gone for longer than the connection's patience. A Redis that
    lost its memory has lost the pool: the coordinator calls `restore` with the store's claims then, as at every start.
    """

    def __init__(self, connection: RedisConnection, campaign: str) -> None:
        self._connection = connection
        self._campaign = campaign
        self._buckets = key_of(campaign, "pool", "")

    async def claim(self, text: str, owner: str) -> str | None:
        """Takes `text` for `owner`; returns the other owner that holds an equal text already, or None.

        The other owner is its whole id while it is at work, and the start of it, long enough to find it by, once it
        keeps the text. Claiming one's own text again is no duplicate, so a task may be run again.
        """
        holder = await self._connection.run(CLAIM, (self._held(owner),), (self._buckets, owner, text_key(text)))
        return None if holder is None else str(holder, "utf-8")

    async def held(self, owner: str) -> list[bytes]:
        """Returns the hashes that `owner` holds and may still release."""
        return sorted(await self._connection.call("SMEMBERS", self._held(owner)))

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted. `release` no longer frees it."""
        await self._connection.run(END, (self._held(owner),), (self._buckets, owner, 1))

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless for an owner that holds nothing."""
        await self._connection.run(END, (self._held(owner),), (self._buckets, owner, 0))

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what the store says is kept: pairs of (hash, owner). Those that are there already stay."""
        rest = iter(held)
        while batch := list(islice(rest, BATCH)):
            await self._connection.run(RESTORE, (), (self._buckets, *(part for pair in batch for part in pair)))

    def _held(self, owner: str) -> str:
        return key_of(self._campaign, "held", owner)
