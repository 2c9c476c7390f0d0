"""Candidate pairs without comparing all with all: references that share a key of some sort are looked at together.

The keys of a reference come from its own names alone, so a new one only looks up its own keys. They are: the name and
each alias; the letters without spaces; the words in any order, and all but one of them; acronyms, as written and as the
name's initials; a person's initial with the surname; the first and the last half of the letters, one of which a
typing error leaves whole; and, where embeddings are given, on which sides of some planes it lies.

A block of more than `MAX_BLOCK` is not paired with all: its members are sorted by their letters and each is paired with
the next few (the sorted neighbourhood of Hernández and Stolfo, SIGMOD 1995). Equals lie side by side there, and share
the block of their name besides.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from itertools import combinations

from ...agents.names import name_key
from .forms import Form, form_of
from .references import Reference

MAX_BLOCK = 40
WINDOW = 6
MAX_WORDS = 7  # of a name whose words one by one are left out
MIN_HALF = 6  # letters of a name that is looked for with typing errors
PLANES, TABLES = 10, 4

Vector = Sequence[float]


def blocking_keys(reference: Reference, vector: Vector | None = None) -> frozenset[str]:
    """Returns the keys of a reference, from what it has itself and nothing else.

    `vector` is its embedding, of any length that all share.
    """
    keys = {f"n{reference.key}"}
    for alias in reference.content.aliases:
        keys.add(f"n{name_key(alias)}")
        keys.add(f"c{form_of(alias).compact}")
    form = form_of(reference.name)
    keys |= _by_words(form) | _by_letters(form)
    if form.qualifier:
        keys.add(f"c{form_of(form.qualifier).compact}")
    if form.acronym:
        keys.add(f"a{form.acronym}")
    keys.update(f"a{initials}" for initials in form.initials)
    if reference.type in ("", "person") and 2 <= len(form.words) <= 4 and not form.numbers:
        keys.add(f"i{form.words[0][0]} {form.words[-1]}")
    if vector is not None:
        keys |= _by_planes(vector)
    return frozenset(keys)


def _by_words(form: Form) -> set[str]:
    words = sorted(form.bag)
    if len(words) > MAX_WORDS:
        return {f"w{' '.join(words)}"}
    fewer = combinations(words, len(words) - 1) if len(words) > 1 else ()
    keys = {f"w{' '.join(some)}" for some in (words, *fewer)}
    keys.add(f"w{form.words[-1]}" if form.words else "w")
    return keys


def _by_letters(form: Form) -> set[str]:
    text = form.compact
    keys = {f"c{text}"}
    if len(text) >= MIN_HALF:
        for half in {len(text) // 2, (len(text) - 1) // 2}:
            keys.add(f"p{text[:half]}")
            keys.add(f"q{text[-half:]}")
    return keys


def _by_planes(vector: Vector) -> set[str]:
    signs = [
        sum(left * right for left, right in zip(plane, vector, strict=True)) >= 0 for plane in _planes(len(vector))
    ]
    return {
        f"e{table}:{''.join('+' if sign else '-' for sign in signs[table * PLANES : (table + 1) * PLANES])}"
        for table in range(TABLES)
    }


@lru_cache(maxsize=8)
def _planes(length: int) -> tuple[tuple[float, ...], ...]:
    rng = random.Random(length)  # noqa: S311  # the same planes everywhere
    return tuple(tuple(rng.gauss(0, 1) for _ in range(length)) for _ in range(PLANES * TABLES))


class Blocks:
    """The index from keys to references. It can be added to and taken from, one reference at a time."""

    def __init__(self, *, names_only: bool = False) -> None:
        """With `names_only` just equal names are a pair."""
        self._names_only = names_only
        self._members: MutableMapping[str, set[str]] = {}
        self._keys: MutableMapping[str, frozenset[str]] = {}
        self._order: MutableMapping[str, tuple[str, str]] = {}
        self._sorted: dict[str, list[tuple[str, str]]] = {}  # of oversized blocks that were asked for

    def __len__(self) -> int:
        """How many blocks have two members or more."""
        return sum(1 for members in self._members.values() if len(members) > 1)

    @property
    def oversized(self) -> int:
        """How many blocks are paired by neighbourhood."""
        return sum(1 for members in self._members.values() if len(members) > MAX_BLOCK)

    def fill(self, references: Iterable[Reference], vectors: Mapping[str, Vector] | None = None) -> None:
        """Adds many new references at once."""
        for reference in references:
            self._add(reference, _vector_of(reference, vectors))

    def put(self, reference: Reference, vectors: Mapping[str, Vector] | None = None) -> set[str]:
        """Adds a reference, or replaces it; returns the ids, its own among them, whose pairs may have changed."""
        touched = self.drop(reference.id)
        self._add(reference, _vector_of(reference, vectors))
        for key in self._keys[reference.id]:
            touched |= self._disturbed(key, reference.id)
        return touched | {reference.id}

    def drop(self, id: str) -> set[str]:
        """Takes a reference out, if it is there; returns the ids of others whose pairs may have changed."""
        touched: set[str] = set()
        for key in self._keys.get(id, ()):
            touched |= self._disturbed(key, id)
        for key in self._keys.pop(id, ()):
            members = self._members[key]
            members.discard(id)
            self._sorted.pop(key, None)
            if not members:
                del self._members[key]
        self._order.pop(id, None)
        return touched - {id}

    def partners(self, id: str) -> set[str]:
        """Returns the ids that `id` is a candidate pair with, in the time of its own blocks."""
        found: set[str] = set()
        for key in self._keys.get(id, ()):
            members = self._members[key]
            found |= members if len(members) <= MAX_BLOCK else self._around(key, id)
        found.discard(id)
        return found

    def keys_of(self, id: str) -> frozenset[str]:
        """Returns the keys of a reference, none of one that is not there."""
        return self._keys.get(id, frozenset())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yields every candidate pair, the lesser id first; one that shares several blocks comes several times."""
        for key, members in self._members.items():
            if len(members) == 1:
                continue
            if len(members) <= MAX_BLOCK:
                yield from combinations(sorted(members), 2)
                continue
            ids = [id for _, id in self._in_order(key)]
            for place, one in enumerate(ids):
                for other in ids[place + 1 : place + WINDOW + 1]:
                    yield (one, other) if one < other else (other, one)

    def _add(self, reference: Reference, vector: Vector | None) -> None:
        id = reference.id
        keys = frozenset({f"n{reference.key}"}) if self._names_only else blocking_keys(reference, vector)
        self._keys[id] = keys
        self._order[id] = (form_of(reference.name).compact, id)
        for key in keys:
            members = self._members.get(key)
            if members is None:
                self._members[key] = {id}
                continue
            members.add(id)
            if key in self._sorted:
                insort(self._sorted[key], self._order[id])

    def _disturbed(self, key: str, id: str) -> set[str]:
        """The members of a block whose pairs change when `id` comes or goes, besides those with `id` itself."""
        size = len(self._members[key])
        if size <= MAX_BLOCK:
            return set()
        return set(self._members[key]) if size == MAX_BLOCK + 1 else self._around(key, id)

    def _around(self, key: str, id: str) -> set[str]:
        ordered = self._in_order(key)
        place = bisect_left(ordered, self._order[id])
        return {one for _, one in ordered[max(0, place - WINDOW) : place + WINDOW + 1]}

    def _in_order(self, key: str) -> list[tuple[str, str]]:
        if key not in self._sorted:
            self._look_up(self._members[key])
            self._sorted[key] = sorted(map(self._order.__getitem__, self._members[key]))
        return self._sorted[key]

    def _look_up(self, ids: Iterable[str]) -> None:
        """Is told which references' letters are compared next."""


def _vector_of(reference: Reference, vectors: Mapping[str, Vector] | None) -> Vector | None:
    return None if vectors is None else vectors.get(reference.id)
