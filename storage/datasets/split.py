"""Splits items into train and validation by document, so that no document is on both sides.

Two items that share a document, directly or through a chain of other items, form one component and stay together. The
components are ordered by a hash, so the same items give the same split on every machine and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...errors import ConfigError

Side = Literal["train", "validation"]
_TRIED_CUTS = 16


@dataclass(frozen=True)
class Split:
    """Which side each document is on.

    `method` is `none` (all is train), `components`, or `documents`: one component held too much, so the documents
    were split and the items that span both sides have no side. `note` says in a sentence what was done and why.
    """

    method: Literal["none", "components", "documents"]
    note: str
    validation: frozenset[str] = frozenset()

    def side(self, key: str, documents: Iterable[str]) -> Side | None:
        """Returns the side of the item `key` with these documents; None when it has documents on both sides."""
        inside = {document in self.validation for document in _sources(key, documents)}
        if len(inside) > 1:
            return None
        return "validation" if inside == {True} else "train"


@dataclass
class Splitter:
    """Sees every item once, then decides. Holds one small tuple of integers for each item, no text."""

    fraction: float
    _number: dict[str, int] = field(default_factory=dict)
    _parent: list[int] = field(default_factory=list)
    _items: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ConfigError(f"validation is {self.fraction}; give the share of items as a number in [0, 1)")

    def add(self, key: str, documents: Iterable[str]) -> None:
        """Notes the item `key`; one without documents is taken as a document of its own."""
        if not self.fraction:  # nothing is to be decided, and nothing held, however many items there are
            return
        numbers = tuple(self._numbered(document) for document in _sources(key, documents))
        self._items.append(numbers)
        for other in numbers[1:]:
            self._parent[self._root(numbers[0])] = self._root(other)

    def decide(self) -> Split:
        """Returns the split whose share of validation items is nearest to the fraction asked for."""
        total = len(self._items)
        if not self.fraction:
            return Split("none", "no validation part was asked for")
        if len(self._number) < 2:
            return Split("none", "all items come from one document, so there is no validation part")
        wanted = self.fraction * total
        chosen, size = self._choose_components(wanted)
        names = list(self._number)
        if 0 < size < total and abs(size - wanted) <= max(1.0, wanted / 2):
            inside = frozenset(names[number] for number in range(len(names)) if self._root(number) in chosen)
            note = f"{size} of {total} items are for validation; items that share documents stay together"
            return Split("components", note, inside)
        return self._cut(wanted, names)

    def _choose_components(self, wanted: float) -> tuple[set[int], int]:
        """Takes components in hash order as long as each brings the size nearer to `wanted`."""
        sizes: dict[int, int] = {}
        for numbers in self._items:
            root = self._root(numbers[0])
            sizes[root] = sizes.get(root, 0) + 1
        least: dict[int, bytes] = {}  # a component's place is the least hash of its documents: independent of order
        for name, number in self._number.items():
            root = self._root(number)
            least[root] = min(least.get(root, b"\xff" * 16), _place(name))
        chosen: set[int] = set()
        size = 0
        for root in sorted(sizes, key=least.__getitem__):
            if abs(size + sizes[root] - wanted) < abs(size - wanted):
                chosen.add(root)
                size += sizes[root]
        return chosen, size

    def _cut(self, wanted: float, names: Sequence[str]) -> Split:
        """Puts whole documents on one side, in the hash order, of several tried, that leaves the fewest items out."""
        touching = [0.0] * len(names)  # an item counts for each of its documents in equal parts
        for numbers in self._items:
            for number in numbers:
                touching[number] += 1 / len(numbers)
        best: tuple[int, int, frozenset[str]] | None = None
        for attempt in range(_TRIED_CUTS):
            inside: set[int] = set()
            size = 0.0
            for number in sorted(range(len(names)), key=lambda number: _place(f"{attempt}/{names[number]}")):
                if abs(size + touching[number] - wanted) < abs(size - wanted):
                    inside.add(number)
                    size += touching[number]
            sides = [{number in inside for number in numbers} for numbers in self._items]
            lost = sum(len(side) > 1 for side in sides)
            won = sum(side == {True} for side in sides)
            found = (lost, -won, frozenset(names[number] for number in inside))
            if won and won + lost < len(self._items) and (best is None or found[:2] < best[:2]):
                best = found
        if best is None:
            return Split("none", "every way to split the documents empties one side, so there is no validation part")
        lost, negative, documents = best
        note = (
            f"{-negative} of {len(self._items)} items are for validation; most items are connected through shared "
            f"documents, so the documents were split and {lost} items that span both sides were left out"
        )
        return Split("documents", note, documents)

    def _numbered(self, document: str) -> int:
        number = self._number.setdefault(document, len(self._number))
        if number == len(self._parent):
            self._parent.append(number)
        return number

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number


def _sources(key: str, documents: Iterable[str]) -> list[str]:
    # The prefixes keep an item's id apart from a document that is called the same.
    return [f"document {name}" for name in dict.fromkeys(documents)] or [f"item {key}"]


def _place(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()
