"""What became of entities between two resolutions: which were merged, split, or went, and where old ids lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from ...storage.changed import How
from ...storage.identities import GONE
from ...storage.rulings import Ruling


class Regrouping:
    """Two partitions of references, compared by those that are in both.

    A reference that only one of them has came or went with the documents, which changes no entity by itself: what a new
    name brings to an entity is no merge. The parts of a divided reference are compared as if they had been there.
    """

    def __init__(
        self,
        before: Mapping[str, str],
        after: Mapping[str, str],
        *,
        moved: Mapping[str, str],
        divisions: Iterable[Ruling] = (),
        weights: Mapping[str, int] | None = None,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """`before` and `after` map references to entities; `after` may have undone parts too.

        `moved` says where ids lead that were no references before, `divisions` are the rulings in force that part one.
        `weights` are the references' chunks: the heaviest that is left inherits the ids of those that went. Where the
        two are parts of larger partitions, `elsewhere` has the entities of all other ids: they are what they were.
        """
        self._before, self._after, self._moved = dict(before), after, moved
        self._weights = weights or {}
        self._elsewhere = {} if elsewhere is None else elsewhere  # a lookup is empty before it is asked
        parts = {ruling.part: ruling.left for ruling in divisions if ruling.divides}
        for part in parts:
            if part not in before and part in after and (home := self._origin(part, parts)):
                self._before[part] = home

    def _origin(self, part: str, parts: Mapping[str, str]) -> str:
        """The entity that a part's content was in before; a part of a part leads on."""
        seen: set[str] = set()
        while part in parts and part not in seen:
            seen.add(part)
            part = parts[part]
            if part in self._before:
                return self._before[part]
        return ""

    @cached_property
    def _was(self) -> Mapping[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for id, entity in self._before.items():
            if id in self._after:
                found[entity].add(id)
        return found

    @cached_property
    def _is(self) -> Mapping[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for id, entity in self._after.items():
            if id in self._before:
                found[entity].add(id)
        return found

    @cached_property
    def heirs(self) -> dict[str, str]:
        """Where references lead that went: to the heaviest that is left of their entity, `GONE` for none."""
        found = {}
        for id in self._before.keys() - self._after.keys():
            rest = self._was.get(self._before[id], set())
            found[id] = min(rest, key=lambda one: (-self._weights.get(one, 0), one), default=GONE)
        return found

    def led(self, id: str) -> str:
        """Returns the entity that an id led to before, `GONE` for none."""
        return self._led_here(id) or self._stands(id)

    def leads(self, id: str) -> str:
        """Returns the entity that an id leads to now, `GONE` for none."""
        for one in (
            id,
            self.heirs.get(id, GONE),
            self._moved.get(id, GONE),
            self.heirs.get(self._moved.get(id, ""), ""),
        ):
            if one in self._after:
                return self._after[one]
        return self._stands(id)

    def how(self, id: str) -> How | None:
        """Returns what became of the entity that an id led to before; None where it is what it was, or was gone."""
        was = self._led_here(id)
        if not was:
            return None
        now = self.leads(id)
        if not now:
            return How.GONE
        before, after = self._was.get(was, set()), self._is.get(now, set())
        if before - after:
            return How.SPLIT
        return How.MERGED if after - before else None

    def _led_here(self, id: str) -> str:
        return self._before.get(id) or self._before.get(self._moved.get(id, GONE), GONE)

    def _stands(self, id: str) -> str:
        """The entity of an id that neither partition knows."""
        known = id in self._before or id in self._after or id in self._moved
        return GONE if known else self._elsewhere.get(id, GONE)

    @cached_property
    def touched(self) -> frozenset[str]:
        """The entities of before that are others now."""
        kept = {entity for entity, ids in self._was.items() if self._is[self._after[next(iter(ids))]] == ids}
        return frozenset(self._before.values()) - kept
