"""Reads a source once, an item at a time: counts, distributions, cells, what it cost, and a sample of the texts.

What is kept grows with the kinds of things that there are (cells, chunks, entities, lengths), not with the items.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ...evals.folding import words
from ...evals.quality.grounded import grounding_rate
from ...evals.quality.profile import moved
from ...evals.quality.size import step_count
from ...storage.records import Item, Status
from ...storage.returns import MARKS
from ..selecting.reading import NOVELTY, scores_of
from ..steering.outcomes import novelty_of
from .growth import Growth
from .sampling import Reservoir
from .sources import answer_of, text_of
from .tallies import Price, Spent, Spread

TEXTS = 50_000  # accepted texts that wording is measured on, at most
MAPPED = 2_000  # items of the map
LINE = 160  # characters of an item that the map shows
LONGEST = 20_000  # characters of a text that are measured
NO_REASON = "no reason given"
VALUES = 1_000  # values of an attribute that are counted by name


@dataclass(frozen=True, slots=True)
class Sampled:
    """An item of a sample: what is measured and shown of it."""

    id: str
    status: Status
    reason: str
    cells: tuple[tuple[str, str], ...]
    text: str


@dataclass
class Gathered:
    """What one reading of a source found."""

    status: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    cells: dict[str, Counter[str]] = field(default_factory=dict)  # of accepted items
    tried: dict[str, Counter[str]] = field(default_factory=dict)  # of all items
    chunks: Counter[str] = field(default_factory=Counter)  # of accepted items, as the next
    entities: Counter[str] = field(default_factory=Counter)
    words: Spread = field(default_factory=lambda: Spread("words"))
    steps: Spread = field(default_factory=lambda: Spread("steps"))
    drafts: Spread = field(default_factory=lambda: Spread("drafts"))
    novelty: Spread = field(default_factory=lambda: Spread("share"))
    scores: dict[str, Spread] = field(default_factory=dict)
    drift: dict[str, Spread] = field(default_factory=dict)  # of texts that were chosen among several, by attribute
    tokens: Price = field(default_factory=lambda: Price("tokens"))
    usd: Price = field(default_factory=lambda: Price("US dollars"))
    calls: Price = field(default_factory=lambda: Price("calls"))
    spent: dict[tuple[str, str], Spent] = field(default_factory=dict)  # by status and first reason
    whole: Spent | None = None  # all that the run has spent, also for no item; None where nobody knows
    growth: Growth = field(default_factory=Growth)
    first: int = 0  # accepted without a refinement
    judged: int = 0  # accepted, and somebody looked whether it stands on its sources
    grounded: int = 0  # of those, the ones that do
    blank: int = 0  # accepted without a word
    texts: Reservoir[Sampled] = field(default_factory=lambda: Reservoir(TEXTS))
    mapped: Reservoir[Sampled] = field(default_factory=lambda: Reservoir(MAPPED))

    @property
    def items(self) -> int:
        return self.status.total()

    @property
    def accepted(self) -> int:
        return self.status[Status.ACCEPTED]


def gather(
    items: Iterable[Item],
    *,
    known: Mapping[str, Collection[str]] | None = None,
    texts: int = TEXTS,
    mapped: int = MAPPED,
    seed: int = 0,
) -> Gathered:
    """Reads all items once; the samples are the same for the same items and seed.

    `known` are the chunks and entities that there are, of which the growth of the coverage counts those touched.
    """
    found = Gathered(growth=Growth(known or {}), texts=Reservoir(texts, seed), mapped=Reservoir(mapped, seed + 1))
    for item in items:
        _take(found, item)
    return found


def _take(found: Gathered, item: Item) -> None:
    accepted = item.status is Status.ACCEPTED
    found.status[item.status] += 1
    reason = item.reasons[0] if item.reasons else ""
    if not accepted:
        found.reasons[item.status, reason or NO_REASON] += 1
    cells = tuple(cells_of(item))
    for name, value in cells:
        _count(found.tried, name, value)
    usage = item.usage
    found.tokens.add(usage.input_tokens + usage.output_tokens, accepted=accepted)
    found.calls.add(usage.calls, accepted=accepted)
    usd = usage.usd if math.isfinite(usage.usd) else 0.0
    found.usd.add(usd, accepted=accepted)
    how = (str(item.status.value), "" if accepted else reason or NO_REASON)
    found.spent.setdefault(how, Spent()).add(usage.input_tokens + usage.output_tokens, usd)
    text = text_of(item)
    if accepted:
        _accept(found, item, cells, text)
    found.growth.add(usage, usd, accepted=accepted, cells=found.cells)
    if text.strip():
        _keep(found.mapped, item, reason, cells, text)


def _accept(found: Gathered, item: Item, cells: tuple[tuple[str, str], ...], text: str) -> None:
    for name, value in cells:
        _count(found.cells, name, value)
    found.chunks.update(dict.fromkeys(item.chunks, 1))
    found.entities.update(dict.fromkeys(item.entities, 1))
    found.growth.touch("chunk", item.chunks)
    found.growth.touch("entity", item.entities)
    length = len(words(text))
    found.words.add(length)
    found.blank += not length
    found.steps.add(step_count(answer_of(item)))
    if item.drafts:
        found.drafts.add(len(item.drafts))
        found.first += len(item.drafts) == 1
    if any(NOVELTY in verdict.scores for verdict in item.verdicts):
        found.novelty.add(novelty_of([item]) or 0.0)
    for name, score in scores_of(item).items():
        if name != NOVELTY and (name in found.scores or len(found.scores) < 50):
            found.scores.setdefault(name, Spread("score")).add(float(score))
    for metric, by in moved(item.fields).items():
        found.drift.setdefault(metric, Spread("")).add(by)
    rate = grounding_rate([item])[0].value
    found.judged += rate is not None
    found.grounded += rate == 1.0
    if length:
        _keep(found.texts, item, "", cells, text)


def _keep(into: Reservoir[Sampled], item: Item, reason: str, cells: tuple[tuple[str, str], ...], text: str) -> None:
    at = into.place()
    if at is not None:
        into.keep(at, Sampled(item.id, item.status, reason, cells, text[:LONGEST]))


def cells_of(item: Item) -> Iterator[tuple[str, str]]:
    """Yields the cells of an item: its kind, and its attributes that are text."""
    if item.kind:
        yield "item_kind", item.kind
    for name, value in item.attributes.items():
        if isinstance(value, str) and name not in MARKS and value:
            yield name[:60], value[:120]


def _count(cells: dict[str, Counter[str]], name: str, value: str) -> None:
    if name not in cells and len(cells) >= 50:
        return
    values = cells.setdefault(name, Counter())
    values[value if value in values or len(values) < VALUES else "(others)"] += 1
