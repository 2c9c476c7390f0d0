"""What models say about one chunk, checked against its text: names and quotes are located, never trusted.

Knows no model and no prompt: it takes answers and gives an `Extraction` whose books balance.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from ..evals.grounding import locate
from ..prompts.schemas import ExtractedEntity, ExtractedGraph, ExtractedRelation
from ..storage.records import Chunk, Span, Usage
from .extraction import Books, Extraction, FoundEntity, FoundRelation, GraphSchema
from .names import MAX_NAME, acronyms_after, name_key, occurrences, one_line, split_alias, tidy, without_article


@dataclass(frozen=True)
class _Name:
    key: str
    text: str
    alias: str
    spans: tuple[Span, ...]


@dataclass
class _Entity:
    name: str
    type: str
    typed: bool
    descriptions: dict[str, None] = field(default_factory=dict)  # a dict is an ordered set
    aliases: set[str] = field(default_factory=set)
    mentions: set[Span] = field(default_factory=set)


@dataclass
class _Relation:
    source: str  # keys into the findings' entities
    target: str
    type: str
    descriptions: dict[str, None] = field(default_factory=dict)
    mentions: set[Span] = field(default_factory=set)


class Findings:
    """Gathers the answers about one chunk, checks them against its text, and keeps the books."""

    def __init__(self, chunk: Chunk, schema: GraphSchema) -> None:
        self.chunk = chunk
        self.schema = schema
        self.entities: dict[str, _Entity] = {}
        self.relations: dict[tuple[str, str, str], _Relation] = {}
        self.resolved: dict[str, _Name] = {}
        self.entity_counts: Counter[str] = Counter()
        self.relation_counts: Counter[str] = Counter()

    def names(self) -> list[str]:
        return [entity.name for entity in self.entities.values()]

    def add(self, answer: ExtractedGraph) -> bool:
        """Takes one answer; returns whether it brought an entity or a relation that was not there."""
        before = len(self.entities) + len(self.relations)
        for entity in answer.entities:
            self._add_entity(entity)
        for relation in answer.relations:
            self._add_relation(relation)
        return len(self.entities) + len(self.relations) > before

    def finish(self, *, rounds: int, stopped: str, usage: Usage, model: str) -> Extraction:
        return Extraction(
            chunk=self.chunk.id,
            entities=tuple(
                FoundEntity(
                    name=entity.name,
                    type=entity.type,
                    typed=entity.typed,
                    descriptions=tuple(entity.descriptions),
                    aliases=tuple(sorted(entity.aliases)),
                    mentions=_ordered(entity.mentions),
                )
                for entity in self.entities.values()
            ),
            relations=tuple(
                FoundRelation(
                    source=self.entities[relation.source].name,
                    target=self.entities[relation.target].name,
                    type=relation.type,
                    descriptions=tuple(relation.descriptions),
                    mentions=_ordered(relation.mentions),
                )
                for relation in self.relations.values()
            ),
            entity_books=_books(self.entity_counts, len(self.entities)),
            relation_books=_books(self.relation_counts, len(self.relations)),
            rounds=rounds,
            stopped=stopped,
            usage=usage,
            model=model,
        )

    def _add_entity(self, found: ExtractedEntity) -> None:
        counts = self.entity_counts
        counts["found"] += 1
        name = self._resolve(found.name)
        if not name.key or len(name.text) > MAX_NAME:
            counts["dropped:long_name" if name.key else "dropped:empty_name"] += 1
            return
        quoted = locate(found.quote, [self.chunk])
        if not name.spans and quoted is None:
            counts["dropped:ungrounded"] += 1
            return
        if not name.spans:
            counts["mended:name_absent"] += 1
        elif quoted is None:
            counts["mended:ungrounded" if found.quote.strip() else "mended:no_quote"] += 1
        if not self.schema.entity_type(found.type)[1]:
            counts["mended:unknown_type"] += 1
        if name.key in self.entities:
            counts["merged"] += 1
        entity = self._entity(name, found.type)
        if quoted is not None:
            entity.mentions.add(quoted)
        _describe(entity.descriptions, found.description)

    def _add_relation(self, found: ExtractedRelation) -> None:
        counts = self.relation_counts
        counts["found"] += 1
        source, target = self._resolve(found.source), self._resolve(found.target)
        # Everything is checked before an endpoint is made: a relation that is dropped must leave no entity behind.
        if not source.key or not target.key:
            counts["dropped:empty_name"] += 1
            return
        if source.key == target.key:
            counts["dropped:self_relation"] += 1
            return
        if not all(self._can_stand(name) for name in (source, target)):
            counts["dropped:missing_endpoint"] += 1
            return
        mention = locate(found.quote, [self.chunk])
        if mention is None:
            mention = self._between(source, target)
            if mention is None:
                counts["dropped:ungrounded"] += 1
                return
            counts["mended:ungrounded" if found.quote.strip() else "mended:no_quote"] += 1
        for name in (source, target):
            if name.key not in self.entities:
                self.entity_counts["created"] += 1
                self._entity(name, "")
        kind, known = self.schema.relation_type(found.type)
        if not known:
            counts["mended:unknown_type"] += 1
        key = (source.key, target.key, kind)
        if key in self.relations:
            counts["merged"] += 1
        relation = self.relations.setdefault(key, _Relation(*key))
        relation.mentions.add(mention)
        _describe(relation.descriptions, found.description)

    def _resolve(self, raw: str) -> _Name:
        """Finds a name as the model wrote it, or its long form or acronym alone, in the chunk."""
        if raw not in self.resolved:
            self.resolved[raw] = self._find(raw)
        return self.resolved[raw]

    def _find(self, raw: str) -> _Name:
        text, alias = split_alias(raw)
        if not self._spans(text):  # "the enzymes" where the passage has them without the article
            text = without_article(text)
        if " " not in text and text[1:].islower() and any(span.quote.islower() for span in self._spans(text.lower())):
            text = text.lower()  # the passage writes it small somewhere, so it is a common noun: Enzymes, enzymes
        spans = self._spans(text) or (self._spans(alias) if alias else []) or self._spans(tidy(raw))
        return _Name(name_key(text), text, alias, tuple(spans))

    def _entity(self, name: _Name, said: str) -> _Entity:
        kind, known = self.schema.entity_type(said)
        entity = self.entities.setdefault(name.key, _Entity(name.text, kind, known))
        if known and not entity.typed:
            entity.type, entity.typed = kind, True
        entity.aliases.update([name.alias] if name.alias else acronyms_after(name.text, self.chunk.text))
        entity.mentions.update(name.spans)
        return entity

    def _can_stand(self, name: _Name) -> bool:
        return name.key in self.entities or (len(name.text) <= MAX_NAME and bool(name.spans))

    def _between(self, source: _Name, target: _Name) -> Span | None:
        """The shortest span that has both names, for a relation whose own quote is not in the text."""
        marks = sorted(
            [(span.start, span.end, 0) for span in source.spans] + [(s.start, s.end, 1) for s in target.spans]
        )
        # The nearest two stand side by side in the text, so neighbours are enough to look at.
        pairs = [(max(left[1], right[1]) - left[0], left[0]) for left, right in pairwise(marks) if left[2] != right[2]]
        if not pairs:
            return None
        length, start = min(pairs)
        return self._span(start, start + length)

    def _spans(self, name: str) -> list[Span]:
        return [self._span(start, end) for start, end in occurrences(name, self.chunk.text)]

    def _span(self, start: int, end: int) -> Span:
        return Span(chunk=self.chunk.id, start=start, end=end, quote=self.chunk.text[start:end])


def _describe(descriptions: dict[str, None], text: str) -> None:
    line = one_line(text)
    if line:
        descriptions[line] = None


def _ordered(spans: set[Span]) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def _books(counts: Counter[str], kept: int) -> Books:
    def under(prefix: str) -> dict[str, int]:
        return {key.removeprefix(prefix): counts[key] for key in sorted(counts) if key.startswith(prefix)}

    return Books(
        found=counts["found"],
        created=counts["created"],
        kept=kept,
        merged=counts["merged"],
        dropped=under("dropped:"),
        mended=under("mended:"),
    )
