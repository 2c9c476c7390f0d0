"""Makes the knowledge graph of what is stored: the extractions of current chunks, and rulings. Asks no model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..agents.extraction import Extraction
from ..agents.terms import confirmed
from ..graphs.knowledge.cooccurrence import weigh_cooccurrence
from ..graphs.knowledge.graph import KnowledgeGraph
from ..graphs.knowledge.merge import assemble
from ..graphs.resolution.references import Gathering, Reference
from ..graphs.resolution.resolve import resolve
from ..graphs.resolution.settings import Resolution
from ..graphs.resolution.types import Types
from ..storage.rulings import Ruling, in_force
from ..storage.store import RunStore
from ..storage.versions import as_of_today
from .ledger import ChunkLedger, Tally, ledger_dict, lines_of
from .spec import GraphSpec


@dataclass(frozen=True)
class Made:
    """A graph, the references it is made of, how they were resolved, and the books of all steps."""

    graph: KnowledgeGraph
    references: Mapping[str, Reference]
    resolution: Resolution
    books: Mapping[str, Any]
    divisions: Sequence[Ruling] = ()


@dataclass(frozen=True)
class Gathered:
    """The references of all extractions, with the divisions among the rulings they were gathered by, and the books."""

    gathering: Gathering
    tally: Tally
    by_rules: frozenset[str]


class Material:
    """What a graph is made of: it can be made again with other rulings."""

    def __init__(self, spec: GraphSpec, store: RunStore) -> None:
        self._spec, self._store = spec, store
        self.documents: dict[str, str] = dict(store.rows("SELECT id, document FROM chunks WHERE place >= 0"))

    @property
    def types(self) -> Types:
        """Which types may be those of one entity."""
        return Types.of(self._spec.types, self._spec.resolution.near_types)

    def gathered(self, rulings: Iterable[Ruling]) -> Gathered:
        """Gathers the references: reads every extraction, few in memory at a time."""
        tally = Tally(line for line in lines_of(self._store) if line.failed)
        by_rules: set[str] = set()
        gathering = Gathering(self.documents, in_force(as_of_today(self._store, rulings)))
        asks_rules = self._spec.extractor != "model" or self._spec.rescue
        for extraction in confirmed(self._stored, min_chunks=self._spec.min_chunks) if asks_rules else self._stored():
            tally.add(ChunkLedger.of(extraction))
            if extraction.by == "terms":
                by_rules.add(extraction.chunk)
            gathering.take(extraction)
        gathering.finish()
        return Gathered(gathering, tally, frozenset(by_rules))

    def made(self, rulings: Iterable[Ruling], gathered: Gathered | None = None) -> Made:
        """Makes the graph by rulings; `gathered` is what was gathered by rulings with the same divisions."""
        rulings = as_of_today(self._store, rulings)
        found = gathered or self.gathered(rulings)
        resolution = resolve(found.gathering.references, rulings, self._spec.resolution, types=self.types)
        merged = assemble(found.gathering, resolution)
        ledger = found.tally.ledger
        return Made(
            graph=weigh_cooccurrence(merged.graph, found.by_rules),
            references=merged.references,
            resolution=merged.resolution,
            books={
                "failed": ledger.failed,
                "extraction": ledger_dict(ledger),
                "merge": merged.books.model_dump(mode="json"),
            },
            divisions=[ruling for ruling in in_force(rulings) if ruling.divides],
        )

    def _stored(self) -> Iterator[Extraction]:
        bodies = self._store.extractions()
        return (Extraction.model_validate_json(body) for _, reason, body in bodies if not reason)
