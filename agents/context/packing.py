"""The packed context: what of a task's sources a prompt shows, within a budget of tokens.

Descriptions that were merged from many chunks are no source: a model that reads them alone writes what no document
says. So a prompt holds the text that names the task's entities and states its relations: whole chunks while they fit,
else the sentences that hold the evidence, each once, never a part of one. Chunks stand first, in the task's order, and
a whole chunk is the same text in every prompt: a server that keeps prefixes reads it once. What belongs to one group
alone, the lines on its entities and relations, stands last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...errors import ConfigError, FlowError
from ...evals.grounding import FUZZY_RATIO, locate
from ...evals.segments import Place
from ...storage.chunking import count_tokens
from ...storage.records import Chunk, Entity, Relation, Span
from ..state import FlowState
from ..variables import Given, relation_line
from .excerpts import covered, sources_of
from .selection import Selection

CONTEXT_TOKENS = 4_000
LINES = 0.25  # of a budget that does not hold everything, at most, for relations, descriptions and quotes


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of one chunk: `spans` of its text, ascending, and `text`, with a mark where some is left out."""

    chunk: Chunk
    title: str
    text: str
    spans: tuple[Place, ...]


@dataclass(frozen=True)
class Packed:
    """A packed context of a task's `chunks`. `tokens` are those of excerpts and lines, at most what was asked for.

    `entities` are `{name, type, description}`, `relations` lines. `evidenced` are the ids of the entities and relations
    for which a sentence is shown.
    """

    chunks: tuple[Chunk, ...]
    excerpts: tuple[Excerpt, ...]
    entities: tuple[dict[str, str], ...]
    relations: tuple[str, ...]
    evidenced: frozenset[str]
    tokens: int

    @cached_property
    def shown(self) -> dict[str, tuple[Place, ...]]:
        """The runs that are shown of each chunk, by its id; of chunks that overlap, what one shows the other does."""
        shown = [(excerpt.chunk, excerpt.spans) for excerpt in self.excerpts]
        return {chunk.id: tuple(covered(chunk, shown)) for chunk in self.chunks}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All that is shown of the source, a text a run."""
        return tuple(excerpt.chunk.text[start:end] for excerpt in self.excerpts for start, end in excerpt.spans)

    def locate(self, quote: str, *, ratio: float | None = FUZZY_RATIO) -> Span | None:
        """Finds a quote in what is shown, as `evals.grounding.locate` does; the span is one of the stored chunk."""
        views: list[Chunk] = []
        places: list[tuple[str, int]] = []
        for chunk in self.chunks:
            for start, end in self.shown[chunk.id]:
                views.append(chunk.model_copy(update={"id": str(len(views)), "text": chunk.text[start:end]}))
                places.append((chunk.id, start))
        found = locate(quote, views, ratio=ratio)
        if found is None:
            return None
        chunk_id, shift = places[int(found.chunk)]
        return Span(chunk=chunk_id, start=found.start + shift, end=found.end + shift, quote=found.quote)

    def shows(self, span: Span) -> bool:
        """Whether all of a span of one of the chunks is shown."""
        return any(start <= span.start and span.end <= end for start, end in self.shown.get(span.chunk, ()))


def pack(
    chunks: Sequence[Chunk],
    entities: Sequence[Entity] = (),
    relations: Sequence[Relation] = (),
    *,
    max_tokens: int = CONTEXT_TOKENS,
) -> Packed:
    """Packs the chunks of a task, and the lines on its entities and relations, into at most `max_tokens` tokens.

    Everything is there where it fits, but for what overlapping chunks and equal sentences would show twice. Else there
    come, in this order: names and types; a sentence for each entity and each relation; relations, descriptions and
    quotes, within a quarter; whole chunks, the first of the task first; further evidence; the sentences beside it.

    A description or quote is told only where a sentence is shown for it. Equal records give an equal context.

    Raises:
        ConfigError: `max_tokens` is below 1.
        FlowError: the names of the entities alone take more.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens is {max_tokens}; give some hundred at least, {CONTEXT_TOKENS} is usual")
    sources, lines = sources_of(chunks), _Lines(entities, relations)
    room = max_tokens - lines.named
    if room < 0:
        raise FlowError(
            f"the names of {len(entities)} entities take {lines.named} tokens, and the context may have {max_tokens}; "
            f"raise context_tokens, or draw smaller groups"
        )
    selection = Selection(sources, room)
    selection.take_everything()
    if not lines.tell(selection, selection.room):
        selection = Selection(sources, room)
        selection.take_evidence([*entities, *relations])
        lines.tell(selection, min(int(LINES * max_tokens), selection.room))
        selection.limit -= lines.told
        selection.take_whole_chunks()
        selection.take_more([*entities, *relations])
    return Packed(
        chunks=tuple(chunks),
        excerpts=tuple(
            Excerpt(source.chunk, source.title, source.text(taken), source.spans(taken))
            for source, taken in zip(sources, selection.taken, strict=True)
            if taken
        ),
        entities=tuple(lines.entities),
        relations=tuple(lines.relations),
        evidenced=lines.evidenced,
        tokens=lines.named + lines.told + selection.used,
    )


def whole(chunks: Sequence[Chunk]) -> Packed:
    """Returns the context of whoever sees all text of the chunks, whatever its length."""
    excerpts = tuple(Excerpt(chunk, "", chunk.text, ((0, len(chunk.text)),)) for chunk in chunks)
    return Packed(tuple(chunks), excerpts, (), (), frozenset(), sum(chunk.tokens for chunk in chunks))


class Packing:
    """Packs the context of whatever task a flow runs: what recipes give to their roles and to their grounding check."""

    def __init__(self, max_tokens: int = CONTEXT_TOKENS) -> None:
        self.max_tokens = max_tokens

    def __call__(self, state: FlowState) -> Packed:
        """Packs the records that a state starts with; see `pack`."""
        return pack(
            state.get("chunks", []),
            state.get("entities", []),
            state.get("relations", []),
            max_tokens=self.max_tokens,
        )

    def given(self, *names: str) -> Given:
        """Returns packed values of the prompt variables `names`: some of `passages`, `entities`, `points`, `relations`.

        Raises:
            ConfigError: another name.
        """
        for name in names:
            if name not in _VARIABLES:
                raise ConfigError(f"a packed context has no variable '{name}'; it has {', '.join(_VARIABLES)}")
        return {name: self._variable(_VARIABLES[name]) for name in names}

    def _variable(self, of: Callable[[Packed], Any]) -> Callable[[FlowState], Any]:
        return lambda state: of(self(state))


class _Lines:
    """The lines on a task's entities and relations, as far as there is room for them."""

    def __init__(self, entities: Sequence[Entity], relations: Sequence[Relation]) -> None:
        self._entities, self._relations = entities, relations
        self._names = {entity.id: entity.name for entity in entities}
        self.named = sum(count_tokens(f"- {entity.name} ({entity.type})\n") for entity in entities)
        self.entities: list[dict[str, str]] = []
        self.relations: list[str] = []
        self.evidenced: frozenset[str] = frozenset()
        self.told = self._room = 0
        self._all = True

    def tell(self, selection: Selection, room: int) -> bool:
        """Writes lines of at most `room` tokens: what joins, then descriptions, then quotes. Tells whether all fit."""
        self.told, self._room, self._all = 0, room, room >= 0
        records: list[Entity | Relation] = [*self._entities, *self._relations]
        self.evidenced = frozenset(one.id for one in records if selection.shows(one))
        bare = {one.id: relation_line(one, self._names, described=False) for one in self._relations}
        joining = [one for one in self._relations if self._fits(f"{bare[one.id]}\n")]
        self.entities = [
            {"name": one.name, "type": one.type, "description": self._described(one)} for one in self._entities
        ]
        described = [self._described(one) for one in joining]
        self.relations = []
        for one, description in zip(joining, described, strict=True):
            line = f"{bare[one.id]}: {description}" if description else bare[one.id]
            quote = selection.quote_of(one) if one.grounded else ""
            self.relations.append(f'{line} ["{quote}"]' if quote and self._fits(f' ["{quote}"]') else line)
        return self._all

    def _described(self, record: Entity | Relation) -> str:
        """As many lines of the description as fit; none where no sentence is shown for the record."""
        if record.id not in self.evidenced:
            return ""
        return "\n".join(line for line in record.description.splitlines() if self._fits(f": {line}\n"))

    def _fits(self, text: str) -> bool:
        tokens = count_tokens(text)
        if self.told + tokens > self._room:
            self._all = False
            return False
        self.told += tokens
        return True


_VARIABLES: dict[str, Callable[[Packed], Any]] = {
    "passages": lambda packed: [{"title": one.title, "text": one.text} for one in packed.excerpts],
    "entities": lambda packed: list(packed.entities),
    "points": lambda packed: [{"name": one["name"], "description": one["description"]} for one in packed.entities],
    "relations": lambda packed: list(packed.relations),
}
