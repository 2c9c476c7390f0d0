"""What the review queue knows of an item: one row, made from its record. Scores, doubts and texts to search by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...errors import NotStored
from ...storage.records import Chunk, Decision, Item, Status

TITLE = 160  # characters of an item's first message that a list shows
PREVIEW = 240  # and of its last
THRESHOLD = 0.5  # of a score that the campaign names no minimum for
NEAR = 4.0  # how fast the doubt falls with the distance from a threshold: a quarter away there is none


@dataclass(frozen=True, slots=True)
class Row:
    """An item as the queue keeps it.

    `score` is the least of its last draft's scores, None where nobody scored. `doubt` in [0, 1] says how near that
    draft was to being judged otherwise; `split` in [0, 1] how far its judges disagree (1: as many for as against).
    """

    seq: int
    id: str
    task: str
    status: str
    reasons: tuple[str, ...]
    critics: tuple[str, ...]
    kind: str
    draw: str
    documents: tuple[str, ...]
    entities: tuple[str, ...]
    round: int
    origin: str
    score: float | None
    doubt: float
    split: float
    title: str
    preview: str
    drafted: bool
    words: str


def row_of(
    seq: int,
    item: Item,
    document_of: Callable[[str], str],
    minimum: Mapping[str, float],
    chunk_of: Callable[[str], Chunk],
) -> Row:
    """Makes an item's row. `document_of` gives a chunk's document name, `minimum` the campaign's least scores.

    `chunk_of` gives the source itself: what an item is called that nothing was drafted for.
    """
    last = item.drafts[-1].index if item.drafts else 0
    verdicts = [verdict for verdict in item.verdicts if verdict.draft == last]
    scores = {name: value for verdict in verdicts for name, value in verdict.scores.items()}
    margins = [abs(value - minimum.get(name, THRESHOLD)) for name, value in scores.items()]
    favour = sum(verdict.decision is Decision.ACCEPT for verdict in verdicts)
    title, preview = titles(item, chunk_of)
    texts = [message.content for message in item.messages] or [title, item.error, item.raw]
    return Row(
        seq=seq,
        id=item.id,
        task=item.task,
        status=item.status.value,
        reasons=item.reasons if item.status is not Status.ACCEPTED else (),
        critics=tuple(dict.fromkeys(one.by for one in verdicts if one.decision is not Decision.ACCEPT)),
        kind=item.kind,
        draw=str(item.attributes.get("draw", "")),
        documents=tuple(dict.fromkeys(filter(None, map(document_of, item.chunks)))),
        entities=item.entities,
        round=item.round,
        origin=str(item.attributes.get("refines", "")),
        score=min(scores.values()) if scores else None,
        doubt=max(0.0, 1.0 - NEAR * min(margins)) if margins else 0.0,
        split=1.0 - abs(2 * favour / len(verdicts) - 1) if verdicts else 0.0,
        title=title,
        preview=preview,
        drafted=bool(item.messages),
        words="\n".join([*texts, *(verdict.text for verdict in verdicts)]),
    )


def titles(item: Item, chunk_of: Callable[[str], Chunk]) -> tuple[str, str]:
    """Returns what a list calls an item, and how its text goes on; never two empty strings."""
    if item.messages:
        later = item.messages[-1].content if len(item.messages) > 1 else ""
        return line(item.messages[0].content, TITLE) or "(an empty message)", line(later, PREVIEW)
    what = line(item.error or item.raw, PREVIEW)
    try:
        chunk = chunk_of(item.chunks[0])
    except (IndexError, NotStored):  # a planner may name what is not there, which fails that task
        return what[:TITLE] or ", ".join(item.reasons) or item.id, ""
    first, _, rest = chunk.text.strip().partition("\n")
    kind = str(item.attributes.get("kind", ""))  # of the question: several items may come of one passage
    heading = line(" · ".join([*(chunk.headings or [first]), *([kind] if kind else [])]), TITLE)
    return heading or item.id, what or line(rest or first, PREVIEW)


def line(text: str, most: int) -> str:
    """Returns the beginning of `text` in one line."""
    return " ".join(text[: 4 * most].split())[:most]
