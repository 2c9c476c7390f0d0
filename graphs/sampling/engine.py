"""Drawing: groups by chance as long as that finds new ones, then whatever is left, all counted.

A strategy proposes groups by chance and by weight. What was drawn is remembered, so memory grows with the draws made
and never with the groups that exist. When proposals bring nothing new, the groups are gone through in order and those
left are drawn, so a sampler ends when all are drawn. All work between two draws is bounded: where nothing is found in
that time, the sampler ends and says so.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from .base import Strategy
from .draws import Draw, Group
from .weights import Weigh

PATIENCE = 1024  # proposals in a row that may give nothing before what is left is looked for in order
REPEATED = 4  # times as much does one count that was drawn before: it says that little is left
STEPS = 200_000  # candidates in a row that may be refused before a sampler ends: about a second
REFUSALS = 2_000  # draws in a row that a caller may refuse; each costs as much as its evidence
ALL = "all were drawn"
WINDOW = 64  # of the groups left, from which one is drawn by weight

Refuse = Callable[[Draw], str]
"""Says why a caller has no use for a draw, in a word or two that are counted; empty when it has."""


@dataclass
class Yield:
    """What a sampler gave: `drawn`, and how many candidates were refused, by reason. Live."""

    drawn: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Draws among all candidates; 1.0 before the first."""
        tried = self.drawn + self.refused.total()
        return self.drawn / tried if tried else 1.0


class Draws(Iterator[Draw]):
    """An open sampler: draws one by one, each group once unless it draws with replacement.

    books: what it gave so far.
    end:   why it ended; empty as long as it may give more.
    """

    def __init__(
        self,
        kind: str,
        strategy: Strategy,
        rng: random.Random,
        *,
        weigh: Weigh | None = None,
        repeats: bool = False,
        refuse: Refuse | None = None,
    ) -> None:
        self.kind = kind
        self.books = Yield()
        self.end = ""
        self._strategy = strategy
        self._rng = rng
        self._weigh = weigh
        self._refuse = refuse
        self._repeats = repeats
        self._seen: set[bytes] = set()
        self._refused = 0  # by the caller, in a row
        self._source: Iterator[Draw] = self._proposed() if not repeats else self._repeated()

    @classmethod
    def none(cls, kind: str, why: str) -> Draws:
        """Makes the draws of a sampler that cannot be opened."""
        made = cls.__new__(cls)
        made.kind, made.books, made.end = kind, Yield(), f"{kind}: nothing can be drawn: {why}"
        made.books.refused[why] = 1
        made._source = iter(())
        return made

    def __next__(self) -> Draw:
        return next(self._source)

    def _proposed(self) -> Iterator[Draw]:
        in_row, finite = 0, self._strategy.finite
        while in_row < (STEPS if finite else PATIENCE):
            found = self._strategy.propose()
            if found is None:
                break
            draw = self._taken(found)
            if draw is not None:
                in_row = 0
                yield draw
            elif self.end:
                return
            else:
                in_row += 1 if isinstance(found, str) else REPEATED
        else:
            if finite:
                self._ended(f"{STEPS:,} candidates in a row gave nothing new")
                return
        yield from self._left()

    def _repeated(self) -> Iterator[Draw]:
        in_row = 0
        while in_row < STEPS:
            found = self._strategy.propose()
            if found is None:
                self._ended(ALL)
                return
            self._seen.clear()
            draw = self._taken(found)
            if draw is not None:
                in_row = 0
                yield draw
            elif self.end:
                return
            else:
                in_row += 1
        self._ended(f"{STEPS:,} proposals in a row gave nothing")

    def _left(self) -> Iterator[Draw]:
        """Draws what proposals did not bring."""
        for group in self._mixed(self._unseen()):
            draw = self._taken(group)
            if draw is not None:
                yield draw
            elif self.end:
                return
        if not self.end:
            self._ended(ALL)

    def _unseen(self) -> Iterator[Group]:
        steps = 0
        for found in self._strategy.rest():
            if not isinstance(found, str) and self._strategy.key(found) not in self._seen:
                steps = 0
                yield found
                continue
            steps += 1
            if isinstance(found, str):
                self.books.refused[found] += 1
            if steps >= STEPS:
                self._ended(f"{STEPS:,} candidates in a row gave nothing new")
                return

    def _mixed(self, groups: Iterator[Group]) -> Iterator[Group]:
        """Draws from a window over the groups, which come root by root, by the mean weight of their entities."""
        window = list(islice(groups, WINDOW))
        while window:
            place = self._place(window)
            window[place], window[-1] = window[-1], window[place]
            yield window.pop()
            window.extend(islice(groups, 1))

    def _place(self, window: list[Group]) -> int:
        if self._weigh is not None:
            weights = [sum(max(0.0, self._weigh(one)) for one in group) / len(group) for group in window]
            if sum(weights) > 0.0:
                return self._rng.choices(range(len(window)), weights)[0]
        return int(self._rng.random() * len(window))

    def _taken(self, found: Group | str) -> Draw | None:
        if isinstance(found, str):
            self.books.refused[found] += 1
            return None
        key = self._strategy.key(found)
        if key in self._seen:
            self.books.refused["repeat"] += 1
            return None
        self._seen.add(key)
        draw = self._strategy.draw(self.kind, found)
        if self._refuse is not None and (reason := self._refuse(draw)):
            self.books.refused[reason] += 1
            self._refused += 1
            if self._refused >= REFUSALS:
                self._ended(f"{REFUSALS:,} draws in a row were refused")
            return None
        self._refused = 0
        self.books.drawn += 1
        return draw

    def _ended(self, why: str) -> None:
        if self.books.drawn and why == ALL:
            self.end = f"{self.kind}: all {self.books.drawn} were drawn"
            return
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.books.refused.most_common(4))
        refused = f" (refused: {reasons})" if reasons else ""
        drawn = f"{self.books.drawn} were drawn, then {why}" if self.books.drawn else "nothing can be drawn"
        if not self.books.drawn and why != ALL:
            drawn = f"{drawn}: {why}"
        self.end = f"{self.kind}: {drawn}{refused}; {self._strategy.mend}"
