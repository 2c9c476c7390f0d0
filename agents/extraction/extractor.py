"""The extractor: one chunk in, its entities, relations and claims out, each led back to the characters that state it.

Gleaning (asking again for what was missed) follows GraphRAG (Edge et al. 2024, arXiv:2404.16130), without its yes/no
question between rounds: the names found so far go back into the same prompt, and a round that adds little ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import sentencex  # type: ignore[import-untyped]  # the package ships no types

from ...errors import AccessDenied, ConfigError, ModelError, SchemaMismatch, ServerLost
from ...prompts.schemas import ExtractedGraph
from ...storage.chunking import count_tokens
from ...storage.records import Chunk, Usage
from ..state import FlowContext, NodeInfo
from .batches import Batch
from .records import Extraction
from .schema import DEFAULT, GraphSchema

VARIABLES = ("passage", "passages", "headings", "before", "entity_types", "relation_types", "claims", "found")
ASKS = (NodeInfo("extractor", "extract-graph", frozenset(VARIABLES), answer=ExtractedGraph),)
NEAR = 8  # characters of text before a chunk that are read for each token that is wanted of it


class Extractor(Protocol):
    """Reads one chunk. `before` is the chunk before it in its document, None when there is none."""

    async def __call__(self, chunk: Chunk, context: FlowContext, before: Chunk | None = None) -> Extraction: ...


class BatchExtractor(Protocol):
    """Reads several chunks of a document at once; `before` is the chunk before the first of them."""

    async def __call__(
        self, chunks: Sequence[Chunk], context: FlowContext, before: Chunk | None = None
    ) -> tuple[Extraction, ...]: ...


def extractor(
    *,
    schema: GraphSchema = DEFAULT,
    role: str = "extractor",
    prompt: str = "extract-graph",
    max_gleanings: int = 1,
    min_yield: float = 0.2,
    claims: bool = True,
    context_tokens: int = 0,
) -> Extractor:
    """Makes an extractor, which reads one chunk in one call.

    Args:
        schema: the types to look for.
        role: the role whose model answers.
        prompt: a prompt that is answered with `ExtractedGraph`.
        max_gleanings: how often at most to ask again after the first answer. Each costs about as much as the first.
        min_yield: no further gleaning follows one that brought less than this share of the first answer's records.
        claims: whether to ask for statements about single entities.
        context_tokens: how much of the end of the chunk before is shown, for what pronouns and short names mean.

    Returns:
        An `Extractor`. It raises what `FlowContext.ask` raises for the first answer; a gleaning round that fails ends
        the gleaning and is named in `Extraction.stopped`, unless access is denied or a budget is spent, which is
        raised.
    """
    read = batch_extractor(
        schema=schema,
        role=role,
        prompt=prompt,
        max_gleanings=max_gleanings,
        min_yield=min_yield,
        claims=claims,
        context_tokens=context_tokens,
    )

    async def extract(chunk: Chunk, context: FlowContext, before: Chunk | None = None) -> Extraction:
        (found,) = await read((chunk,), context, before)
        return found

    return extract


def batch_extractor(
    *,
    schema: GraphSchema = DEFAULT,
    role: str = "extractor",
    prompt: str = "extract-graph",
    max_gleanings: int = 1,
    min_yield: float = 0.2,
    claims: bool = True,
    context_tokens: int = 0,
) -> BatchExtractor:
    """Makes what reads several chunks in one call, as `extractor` reads one; arguments and errors are the same."""
    if max_gleanings < 0:
        raise ConfigError(f"max_gleanings is {max_gleanings}; give 0 for one answer a chunk, or a positive number")
    if not 0 <= min_yield <= 1:
        raise ConfigError(f"min_yield is {min_yield}; give a share from 0 to 1")
    if context_tokens < 0:
        raise ConfigError(f"context_tokens is {context_tokens}; give 0 for none, or a positive number")
    schema.check()
    fixed: dict[str, Any] = {
        "entity_types": [spec.model_dump() for spec in schema.entity_types],
        "relation_types": [spec.model_dump() for spec in schema.relation_types],
        "claims": claims,
    }

    async def ask(context: FlowContext, variables: dict[str, Any]) -> tuple[ExtractedGraph, Usage, str]:
        reply = await context.ask(role, prompt, variables)
        if not isinstance(reply.parsed, ExtractedGraph):
            raise SchemaMismatch(
                f"prompt '{prompt}' was answered with {type(reply.parsed).__name__}, not ExtractedGraph; give it "
                f"`schema: ExtractedGraph` in its front matter, and its model the repair layer that parses",
                raw=reply.text,
            )
        return reply.parsed, reply.usage, reply.model

    async def extract(
        chunks: Sequence[Chunk], context: FlowContext, before: Chunk | None = None
    ) -> tuple[Extraction, ...]:
        nearby = end_of(before, chunks[0], context_tokens)
        batch = Batch(chunks, schema, nearby=nearby, claims=claims)
        usage, rounds, first, model, stopped = Usage(), 0, 0, "", "limit"
        variables = {
            "passage": batch.passage,
            "passages": batch.texts,
            "headings": shared_headings(chunks),
            "before": nearby,
            **fixed,
        }
        while rounds <= max_gleanings:
            try:
                answer, cost, model = await ask(context, {**variables, "found": batch.names()})
            except (AccessDenied, ServerLost):
                raise
            except ModelError as error:
                if rounds == 0:
                    raise
                stopped = error.reason
                break
            rounds, usage = rounds + 1, usage + cost
            brought = batch.add(answer)
            first = first or brought
            if not brought or brought < min_yield * first:
                stopped = "low_yield" if brought else "nothing_new"
                break
        return batch.finish(rounds=rounds, stopped=stopped, usage=usage, model=model)

    return extract


def shared_headings(chunks: Sequence[Chunk]) -> list[str]:
    """Returns the headings above all of the chunks; those within them stand in their texts."""
    first, *rest = (chunk.headings for chunk in chunks)
    depth = next((at for at, title in enumerate(first) if any(title not in one[at : at + 1] for one in rest)), None)
    return list(first[:depth])


def end_of(before: Chunk | None, chunk: Chunk, tokens: int) -> str:
    """Returns the last whole sentences of `before` that have at most `tokens` tokens, without what `chunk` repeats.

    One sentence that is longer is cut at a blank, its end stays.
    """
    if before is None or not tokens:
        return ""
    text = before.text[: chunk.start - before.start].rstrip()[-NEAR * tokens :]
    starts = [int(found["start_index"]) for found in sentencex.get_sentence_boundaries("en", text)]
    for start in starts:
        end = text[start:].strip()
        if end and count_tokens(end) <= tokens and (start or len(text) < NEAR * tokens):
            return end
    words = text.split()
    while words and count_tokens(" ".join(words)) > tokens:
        words = words[max(1, len(words) // 8) :]
    return " ".join(words)


def with_before(chunks: Iterable[Chunk], last: Chunk | None = None) -> Iterator[tuple[Chunk, Chunk | None]]:
    """Yields each chunk with the one before it in its document; the chunks of a document come in their order.

    `last` is the chunk before the first.
    """
    for chunk in chunks:
        follows = last is not None and last.document == chunk.document and last.index == chunk.index - 1
        yield chunk, last if follows else None
        last = chunk
