"""The records that travel: documents, chunks, facts, tasks, drafts, verdicts, items.

All are frozen pydantic models with content-hash ids, so that the same input gives the same ids on every machine.
Nothing here knows where a record is kept or which model wrote it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ..errors import ConfigError


def content_id(kind: str, *parts: object) -> str:
    """Returns `kind-` and 24 hex digits of BLAKE2b over the canonical JSON of `parts` (any JSON values)."""
    try:
        payload = orjson.dumps([kind, *parts], option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise ConfigError(
            f"a {kind} is made of values that JSON has, such as texts, numbers and lists: {error}"
        ) from error
    return f"{kind}-{hashlib.blake2b(payload, digest_size=12).hexdigest()}"


def item_id(task: str) -> str:
    """Returns the id of the item that the task `task` ends with."""
    return content_id("item", task, 0)


class Record(BaseModel):
    """Base of all records: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Record):
    """Characters `[start, end)` of one chunk's text. `quote` is that text, kept so that a span can be checked."""

    chunk: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    quote: str = ""


class Document(Record):
    """One seed document as plain text.

    `name` is what the user calls it (a path relative to the folder given, with `#row` for rows of a table);
    `media_type` says what it was read from; `sections` are headings as (offset, level, title), ascending.
    """

    id: str
    name: str
    text: str
    media_type: str = "text/plain"
    title: str = ""
    sections: tuple[tuple[int, int, str], ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, name: str, text: str, **fields: Any) -> Document:
        """Makes a document whose id is the hash of its text."""
        return cls(id=content_id("doc", text), name=name, text=text, **fields)


class Chunk(Record):
    """A contiguous piece of a document: `document.text[start:end] == text`, exactly.

    `headings` is the heading path above `start`, outermost first; `tokens` counts `text` by the splitter's tokenizer.
    """

    id: str
    document: str
    index: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    headings: tuple[str, ...] = ()
    tokens: int = 0

    @classmethod
    def of(cls, document: str, index: int, start: int, end: int, text: str, **fields: Any) -> Chunk:
        """Makes a chunk whose id is the hash of its document's id and its span."""
        return cls(id=content_id("chunk", document, start, end), document=document, index=index, start=start, end=end,
                   text=text, **fields)  # fmt: skip


class Claim(Record):
    """A statement about one entity that is no relation to another: a figure, a date, a property.

    `text` is the statement in words. `qualifiers` say under what it holds, as `{"time": "2008", "amount": "1.2 MW"}`;
    figures keep the source's own characters. `mentions` are the spans that state it.
    """

    text: str
    qualifiers: dict[str, str] = Field(default_factory=dict)
    mentions: tuple[Span, ...] = ()


class Entity(Record):
    """A node of the knowledge graph. `name` is the most frequent surface form; `mentions` lead back to the source.

    `attributes` are those that its type lists in the schema: name → the values that the sources give, sorted.
    """

    id: str
    name: str
    type: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()


class Relation(Record):
    """A typed edge of the knowledge graph between two entity ids, with the spans that state it.

    `qualifiers` say under what it holds (`{"time": ["since 1998"]}` over all sources). `grounded` is false when no
    source's quote was found in its chunk: the mentions are then the nearest spans that name both ends.
    """

    id: str
    source: str
    target: str
    type: str
    description: str = ""
    weight: float = 1.0
    mentions: tuple[Span, ...] = ()
    qualifiers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    grounded: bool = True


class Message(Record):
    """One chat message; `role` is `system`, `user`, `assistant` or `tool`."""

    role: str
    content: str


class Task(Record):
    """One unit of work that a planner drew. Its id is the hash of everything below, so a redraw is the same task.

    `kind` names the draw (`pair`, `hop2`, `chunk`, ...); `attributes` are JSON values such as a question kind.
    """

    id: str
    kind: str
    chunks: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        chunks: tuple[str, ...] = (),
        entities: tuple[str, ...] = (),
        relations: tuple[str, ...] = (),
        attributes: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> Task:
        """Makes a task with its deterministic id."""
        attributes = attributes or {}
        return cls(
            id=content_id("task", kind, chunks, entities, relations, attributes, seed),
            kind=kind,
            chunks=chunks,
            entities=entities,
            relations=relations,
            attributes=attributes,
            seed=seed,
        )


class Decision(StrEnum):
    """What a critic or verifier decides about a draft."""

    ACCEPT = "accept"
    REVISE = "revise"
    REJECT = "reject"


class Status(StrEnum):
    """Where a task or an item stands. `PENDING` is a task's alone."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Call:
    """One question to a model, as it was answered or failed.

    `key` names the reply as received among the run's calls; it is empty where none is kept: without a cache, and for a
    call that failed, whose reason code is in `error`. `prompt` is the prompt's name. A call that was answered from the
    cache cost nothing, so its tokens, US dollars and seconds are 0.
    """

    key: str = ""
    role: str = ""
    prompt: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    cached: bool = False
    error: str = ""


class Draft(Record):
    """One version of an item. `fields` are the parsed parts (question, answer, ...); `by` is the role that wrote it.

    `calls` are the questions to models that it took, in their order: those asked again for a better form, and those of
    a suggester or of other samples, too. They lead to the raw replies, and are left out of exports.
    """

    index: int
    by: str
    messages: tuple[Message, ...]
    fields: dict[str, Any] = Field(default_factory=dict)
    evidence: tuple[Span, ...] = ()
    prompt: str = ""
    model: str = ""
    note: str = ""
    calls: tuple[Call, ...] = ()


class Verdict(Record):
    """A critic's or verifier's decision on draft `draft`.

    `reasons` are stable codes (`ungrounded`, `trivial`, `duplicate`, ...); `scores` are in [0, 1]. `calls` are as a
    draft's; a verifier that asks no model has none.
    """

    by: str
    draft: int
    decision: Decision
    reasons: tuple[str, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    text: str = ""
    evidence: tuple[Span, ...] = ()
    prompt: str = ""
    model: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls cost: counts, tokens, US dollars, seconds of model time. Cached calls cost nothing but are counted."""

    calls: int = 0
    cached_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            cached_calls=self.cached_calls + other.cached_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=self.usd + other.usd,
            seconds=self.seconds + other.seconds,
        )


class Item(Record):
    """One synthesized sample with its whole story.

    `kind` is what it trains: `qa`, `reasoning`, `pretraining`, ... Pretraining text is one assistant message.
    `chunks` and `evidence` lead to the source; `prompts` maps prompt name to version, `models` role to model.
    A failed item keeps the raw model text in `raw`. `calls` are the task's calls that no draft and no verdict names: a
    proposer's, a failed task's, and those of a flow of the user's own that does not say. `round` is the campaign's: it
    counts up when people's decisions have changed what the critic is told.
    """

    id: str
    task: str
    kind: str
    status: Status
    reasons: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    fields: dict[str, Any] = Field(default_factory=dict)
    chunks: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    evidence: tuple[Span, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    drafts: tuple[Draft, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    prompts: dict[str, str] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    usage: Usage = Usage()
    error: str = ""
    raw: str = ""
    calls: tuple[Call, ...] = ()
    round: int = 1

    @property
    def all_calls(self) -> tuple[Call, ...]:
        """All calls that the item names, each once: its own, its drafts', its verdicts'."""
        named = [self.calls, *(draft.calls for draft in self.drafts), *(verdict.calls for verdict in self.verdicts)]
        return tuple(dict.fromkeys(chain.from_iterable(named)))
