"""What changed since a graph was made, and the part of it that follows: chunks, rulings, and no extraction beside them.

None where all has to be made: nothing is kept, other settings made it, terms were found by rules (which weigh every
chunk against all others), or so much changed that starting from nothing is no slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...agents.extraction.records import Extraction
from ...graphs.knowledge.merge import MergeBooks
from ...graphs.knowledge.renewal import Renewed, renew
from ...graphs.resolution.kept import KeptGathering, KeptResolver
from ...graphs.resolution.references import Gathering, Reference
from ...graphs.resolution.types import Types
from ...storage.kept import FORGET_TAKEN, KEPT, PUT_TAKEN, KeptRows
from ...storage.records import content_id
from ...storage.rulings import RESOLUTION, Ruling, in_force
from ...storage.schema import Statement
from ...storage.store import RunStore, mark_statement
from ..spec import GraphSpec
from .ledger import ChunkLedger, Ledger, Tally, ledger_dict

FORMAT = 1  # goes up with every change of what is kept, of the keys of blocks, or of how pairs are scored
MOST = 0.3  # of the chunks that are taken; when more came and went, all is made anew


@dataclass(frozen=True)
class Brought:
    """A graph brought up to what changed: the part that is other, the books of all, and what is kept for next time."""

    renewed: Renewed
    references: Mapping[str, Reference]
    books: Mapping[str, Any]
    kept: Sequence[Statement]


@dataclass(frozen=True)
class _Read:
    """A chunk's extraction, None where it failed, and its line in the ledger."""

    chunk: str
    extraction: Extraction | None
    line: ChunkLedger


def brought_up(
    spec: GraphSpec, types: Types, store: RunStore, given: Iterable[Ruling], now: Iterable[Ruling]
) -> Brought | None:
    """Makes the part of the graph that changed; None where all has to be made.

    `given` are all rulings in the order they came, `now` the same as they hold for the documents of today.
    """
    state, decisions = store.mark(KEPT), store.mark(RESOLUTION)
    if state is None or decisions is None or state["by"] != fingerprint(spec, types):
        return None
    rows, today = KeptRows(store), list(now)
    came, went = _read(rows, rows.came()), _read(rows, rows.went())
    if len(came) + len(went) > MOST * rows.taken() or not _plain(state, [*came, *went]):
        return None
    before = _as_it_was(list(given), state)
    gathering = KeptGathering(rows, in_force(before))
    staying = _read(rows, _parted(gathering, before, today) - {one.chunk for one in went})
    for one in (*went, *staying):
        _each(gathering.leave, one)
    gathering.divide(in_force(today))
    for one in (*staying, *came):
        _each(gathering.take, one)
    gathering.finish()
    resolver = KeptResolver(rows, before, spec.resolution, types=types)
    resolver.update({id: gathering.references.get(id) for id in sorted(gathering.changed)}, today)
    made = renew(
        rows, gathering, resolver, books=MergeBooks.model_validate(state["books"]["merge"]), decisions=decisions
    )
    books = _books(state["books"], made.books, came, went)
    kept = (
        *made.rows,
        (FORGET_TAKEN, [(one.chunk,) for one in went]),
        taken([one.chunk for one in came], gathering),
        keeping(spec, types, today, books),
    )
    return Brought(made, {id: resolver.references[id] for id in resolver.decided}, books, kept)


def fingerprint(spec: GraphSpec, types: Types) -> str:
    """Returns what tells settings apart that make other graphs of the same extractions."""
    near = sorted(sorted(line) for line in types.near)
    return content_id("kept", FORMAT, types.fallback, near, spec.resolution.model_dump(mode="json"))


def keeping(spec: GraphSpec, types: Types, rulings: Sequence[Ruling], books: Mapping[str, Any]) -> Statement:
    """Returns the mark that says of what the kept rows were made; `rulings` are all, as they hold today."""
    return mark_statement(
        KEPT,
        {
            "by": fingerprint(spec, types),
            "rulings": len(rulings),
            "divisions": {one.id: [one.documents, one.chunks] for one in rulings if one.divides},
            "books": books,
        },
    )


def taken(chunks: Iterable[str], gathering: Gathering) -> Statement:
    """Returns what notes chunks as taken, each with the name keys that stand in it."""
    return PUT_TAKEN, [(chunk, orjson.dumps(gathering.keys_in(chunk)).decode()) for chunk in chunks]


def _each(change: Callable[[Extraction], None], read: _Read) -> None:
    if read.extraction is not None:
        change(read.extraction)


def _read(rows: KeptRows, chunks: Iterable[str]) -> list[_Read]:
    found = []
    for chunk, reason, body in rows.extractions(sorted(chunks)):
        extraction = None if reason else Extraction.model_validate_json(body)
        line = ChunkLedger(chunk=chunk, failed=reason) if extraction is None else ChunkLedger.of(extraction)
        found.append(_Read(chunk, extraction, line))
    return found


def _plain(state: Mapping[str, Any], read: Iterable[_Read]) -> bool:
    """Whether every chunk speaks for itself: no terms, which others confirm, and no spans in other chunks."""
    if state["books"]["extraction"]["by_terms"]:
        return False
    return all(one.extraction is None or (one.extraction.by != "terms" and own_spans(one.extraction)) for one in read)


def own_spans(extraction: Extraction) -> bool:
    """Whether all that an extraction found lies in its chunk: what another chunk has does not go with this one."""
    spans = [
        *(span for one in extraction.entities for span in one.mentions),
        *(span for one in extraction.relations for span in one.mentions),
        *(span for one in extraction.entities for claim in one.claims for span in claim.mentions),
    ]
    return all(span.chunk == extraction.chunk for span in spans)


def _as_it_was(given: Sequence[Ruling], state: Mapping[str, Any]) -> list[Ruling]:
    """The rulings by which the graph was made, the divisions with the documents and chunks that they had then."""
    places = state["divisions"]
    return [
        one.model_copy(update={"documents": tuple(places[one.id][0]), "chunks": tuple(places[one.id][1])})
        if one.id in places
        else one
        for one in given[: state["rulings"]]
    ]


def _parted(gathering: KeptGathering, before: Sequence[Ruling], now: Sequence[Ruling]) -> set[str]:
    """The chunks of the references that divisions part otherwise than before."""
    old, new = ({one.id: one for one in in_force(some) if one.divides} for some in (before, now))
    ids = {
        id
        for one in (*old.values(), *new.values())
        if _places(old.get(one.id)) != _places(new.get(one.id))
        for id in (one.left, one.part)
    }
    while parts := {one.part for one in (*old.values(), *new.values()) if one.left in ids} - ids:
        ids |= parts
    return {chunk for id in ids if id in gathering.references for chunk in gathering.references[id].content.chunks}


def _places(ruling: Ruling | None) -> tuple[frozenset[str], frozenset[str]] | None:
    return None if ruling is None else (frozenset(ruling.documents), frozenset(ruling.chunks))


def _books(
    before: Mapping[str, Any], merged: MergeBooks, came: Sequence[_Read], went: Sequence[_Read]
) -> dict[str, Any]:
    more, less = (Tally(one.line for one in some).ledger.model_dump(mode="json") for some in (came, went))
    kept = {name: value for name, value in before["extraction"].items() if name != "per_source_token"}
    ledger = Ledger.model_validate(_sum(_sum(kept, more, 1), less, -1))
    return {"failed": ledger.failed, "extraction": ledger_dict(ledger), "merge": merged.model_dump(mode="json")}


def _sum(one: Mapping[str, Any], other: Mapping[str, Any], by: int) -> dict[str, Any]:
    """Adds counts, at whatever depth; reasons that are counted no more go."""
    found: dict[str, Any] = dict(one)
    for name, value in other.items():
        if isinstance(value, Mapping):
            found[name] = _sum(found.get(name, {}), value, by)
        else:
            found[name] = found.get(name, 0) + by * value
    return {name: value for name, value in found.items() if value != 0}
