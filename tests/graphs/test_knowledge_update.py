"""A graph after a change is the graph that building anew gives, in memory and in the store, with numpy and without."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import ConfigError, NotStored
from gristmill.graphs.knowledge import links as module
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.links import Links, Pairs, Rows
from gristmill.graphs.knowledge.texts import Texts
from gristmill.storage.records import Entity, Relation, Span
from gristmill.storage.store import RunStore

BOTH = pytest.mark.parametrize("numpy", [True, False])


@pytest.fixture(autouse=True)
def _as_installed():
    yield
    module.HAS_NUMPY = True


def plain(value: Any) -> Any:
    if isinstance(value, Rows | Links | Pairs):
        names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        return {name: list(getattr(value, name)) for name in names}
    if isinstance(value, Texts):
        return list(value), list(value.offsets)
    return list(value)


def body(graph: KnowledgeGraph) -> dict[str, Any]:
    """Everything that stands in a graph's columns, and its records."""
    columns = graph._columns
    found = {field.name: plain(getattr(columns, field.name)) for field in fields(columns)}
    return found | {"entities": list(graph.entities.items()), "relations": list(graph.relations.items())}


def spans(chunks: Sequence[int]) -> tuple[Span, ...]:
    return tuple(Span(chunk=f"c{chunk}", start=place, end=place + 1) for place, chunk in enumerate(chunks))


CHUNKS = st.lists(st.integers(0, 7), max_size=4)
ENTITIES = st.dictionaries(st.integers(0, 11), st.tuples(st.sampled_from("xyz"), CHUNKS), max_size=9)
ENDS = st.integers(0, 11)
RELATIONS = st.dictionaries(
    st.integers(0, 19),
    st.tuples(ENDS, ENDS, st.sampled_from("pq"), st.sampled_from([0.1, 0.7, 1.0, 3.3]), CHUNKS),
    max_size=14,
)
Nodes = dict[int, tuple[str, list[int]]]
Edges = dict[int, tuple[int, int, str, float, list[int]]]


def nodes(some: Nodes) -> list[Entity]:
    return [
        Entity(id=f"e{key}", name=f"{kind}{key}é", type=kind, mentions=spans(where))
        for key, (kind, where) in some.items()
    ]


def edges(some: Edges) -> list[Relation]:
    return [
        Relation(id=f"r{key}", source=f"e{left}", target=f"e{right}", type=kind, weight=weight, mentions=spans(where))
        for key, (left, right, kind, weight, where) in some.items()
    ]


def whole(some: Nodes, joined: Edges) -> Edges:
    """Those relations both whose ends are there."""
    return {key: one for key, one in joined.items() if one[0] in some and one[1] in some}


@BOTH
@settings(max_examples=300, deadline=None)
@given(
    first=ENTITIES, ties=RELATIONS, new=ENTITIES, other=RELATIONS, away=st.sets(ENDS), apart=st.sets(st.integers(0, 19))
)
def test_a_change_gives_what_building_anew_gives(
    numpy: bool, first: Nodes, ties: Edges, new: Nodes, other: Edges, away: set[int], apart: set[int]
) -> None:
    module.HAS_NUMPY = numpy
    ties = whole(first, ties)
    graph = KnowledgeGraph(nodes(first), edges(ties))
    before = body(graph)
    after = {key: one for key, one in first.items() if key not in away} | new
    put = whole(after, other)
    left = whole(after, {key: one for key, one in ties.items() if key not in apart})
    removed = [f"e{key}" for key in away] + [f"r{key}" for key in range(20) if key not in left]
    changed = graph.updated(entities=nodes(new), relations=edges(put), removed=removed)
    assert body(changed) == body(KnowledgeGraph(nodes(after), edges(left | put)))
    assert body(graph) == before  # the one that it came from is as it was


@BOTH
def test_a_change_that_leaves_a_relation_without_its_end_is_refused(numpy: bool) -> None:
    module.HAS_NUMPY = numpy
    graph = KnowledgeGraph(nodes({1: ("x", []), 2: ("x", [])}), edges({1: (1, 2, "p", 1.0, [])}))
    with pytest.raises(ConfigError, match="relation 'r1' joins entity 'e2'"):
        graph.updated(removed=["e2"])
    with pytest.raises(ConfigError, match="relation 'r2' joins entity 'e9'"):
        graph.updated(relations=edges({2: (1, 9, "p", 1.0, [])}))
    assert len(graph.updated(removed=["e2", "r1", "of nowhere"]).ids) == 1


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path):
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    opened = RunStore.open(tmp_path / f"run-{uuid.uuid4().hex[:12]}", url)
    yield opened
    await opened.close()


FIRST: Nodes = {9: ("x", [1, 2]), 1: ("y", [2]), 10: ("x", []), 3: ("z", [5])}
TIES: Edges = {7: (9, 1, "p", 1.5, [2]), 2: (1, 9, "q", 0.1, []), 11: (3, 3, "p", 1.0, [6])}


@BOTH
async def test_a_stored_graph_is_loaded_without_its_records_and_changes_with_its_store(
    numpy: bool, store: RunStore
) -> None:
    module.HAS_NUMPY = numpy
    with pytest.raises(NotStored, match="no knowledge graph"):
        KnowledgeGraph.load(store)
    await store.set_graph(nodes(FIRST), edges(TIES), {"documents": 1})
    built, loaded = KnowledgeGraph(nodes(FIRST), edges(TIES)), KnowledgeGraph.load(store)
    assert body(loaded) == body(built)
    assert loaded.entities["e9"] == built.entities["e9"]
    assert loaded.relations["r11"] == built.relations["r11"]
    assert "e9" in loaded.entities
    assert "r9" not in loaded.relations
    with pytest.raises(KeyError):
        loaded.entities["r11"]

    change = {
        "entities": nodes({1: ("w", [8]), 4: ("x", [1])}),
        "relations": edges({7: (4, 1, "p", 2.0, [8])}),
        "removed": ["e3", "r11", "r2"],
    }
    expected = body(built.updated(**change))
    before = loaded.updated(**change)
    assert body(before) == expected  # whether or not the store knows by now
    await store.change_graph({"documents": 2}, **change)
    assert body(before) == expected
    assert body(KnowledgeGraph.load(store)) == expected
    assert store.mark("graph") == {"documents": 2}
    again = before.updated(entities=nodes({1: ("v", [])}))
    assert again.entities["e1"].type == "v"
    assert before.entities["e1"].type == "w"
    await store.change_graph({"documents": 2}, **change)  # twice is as once: a commit in doubt is sent again
    assert body(KnowledgeGraph.load(store)) == expected


async def test_a_change_writes_what_changed_and_nothing_else(store: RunStore) -> None:
    await store.set_graph(nodes(FIRST), edges(TIES), {})
    await store.change_graph({}, entities=nodes({1: ("w", [])}), removed=["r2"])
    order = [id for (id,) in store.rows("SELECT id FROM entities ORDER BY rowid")]
    assert order == [f"e{key}" for key in FIRST]  # rows stay where they stood
    assert store.count("relations") == 2
    assert store.entity("e1").type == "w"
    assert store.entity_names(["e1", "e9", "e0"]) == {"e1": "w1é", "e9": "x9é"}
