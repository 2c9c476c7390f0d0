"""A mapping that is read when it is asked: of a large table the few rows that a change touches."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lookup(MutableMapping[Key, Value]):
    """What is stored by key, as far as it was asked for, and what was changed of it since.

    `load` gives those of some keys that there are; each key is asked for once. Iterating gives what is in memory.
    """

    def __init__(self, load: Callable[[Iterable[Key]], Mapping[Key, Value]]) -> None:
        self._load = load
        self._asked: set[Key] = set()
        self._here: dict[Key, Value] = {}

    def look_up(self, keys: Iterable[Key]) -> None:
        """Reads several at once."""
        new = [key for key in dict.fromkeys(keys) if key not in self._asked]
        if new:
            self._asked.update(new)
            self._here.update(self._load(new))

    def __getitem__(self, key: Key) -> Value:
        if key not in self._asked:
            self.look_up((key,))
        return self._here[key]

    def __setitem__(self, key: Key, value: Value) -> None:
        self._asked.add(key)
        self._here[key] = value

    def __delitem__(self, key: Key) -> None:
        self[key]
        del self._here[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._here)

    def __len__(self) -> int:
        return len(self._here)
