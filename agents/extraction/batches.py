"""Several chunks of one document that a model reads in one call, and each record led back to the chunk that states it.

What stands before the passage costs as much for a small chunk as for a large one; read together they share it. The
model sees one passage and names no chunk: where a quote and the names stand decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ...prompts.schemas import ExtractedClaim, ExtractedEntity, ExtractedGraph, ExtractedRelation
from ...storage.records import Chunk, Usage
from .evidence import Name
from .findings import Findings
from .records import Extraction
from .schema import GraphSchema

Before = Chunk | None
"""The chunk before the first of a batch in its document."""


def batches(chunks: Iterable[Chunk], tokens: int) -> Iterator[tuple[tuple[Chunk, ...], Before]]:
    """Yields runs of chunks that follow each other in a document and have at most `tokens` tokens together.

    The chunks of a document come in their order. A larger chunk is alone, as each is with 0. Where the runs are cut
    depends on the document alone, so that a run that goes on asks what it would have asked.
    """
    batch: list[Chunk] = []
    last: Before = None
    before: Before = None
    for chunk in chunks:
        follows = last is not None and last.document == chunk.document and last.index == chunk.index - 1
        if batch and not (follows and sum(one.tokens for one in batch) + chunk.tokens <= tokens):
            yield tuple(batch), before
            batch = []
        if not batch:
            before = last if follows else None
        batch.append(chunk)
        last = chunk
    if batch:
        yield tuple(batch), before


class Batch:
    """Gathers the answers about chunks that are read together: `Findings` of each, and what goes to which.

    `nearby` is what the model was shown of the text before. To each chunk but the first, the chunks before it are
    context: what names an entity there may be stated by a quote here.
    """

    def __init__(self, chunks: Sequence[Chunk], schema: GraphSchema, *, nearby: str = "", claims: bool = True) -> None:
        self.texts = list(_without_overlap(chunks))
        shown = ["\n".join([*chunk.headings, nearby, *self.texts[:at]]) for at, chunk in enumerate(chunks)]
        self.parts = [
            Findings(chunk, schema, before=text, claims=claims) for chunk, text in zip(chunks, shown, strict=True)
        ]

    @property
    def passage(self) -> str:
        """The text of all, in order."""
        return "\n\n".join(self.texts)

    def names(self) -> list[str]:
        """The names found so far, each once."""
        return list(dict.fromkeys(name for part in self.parts for name in part.names()))

    def add(self, answer: ExtractedGraph) -> int:
        """Takes one answer; returns how many records it brought that were not there.

        An entity goes to every chunk that names it and counts there, a relation or a claim to one. What no chunk has
        goes to the first, which counts it as dropped.
        """
        if len(self.parts) == 1:
            return self.parts[0].add(answer)
        shares = [ExtractedGraph(entities=[]) for _ in self.parts]
        for entity in answer.entities:
            for at, share in self._shared(entity):
                shares[at].entities.append(share)
        for relation in answer.relations:
            shares[self._stating(relation, (relation.source, relation.target))].relations.append(relation)
        for claim in answer.claims:
            shares[self._stating(claim, (claim.entity,))].claims.append(claim)
        for part in self.parts:
            part.said |= {part.witness.name(one.name).key: one.type for one in answer.entities}
        return sum(part.add(share) for part, share in zip(self.parts, shares, strict=True))

    def finish(self, *, rounds: int, stopped: str, usage: Usage, model: str) -> tuple[Extraction, ...]:
        """Returns what each chunk gave. A chunk's tokens are its share of the calls', by its length."""
        shares = _shares(usage, [part.chunk.tokens for part in self.parts])
        return tuple(
            part.finish(rounds=rounds, stopped=stopped, usage=share, model=model)
            for part, share in zip(self.parts, shares, strict=True)
        )

    def _shared(self, entity: ExtractedEntity) -> Iterator[tuple[int, ExtractedEntity]]:
        """Yields the chunks that have an entity, each with the details that are its own."""
        names = [part.witness.name(entity.name) for part in self.parts]
        having = [at for at, name in enumerate(names) if name.spans] or [
            self._place(entity.quote, [(name,) for name in names])
        ]

        def own(found: Iterable[int]) -> int:
            return next(iter(found), having[0])

        described = own(at for at in having if self.parts[at].witness.figures(entity.description) is not None)
        quoted = own(at for at in having if self.parts[at].witness.quote(entity.quote) is not None)
        values = [(text, text.partition(":")[2]) for text in entity.attributes]
        at_home = [own(at for at in having if self.parts[at].witness.value(value)) for _, value in values]
        for at in having:
            share = {
                "description": entity.description if at == described else "",
                "quote": entity.quote if at == quoted else "",
                "attributes": [text for (text, _), home in zip(values, at_home, strict=True) if home == at],
            }
            yield at, entity.model_copy(update=share)

    def _stating(self, record: ExtractedRelation | ExtractedClaim, ends: Sequence[str]) -> int:
        names = [tuple(part.witness.name(end) for end in ends) for part in self.parts]
        return self._place(record.quote, names)

    def _place(self, quote: str, names: Sequence[tuple[Name, ...]]) -> int:
        """The chunk that states a record: it has the quote as it is, most of the names in what is quoted, most names
        at all; the first of equals."""

        def worth(at: int) -> tuple[int, int, int, int]:
            quoted = self.parts[at].witness.quote(quote, names[at])
            named = [name for name in names[at] if name.spans]
            if quoted is None:
                return 0, 0, len(named), -at
            start, end = quoted.span.start, quoted.span.end
            inside = sum(any(start <= span.start and span.end <= end for span in name.spans) for name in named)
            return (1 if quoted.repaired else 2), inside, len(named), -at

        return max(range(len(self.parts)), key=worth)


def _without_overlap(chunks: Sequence[Chunk]) -> Iterator[str]:
    """Yields the texts, each without what the one before it has already."""
    end = 0
    for chunk in chunks:
        yield chunk.text[max(0, end - chunk.start) :] if end else chunk.text
        end = chunk.end


def _shares(usage: Usage, weights: Sequence[int]) -> Iterator[Usage]:
    """Yields the parts of what calls cost, by weight; together they are all of it, to the token.

    The calls themselves are each chunk's own: each was read in so many.
    """
    whole, passed = max(1, sum(weights)), 0
    for number, weight in enumerate(weights, 1):
        low, passed = passed, whole if number == len(weights) else passed + weight
        yield replace(
            usage,
            input_tokens=usage.input_tokens * passed // whole - usage.input_tokens * low // whole,
            output_tokens=usage.output_tokens * passed // whole - usage.output_tokens * low // whole,
            usd=usage.usd * (passed - low) / whole,
            seconds=usage.seconds * (passed - low) / whole,
        )
