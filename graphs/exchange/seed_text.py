"""A seed's statements as documents, so that what is made of them leads to a source as everything else does.

Each entity has a document: one statement a line, cut into chunks, and with each chunk what an extractor would have
found there. From there on a seed's facts go the way of all others: the same keys, the same merging, the same mentions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from ...agents.extraction.records import Books, Extraction, FoundEntity, FoundRelation
from ...agents.extraction.schema import GraphSchema
from ...storage.chunking import chunk, count_tokens
from ...storage.loaders.source import printable
from ...storage.records import Chunk, Claim, Document, Span, content_id
from .seed import Edge, Node, Seed


class Part(NamedTuple):
    """One entity's document, its chunks, and what each of them states."""

    document: Document
    chunks: list[Chunk]
    extractions: list[Extraction]


@dataclass(slots=True)
class _Line:
    """A statement in words. `names` are spans of entities' keys in it."""

    text: str
    names: list[tuple[str, int, int]] = field(default_factory=list)
    edge: Edge | None = None
    alias: str = ""
    description: str = ""
    attribute: tuple[str, str] = ("", "")
    claim: Mapping[str, str] | None = None


def parts_of(seed: Seed, schema: GraphSchema, *, max_tokens: int) -> Iterator[Part]:
    """Yields a document for each entity that the seed says something of, in the file's order.

    Types are the schema's where it lists them, else as the file has them; an entity without one gets the schema's
    fallback, as in an extraction. An entity that only others' statements name has its mentions there.
    """
    edges: defaultdict[str, list[Edge]] = defaultdict(list)
    named = set()
    for edge in seed.edges.values():
        edges[edge.source].append(edge)
        named.add(edge.target)
    writing = _Writing(seed, schema, max_tokens)
    for key, node in seed.nodes.items():
        said = edges.get(key, ())
        if said or key not in named or node.aliases or node.descriptions or node.attributes or node.claims:
            yield writing.part(key, node, said)


class _Writing:
    def __init__(self, seed: Seed, schema: GraphSchema, max_tokens: int) -> None:
        self._seed = seed
        self._schema = schema
        self._max_tokens = max_tokens
        self._names: set[str] = set()

    def part(self, key: str, node: Node, edges: list[Edge] | tuple[()]) -> Part:
        groups = list(self._grouped(key, _lines(key, node, edges, self._seed.nodes)))
        texts = ["\n".join(line.text for line in group) for group in groups]
        document = Document(
            # Two entities may have all their statements alike and yet be two.
            id=content_id("doc", self._seed.path.name, key, texts),
            name=self._name(node),
            text="\n".join(texts),
            title=node.name,
            sections=((0, 1, node.name),),
        )
        chunks, extractions, start = [], [], 0
        for index, (group, text) in enumerate(zip(groups, texts, strict=True)):
            made = Chunk.of(document.id, index, start, start + len(text), text, headings=(node.name,),
                            tokens=count_tokens(text))  # fmt: skip
            chunks.append(made)
            extractions.append(self._extraction(made, group, key))
            start += len(text) + 1
        return Part(document, chunks, extractions)

    def _name(self, node: Node) -> str:
        wanted = f"{self._seed.path.name}#{node.name}"
        names = (wanted if number == 1 else f"{wanted} ({number})" for number in count(1))
        found = printable(next(name for name in names if name not in self._names))
        self._names.add(found)
        return found

    def _grouped(self, key: str, lines: Iterator[_Line]) -> Iterator[list[_Line]]:
        group: list[_Line] = []
        tokens = 0
        for line in lines:
            for piece, size in self._fitting(line):
                if group and tokens + size > self._max_tokens:
                    yield group
                    group, tokens = [], 0
                group.append(piece)
                tokens += size
        yield group

    def _fitting(self, line: _Line) -> Iterator[tuple[_Line, int]]:
        """A line with its tokens, with one for its end; a text that no chunk holds comes in pieces."""
        size = count_tokens(line.text) + 1
        if size <= self._max_tokens or line.edge is not None or not line.description:
            yield line, size
            return
        for piece in chunk(Document.of("", line.text), max_tokens=self._max_tokens - 1):
            yield _Line(piece.text, description=piece.text), piece.tokens + 1

    def _extraction(self, made: Chunk, group: list[_Line], key: str) -> Extraction:
        mentions: defaultdict[str, list[Span]] = defaultdict(list)
        mentions[key] = []
        relations: list[FoundRelation] = []
        claims: list[Claim] = []
        attributes: defaultdict[str, set[str]] = defaultdict(set)
        start = 0
        for line in group:
            whole = Span(chunk=made.id, start=start, end=start + len(line.text), quote=line.text)
            for name, first, last in line.names:
                at = start + first
                mentions[name].append(Span(chunk=made.id, start=at, end=start + last, quote=line.text[first:last]))
            if line.edge is not None:
                relations.append(self._relation(line.edge, whole))
            elif line.claim is not None:
                claims.append(Claim(text=line.text, qualifiers=dict(line.claim), mentions=(whole,)))
            if not line.names:
                mentions[key].append(whole)
            if line.attribute[0]:
                attributes[line.attribute[0]].add(line.attribute[1])
            start += len(line.text) + 1
        found = [self._entity(name, tuple(spans)) for name, spans in mentions.items()]
        own = found[0].model_copy(
            update={
                "aliases": tuple(line.alias for line in group if line.alias),
                "descriptions": tuple(line.description for line in group if line.description),
                "attributes": {name: tuple(sorted(values)) for name, values in attributes.items()},
                "claims": tuple(claims),
            }
        )
        return Extraction(
            chunk=made.id,
            by="seed",
            entities=(own, *found[1:]),
            relations=tuple(relations),
            entity_books=Books(found=len(found), kept=len(found)),
            relation_books=Books(found=len(relations), kept=len(relations)),
            claim_books=Books(found=len(claims), kept=len(claims)),
        )

    def _entity(self, key: str, mentions: tuple[Span, ...]) -> FoundEntity:
        node = self._seed.nodes[key]
        kind, known = self._schema.entity_type(node.type)
        typed = bool(node.type)
        return FoundEntity(
            name=node.name, type=node.type if typed and not known else kind, typed=typed, mentions=mentions
        )

    def _relation(self, edge: Edge, span: Span) -> FoundRelation:
        kind, known = self._schema.relation_type(edge.predicate)
        return FoundRelation(
            source=self._seed.nodes[edge.source].name,
            target=self._seed.nodes[edge.target].name,
            type=kind if known else edge.predicate,
            descriptions=(edge.description or span.quote,),
            mentions=(span,),
            qualifiers=dict(edge.qualifiers),
        )


def _lines(key: str, node: Node, edges: list[Edge] | tuple[()], nodes: Mapping[str, Node]) -> Iterator[_Line]:
    name = node.name
    own = (key, 0, len(name))
    yield _Line(f"{name} ({node.type})" if node.type else name, [own])
    for alias in node.aliases:
        yield _Line(f"{name} is also called {alias}.", [own], alias=alias)
    for description in node.descriptions:
        yield _Line(description, description=description)
    for attribute, values in node.attributes.items():
        for value in values:
            yield _Line(f"{name}: {attribute}: {value}", [own], attribute=(attribute, value))
    for text, qualifiers in node.claims.items():
        yield _Line(text, claim=qualifiers)
    for edge in edges:
        target = nodes[edge.target].name
        begin = f"{name} {edge.predicate} "
        under = "; ".join(f"{what}: {', '.join(values)}" for what, values in edge.qualifiers.items())
        end = f" ({under})." if under else "."
        yield _Line(f"{begin}{target}{end}", [own, (edge.target, len(begin), len(begin) + len(target))], edge=edge)
