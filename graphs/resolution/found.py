"""What was found under one id, an entity's or a relation's, over all chunks: a sum, from which a chunk can be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from ...agents.extraction.records import FoundEntity, FoundRelation
from ...storage.records import Claim, Span

Key = TypeVar("Key")
Name = TypeVar("Name")
Place = tuple[str, int, int]  # a span's chunk, start and end
Said = tuple[str, tuple[tuple[str, str], ...]]  # a claim's text and qualifiers
SAID: Place = ("", 0, 0)  # stands for a claim itself among its places: one without any is still there


@dataclass(slots=True)
class Found:
    """What was found under one id, an entity's or a relation's, in all chunks.

    `take` adds what a chunk gave and `leave` takes it back, so it is the same whatever came and went meanwhile.
    `joined` are the name keys of what relations join a reference to.
    """

    found: int = 0
    names: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    aliases: Counter[str] = field(default_factory=Counter)
    descriptions: Counter[str] = field(default_factory=Counter)
    joined: Counter[str] = field(default_factory=Counter)
    mentions: dict[Place, Span] = field(default_factory=dict)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    claims: dict[Said, Counter[Place]] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)
    grounded: int = 0

    def take(self, found: FoundEntity | FoundRelation, chunk: str) -> None:
        """Takes what one chunk gave."""
        self._add(found, 1)
        self.chunks.add(chunk)
        self._mention(found.mentions)
        for claim in found.claims if isinstance(found, FoundEntity) else ():
            self._mention(claim.mentions)

    def leave(self, found: FoundEntity | FoundRelation, chunk: str) -> None:
        """Takes back what one chunk gave. All that it gave goes, or none: its mentions are the chunk's alone."""
        self._add(found, -1)
        self.chunks.discard(chunk)
        spans = [*found.mentions]
        for claim in found.claims if isinstance(found, FoundEntity) else ():
            spans += claim.mentions
        for span in spans:
            self.mentions.pop((span.chunk, span.start, span.end), None)

    def absorb(self, other: Found) -> None:
        """Takes all that another has."""
        self.found += other.found
        self.names.update(other.names)
        self.types.update(other.types)
        self.aliases.update(other.aliases)
        self.descriptions.update(other.descriptions)
        self.mentions.update(other.mentions)
        for name, given in other.values.items():
            self.values.setdefault(name, Counter()).update(given)
        for said, places in other.claims.items():
            self.claims.setdefault(said, Counter()).update(places)
        self.chunks |= other.chunks
        self.grounded += other.grounded

    def join(self, key: str, by: int = 1) -> None:
        """Notes that a relation joins it to a name, or takes the note back."""
        _count(self.joined, (key,), by)

    def spans(self) -> tuple[Span, ...]:
        """All mentions, each once, by chunk and place."""
        return tuple(self.mentions[place] for place in sorted(self.mentions))

    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Attributes or qualifiers: name → the values given, both sorted."""
        return {name: tuple(sorted(self.values[name])) for name in sorted(self.values)}

    def all_claims(self) -> tuple[Claim, ...]:
        """The claims, each once with all its spans, by text."""
        return tuple(
            Claim(
                text=text,
                qualifiers=dict(qualifiers),
                mentions=tuple(
                    self.mentions[place] for place in sorted(self.claims[text, qualifiers]) if place != SAID
                ),
            )
            for text, qualifiers in sorted(self.claims)
        )

    def card(self) -> dict[str, Any]:
        """What references are compared by, as JSON values."""
        return {
            "found": self.found,
            "names": self.names,
            "types": self.types,
            "aliases": self.aliases,
            "descriptions": self.descriptions,
            "joined": self.joined,
            "chunks": sorted(self.chunks),
        }

    def rest(self) -> dict[str, Any]:
        """All else, as JSON values."""
        return {
            "grounded": self.grounded,
            "mentions": [[*place, self.mentions[place].quote] for place in sorted(self.mentions)],
            "values": self.values,
            "claims": [
                [text, said, [[*place, count] for place, count in sorted(self.claims[text, said].items())]]
                for text, said in sorted(self.claims)
            ],
        }

    @classmethod
    def of(cls, card: Mapping[str, Any], rest: Mapping[str, Any] | None = None) -> Self:
        """Makes it of what `card` and `rest` gave; of the card alone it is good for comparing and no more."""
        made = cls(
            found=card["found"],
            names=Counter(card["names"]),
            types=Counter(card["types"]),
            aliases=Counter(card["aliases"]),
            descriptions=Counter(card["descriptions"]),
            joined=Counter(card["joined"]),
            chunks=set(card["chunks"]),
        )
        if rest is not None:
            made.grounded = rest["grounded"]
            made._mention(Span(chunk=one[0], start=one[1], end=one[2], quote=one[3]) for one in rest["mentions"])
            made.values = {name: Counter(given) for name, given in rest["values"].items()}
            made.claims = {
                (text, tuple((name, value) for name, value in said)): Counter(
                    {(chunk, start, end): count for chunk, start, end, count in places}
                )
                for text, said, places in rest["claims"]
            }
        return made

    def _add(self, found: FoundEntity | FoundRelation, by: int) -> None:
        self.found += by
        _count(self.descriptions, found.descriptions, by)
        for name, given in (found.attributes if isinstance(found, FoundEntity) else found.qualifiers).items():
            _count_in(self.values, name, given, by)
        if isinstance(found, FoundRelation):
            self.grounded += by * found.grounded
            return
        _count(self.names, (found.name,), by)
        _count(self.aliases, found.aliases, by)
        _count(self.types, (found.type,), by)
        for claim in found.claims:
            places = ((span.chunk, span.start, span.end) for span in claim.mentions)
            _count_in(self.claims, (claim.text, tuple(sorted(claim.qualifiers.items()))), (SAID, *places), by)

    def _mention(self, spans: Iterable[Span]) -> None:
        for span in spans:
            place = (span.chunk, span.start, span.end)
            known = self.mentions.get(place)
            if known is None or span.quote > known.quote:  # of two that differ the same one stays in any order
                self.mentions[place] = span


def _count(counts: Counter[Key], keys: Iterable[Key], by: int) -> None:
    """Counts keys up or down; what is not there any more is not in it."""
    for key in keys:
        counts[key] += by
        if not counts[key]:
            del counts[key]


def _count_in(table: dict[Name, Counter[Key]], name: Name, keys: Iterable[Key], by: int) -> None:
    counts = table.setdefault(name, Counter())
    _count(counts, keys, by)
    if not counts:
        del table[name]


def ranked(counts: Mapping[str, int]) -> Sequence[str]:
    """The most frequent first, then by alphabet."""
    return sorted(counts, key=lambda text: (-counts[text], text))
