"""What models say about one chunk, checked against its text: names and quotes are located, never trusted.

Knows no model and no prompt: it takes answers and gives an `Extraction` whose books balance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TypeVar

from ...prompts.schemas import ExtractedClaim, ExtractedEntity, ExtractedGraph, ExtractedRelation
from ...storage.records import Chunk, Claim, Span, Usage
from ..names import MAX_NAME, aliases_after, one_line
from .evidence import Name, Quote, Witness
from .finding import Details, GatheredClaim, GatheredEntity, GatheredRelation, books_of
from .records import Extraction
from .schema import GraphSchema

LEAST_RECORDS = 200  # of one sort that are read of an answer, however short the chunk is
MAX_STATEMENT = 1_000  # characters of a claim's text

Found = TypeVar("Found")


class Findings:
    """Gathers the answers about one chunk, checks them against its text, and keeps the books.

    `before` is the text before the chunk that the model was shown; `claims` says whether it was asked for claims.
    """

    def __init__(self, chunk: Chunk, schema: GraphSchema, *, before: str = "", claims: bool = True) -> None:
        self.chunk = chunk
        self.schema = schema
        self.asked_claims = claims
        self.witness = Witness(chunk, before)
        self.entities: dict[str, GatheredEntity] = {}
        self.relations: dict[tuple[str, str, str], GatheredRelation] = {}
        self.claims: dict[tuple[str, str], GatheredClaim] = {}
        self.counts: dict[str, Counter[str]] = {sort: Counter() for sort in ("entities", "relations", "claims")}
        self.said: dict[str, str] = {}  # name key → type, of entities that the answers list for other chunks
        # An answer of ten thousand records is no reading of a passage: four characters are about a token.
        self.limit = max(LEAST_RECORDS, len(chunk.text) // 4)

    def names(self) -> list[str]:
        return [entity.name for entity in self.entities.values()]

    def add(self, answer: ExtractedGraph) -> int:
        """Takes one answer; returns how many records it brought that were not there."""
        before = self._size()
        for entity in self._within("entities", answer.entities):
            self._add_entity(entity)
        for relation in self._within("relations", answer.relations):
            self._add_relation(relation)
        for claim in self._within("claims", answer.claims):
            self._add_claim(claim)
        return self._size() - before

    def finish(self, *, rounds: int, stopped: str, usage: Usage, model: str) -> Extraction:
        """Holds what was gathered to the schema's pairs and attributes, and returns it."""
        self._hold_to_pairs()
        details = Details(self.witness)
        claims: defaultdict[str, list[Claim]] = defaultdict(list)
        for (about, _), claim in self.claims.items():
            claims[about].append(claim.found(details))
        return Extraction(
            chunk=self.chunk.id,
            source_tokens=self.chunk.tokens,
            entities=tuple(entity.found(details, self.schema, claims[key]) for key, entity in self.entities.items()),
            relations=tuple(
                relation.found(details, self.entities[relation.source].name, self.entities[relation.target].name)
                for relation in self.relations.values()
            ),
            entity_books=books_of(self.counts["entities"], len(self.entities)),
            relation_books=books_of(self.counts["relations"], len(self.relations)),
            claim_books=books_of(self.counts["claims"], len(self.claims)),
            detail_books=books_of(details.counts, details.kept),
            rounds=rounds,
            stopped=stopped,
            usage=usage,
            model=model,
        )

    def _size(self) -> int:
        return len(self.entities) + len(self.relations) + len(self.claims)

    def _within(self, sort: str, records: list[Found]) -> list[Found]:
        counts = self.counts[sort]
        counts["found"] += len(records)
        if sort == "claims" and not self.asked_claims:
            counts["dropped:not_asked"] += len(records)
            return []
        if len(records) > self.limit:
            counts["dropped:too_many"] += len(records) - self.limit
        return records[: self.limit]

    def _add_entity(self, found: ExtractedEntity) -> None:
        counts = self.counts["entities"]
        name = self.witness.name(found.name)
        if not name.key or len(name.text) > MAX_NAME:
            counts["dropped:long_name" if name.key else "dropped:empty_name"] += 1
            return
        quoted = self.witness.quote(found.quote, (name,))
        if not name.spans and quoted is None:
            counts["dropped:ungrounded"] += 1
            return
        if not name.spans:
            counts["mended:from_context" if name.nearby else "mended:name_absent"] += 1
        elif quoted is None and found.quote.strip():
            counts["mended:ungrounded"] += 1
        self._count_repair("entities", quoted)
        if not self.schema.entity_type(found.type)[1]:
            counts["mended:unknown_type"] += 1
        if name.key in self.entities:
            counts["merged"] += 1
        entity = self._entity(name, found.type, quoted)
        entity.listed = True
        entity.attributes += found.attributes
        self._describe("entities", entity.descriptions, found.description, quoted.span.quote if quoted else "")

    def _add_relation(self, found: ExtractedRelation) -> None:
        counts = self.counts["relations"]
        source, target = self.witness.name(found.source), self.witness.name(found.target)
        # Everything is checked before an endpoint is made: a relation that is dropped must leave no entity behind.
        if not source.key or not target.key:
            counts["dropped:empty_name"] += 1
            return
        if source.key == target.key:
            counts["dropped:self_relation"] += 1
            return
        quoted = self.witness.quote(found.quote, (source, target))
        if not all(self._can_stand(name, quoted) for name in (source, target)):
            counts["dropped:missing_endpoint"] += 1
            return
        mention = quoted.span if quoted else self._between(source, target)
        if mention is None:
            counts["dropped:ungrounded"] += 1
            return
        if quoted is None:
            counts["mended:ungrounded" if found.quote.strip() else "mended:no_quote"] += 1
        elif not any(_overlap(span, mention) for name in (source, target) for span in name.spans):
            counts["mended:names_neither"] += 1
        self._count_repair("relations", quoted)
        for name in (source, target):
            self._stand(name, quoted)
        kind, known = self.schema.relation_type(found.type)
        if not known:
            counts["mended:unknown_type"] += 1
        key = (source.key, target.key, kind)
        if key in self.relations:
            counts["merged"] += 1
        relation = self.relations.setdefault(key, GatheredRelation(*key))
        relation.times += 1
        relation.grounded = relation.grounded or quoted is not None
        relation.mentions.add(mention)
        relation.qualifiers += found.qualifiers
        self._describe("relations", relation.descriptions, found.description, mention.quote)

    def _add_claim(self, found: ExtractedClaim) -> None:
        counts = self.counts["claims"]
        name = self.witness.name(found.entity)
        quoted = self.witness.quote(found.quote, (name,))
        if quoted is None:
            counts["dropped:ungrounded" if found.quote.strip() else "dropped:no_quote"] += 1
            return
        if not name.key:
            counts["dropped:empty_name"] += 1
            return
        if not self._can_stand(name, quoted):
            counts["dropped:missing_subject"] += 1
            return
        text = self.witness.figures(one_line(found.text) or one_line(quoted.span.quote))
        if text is None:
            counts["dropped:ungrounded_figure"] += 1
            return
        if len(text) > MAX_STATEMENT:
            counts["dropped:long_text"] += 1
            return
        self._count_repair("claims", quoted)
        self._stand(name, quoted)
        key = (name.key, text.casefold().rstrip(". "))
        if key in self.claims:
            counts["merged"] += 1
        claim = self.claims.setdefault(key, GatheredClaim(text))
        claim.mentions.add(quoted.span)
        claim.qualifiers += found.qualifiers

    def _describe(self, sort: str, descriptions: dict[str, None], text: str, own: str) -> None:
        """Adds what the model says, or the chunk's own words where it says nothing or has a figure from elsewhere."""
        said = self.witness.figures(one_line(text))
        if said is None:
            self.counts[sort]["mended:ungrounded_figure"] += 1
        if line := said or one_line(own):
            descriptions[line] = None

    def _count_repair(self, sort: str, quoted: Quote | None) -> None:
        if quoted is not None and quoted.repaired:
            self.counts[sort]["mended:repaired"] += 1

    def _entity(self, name: Name, said: str, quoted: Quote | None) -> GatheredEntity:
        kind, known = self.schema.entity_type(said)
        entity = self.entities.setdefault(name.key, GatheredEntity(name.text, kind, known))
        if known and not entity.typed:
            entity.type, entity.typed = kind, True
        entity.aliases.update([name.alias] if name.alias else aliases_after(name.text, self.chunk.text))
        entity.mentions.update(name.spans)
        if quoted is not None:
            entity.mentions.add(quoted.span)
        return entity

    def _can_stand(self, name: Name, quoted: Quote | None) -> bool:
        here = bool(name.spans) or (name.nearby and quoted is not None)
        return name.key in self.entities or (len(name.text) <= MAX_NAME and here)

    def _stand(self, name: Name, quoted: Quote | None) -> None:
        """Makes the entity that a relation or a claim names, when the answer did not list it."""
        if name.key in self.entities:
            return
        self.counts["entities"]["created"] += 1
        if not name.spans:  # the quote is all that the chunk has of it: "it was founded in 1998"
            self.counts["entities"]["mended:from_context"] += 1
        self._entity(name, self.said.get(name.key, ""), None if name.spans else quoted).listed = False

    def _between(self, source: Name, target: Name) -> Span | None:
        """The shortest span that has both names, for a relation whose own quote is not in the text."""
        marks = sorted(
            [(span.start, span.end, 0) for span in source.spans] + [(s.start, s.end, 1) for s in target.spans]
        )
        # The nearest two stand side by side in the text, so neighbours are enough to look at.
        pairs = [(max(left[1], right[1]) - left[0], left[0]) for left, right in pairwise(marks) if left[2] != right[2]]
        if not pairs:
            return None
        length, start = min(pairs)
        return self.witness.span(start, start + length)

    def _hold_to_pairs(self) -> None:
        """Re-types or drops the relations whose ends their type may not join: all types are known only now."""
        counts = self.counts["relations"]
        for key, relation in list(self.relations.items()):
            ends = (self.entities[relation.source].type, self.entities[relation.target].type)
            if self.schema.allows(relation.type, *ends):
                continue
            del self.relations[key]
            fallback = self.schema.relation_type("")[0]
            if self.schema.outside_pairs == "drop" or not self.schema.allows(fallback, *ends):
                counts["dropped:outside_pairs"] += relation.times
                counts["merged"] -= relation.times - 1
                continue
            counts["mended:outside_pairs"] += 1
            relation.type = fallback
            there = self.relations.get((relation.source, relation.target, fallback))
            if there is None:
                self.relations[relation.source, relation.target, fallback] = relation
            else:
                counts["merged"] += 1
                there.absorb(relation)
        self._leave_out_unused()

    def _leave_out_unused(self) -> None:
        used = {end for relation in self.relations.values() for end in (relation.source, relation.target)}
        used |= {about for about, _ in self.claims}
        for key in [key for key, entity in self.entities.items() if not entity.listed and key not in used]:
            del self.entities[key]
            self.counts["entities"]["created"] -= 1


def _overlap(left: Span, right: Span) -> bool:
    return left.start < right.end and right.start < left.end
