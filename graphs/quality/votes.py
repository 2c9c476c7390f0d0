"""Which types extraction gave to one name, chunk by chunk, before a graph settled on one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from ...agents.extraction.records import Extraction
from ...agents.names import name_key
from ...storage.records import Record

AGREED = 0.8  # share of a name's votes that its first type must have, or its type is not clear
LEAST_VOTES = 2


class Confusion(Record):
    """A name whose type is not clear: the votes of each type, most first."""

    name: str
    votes: dict[str, int]


class TypeVotes(Record):
    """Votes on types. `names` had two votes or more, `confused` of them less than 80% for their first type.

    `pairs` are the types that stand first and second for such a name, with the number of names, most first; `worst`
    the names with the most votes.
    """

    names: int = 0
    confused: int = 0
    pairs: tuple[tuple[str, str, int], ...] = ()
    worst: tuple[Confusion, ...] = ()

    @property
    def share(self) -> float:
        """The share of names whose type is not clear."""
        return self.confused / self.names if self.names else 0.0


def votes_of(extractions: Iterable[Extraction]) -> dict[str, Counter[str]]:
    """Returns the votes by name: one a chunk that gave a type; a type that the schema put in its place is none."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    spelt: dict[str, str] = {}
    for extraction in extractions:
        for entity in extraction.entities:
            key = name_key(entity.name)
            if key and entity.typed:
                votes[spelt.setdefault(key, entity.name)][entity.type] += 1
    return dict(votes)


def type_votes(votes: Mapping[str, Counter[str]], *, top: int = 20) -> TypeVotes:
    """Counts the votes that do not agree; keeps the `top` names with most of them."""
    several = {name: count for name, count in votes.items() if count.total() >= LEAST_VOTES}
    confused = {name: count for name, count in several.items() if max(count.values()) < AGREED * count.total()}
    pairs: Counter[tuple[str, str]] = Counter()
    for count in confused.values():
        first, second = sorted(_ranked(count)[:2])
        pairs[first, second] += 1
    worst = sorted(confused, key=lambda name: (-confused[name].total(), name))[:top]
    return TypeVotes(
        names=len(several),
        confused=len(confused),
        pairs=tuple((*pair, pairs[pair]) for pair in sorted(pairs, key=lambda pair: (-pairs[pair], pair))),
        worst=tuple(
            Confusion(name=name, votes={type_: confused[name][type_] for type_ in _ranked(confused[name])})
            for name in worst
        ),
    )


def _ranked(count: Counter[str]) -> list[str]:
    return sorted(count, key=lambda type_: (-count[type_], type_))
