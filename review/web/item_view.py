"""What the page of one item shows, made from its records: passages with marks, diffs, verdicts, the path, the history,
the calls behind it.

`gather` reads the store (short reads, in the desk's thread); `view_of` computes, and may do so in another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from ...errors import NotStored
from ...storage.changed import told
from ...storage.precedents import rounds_of
from ...storage.records import Chunk, Draft, Entity, Item, Message, Relation, Span, Verdict
from ...storage.reviews import Action, Review
from ...storage.store import RunStore
from ..desk import Desk, Story
from ..item.calls import Step, keys_of, said_without, steps_of
from ..item.diffs import STEPS, Piece, word_diff
from ..item.highlights import Mark, Part, located, passage
from ..item.pictures import Picture, picture_of

T = TypeVar("T")
AT_MOST, LEAST = 5 * STEPS, 1000  # steps of comparing for all of a page, and for each message of it
CHUNKS = 12  # passages on a page; further ones are counted
CITED, EVIDENCE = "cited", "evidence"  # marks: by the item, by a verdict


@dataclass(frozen=True, slots=True)
class Records:
    """What the store knows about an item; `missing` are ids of chunks that it has not, `bodies` raw replies by key.

    `changed` says what became of the entities that it was drawn from, `minimum` the least scores of its round.
    """

    story: Story
    chunks: tuple[Chunk, ...]
    names: dict[str, str]
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    missing: tuple[str, ...] = ()
    further: int = 0
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    minimum: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with what is cited of it. `spans` are the citations in characters of the document."""

    chunk: Chunk
    document: str
    parts: tuple[Part, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece of evidence: where it is in the passages shown, or that it is not."""

    text: str
    chunk: str
    found: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A message with the words that changed since the version before; `pieces` is empty where none did."""

    role: str
    text: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class DraftView:
    draft: Draft
    messages: tuple[Changed, ...]
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A verdict; `least` are the least scores that it fell short of, as the campaign asked for them in that round."""

    verdict: Verdict
    quotes: tuple[Quote, ...]
    least: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventView:
    """An event; of an edit, how the wording changed."""

    event: Review
    changes: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemView:
    """All that the page shows, in the order of the page; `untold` says why steps are missing."""

    story: Story
    item: Item
    passages: tuple[Passage, ...]
    missing: tuple[str, ...]
    further: int
    drafts: tuple[DraftView, ...]
    verdicts: tuple[VerdictView, ...]
    picture: Picture
    history: tuple[EventView, ...]
    steps: tuple[Step, ...]
    untold: str
    changed: tuple[str, ...] = ()

    @property
    def marks(self) -> frozenset[str]:
        """The kinds of marks that its passages have, for their legend."""
        parts = (part for passage in self.passages for part in passage.parts)
        return frozenset(name for part in parts for stretch in part.stretches for name in stretch.marks)

    @property
    def originals(self) -> str:
        """The messages as JSON, exactly: what an editor starts from, where a form would change line ends."""
        return _json([message.model_dump() for message in self.item.messages])

    @property
    def fields(self) -> str:
        """The parsed parts of the last draft as JSON."""
        return _json(self.item.fields, indent=2)


def gather(desk: Desk, id: str) -> Records:
    """Reads everything about the item `id`; raises `NotStored` when there is none."""
    store = desk.store
    story = desk.story(id)
    item = story.item
    evidence = [item.evidence, *(draft.evidence for draft in item.drafts), *(one.evidence for one in item.verdicts)]
    spans = chain.from_iterable(evidence)
    wanted = list(dict.fromkeys([*item.chunks, *(span.chunk for span in spans)]))
    chunks = _there(store.chunk, wanted[:CHUNKS])
    relations = _there(store.relation, _relations(store, item))
    ends = [end for relation in relations for end in (relation.source, relation.target)]
    entities = _there(store.entity, list(dict.fromkeys([*item.entities, *ends])))
    there = {chunk.id for chunk in chunks}
    return Records(
        story=story,
        chunks=tuple(chunks),
        names={chunk.document: _name(store, chunk.document) for chunk in chunks},
        entities=tuple(entities),
        relations=tuple(relations),
        missing=tuple(id for id in wanted[:CHUNKS] if id not in there),
        further=max(0, len(wanted) - CHUNKS),
        bodies=store.replies(keys_of(item)),
        changed=tuple(one.text for one in told(store, item.task)),
        minimum=next((one.minimum for one in rounds_of(store) if one.number == item.round), {}),
    )


def view_of(records: Records) -> ItemView:
    """Makes the page's values. Pure, and bounded: a fraction of a second for texts as long as an edit may be."""
    story = records.story
    item = story.item
    texts = {chunk.id: chunk.text for chunk in records.chunks}
    edits = sum(event.action is Action.EDIT for event in story.history)
    share = max(1, len(item.drafts) - 1 + edits)
    return ItemView(
        story=story,
        item=item,
        passages=tuple(_passage(chunk, records.names[chunk.document], item) for chunk in records.chunks),
        missing=records.missing,
        further=records.further,
        drafts=tuple(
            DraftView(
                draft,
                changes(item.drafts[place - 1].messages, draft.messages, share) if place else unchanged(draft.messages),
                quotes(draft.evidence, texts),
            )
            for place, draft in enumerate(item.drafts)
        ),
        verdicts=tuple(  # those that decided first
            VerdictView(
                verdict,
                quotes(verdict.evidence, texts),
                {name: least for name, least in records.minimum.items() if f"low_{name}" in verdict.reasons},
            )
            for verdict in sorted(item.verdicts, key=lambda verdict: -verdict.draft)
        ),
        picture=picture_of(records.entities, records.relations),
        history=tuple(
            EventView(event, changes(item.messages, event.messages, share) if event.action is Action.EDIT else ())
            for event in story.history
        ),
        steps=steps_of(item, records.bodies),
        untold=said_without(item),
        changed=records.changed,
    )


def changes(old: Sequence[Message], new: Sequence[Message], share: int = 1) -> tuple[Changed, ...]:
    """Returns the messages of `new` with what changed; those that `old` alone has come last, as deleted.

    `share` of such comparisons are made for one page: the work of one text is divided among them and their messages.
    """
    changed = sum(one.content != other.content for one, other in zip(old, new, strict=False))
    steps = max(LEAST, AT_MOST // (share * max(1, changed)))
    found = []
    for place in range(max(len(old), len(new))):
        before = old[place].content if place < len(old) else ""
        after = new[place].content if place < len(new) else ""
        role = (new if place < len(new) else old)[place].role
        found.append(Changed(role, after, word_diff(before, after, min(STEPS, steps)) if before != after else ()))
    return tuple(found)


def unchanged(messages: Iterable[Message]) -> tuple[Changed, ...]:
    """Returns messages of which nothing is said but their text."""
    return tuple(Changed(message.role, message.content, ()) for message in messages)


def quotes(spans: Iterable[Span], texts: dict[str, str]) -> tuple[Quote, ...]:
    """Returns the text of each span, and whether the passages shown have it."""
    found = []
    for span in dict.fromkeys(spans):
        text = texts.get(span.chunk, "")
        place = located(span, text)
        shown = span.quote if place is None else text[slice(*place)]
        found.append(Quote(shown, span.chunk, place is not None))
    return tuple(found)


def _passage(chunk: Chunk, document: str, item: Item) -> Passage:
    cited = [*item.evidence, *(span for draft in item.drafts[-1:] for span in draft.evidence)]
    named = [(span, CITED) for span in cited]
    named += [(span, EVIDENCE) for verdict in item.verdicts for span in verdict.evidence]
    marks: list[Mark] = []
    for span, name in dict.fromkeys(named):
        place = located(span, chunk.text) if span.chunk == chunk.id else None
        if place is not None:
            marks.append((*place, name))
    spans = sorted({(chunk.start + start, chunk.start + end) for start, end, name in marks if name == CITED})
    return Passage(chunk, document, passage(chunk.text, marks), tuple(spans))


def _relations(store: RunStore, item: Item) -> tuple[str, ...]:
    try:
        return store.task(item.task).relations
    except NotStored:
        return ()


def _name(store: RunStore, document: str) -> str:
    try:
        return store.document_name(document)
    except NotStored:
        return document


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, default=str, indent=indent, ensure_ascii=False)  # orjson knows no integer beyond 64 bits


def _there(read: Callable[[str], T], ids: Iterable[str]) -> list[T]:
    """Reads records by id, and leaves out those that are not there (a graph may have been built anew)."""
    found = []
    for id in ids:
        try:
            found.append(read(id))
        except NotStored:
            continue
    return found
