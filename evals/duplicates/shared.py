"""The novelty pool of a fleet, in Redis: a text is taken once, whichever workers come to it at the same moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from math import ceil

from ...models.fleet.scripts import key_of, script
from ...storage.redis_connection import RedisConnection
from ..folding import words
from .claimed import Claimed
from .exact import hash_of
from .gate import EQUAL_ONLY, Likeness
from .marks import Mark
from .near import CHANCE, LANES, Bands, likeness_of, signature_of

CLAIM, END, RESTORE = (script("owner", "near", name) for name in ("claim_text", "end_claims", "restore_texts"))
BATCH = 500  # hashes restored by one script: about a millisecond of the server
BATCH_NEAR = 50  # with their signatures they take as long


class RedisPool:
    """The texts that are taken in a campaign, each by one owner. Implements `agents.state.Pool`.

    A claim is one script on the server, so that of two workers which come with the like of a text at the same moment
    one gets it. Redis keeps marks, no texts: 8 bytes of each hash, of which two are the bucket (that there is any false
    twin among 10 million texts has a chance of 3 in a million), and 6 bytes of the owner once the text is kept for
    good. Measured: 27 MB for a million texts; where near texts are looked for, 800 bytes for each of 60,000 texts.

    Every method raises `RedisUnavailable` when Redis was gone for longer than the connection's patience. A Redis that
    lost its memory has lost the pool: the coordinator calls `restore` with the store's claims then, as at every start.
    """

    def __init__(self, connection: RedisConnection, campaign: str, likeness: Likeness = EQUAL_ONLY) -> None:
        self._connection = connection
        self._campaign = campaign
        self._buckets = key_of(campaign, "pool", "")
        self._likeness = likeness
        bands = Bands.of(likeness.near) if likeness.near else Bands(0, 0)
        self._layout = (bands.rows, bands.count, likeness.shingle)
        self._least = ceil(LANES * (likeness.near * (1 - CHANCE) + CHANCE) - 1e-9)

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner` unless another owner holds its like; see `agents.state.Pool`.

        The other owner is its whole id while it is at work, and the start of it, long enough to find it by, once it
        keeps the text.
        """
        found = words(text)
        mark = Mark(hash_of(text, found))
        if alike and self._likeness.near and found:
            size = self._likeness.shingle
            mark = Mark(mark.hash, size, signature_of(found, size))
        given: list[str | bytes | int | float] = [self._buckets, owner, mark.packed()]
        given += [*self._layout, self._least, *besides]
        holder, how, equal = await self._connection.run(CLAIM, (self._held(owner),), given)
        measured = bool(mark.signature)
        if how == b"exact":
            return Claimed(str(holder, "utf-8"), "exact", 1.0, measured)
        if how == b"near":
            return Claimed(str(holder, "utf-8"), "near", likeness_of(equal), measured)
        return Claimed(likeness=likeness_of(equal), measured=measured)

    async def held(self, owner: str) -> list[bytes]:
        """Returns the marks of the texts that `owner` holds and may still release."""
        return sorted(await self._connection.call("SMEMBERS", self._held(owner)))

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted. `release` no longer frees it."""
        await self._connection.run(END, (self._held(owner),), (self._buckets, owner, 1, *self._layout))

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless for an owner that holds nothing."""
        await self._connection.run(END, (self._held(owner),), (self._buckets, owner, 0, *self._layout))

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what the store says is kept: pairs of (mark, owner). Those that are there already stay."""
        rest = iter(held)
        while batch := list(islice(rest, BATCH_NEAR if self._likeness.near else BATCH)):
            given = (self._buckets, *self._layout, *(part for pair in batch for part in pair))
            await self._connection.run(RESTORE, (), given)

    def _held(self, owner: str) -> str:
        return key_of(self._campaign, "held", owner)
