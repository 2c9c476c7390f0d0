"""Brings the stored graph up to what was made: writes what changed of it, and nothing else, in one transaction.

With the graph go the identities (where every id leads), the marks on tasks that were drawn from entities which are
others now, and whatever led to it. A kill leaves all of it or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...graphs.knowledge.graph import KnowledgeGraph
from ...graphs.knowledge.merge import relation_key
from ...graphs.knowledge.renewal import Scope
from ...graphs.resolution.lookup import Lookup
from ...graphs.resolution.regrouping import Regrouping
from ...storage.changed import Changed, Drawn, How, caused, drawn
from ...storage.changed import statements as marking
from ...storage.graph import put_entities, put_relations
from ...storage.identities import GONE, MANY, Identities, Moves, Ref
from ...storage.records import Entity, Relation, Status, content_id
from ...storage.rulings import RESOLUTION
from ...storage.schema import FORGET_ENTITY, FORGET_RELATION, WITHDRAW_TASK, Statement
from ...storage.store import RunStore, mark_statement
from .merging import Made

SUMMARIES = "summaries"  # the mark: by entity the digest of what was summarised, "" where a summary is still wanted


@dataclass(frozen=True)
class Touched:
    """What a change of the graph writes: how many rows, and what becomes of tasks."""

    entities: int = 0
    relations: int = 0
    removed: int = 0
    marked: int = 0
    withdrawn: int = 0

    @property
    def described(self) -> str:
        """In words, as in `2 entities and 5 relations written, 3 rows removed; 4 tasks marked`."""
        tasks = f"; {_many(self.marked, 'task', 'tasks')} marked" if self.marked else ""
        tasks += f"; {_many(self.withdrawn, 'task', 'tasks')} withdrawn" if self.withdrawn else ""
        entities, relations = _many(self.entities, "entity", "entities"), _many(self.relations, "relation", "relations")
        return f"{entities} and {relations} written, {_many(self.removed, 'row', 'rows')} removed{tasks}"


def _many(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


@dataclass(frozen=True)
class Change:
    """The statements that bring the store up to date, and what they touch."""

    statements: Sequence[Statement]
    touched: Touched
    regrouping: Regrouping


def known_summaries(store: RunStore, graph: KnowledgeGraph) -> dict[str, str]:
    """Returns the stored summaries, by entity, that were made of the descriptions that the graph has now."""
    made = store.mark(SUMMARIES) or {}
    found = {}
    for id, digest in made.items():
        entity = graph.entities.get(id)
        if entity is not None and digest_of(entity.description) == digest:
            rows = store.rows("SELECT body FROM entities WHERE id = ?", id)
            if rows:
                found[id] = str(orjson.loads(rows[0][0]).get("description", ""))
    return found


def digest_of(text: str) -> str:
    """Returns what tells descriptions apart."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def change_to(
    store: RunStore,
    made: Made,
    graph: KnowledgeGraph,
    ledger: Mapping[str, Any],
    *,
    causes: Sequence[str],
    taken_back: Collection[str] = (),
    unsummarised: Iterable[str] = (),
) -> Change:
    """Compares what is stored with `graph`, which is `made.graph` with some descriptions summarised.

    Reads what `made.scope` names, the whole stored graph where it has none, and the tasks where an entity is another
    than before. `causes` are what tasks are marked with, rulings' ids or `refresh:N`: of one edit all its rulings, so
    that a mark stays until the last of them is taken back. `taken_back` are rulings that no longer stand, whose marks
    go; `unsummarised` are the entities of `graph` whose descriptions are still too long.
    """
    before, scope = _Before.of(store, made.scope), made.scope
    entities = _Rows(store, "entities", put_entities(_own(graph.entities, before.entities)), before.entities)
    relations = _Rows(store, "relations", put_relations(graph.relations.values()), before.relations)
    regrouping = Regrouping(
        {id: ref.entity for id, ref in before.refs.items()},
        made.resolution.membership,
        moved=before.moved,
        divisions=made.divisions,
        weights={id: reference.weight for id, reference in made.references.items()},
        elsewhere=before.elsewhere,
    )
    moves = _moves(store, made, graph, before, regrouping, relations.gone)
    tasks = _tasks(store, graph, moves.moved, regrouping, causes, caused(store, taken_back), before)
    touched = Touched(
        entities=len(entities.put[1]),
        relations=len(relations.put[1]),
        removed=len(entities.gone) + len(relations.gone),
        marked=len({mark.task for mark in tasks.marks}),
        withdrawn=len(tasks.withdrawn),
    )
    full = made.graph.entities
    summaries = {} if scope is None else _without(store.mark(SUMMARIES) or {}, scope.entities)
    summaries |= dict.fromkeys(unsummarised, "")
    summaries |= {
        id: digest_of(full[id].description)
        for id, entity in graph.entities.items()
        if entity.description != full[id].description
    }
    statements = (
        (FORGET_ENTITY, [(id,) for id in entities.gone]),
        (FORGET_RELATION, [(id,) for id in relations.gone]),
        entities.put,
        relations.put,
        *moves.statements(),
        *marking(tasks.marks, taken_back),
        (WITHDRAW_TASK, [(task,) for task in tasks.withdrawn]),
        mark_statement(RESOLUTION, _without_membership(made)),
        mark_statement(SUMMARIES, summaries),
        *made.kept,
        mark_statement("graph", {**ledger, "touched": _counts(touched)}),
    )
    return Change(statements, touched, regrouping)


@dataclass(frozen=True)
class _Before:
    """The stored identities, those in the scope of a change; `entities` and `relations` are None where that is all."""

    refs: Mapping[str, Ref]
    moved: Mapping[str, str]
    elsewhere: Mapping[str, str]
    entities: frozenset[str] | None = None
    relations: frozenset[str] | None = None

    @classmethod
    def of(cls, store: RunStore, scope: Scope | None) -> _Before:
        identities = Identities(store)
        if scope is None:
            return cls({ref.id: ref for ref in identities.all()}, identities.moved(), {})
        moved = identities.moved_of([*scope.references, *scope.relations])
        elsewhere = Lookup(identities.known)
        return cls(identities.of(scope.references), moved, elsewhere, scope.entities, scope.relations)

    def stands(self, store: RunStore, relation: str) -> bool:
        """Whether a relation outside the scope is there."""
        if self.relations is None or relation in self.relations:
            return False
        return bool(store.rows("SELECT 1 FROM relations WHERE id = ?", relation))


class _Rows:
    """One table as it is and as it shall be: `put` is what is new or other, `gone` the bodies of what goes, by id.

    With `ids` it looks at these alone.
    """

    def __init__(self, store: RunStore, table: str, wanted: Statement, ids: Collection[str] | None = None) -> None:
        sql, rows = wanted
        new = {row[0]: row for row in rows}
        self.gone: dict[str, str] = {}
        for id, body in _bodies(store, table, ids):
            row = new.get(id)
            if row is None:
                self.gone[id] = body
            elif row[-1] == body:
                del new[id]
        self.put: Statement = (sql, list(new.values()))


def _bodies(store: RunStore, table: str, ids: Collection[str] | None) -> Iterator[tuple[str, str]]:
    if ids is None:
        last = ""
        page = f"SELECT id, body FROM {table} WHERE id > ? ORDER BY id LIMIT 2000"  # noqa: S608  # one of two
        while found := store.rows(page, last):
            last = found[-1][0]
            yield from found
        return
    wanted = sorted(ids)
    for start in range(0, len(wanted), MANY):
        some = wanted[start : start + MANY]
        yield from store.rows(f"SELECT id, body FROM {table} WHERE id IN ({', '.join('?' * len(some))})", *some)  # noqa: S608


def _moves(
    store: RunStore,
    made: Made,
    graph: KnowledgeGraph,
    before: _Before,
    regrouping: Regrouping,
    gone_relations: Mapping[str, str],
) -> Moves:
    membership, refs = made.resolution.membership, before.refs
    new = {id: Ref(id, one.key, one.name, one.type, one.weight, membership[id]) for id, one in made.references.items()}
    away = {id: membership.get(id) or regrouping.heirs[id] for id in refs.keys() - new.keys()}
    for id, body in sorted(gone_relations.items()):
        relation = Relation.model_validate_json(body)
        ends = regrouping.leads(relation.source), regrouping.leads(relation.target)
        successor = content_id("relation", *relation_key(*ends, relation.type))
        away[id] = successor if successor in graph.relations or before.stands(store, successor) else GONE
    return Moves(
        refs=[ref for id, ref in sorted(new.items()) if refs.get(id) != ref],
        forgotten=sorted(refs.keys() - new.keys()),
        moved=away,
        back=sorted(id for id in before.moved if id in new or id in graph.relations),
    )


@dataclass(frozen=True)
class _Tasks:
    marks: Sequence[Changed] = ()
    withdrawn: Sequence[str] = ()


def _tasks(
    store: RunStore,
    graph: KnowledgeGraph,
    away: Mapping[str, str],
    regrouping: Regrouping,
    causes: Sequence[str],
    unmarked: set[tuple[str, str]],
    before: _Before,
) -> _Tasks:
    """What becomes of tasks; of `unmarked` pairs the mark goes with its ruling, for they are what they were."""
    if not before.refs or not (regrouping.touched or GONE in away.values()):
        return _Tasks()
    marks: list[Changed] = []
    withdrawn: list[str] = []
    for task in drawn(store):
        hows = {entity: how for entity in dict.fromkeys(task.entities) if (how := regrouping.how(entity)) is not None}
        concerned = bool(hows) or not away.keys().isdisjoint(task.relations)
        pending = task.status == Status.PENDING and task.planned
        if concerned and pending and _impossible(task, hows, graph, away, regrouping):
            withdrawn.append(task.task)
            continue
        marks += [
            Changed(task.task, entity, cause, how)
            for entity, how in hows.items()
            if (task.task, entity) not in unmarked
            for cause in causes
        ]
    return _Tasks(marks, withdrawn)


def _impossible(
    task: Drawn, hows: Mapping[str, How], graph: KnowledgeGraph, away: Mapping[str, str], regrouping: Regrouping
) -> bool:
    """Whether nobody can do a task any more: what it relates is one thing, is gone, or is not in its passages."""
    now = {entity: regrouping.leads(entity) for entity in task.entities}
    before = {entity: regrouping.led(entity) for entity in task.entities}
    if GONE in now.values() or len(set(now.values())) < len(set(before.values())):
        return True
    if any(away.get(relation, relation) == GONE for relation in task.relations):
        return True
    return any(
        set(task.chunks).isdisjoint(graph.chunks_of(now[entity])) for entity, how in hows.items() if how is How.SPLIT
    )


def _own(entities: Mapping[str, Entity], scope: frozenset[str] | None) -> Iterator[Entity]:
    return (one for id, one in entities.items() if scope is None or id in scope)


def _without(marks: Mapping[str, str], ids: frozenset[str]) -> dict[str, str]:
    return {id: value for id, value in marks.items() if id not in ids}


def _without_membership(made: Made) -> dict[str, Any]:
    """The decisions as JSON values; who is part of what stands in rows."""
    return {key: value for key, value in made.resolution.as_json().items() if key != "membership"}


def _counts(touched: Touched) -> dict[str, int]:
    return {"entities": touched.entities, "relations": touched.relations, "removed": touched.removed}
