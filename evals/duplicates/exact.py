"""Finds texts that are the same but for case, white space, punctuation and typography.

Near duplicates (another wording of the same thing) are for `gate.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ..folding import fold, words
from .claimed import NEW, Claimed, exact_twin

HASH = 16  # bytes that stand for a text


def normalise(text: str) -> str:
    """Returns the words of `text`, folded and joined by one space; equal results mean a duplicate.

    A text without words (`?!`, an emoji) is its folded self, so that two different ones stay different.
    """
    return _joined(text, words(text))


def text_key(text: str) -> bytes:
    """Returns 16 bytes of BLAKE2b over the normalised text: equal keys mean a duplicate."""
    return hash_of(text, words(text))


def hash_of(text: str, found: Sequence[str]) -> bytes:
    """As `text_key`, for who has the `words` of the text already."""
    return hashlib.blake2b(_joined(text, found).encode("utf-8", "surrogatepass"), digest_size=HASH).digest()


def _joined(text: str, found: Sequence[str]) -> str:
    return " ".join(found) or fold(text).text.strip()


class ExactPool:
    """The texts that are taken, each by one owner, and equal texts only. Implements `agents.state.Pool`.

    Keeps 16-byte hashes, no texts. For one event loop; not for threads.
    """

    def __init__(self, accepted: Iterable[tuple[str, str]] = ()) -> None:
        """Makes a pool that holds `accepted`, pairs of (text, owner); the first owner of a text keeps it."""
        self._owner_of: dict[bytes, str] = {}
        self._held_by: dict[str, set[bytes]] = {}
        for text, owner in accepted:
            self._take(text_key(text), owner)

    def __len__(self) -> int:
        return len(self._owner_of)

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner` unless another owner holds an equal one; see `agents.state.Pool`.

        Claiming one's own text again is no duplicate, so a task may be run again.
        """
        return self._take(text_key(text), owner, besides)

    def _take(self, key: bytes, owner: str, besides: Sequence[str] = ()) -> Claimed:
        holder = self._owner_of.setdefault(key, owner)
        if holder == owner:
            self._held_by.setdefault(owner, set()).add(key)
        return NEW if holder == owner or holder in besides else exact_twin(holder)

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what `held` gave in an earlier process: pairs of (mark, owner), kept for good."""
        last = ""
        for mark, owner in held:
            last = last if owner == last else owner  # a task's hashes come together: one string for all of them
            self._owner_of.setdefault(mark[:HASH], last)

    async def held(self, owner: str) -> list[bytes]:
        """Returns the hashes that `owner` holds and may still release."""
        return list(self._held_by.get(owner, ()))

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted. `release` no longer frees it."""
        self._held_by.pop(owner, None)

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless for an owner that holds nothing."""
        for key in self._held_by.pop(owner, ()):
            del self._owner_of[key]
