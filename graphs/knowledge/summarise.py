"""Turns long lists of descriptions into one description, without ever cutting any before the model has read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import Field

from ...agents.state import FlowContext, NodeInfo
from ...errors import AccessDenied, BadReply, ConfigError, ModelError, SchemaMismatch, ServerLost
from ...prompts.schemas import Summary
from ...storage.records import Entity, Record, Usage
from .each import for_each
from .graph import KnowledgeGraph

ASKS = (
    NodeInfo("extractor", "summarise-entity", frozenset({"name", "type", "descriptions", "max_words"}), answer=Summary),
)
ENOUGH = 0.9  # a round must shorten the text to this share, so that rounds end
BYTES_PER_TOKEN = 4  # of UTF-8; a rough figure that holds for most tokenizers, and only steers what is worth a call


class SummaryBooks(Record):
    """What became of the entities: `entities = short + summarised + failed`; `failed` by reason.

    short: the description was short enough to stay. calls: model calls that answered. A failed entity keeps the whole
    joined description; reasons are the model errors' codes and `longer` (the summaries were hardly shorter).
    """

    entities: int = 0
    short: int = 0
    summarised: int = 0
    failed: dict[str, int] = Field(default_factory=dict)
    calls: int = 0
    usage: Usage = Usage()

    @property
    def balanced(self) -> bool:
        """Whether every entity is accounted for."""
        return self.entities == self.short + self.summarised + sum(self.failed.values())


class _Longer(BadReply):
    """The summaries are hardly shorter than what they summarise, so another round would not end."""

    reason = "longer"


@dataclass
class _Meter:
    calls: int = 0
    usage: Usage = field(default_factory=Usage)


async def summarise(
    graph: KnowledgeGraph,
    context: FlowContext,
    *,
    max_tokens: int = 300,
    context_tokens: int = 6000,
    role: str = "extractor",
    prompt: str = "summarise-entity",
    concurrency: int = 16,
    known: Mapping[str, str] | None = None,
) -> tuple[KnowledgeGraph, SummaryBooks]:
    """Summarises each entity's description that is longer than `max_tokens`; each fails alone.

    `known` are summaries by entity that were made of the same descriptions before: they are taken as they are.

    Descriptions that exceed `context_tokens` together are summarised in batches, and the summaries again, until one
    call holds them (map and reduce). Tokens are estimated from bytes.

    Returns:
        A graph with the new descriptions, and the books.

    Raises:
        AccessDenied, ServerLost, BudgetExceeded, ConfigError: every further call would fail too.
    """
    if max_tokens < 1 or context_tokens < 2 * max_tokens:
        raise ConfigError(
            f"max_tokens is {max_tokens} and context_tokens {context_tokens}; give at least 1, and at least twice that"
        )
    found = [entity for entity in graph.entities.values() if tokens(entity.description) > max_tokens]
    known = known or {}
    long = [entity for entity in found if entity.id not in known]
    changed = {one.id: one.model_copy(update={"description": known[one.id]}) for one in found if one.id in known}
    failed: Counter[str] = Counter()
    meter = _Meter()
    words = max(20, max_tokens * 2 // 3)

    async def ask(entity: Entity, descriptions: Sequence[str]) -> str:
        variables = {
            "name": entity.name,
            "type": entity.type,
            "descriptions": list(descriptions),
            "max_words": words,
        }
        reply = await context.ask(role, prompt, variables)
        meter.calls += 1
        meter.usage += reply.usage
        if not isinstance(reply.parsed, Summary):
            raise SchemaMismatch(
                f"prompt '{prompt}' was answered with {type(reply.parsed).__name__}, not Summary; give it "
                f"`schema: Summary` in its front matter, and its model the repair layer that parses",
                raw=reply.text,
            )
        return " ".join(reply.parsed.summary.split())

    async def one(entity: Entity) -> None:
        try:
            lines = entity.description.split("\n")
            while len(batches := split(lines, context_tokens)) > 1:
                shorter = [await ask(entity, batch) for batch in batches]
                _require_shorter(entity, lines, shorter)
                lines = shorter
            summary = await ask(entity, batches[0])
            _require_shorter(entity, lines, [summary])
        except (AccessDenied, ServerLost):
            raise
        except ModelError as error:
            failed[error.reason] += 1
        else:
            changed[entity.id] = entity.model_copy(update={"description": summary})

    await for_each(long, one, concurrency=concurrency)
    books = SummaryBooks(
        entities=len(graph.entities),
        short=len(graph.entities) - len(found),
        summarised=len(changed),
        failed=dict(sorted(failed.items())),
        calls=meter.calls,
        usage=meter.usage,
    )
    return graph.with_entities(changed.values()), books


def tokens(text: str) -> int:
    """Estimates the tokens of a text from its bytes."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def split(lines: Sequence[str], limit: int) -> list[list[str]]:
    """Packs lines, in order, into batches of at most `limit` tokens; a longer line is divided at spaces.

    All characters are in some batch, but for the white space at which a line is divided.
    """
    batches: list[list[str]] = [[]]
    room = limit
    for line in lines:
        for piece in _pieces(line, limit):
            size = tokens(piece)
            if size > room and batches[-1]:
                batches.append([])
                room = limit
            batches[-1].append(piece)
            room -= size
    return batches


def _pieces(line: str, limit: int) -> list[str]:
    if tokens(line) <= limit:
        return [line]
    # By characters of the widest kind, so that a piece never exceeds the limit whatever its script.
    width = limit * BYTES_PER_TOKEN if line.isascii() else limit
    pieces = []
    while len(line) > width:
        cut = line.rfind(" ", width // 2, width + 1)
        end = width if cut < 0 else cut
        pieces.append(line[:end])
        line = line[end:].lstrip(" ")
    return [*pieces, line] if line else pieces


def _require_shorter(entity: Entity, before: Sequence[str], after: Sequence[str]) -> None:
    if sum(map(len, after)) > ENOUGH * sum(map(len, before)):
        raise _Longer(f"the summary of entity '{entity.name}' is hardly shorter than what it summarises")
