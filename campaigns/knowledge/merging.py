"""Makes the knowledge graph of what is stored: the extractions of current chunks, and rulings. Asks no model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...agents.extraction.records import Extraction
from ...agents.extraction.terms import confirmed
from ...graphs.knowledge.cooccurrence import weigh_cooccurrence
from ...graphs.knowledge.graph import KnowledgeGraph
from ...graphs.knowledge.merge import Merged, assemble
from ...graphs.knowledge.renewal import Scope
from ...graphs.resolution.kept import block_rows, found_rows, likely_rows, stated_rows
from ...graphs.resolution.references import Gathering, Reference
from ...graphs.resolution.resolve import Resolver
from ...graphs.resolution.settings import Resolution
from ...graphs.resolution.types import Types
from ...storage.kept import KEPT, emptied
from ...storage.rulings import Ruling, in_force
from ...storage.schema import Statement
from ...storage.store import RunStore, mark_statement
from ...storage.versions import as_of_today
from ..spec import GraphSpec
from .ledger import ChunkLedger, Tally, failed_lines, ledger_dict
from .renewing import brought_up, keeping, own_spans, taken


@dataclass(frozen=True)
class Made:
    """A graph, the references it is made of, how they were resolved, and the books of all steps.

    With a `scope` it is the part of the graph that is other than what is stored, and nothing changed outside of the
    scope; the books are those of the whole, as the decisions are. `kept` writes what the next one starts from.
    """

    graph: KnowledgeGraph
    references: Mapping[str, Reference]
    resolution: Resolution
    books: Mapping[str, Any]
    divisions: Sequence[Ruling] = ()
    scope: Scope | None = None
    kept: Sequence[Statement] = ()


@dataclass(frozen=True)
class Gathered:
    """The references of all extractions, with the divisions among the rulings they were gathered by, and the books."""

    gathering: Gathering
    tally: Tally
    by_rules: frozenset[str]
    own_spans: bool = True


class Material:
    """What a graph is made of: it can be made again with other rulings."""

    def __init__(self, spec: GraphSpec, store: RunStore) -> None:
        self._spec, self._store = spec, store

    @cached_property
    def documents(self) -> Mapping[str, str]:
        """The documents of all current chunks."""
        return dict(self._store.rows("SELECT id, document FROM chunks WHERE place >= 0"))

    @property
    def types(self) -> Types:
        """Which types may be those of one entity."""
        return Types.of(self._spec.types, self._spec.resolution.near_types)

    def gathered(self, rulings: Iterable[Ruling]) -> Gathered:
        """Gathers the references: reads every extraction, few in memory at a time."""
        tally = Tally(failed_lines(self._store))
        by_rules: set[str] = set()
        own = True
        gathering = Gathering(self.documents, in_force(as_of_today(self._store, rulings)))
        asks_rules = self._spec.extractor in ("terms", "mixed") or self._spec.rescue
        for extraction in confirmed(self._stored, min_chunks=self._spec.min_chunks) if asks_rules else self._stored():
            tally.add(ChunkLedger.of(extraction))
            if extraction.by == "terms":
                by_rules.add(extraction.chunk)
            own = own and own_spans(extraction)
            gathering.take(extraction)
        gathering.finish()
        return Gathered(gathering, tally, frozenset(by_rules), own)

    def brought_up(self, rulings: Iterable[Ruling]) -> Made:
        """Makes the part of the graph that changed since it was stored; all of it where that cannot be told."""
        given = list(rulings)
        now = as_of_today(self._store, given)
        found = brought_up(self._spec, self.types, self._store, given, now)
        if found is None:
            return self.made(given)
        part = found.renewed
        return Made(
            graph=weigh_cooccurrence(part.graph, frozenset()),
            references=found.references,
            resolution=part.resolution,
            books=found.books,
            divisions=[ruling for ruling in in_force(now) if ruling.divides],
            scope=part.scope,
            kept=found.kept,
        )

    def made(self, rulings: Iterable[Ruling], gathered: Gathered | None = None) -> Made:
        """Makes the graph by rulings; `gathered` is what was gathered by rulings with the same divisions."""
        rulings = as_of_today(self._store, rulings)
        found = gathered or self.gathered(rulings)
        resolver = Resolver(self._spec.resolution, types=self.types)
        resolver.update(found.gathering.references, rulings)
        merged = assemble(found.gathering, resolver.resolution())
        ledger = found.tally.ledger
        books = {
            "failed": ledger.failed,
            "extraction": ledger_dict(ledger),
            "merge": merged.books.model_dump(mode="json"),
        }
        return Made(
            graph=weigh_cooccurrence(merged.graph, found.by_rules),
            references=merged.references,
            resolution=merged.resolution,
            books=books,
            divisions=[ruling for ruling in in_force(rulings) if ruling.divides],
            kept=self._kept(found, resolver, merged, [keeping(self._spec, self.types, rulings, books)]),
        )

    def _kept(self, found: Gathered, resolver: Resolver, merged: Merged, mark: Sequence[Statement]) -> list[Statement]:
        """What a later change starts from; nothing where it could not: terms by rules, or spans in other chunks."""
        if found.by_rules or not found.own_spans:
            return [*emptied(), mark_statement(KEPT, None)]
        chunks = (
            chunk
            for (chunk,) in self._store.rows(
                "SELECT e.chunk FROM extractions e JOIN chunks c ON c.id = e.chunk WHERE c.place >= 0"
            )
        )
        gathering = found.gathering
        rows = [
            *found_rows(gathering, gathering.references),
            *stated_rows(gathering, merged.places),
            *block_rows(resolver.blocks, gathering.references),
            *likely_rows(resolver),
        ]
        new = [(sql, values) for sql, values in rows if sql.startswith("INSERT")]  # the tables are emptied before
        return [*emptied(), *new, taken(chunks, gathering), *mark]

    def _stored(self) -> Iterator[Extraction]:
        bodies = self._store.extractions()
        return (Extraction.model_validate_json(body) for _, reason, body in bodies if not reason)
