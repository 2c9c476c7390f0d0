"""The part of a run store that has what chunks gave and the knowledge graph of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal

import orjson

from .database import Database
from .graph import EntityRows, RelationRows, put_entities, put_relations, stored_entity_rows, stored_relation_rows
from .identities import today
from .records import Entity, Relation
from .schema import ADD_EXTRACTION, EMPTY, FORGET_ENTITY, FORGET_RELATION, SET_MARK, UNKEEP, Statement

GRAPH = ("entities", "relations")


class GraphTables(ABC):
    """Reads and writes extractions, entities and relations; `RunStore` is one, and what it stands on."""

    _database: Database

    @abstractmethod
    async def write(self, *statements: Statement) -> None:
        """Commits statements together; see `RunStore.write`."""

    @abstractmethod
    def _one(self, sql: str, key: str, noun: str) -> str: ...

    async def add_extraction(self, chunk: str, body: str, *, reason: str = "") -> None:
        """Stores what one chunk gave (JSON), or, with `reason`, why it gave nothing."""
        await self.write((ADD_EXTRACTION, [(chunk, reason, body)]), (UNKEEP, [(chunk,)]))

    def extractions(self) -> Iterator[tuple[str, str, str]]:
        """Yields (chunk id, reason or "", body) in the order of the chunks."""
        yield from self._database.stream(
            "SELECT e.chunk, e.reason, e.body FROM extractions e JOIN chunks c ON c.id = e.chunk "
            "WHERE c.place >= 0 ORDER BY c.place"
        )

    async def set_graph(self, entities: Iterable[Entity], relations: Iterable[Relation], ledger: Any) -> None:
        """Replaces the stored graph, in one transaction."""
        await self.write(
            (EMPTY.format("entities"), [(1,)]),
            (EMPTY.format("relations"), [(1,)]),
            put_entities(entities),
            put_relations(relations),
            (SET_MARK, [("graph", orjson.dumps(ledger).decode())]),
        )

    async def change_graph(
        self,
        ledger: Any,
        *,
        entities: Iterable[Entity] = (),
        relations: Iterable[Relation] = (),
        removed: Collection[str] = (),
    ) -> None:
        """Changes the stored graph where it changed, in one transaction: `KnowledgeGraph.updated` for the tables.

        `removed` are ids of entities and relations that go; a record takes the place of the one with its id.
        """
        await self.write(
            (FORGET_ENTITY, [(id,) for id in removed]),
            (FORGET_RELATION, [(id,) for id in removed]),
            put_entities(entities),
            put_relations(relations),
            (SET_MARK, [("graph", orjson.dumps(ledger).decode())]),
        )

    def graph_rows(self) -> tuple[Iterator[EntityRows], Iterator[RelationRows]]:
        """Returns the stored graph column by column, by id: what a graph is loaded from, without the records."""
        return stored_entity_rows(self._database), stored_relation_rows(self._database)

    def stored_entities(self) -> Iterator[Entity]:
        """Yields the entities of the stored graph, by id."""
        for (body,) in self._database.stream("SELECT body FROM entities ORDER BY id"):
            yield Entity.model_validate_json(body)

    def stored_relations(self) -> Iterator[Relation]:
        """Yields the relations of the stored graph, by id."""
        for (body,) in self._database.stream("SELECT body FROM relations ORDER BY id"):
            yield Relation.model_validate_json(body)

    def graph(self) -> tuple[list[Entity], list[Relation]]:
        entities, edges = (self._database.rows(f"SELECT body FROM {table} ORDER BY rowid") for table in GRAPH)  # noqa: S608
        nodes = [Entity.model_validate_json(body) for (body,) in entities]
        return nodes, [Relation.model_validate_json(body) for (body,) in edges]

    def entity_names(self, ids: Sequence[str]) -> dict[str, str]:
        """Returns the names of entities by id, also by one that leads to another now; of those that lead to one."""
        now = today(self._database.rows, ids)
        sql = f"SELECT id, name FROM entities WHERE id IN ({', '.join('?' * len(now))})"  # noqa: S608  # bound
        names: dict[str, str] = dict(self._database.rows(sql, *now.values())) if now else {}
        return {id: names[there] for id, there in now.items() if there in names}

    def facts(self, table: Literal["entities", "relations"]) -> Iterator[dict[str, Any]]:
        """Yields the stored graph's records as JSON values without what is empty: for who keeps parts of them."""
        for (body,) in self._database.stream(f"SELECT body FROM {table} ORDER BY id"):  # noqa: S608  # one of two
            yield orjson.loads(body)

    def entity(self, key: str) -> Entity:
        """Returns the entity that an id leads to today; raises `NotStored` when it leads to none."""
        return Entity.model_validate_json(self._one("SELECT body FROM entities WHERE id = ?", key, "entity"))

    def relation(self, key: str) -> Relation:
        """Returns the relation that an id leads to today; raises `NotStored` when it leads to none."""
        return Relation.model_validate_json(self._one("SELECT body FROM relations WHERE id = ?", key, "relation"))
