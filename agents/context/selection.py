"""Which sentences of a task's sources are shown: what the evidence needs first, then as much around it as fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from ...storage.records import Entity, Relation, Span
from .excerpts import Sentence, Source

Needed = frozenset[Sentence]


class Selection:
    """The sentences taken of each source, and the tokens that they use of `limit`."""

    def __init__(self, sources: Sequence[Source], limit: int) -> None:
        self.limit = limit
        self.taken: list[frozenset[int]] = [frozenset() for _ in sources]
        self._sources = sources
        self._costs = [0] * len(sources)
        self._number = {source.chunk.id: source.number for source in sources}

    @property
    def used(self) -> int:
        """Tokens of all that is taken."""
        return sum(self._costs)

    @property
    def room(self) -> int:
        """Tokens that are left."""
        return self.limit - self.used

    def take_everything(self) -> None:
        """Takes all sentences, whether they fit or not."""
        self.taken = [source.own for source in self._sources]
        self._costs = [source.cost(source.own) for source in self._sources]

    def take_evidence(self, records: Sequence[Entity | Relation]) -> None:
        """Takes for each record one mention's sentences: those that serve most records, then those that cost least."""
        options = {record.id: self._options(record) for record in records}
        serves = _serves(options)
        for units in options.values():
            if any(self._shows(unit) for unit in units):
                continue
            for unit in sorted(units, key=lambda unit: (-serves[unit], self._length(unit), sorted(unit))):
                if self._take(unit):
                    break

    def take_whole_chunks(self) -> None:
        """Takes whole chunks in their order, each that fits."""
        for source in self._sources:
            self._take(frozenset((source.number, one) for one in source.own))

    def take_more(self, records: Sequence[Entity | Relation]) -> None:
        """Takes further mentions, one a record in turn, and then the sentences before and behind what is taken."""
        for units in zip_longest(*(self._options(record) for record in records)):
            for unit in units:
                if unit is not None:
                    self._take(unit)
        for step in (-1, 1):  # what stands before says what a pronoun means
            for source, taken in zip(self._sources, list(self.taken), strict=True):
                for one in sorted(taken):
                    if one + step in source.own and not (step > 0 and source.is_heading(one + step)):
                        self._take(frozenset([(source.number, one + step)]))

    def shows(self, record: Entity | Relation) -> bool:
        """Whether the sentences of one of a record's mentions are taken."""
        return any(self._shows(unit) for unit in self._options(record))

    def quote_of(self, record: Entity | Relation) -> str:
        """Returns the first mention of a record that is shown in one piece, on one line; "" for none."""
        for number, span in self._spans(record):
            unit = self._sources[number].holding(span)
            quote = " ".join(self._sources[number].chunk.text[span.start : span.end].split())
            if self._shows(unit) and quote in self._run(unit):
                return quote
        return ""

    def _run(self, unit: Needed) -> str:
        """The text of sentences that stand one behind the other in one chunk, on one line; "" for others."""
        first, last = min(unit), max(unit)
        if first[0] != last[0] or last[1] - first[1] + 1 != len(unit):
            return ""
        source = self._sources[first[0]]
        return " ".join(source.chunk.text[source.places[first[1]][0] : source.places[last[1]][1]].split())

    def _spans(self, record: Entity | Relation) -> Iterable[tuple[int, Span]]:
        found = [(self._number[span.chunk], span) for span in record.mentions if span.chunk in self._number]
        return sorted(found, key=lambda one: (one[0], one[1].start, one[1].end))

    def _options(self, record: Entity | Relation) -> list[Needed]:
        units = (self._sources[number].holding(span) for number, span in self._spans(record))
        return list(dict.fromkeys(unit for unit in units if unit))

    def _shows(self, unit: Needed) -> bool:
        return bool(unit) and all(one in self.taken[number] for number, one in unit)

    def _length(self, unit: Needed) -> int:
        places = (self._sources[number].places[one] for number, one in unit)
        return sum(end - start for start, end in places)

    def _take(self, unit: Needed) -> bool:
        """Takes these sentences if there is room for them."""
        changed: dict[int, frozenset[int]] = {}
        for number, one in unit:
            if one not in self.taken[number]:
                changed[number] = changed.get(number, self.taken[number]) | {one}
        costs = {number: self._sources[number].cost(taken) for number, taken in changed.items()}
        if self.used + sum(cost - self._costs[number] for number, cost in costs.items()) > self.limit:
            return False
        for number, taken in changed.items():
            self.taken[number], self._costs[number] = taken, costs[number]
        return True


def _serves(options: Mapping[str, Sequence[Needed]]) -> dict[Needed, int]:
    """For each choice of sentences how many records it shows a mention of."""
    first: defaultdict[Sentence, list[tuple[str, Needed]]] = defaultdict(list)
    for record, units in options.items():
        for unit in units:
            first[min(unit)].append((record, unit))
    return {
        needed: len({record for one in needed for record, unit in first.get(one, ()) if unit <= needed})
        for units in options.values()
        for needed in units
    }
