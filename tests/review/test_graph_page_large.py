"""The page of a large graph, and pictures with more lines than can be drawn: parts of them, the same each time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from graph_page import fill
from graph_pages import json_of, opened

from gristmill.review.graph.view import MOST_LINKS, By, GraphView
from gristmill.storage.store import RunStore


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "run"

    async def make() -> None:
        store = RunStore.open(folder)
        await fill(store, 20_000, 40_000, 500)  # whole, some ten times what any answer below may have
        await store.close()

    asyncio.run(make())
    return folder


async def test_a_large_graph_is_never_sent_whole(large: Path) -> None:
    async with opened(large) as client:
        part = await json_of(client, "/graph/data")
        assert (len(part["nodes"]), part["among"], part["entities"]) == (300, 20_000, 20_000)
        assert 0 < len(part["links"]) <= MOST_LINKS
        degrees = [node["degree"] for node in part["nodes"]]
        assert degrees == sorted(degrees, reverse=True)
        hub = part["nodes"][0]
        around = await client.get(f"/graph/data?around={hub['id']}&depth=2&limit=500")
        assert len(around.json()["nodes"]) == 501
        assert around.json()["among"] > 5_000
        found = await json_of(client, f"/graph/entities/{hub['id']}")
        assert len(found["ties"]) + found["more_ties"] == hub["degree"]
        for address in ("/graph", "/graph/list?order=coverage", "/graph/search?q=valve", f"/graph?entity={hub['id']}"):
            assert len((await client.get(address)).content) < 200_000
        assert len(around.content) < 400_000


async def test_a_large_graph_is_the_same_at_every_start(large: Path) -> None:
    parts = []
    for _ in range(2):
        async with opened(large) as client:
            parts.append((await client.get("/graph/data?type=place&by=mentions")).content)
    assert parts[0] == parts[1]


def test_a_picture_with_too_many_lines_keeps_those_of_its_middle() -> None:
    size = 120
    entities = [{"id": f"entity-{n:03}", "name": str(n), "type": "x"} for n in range(size)]
    relations = [
        {"id": f"relation-{a}-{b}", "source": f"entity-{a:03}", "target": f"entity-{b:03}", "type": "x"}
        for a in range(size)
        for b in range(a)
    ]
    view = GraphView(entities, relations, {})
    part = view.neighbourhood(7, 1, 500)
    assert (len(part.places), len(part.links), part.all_links) == (size, MOST_LINKS, size * (size - 1) // 2)
    assert sum(7 in (link.left, link.right) for link in part.links) == size - 1
    assert view.overview(By.DEGREE, 10, lambda place: True).all_links == 45


def test_relations_that_name_what_is_not_there_are_left_out() -> None:
    entities = [{"id": "a", "name": "A", "type": "x"}, {"id": "b", "name": "B", "type": "x"}]
    relations = [
        {"id": "1", "source": "a", "target": "gone", "type": "x"},
        {"id": "2", "source": "a", "target": "a", "type": "x"},
        {"id": "3", "source": "a", "target": "b", "type": "x"},
    ]
    view = GraphView(entities, relations, {})
    assert len(view.links) == 1
    assert list(view.degrees) == [1, 1]
