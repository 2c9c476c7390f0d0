"""The parts that `findings.py` gathers: one entity, relation or claim of a chunk while its answers come in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...storage.records import Claim, Span
from ..names import MAX_NAME, one_line
from .evidence import Witness
from .records import Books, FoundEntity, FoundRelation
from .schema import MAX_TYPE_NAME, GraphSchema, type_key

MAX_DETAILS = 20  # attributes or qualifiers that are read of one record


class Details:
    """Reads attributes and qualifiers, `name: value`, and counts them. A value is kept only if the chunk has it."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.counts: Counter[str] = Counter()
        self.kept = 0

    def read(self, given: Sequence[str], listed: Mapping[str, str] | None = None) -> dict[str, tuple[str, ...]]:
        """Returns name → values, sorted; with `listed`, the names that a type has by their keys, no others."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        self.counts["found"] += len(given)
        self.counts["dropped:too_many"] += max(0, len(given) - MAX_DETAILS)
        for text in given[:MAX_DETAILS]:
            raw, colon, value = one_line(text).partition(":")
            name = type_key(raw)
            if not (colon and name and value.strip()) or len(name) > MAX_TYPE_NAME or len(value) > MAX_NAME:
                self.counts["dropped:malformed"] += 1
            elif listed is not None and name not in listed:
                self.counts["dropped:unknown_attribute"] += 1
            elif not (own := self.witness.value(value)):
                self.counts["dropped:ungrounded"] += 1
            elif own in found[name if listed is None else listed[name]]:
                self.counts["merged"] += 1
            else:
                found[name if listed is None else listed[name]].add(own)
                self.kept += 1
        return {name: tuple(sorted(found[name])) for name in sorted(found) if found[name]}


@dataclass
class GatheredEntity:
    """`listed` is false while only relations and claims name it. `attributes` are as the model gave them."""

    name: str
    type: str
    typed: bool
    listed: bool = True
    descriptions: dict[str, None] = field(default_factory=dict)  # a dict is an ordered set
    aliases: set[str] = field(default_factory=set)
    mentions: set[Span] = field(default_factory=set)
    attributes: list[str] = field(default_factory=list)

    def found(self, details: Details, schema: GraphSchema, claims: Iterable[Claim]) -> FoundEntity:
        return FoundEntity(
            name=self.name,
            type=self.type,
            typed=self.typed,
            descriptions=tuple(self.descriptions),
            aliases=tuple(sorted(self.aliases)),
            mentions=ordered(self.mentions),
            attributes=details.read(self.attributes, schema.attributes(self.type)),
            claims=tuple(sorted(claims, key=lambda claim: (claim.mentions[0].start, claim.text))),
        )


@dataclass
class GatheredRelation:
    """`source` and `target` are keys of entities; `times` is how often the answers gave it."""

    source: str
    target: str
    type: str
    times: int = 0
    grounded: bool = False
    descriptions: dict[str, None] = field(default_factory=dict)
    mentions: set[Span] = field(default_factory=set)
    qualifiers: list[str] = field(default_factory=list)

    def absorb(self, other: GatheredRelation) -> None:
        self.times += other.times
        self.grounded = self.grounded or other.grounded
        self.descriptions |= other.descriptions
        self.mentions |= other.mentions
        self.qualifiers += other.qualifiers

    def found(self, details: Details, source: str, target: str) -> FoundRelation:
        return FoundRelation(
            source=source,
            target=target,
            type=self.type,
            descriptions=tuple(self.descriptions),
            mentions=ordered(self.mentions),
            qualifiers=details.read(self.qualifiers),
            grounded=self.grounded,
        )


@dataclass
class GatheredClaim:
    text: str
    mentions: set[Span] = field(default_factory=set)
    qualifiers: list[str] = field(default_factory=list)

    def found(self, details: Details) -> Claim:
        qualifiers = details.read(self.qualifiers)
        return Claim(
            text=self.text,
            qualifiers={name: "; ".join(values) for name, values in qualifiers.items()},
            mentions=ordered(self.mentions),
        )


def ordered(spans: set[Span]) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def books_of(counts: Counter[str], kept: int) -> Books:
    """Makes books of counts: `found`, `created`, `merged`, and `dropped:REASON`, `mended:REASON`."""

    def under(prefix: str) -> dict[str, int]:
        return {
            key.removeprefix(prefix): counts[key] for key in sorted(counts) if key.startswith(prefix) and counts[key]
        }

    return Books(
        found=counts["found"],
        created=counts["created"],
        kept=kept,
        merged=counts["merged"],
        dropped=under("dropped:"),
        mended=under("mended:"),
    )
