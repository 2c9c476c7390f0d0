"""The page of the knowledge graph: its parts, its numbers, its addresses, small and large, kind and hostile."""

from __future__ import annotations

import gc
import html
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graph_pages import (
    ALONE,
    CHUNK,
    DOCUMENT,
    EELGRASS,
    ENTITIES,
    FRAGMENT,
    GEESE,
    LOUGH,
    RELATIONS,
    SEAGEN,
    TEXT,
    TOKEN,
    end,
    entity,
    json_of,
    names,
    opened,
    relation,
    task_of,
)

from gristmill.campaigns.planning.planning import Plan
from gristmill.graphs.planners.base import lazily
from gristmill.review.graph import room
from gristmill.review.graph.coverage import EntityCoverage
from gristmill.review.graph.passages import joined, passages
from gristmill.review.graph.room import GraphRoom, Level, Order, Sieve, level_of, steps_to
from gristmill.review.graph.view import By, GraphView
from gristmill.review.web.site import Access, Site
from gristmill.storage.records import Chunk, Document, Entity, Span, Status, Task, content_id
from gristmill.storage.store import RunStore, mark_statement


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    yield store
    await store.close()


@pytest.fixture
async def graph(store: RunStore) -> RunStore:
    await store.set_graph(ENTITIES, RELATIONS, {"chunks": 1})
    return store


@pytest.fixture
async def client(graph: RunStore) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(graph.folder) as client:
        yield client


# parts of the graph


async def test_the_overview_shows_the_largest_and_says_what_it_leaves_out(client: httpx.AsyncClient) -> None:
    part = await json_of(client, "/graph/data?limit=2")
    assert names(part["nodes"]) == ["eelgrass", "Strangford Lough"]
    assert (part["among"], part["entities"], part["all_links"]) == (5, 5, 1)
    ((left, right, kind, relations, weight),) = part["links"]
    assert {names(part["nodes"])[one] for one in (left, right)} == {"eelgrass", "Strangford Lough"}
    assert (kind, relations, weight) == ("grows in", 1, 1.0)
    assert part == await json_of(client, "/graph/data?limit=2")


async def test_relations_of_a_pair_are_one_line(client: httpx.AsyncClient) -> None:
    part = await json_of(client, "/graph/data")
    lines = {tuple(sorted(names([part["nodes"][a], part["nodes"][b]]))): rest for a, b, *rest in part["links"]}
    assert lines["Brent goose", "eelgrass"] == ["feeds on", 2, 4.0]
    assert len(lines) == 3


async def test_a_neighbourhood_grows_with_its_depth(client: httpx.AsyncClient) -> None:
    address = f"/graph/data?around={GEESE.id}"
    assert names((await json_of(client, address))["nodes"]) == ["Brent goose", "eelgrass"]
    two = await json_of(client, f"{address}&depth=2")
    assert names(two["nodes"]) == ["Brent goose", "eelgrass", "Strangford Lough"]
    cut = await json_of(client, f"{address}&depth=2&limit=1")
    assert names(cut["nodes"]) == ["Brent goose", "eelgrass"]  # the weightiest first
    assert cut["among"] == 3


async def test_size_by_mentions(client: httpx.AsyncClient) -> None:
    part = await json_of(client, "/graph/data?by=mentions&limit=2")
    assert [node["mentions"] for node in part["nodes"]] == [2, 2]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=organism", {"eelgrass", "Brent goose"}),
        ("type=nothing", set()),
        ("coverage=never", {"Strangford Lough", "turbine"}),
        ("coverage=lost", {"SeaGen"}),
        ("coverage=uncovered", {"Strangford Lough", "turbine", "SeaGen"}),
        ("coverage=waiting", {"Brent goose"}),
        ("coverage=covered", {"eelgrass"}),
        ("document=LOUGH", {one.name for one in ENTITIES}),
        ("document=other", set()),
        ("coverage=never&type=product", {"turbine"}),
    ],
)
async def test_filters(graph: RunStore, client: httpx.AsyncClient, query: str, expected: set[str]) -> None:
    await graph.plan([task_of(1, EELGRASS), task_of(2, GEESE), task_of(3, SEAGEN)])
    await end(graph, task_of(1, EELGRASS), Status.ACCEPTED)
    await end(graph, task_of(3, SEAGEN), Status.REJECTED)
    assert set(names((await json_of(client, f"/graph/data?{query}"))["nodes"])) == expected
    listed = await json_of(client, f"/graph/list?{query}")
    assert set(names(listed["nodes"])) == expected
    assert listed["among"] == len(expected)


async def test_the_list_has_orders_and_pages(client: httpx.AsyncClient, graph: RunStore) -> None:
    await graph.plan([task_of(1, LOUGH)])
    await end(graph, task_of(1, LOUGH), Status.REJECTED)
    by_name = names((await json_of(client, "/graph/list?order=name"))["nodes"])
    assert by_name == sorted(by_name, key=str.casefold)
    assert names((await json_of(client, "/graph/list?order=rejected"))["nodes"])[0] == "Strangford Lough"
    assert names((await json_of(client, "/graph/list?order=name&start=3"))["nodes"]) == by_name[3:]
    assert (await json_of(client, "/graph/list?start=99"))["nodes"] == []
    fragment = await client.get("/graph/list?order=name", headers=FRAGMENT)
    assert 'aria-sort="ascending"' in fragment.text
    assert "<html" not in fragment.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eel", ["eelgrass"]),
        ("ZOSTERA", ["eelgrass"]),
        ("lough", ["Strangford Lough"]),
        ("goose", ["Brent goose"]),
        ("the Strangford Lough's", ["Strangford Lough"]),
        ("e", ["eelgrass", "Strangford Lough", "Brent goose", "SeaGen", "turbine"][:1]),
        ("nothing like it", []),
        ("   ", []),
        ("'; DROP TABLE entities; --", []),
        ("%", []),
        ("\0", []),
    ],
)
async def test_search(client: httpx.AsyncClient, text: str, expected: list[str]) -> None:
    answer = await client.get("/graph/search", params={"q": text})
    assert names(answer.json()["nodes"])[: max(1, len(expected))] == expected


# coverage


def by_plan(store: RunStore) -> Counter[str]:
    """The planner's own count."""
    plan = Plan(
        store, lazily(lambda *_: iter(())), None, chunks=[], graph=None, seed=1, window=1, max_tasks=None
    )  # fmt: skip
    return Counter({key: count for key, count in plan.coverage.counts.items() if key.startswith("entity-") and count})


@pytest.mark.parametrize("seed", range(6))
async def test_coverage_is_what_the_planner_counts_however_a_run_goes(store: RunStore, seed: int) -> None:
    """Tasks are planned, end and run again in any order; looks come now and then, as those of a page."""
    dice = random.Random(seed)
    coverage = EntityCoverage(store)
    planned: list[Task] = []
    for step in range(60):
        match dice.choice(["plan", "end", "end", "retry", "look"]):
            case "plan":
                new = [task_of(step * 10 + n, *dice.choices(ENTITIES, k=dice.randrange(3))) for n in range(3)]
                planned += new
                await store.plan(new)
            case "end":
                for task in dice.sample(planned, min(2, len(planned))):
                    if store.status(task.id) is Status.PENDING:
                        await end(store, task, dice.choice([Status.ACCEPTED, Status.REJECTED, Status.FAILED]))
            case "retry":
                await store.retry_failed()
            case "look":
                coverage.refresh()
    coverage.refresh()
    wanted = by_plan(store)
    assert {one.id: coverage.of(one.id).covering for one in ENTITIES} == {one.id: wanted[one.id] for one in ENTITIES}
    anew = EntityCoverage(store)
    anew.refresh()
    assert [coverage.of(one.id) for one in ENTITIES] == [anew.of(one.id) for one in ENTITIES]
    planned_with = Counter(id for task, _ in store.tasks() for id in task.entities)
    assert {one.id: coverage.of(one.id).planned for one in ENTITIES} == {
        one.id: planned_with[one.id] for one in ENTITIES
    }


async def test_a_failed_task_that_ran_again_between_two_looks_is_counted_once(store: RunStore) -> None:
    task = task_of(1, EELGRASS)
    await store.plan([task])
    await end(store, task, Status.FAILED)
    coverage = EntityCoverage(store)
    coverage.refresh()
    await store.retry_failed()
    await end(store, task, Status.ACCEPTED)
    coverage.refresh()
    uses = coverage.of(EELGRASS.id)
    assert (uses.planned, uses.accepted, uses.failed) == (1, 1, 0)


async def test_a_page_hears_what_changed(client: httpx.AsyncClient, graph: RunStore) -> None:
    version = (await json_of(client, "/graph/data"))["version"]
    assert (await json_of(client, f"/graph/changes?since={version}"))["nodes"] == []
    await graph.plan([task_of(1, EELGRASS, GEESE)])
    found = await json_of(client, f"/graph/changes?since={version}")
    assert {node["name"]: node["level"] for node in found["nodes"]} == {"eelgrass": "waiting", "Brent goose": "waiting"}
    assert found["levels"]["waiting"] == 2
    await end(graph, task_of(1, EELGRASS, GEESE), Status.ACCEPTED)
    again = await json_of(client, f"/graph/changes?since={found['version']}")
    assert {node["level"] for node in again["nodes"]} == {"one"}
    restarted = await json_of(client, "/graph/changes?since=1000000")  # a server that has stopped counted higher
    assert len(restarted["nodes"]) == 2


def test_steps_widen_with_the_most() -> None:
    assert steps_to(0) == steps_to(15) == (1, 2, 4, 8)
    assert steps_to(16) == (1, 3, 9, 27)
    for most in (1, 7, 100, 9_999, 10**6):
        assert steps_to(most)[-1] <= max(8, most)


async def test_levels(graph: RunStore) -> None:
    room = GraphRoom(graph)
    room.refresh()
    assert room.levels() == {level.value: 5 if level is Level.NEVER else 0 for level in Level}
    tasks = [task_of(seed, EELGRASS) for seed in range(8)]
    await graph.plan(tasks)
    for task in tasks:
        await end(graph, task, Status.ACCEPTED)
    room.refresh()
    assert room.levels()["four"] == 1
    assert level_of(room.coverage.of(EELGRASS.id), (1, 3, 9, 27)) is Level.TWO


# one entity, one link


async def test_an_entity_shows_mentions_relations_and_items(client: httpx.AsyncClient, graph: RunStore) -> None:
    await graph.plan([task_of(1, EELGRASS, GEESE), task_of(2, EELGRASS)])
    rejected = await end(graph, task_of(1, EELGRASS, GEESE), Status.REJECTED)
    await end(graph, task_of(2, EELGRASS), Status.ACCEPTED)
    found = await json_of(client, f"/graph/entities/{EELGRASS.id}")
    assert found["node"]["uses"] == {"pending": 0, "accepted": 1, "rejected": 1, "failed": 0}
    assert found["aliases"] == ["Zostera"]
    assert {(tie["node"]["name"], tie["type"], tie["out"], tie["relations"]) for tie in found["ties"]} == {
        ("Brent goose", "feeds on", False, 2),
        ("Strangford Lough", "grows in", True, 1),
    }
    (passage,) = found["mentions"]["shown"]
    assert (passage["document"], passage["headings"]) == ("notes/lough.txt", ["The lough"])
    assert [text for text, marked in passage["pieces"] if marked] == ["eelgrass", "Eelgrass"]
    assert "".join(text for text, _ in passage["pieces"]) == TEXT
    assert {item["status"] for item in found["items"]} == {"accepted", "rejected"}

    panel = (await client.get(f"/graph/entities/{EELGRASS.id}", headers=FRAGMENT)).text
    assert "<mark>eelgrass</mark>" in panel
    assert f'href="/items/{rejected.id}"' in panel
    assert f'href="/?entity={EELGRASS.id}"' in panel
    assert "Review its 1 in the queue" in panel
    page = (await client.get(f"/graph?entity={EELGRASS.id}")).text
    assert panel.strip() in page  # also without scripts
    assert rejected.id in (await client.get(f"/?entity={EELGRASS.id}")).text  # the queue takes the link


async def test_a_link_shows_every_relation_with_its_direction(client: httpx.AsyncClient) -> None:
    found = await json_of(client, f"/graph/links/{EELGRASS.id}/{GEESE.id}")
    assert [(one["type"], one["out"]) for one in found["relations"]] == [("feeds on", False), ("is eaten by", True)]
    assert found["relations"][0]["mentions"]["shown"][0]["pieces"][0] == ["Brent geese feed on eelgrass", True]
    panel = (await client.get(f"/graph/links/{EELGRASS.id}/{GEESE.id}", headers=FRAGMENT)).text
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", panel)).split())
    assert "Brent goose feeds on eelgrass" in words
    assert "eelgrass is eaten by Brent goose" in words


async def test_many_mentions_come_in_parts(client: httpx.AsyncClient, graph: RunStore) -> None:
    documents = [Document.of(f"part-{n}.txt", f"{n}: a pump. ") for n in range(30)]
    chunks = [Chunk.of(one.id, 0, 0, len(one.text), one.text) for one in documents]
    await graph.add_documents([(one, [chunk]) for one, chunk in zip(documents, chunks, strict=True)])
    spans = tuple(Span(chunk=one.id, start=one.text.index("pump"), end=one.text.index("pump") + 4) for one in chunks)
    pump = entity("pump", mentions=spans)
    await graph.set_graph([*ENTITIES, pump], RELATIONS, {"chunks": 31})
    found = (await json_of(client, f"/graph/entities/{pump.id}"))["mentions"]
    assert (found["chunks"], found["mentions"]) == (30, 30)
    seen = [one["document"] for one in found["shown"]]
    while len(seen) < 30:
        more = await json_of(client, f"/graph/entities/{pump.id}/mentions?start={len(seen)}")
        assert more["shown"]
        seen += [one["document"] for one in more["shown"]]
    assert sorted(seen) == sorted(one.name for one in documents)
    fragment = (await client.get(f"/graph/entities/{pump.id}/mentions?start=24", headers=FRAGMENT)).text
    assert fragment.count("<mark>pump</mark>") == 6
    assert "More passages" not in fragment


async def test_another_graph_takes_the_place_of_the_first(client: httpx.AsyncClient, graph: RunStore) -> None:
    assert (await json_of(client, "/graph/data"))["entities"] == 5
    await graph.set_graph([EELGRASS], [], {"chunks": 2})
    assert (await json_of(client, "/graph/data"))["entities"] == 1
    assert (await client.get(f"/graph/entities/{GEESE.id}")).status_code == 404


# what is bad


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/graph/data?around=entity-of-nowhere", 404),
        ("/graph/data?around=../../etc/passwd", 400),
        ("/graph/data?around=%3Cscript%3E", 400),
        ("/graph/data?depth=3", 400),
        ("/graph/data?depth=x", 400),
        ("/graph/data?limit=0", 400),
        ("/graph/data?limit=501", 400),
        ("/graph/data?by=colour", 400),
        ("/graph/data?coverage=some", 400),
        (f"/graph/data?document={'x' * 501}", 400),
        ("/graph/list?order=id;--", 400),
        ("/graph/list?start=-1", 400),
        ("/graph/list?start=99999999999999999999999", 400),
        ("/graph/changes?since=-1", 400),
        ("/graph/changes?since=1e999", 400),
        (f"/graph/search?q={'x' * 201}", 400),
        ("/graph/entities/entity-of-nowhere", 404),
        ("/graph/entities/%00", 400),
        ("/graph/entities/a%20b", 400),
        ("/graph/entities/entity-of-nowhere/mentions", 404),
        (f"/graph/entities/{EELGRASS.id}/mentions?start=x", 400),
        (f"/graph/links/{EELGRASS.id}/entity-of-nowhere", 404),
        (f"/graph/links/{EELGRASS.id}/{SEAGEN.id}", 404),
        (f"/graph/links/{EELGRASS.id}/{EELGRASS.id}", 404),
        ("/graph?entity=entity-of-nowhere", 404),
        ("/graph?entity=%22onload%3D", 400),
    ],
)
async def test_a_bad_request_is_told_what_is_bad(client: httpx.AsyncClient, address: str, status: int) -> None:
    answer = await client.get(address, headers={"accept": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]
    page = await client.get(address, headers={"accept": "text/html"})
    assert page.status_code == status
    assert "Traceback" not in page.text
    assert (await client.get("/graph/data")).status_code == 200


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "</option></select><svg onload=alert(1)>",
    "\u202egnp.exe\u2066",
    "line\nbreak\x00",
    "x" * 5000,
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_names_are_text(store: RunStore, text: str) -> None:
    spoilt = Document.of(f"{text[:200]}.txt", text)
    chunk = Chunk.of(spoilt.id, 0, 0, len(text), text, headings=(text,))
    await store.add_documents([(spoilt, [chunk])])
    mention = Span(chunk=chunk.id, start=0, end=len(text), quote=text)
    one = Entity(
        id=content_id("entity", 1), name=text, type=text[:150], description=text, aliases=(text + "2",),
        mentions=(mention,),
    )  # fmt: skip
    await store.set_graph([one, LOUGH], [relation(one, LOUGH, text, description=text, mentions=(mention,))], {})
    async with opened(store.folder) as client:
        addresses = (
            f"/graph?entity={one.id}",
            "/graph/list",
            f"/graph/entities/{one.id}",
            f"/graph/links/{one.id}/{LOUGH.id}",
        )
        for address in addresses:
            answer = await client.get(address, headers={} if address.startswith("/graph?") else FRAGMENT)
            assert answer.status_code == 200
            assert answer.text
            assert not re.search(r"<script>alert|<img|<svg onload", answer.text)
            assert "49" not in re.findall(r"<bdi>([^<]*)", answer.text)
            assert "script-src 'self'" in answer.headers["content-security-policy"]
        data = await client.get("/graph/data")
        assert data.headers["content-type"] == "application/json"
        assert text in names(data.json()["nodes"])  # whole, as JSON
        assert (await client.get("/graph/search", params={"q": text[:150]})).status_code == 200


def test_spans_beyond_the_text_or_over_each_other() -> None:
    def of(*places: tuple[int, int]) -> list[tuple[int, int]]:
        return joined([Span(chunk="c", start=start, end=end) for start, end in places], 20)

    assert of((5, 9), (2, 6), (9, 10)) == [(2, 10)]
    assert of((30, 40), (19, 99), (3, 3), (8, 4)) == [(19, 20)]


async def test_a_long_passage_is_cut_and_says_what_is_beyond(store: RunStore) -> None:
    text = "word " * 2000
    document = Document.of("long.txt", text)
    chunk = Chunk.of(document.id, 0, 0, len(text), text)
    await store.add_documents([(document, [chunk])])
    spans = [Span(chunk=chunk.id, start=start, end=start + 4) for start in (1000, 1005, 9000)]
    (found,) = passages(store, spans).shown
    assert found.cut == (True, True)
    assert found.more == 1
    assert sum(len(piece) for piece, _ in found.pieces) < 1500
    assert [piece for piece, marked in found.pieces if marked] == ["word", "word"]
    assert "".join(piece for piece, _ in found.pieces) in text
    (lost,) = passages(store, [Span(chunk="chunk-gone", start=0, end=3, quote="sea")]).shown
    assert (lost.document, lost.pieces) == ("", (("sea", True),))


# runs without a graph


async def test_a_run_without_a_graph_says_what_to_do(store: RunStore) -> None:
    await store.set_mark("campaign", {"recipe": "grounded-qa<b>"})
    async with opened(store.folder) as client:
        page = await client.get("/graph")
        assert page.status_code == 200
        assert "This run has no knowledge graph" in page.text
        assert "graph-reasoning" in page.text
        assert "grounded-qa&lt;b&gt;" in page.text
        for address in (
            "/graph/data",
            "/graph/list",
            "/graph/search?q=a",
            "/graph/changes",
            f"/graph/entities/{ALONE.id}",
        ):
            answer = await client.get(address, headers={"accept": "application/json"})
            assert answer.status_code == 404
            assert "no knowledge graph" in answer.json()["error"]


async def test_a_graph_that_is_being_built_says_how_far_it_is(store: RunStore) -> None:
    await store.add_extraction(CHUNK.id, "{}")
    async with opened(store.folder) as client:
        assert "1 of 1 passages are read" in (await client.get("/graph")).text
        await store.set_graph(ENTITIES, RELATIONS, {"chunks": 1})
        assert "5 entities, 4 relations" in (await client.get("/graph")).text
        waiting = await client.get("/graph", headers=FRAGMENT)  # the page that looks now and then loads itself anew
        assert waiting.headers["hx-refresh"] == "true"


async def test_the_list_of_a_room_agrees_with_its_overview(graph: RunStore) -> None:
    room = GraphRoom(graph)
    room.refresh()
    rows = room.rows(Sieve(), Order.DEGREE, 0, 50)
    assert rows.nodes == room.nodes(room.overview(Sieve(), By.DEGREE, 50).places)


async def test_the_graph_is_loaded_before_anybody_looks_at_it(graph: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(GraphView):
        def __init__(self, *records: Any) -> None:
            super().__init__(*records)
            made.append(len(self))

    monkeypatch.setattr(room, "GraphView", Counted)
    site = Site(graph.folder, "", Access("127.0.0.1", 80, TOKEN, "ada"))
    await site.warm()
    assert made == [len(ENTITIES)]
    assert await site.look_at_graph(lambda room: room.exists)
    assert made == [len(ENTITIES)]
    await graph.set_graph([entity("eel").model_copy(update={"mentions": ()})], (), {"chunks": 2})
    await site.warm()
    assert made == [len(ENTITIES), 1]
    await graph.write(("UPDATE entities SET body = ?", [("{}",)]), mark_statement("graph", {"chunks": 3}))
    await site.warm()  # a graph that cannot be read is told to whoever looks at it, and ends nothing
    with pytest.raises(KeyError):
        await site.look_at_graph(lambda room: room.exists)
    assert gc.isenabled()
    await site.aclose()
