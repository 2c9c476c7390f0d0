"""Finds texts that are the same but for case, white space, punctuation and typography.

Near duplicates (another wording of the same thing) are not found here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ..folding import fold, words


def normalise(text: str) -> str:
    """Returns the words of `text`, folded and joined by one space; equal results mean a duplicate.

    A text without words (`?!`, an emoji) is its folded self, so that two different ones stay different.
    """
    return " ".join(words(text)) or fold(text).text.strip()


def text_key(text: str) -> bytes:
    """Returns 16 bytes of BLAKE2b over the normalised text: equal keys mean a duplicate."""
    return hashlib.blake2b(normalise(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ExactPool:
    """The texts that are taken, each by one owner: accepted already or in flight. Implements `agents.state.Pool`.

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

    async def claim(self, text: str, owner: str) -> str | None:
        """Takes `text` for `owner`; returns the other owner that holds an equal text already, or None.

        Claiming one's own text again is no duplicate, so a task may be run again.
        """
        return self._take(text_key(text), owner)

    def _take(self, key: bytes, owner: str) -> str | None:
        holder = self._owner_of.setdefault(key, owner)
        if holder != owner:
            return holder
        self._held_by.setdefault(owner, set()).add(key)
        return None

    async def restore(self, held: Iterable[tuple[bytes, str]]) -> None:
        """Takes up what `held` gave in an earlier process: pairs of (hash, owner), kept for good."""
        last = ""
        for key, owner in held:
            last = last if owner == last else owner  # a task's hashes come together: one string for all of them
            self._owner_of.setdefault(key, last)

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
