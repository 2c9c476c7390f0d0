"""The novelty pool of a fleet, in Redis: a text is taken once, whichever workers come to it at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from math import ceil

from ...models.fleet.scripts import key_of, script, token
from ...storage.redis_connection import Arg, RedisConnection
from ..folding import words
from ..vectors.embedding import Embedder
from .claimed import Claimed, How
from .exact import hash_of
from .gate import EQUAL_ONLY, NEAR_NONE, Likeness, require_length
from .marks import Mark, squeezed, tag_of
from .near import CHANCE, LANES, Bands, likeness_of, signature_of
from .replica import Replica, entry_of

PARTS = "owner", "near", "vectors"
CLAIM, END, RESTORE, FOLLOW, OWNS = (
    script(*PARTS, name) for name in ("claim_text", "end_claims", "restore_texts", "follow_vectors", "owns_vector")
)
HOW: dict[bytes, How] = {b"exact": "exact", b"near": "near", b"semantic": "semantic"}
BATCH = 500  # hashes restored by one script: about a millisecond of the server
BATCH_NEAR = 50  # with their signatures, or their vectors, they take as long
REMEMBERED = 1024  # vectors: 400 kB of 384 dimensions
TOLD = 1024  # vectors told by one script: 400 kB of 384 dimensions


class RedisPool:
    """The texts that are taken in a campaign, each by one owner. Implements `agents.state.Pool`.

    A claim is one script on the server, so that of two workers which come with the like of a text at the same moment
    one gets it. Redis keeps marks, no texts: 8 bytes of each hash, of which two are the bucket (that there is any false
    twin among 10 million texts has a chance of 3 in a million), and 6 bytes of the owner once the text is kept for
    good. Measured: 27 MB for a million texts; where near texts are looked for, 800 bytes for each of 60,000 texts.

    Where vectors are compared each process has an index of its own (`Replica`), made of the log of vectors in Redis. A
    claim brings what that finds, and how much of the log it knows; the script compares the vector with what came since,
    and answers with it. So nothing is overlooked that two claim at once, and a claim is still one round trip, but for
    a process that has to follow more of the log first: a worker that joins, or 64 vectors that came since its last one.

    `asks_first` is for who claims mostly what its owner has claimed elsewhere with its vector: that is asked first, and
    no vector is made then.

    Every method raises `RedisUnavailable` when Redis was gone for longer than the connection's patience. A Redis that
    lost its memory has lost the pool: the coordinator calls `restore` with the store's claims then, as at every start.
    """

    def __init__(
        self,
        connection: RedisConnection,
        campaign: str,
        likeness: Likeness = EQUAL_ONLY,
        embedder: Embedder | None = None,
        *,
        asks_first: bool = False,
    ) -> None:
        self._connection = connection
        self._campaign = campaign
        self._buckets = key_of(campaign, "pool", "")
        self._likeness = likeness
        bands = Bands.of(likeness.near) if likeness.near else Bands(0, 0)
        self._embedder = embedder if likeness.semantic else None
        self._tag = b"" if self._embedder is None else tag_of(self._embedder.name)
        self._layout = (bands.rows, bands.count, likeness.shingle)
        self._least = ceil(LANES * (likeness.near * (1 - CHANCE) + CHANCE) - 1e-9)
        self._asks_first = asks_first
        self._replica = Replica()
        self._following = asyncio.Lock()
        self._vectors: dict[bytes, bytes] = {}

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner` unless another owner holds its like; see `agents.state.Pool`.

        The other owner is its whole id while it is at work, and the start of it, long enough to find it by, once it
        keeps the text.

        Raises:
            ModelError: the embedder failed; nothing was taken.
            ConfigError: its vectors have another length than those of earlier texts; nothing was taken.
        """
        found = words(text)
        mark = Mark(hash_of(text, found))
        if alike and found and self._likeness.near:
            size = self._likeness.shingle
            mark = Mark(mark.hash, size, signature_of(found, size))
        if alike and found and self._embedder is not None:
            if self._asks_first and await self._owns(owner, mark.hash):
                return NEAR_NONE
            vector = await self._vector(self._embedder, text, mark.hash)
            mark = mark._replace(tag=self._tag if vector else b"", vector=vector)
        return await self._claimed(mark, owner, besides)

    async def held(self, owner: str) -> list[bytes]:
        """Returns the marks of the texts that `owner` holds and may still release."""
        return sorted(await self._connection.call("SMEMBERS", self._held(owner)))

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted. `release` no longer frees it."""
        await self._end(owner, 1)

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless for an owner that holds nothing."""
        await self._end(owner, 0)

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what the store says is kept: pairs of (mark, owner). Those that are there already stay.

        Raises:
            ConfigError: vectors that one embedder made have different lengths.
        """
        rest = iter(held)
        while batch := list(islice(rest, BATCH_NEAR if self._likeness.measures else BATCH)):
            given: list[Arg] = [self._buckets, *self._layout, self._tag, token()]
            for data, owner in batch:
                mark = Mark.unpacked(data)
                given += (data, owner, entry_of(mark) if mark.tag == self._tag else b"")
            width = await self._connection.run(RESTORE, (), given)
            if width and self._embedder is not None:
                for mark in (Mark.unpacked(data) for data, _ in batch):
                    require_length(self._embedder.name, len(mark.vector) if mark.tag == self._tag else 0, width)

    async def _claimed(self, mark: Mark, owner: str, besides: Sequence[str]) -> Claimed:
        given: list[Arg] = [self._buckets, owner, mark.packed(), *self._layout, self._least]
        given += [self._tag, self._likeness.semantic]
        while True:
            knows, known = self._replica.name, self._replica.known
            near = await self._replica.nearest(mark.vector) if mark.vector else b""
            rest: tuple[Arg, ...] = (knows, known, token(), entry_of(mark), near, *besides)
            holder, how, equal, cosine, *log = await self._connection.run(CLAIM, (self._held(owner),), (*given, *rest))
            if how == b"width" and self._embedder is not None:
                require_length(self._embedder.name, len(mark.vector), equal)
            if how == b"behind":
                await self._follow(knows, known)
                continue
            if log[0]:
                await self._replica.follow(*log)
            measured = bool(mark.signature or mark.vector)
            if not how:
                return Claimed(likeness=max(likeness_of(equal), min(1.0, float(cosine))), measured=measured)
            likeness = {b"exact": 1.0, b"near": likeness_of(equal)}.get(how, min(1.0, float(cosine)))
            return Claimed(str(holder, "utf-8"), HOW[how], likeness, measured)

    async def _follow(self, knows: bytes, known: int) -> None:
        """Follows the log to its end, unless somebody here has done so since."""
        async with self._following:
            if (self._replica.name, self._replica.known) != (knows, known):
                return
            entries: Sequence[bytes] = [b""] * TOLD
            while len(entries) == TOLD:
                given = (self._buckets, self._tag, self._replica.name, self._replica.known, TOLD)
                name, start, entries = await self._connection.run(FOLLOW, (), given)
                await self._replica.follow(name, start, entries)

    async def _owns(self, owner: str, hash_: bytes) -> bool:
        return bool(await self._connection.run(OWNS, (), (self._buckets, self._tag, owner, hash_)))

    async def _vector(self, embedder: Embedder, text: str, hash_: bytes) -> bytes:
        """The vector of a text; of the last texts it is remembered, for a refined draft mostly keeps its text."""
        if (vector := self._vectors.get(hash_)) is None:
            vector = self._vectors[hash_] = squeezed((await embedder.embed([text]))[0])
            while len(self._vectors) > REMEMBERED:
                del self._vectors[next(iter(self._vectors))]
        return vector

    async def _end(self, owner: str, keep: int) -> None:
        await self._connection.run(END, (self._held(owner),), (self._buckets, owner, keep, *self._layout, self._tag))

    def _held(self, owner: str) -> str:
        return key_of(self._campaign, "held", owner)
