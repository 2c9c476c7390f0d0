"""The page of the knowledge graph as people use it: by mouse, by keyboard, on a telephone, while a run goes on."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import NARROW, PATIENCE, People, path_of, shot
from entigraph_runs import run_entigraph
from playwright.async_api import Page, expect
from processes import starting
from served import Served, serve

from gristmill.storage.chunking import chunk
from gristmill.storage.records import Document, Entity, Item, Relation, Status, Task, content_id
from gristmill.storage.store import RunStore

expect.set_options(timeout=PATIENCE)
NODE = """id => {
  const box = document.getElementById("graph-picture");
  const {x, y} = box._cyreg.cy.getElementById(id).renderedPosition();
  const {left, top} = box.getBoundingClientRect();
  return [left + x, top + y];
}"""
NODES = "document.getElementById('graph-picture')._cyreg.cy.nodes().map((node) => node.data())"
LINES = "document.getElementById('graph-picture')._cyreg.cy.edges().map((line) => line.data())"
COLOUR = "id => document.getElementById('graph-picture')._cyreg.cy.getElementById(id).style('background-color')"


@pytest.fixture(scope="session")
def graph_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_entigraph(tmp_path_factory.mktemp("graph"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def graph_site(graph_run: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with starting(tmp_path_factory.mktemp("said")) as start:
        yield await serve(start, graph_run)


@pytest.fixture(scope="session")
def named(graph_run: Path) -> dict[str, Entity]:
    """The graph's entities by name."""
    store = RunStore.read(graph_run)
    entities, _ = store.graph()
    store.close_reading()
    return {entity.name: entity for entity in entities}


@pytest.fixture(scope="session")
def used(graph_run: Path, named: dict[str, Entity]) -> Entity:
    """An entity that some item uses."""
    store = RunStore.read(graph_run)
    ids = {id for item in store.items() for id in item.entities}
    store.close_reading()
    return next(entity for entity in named.values() if entity.id in ids)


async def drawn(page: Page) -> list[dict[str, Any]]:
    """The entities of the picture, once it stands."""
    await expect(page.locator("#graph-said")).not_to_be_empty()
    await expect(page.locator("#graph-picture")).not_to_have_class("waits")
    found: list[dict[str, Any]] = await page.evaluate(NODES)
    return found


async def click(page: Page, id: str, *, times: int = 1) -> None:
    x, y = await page.evaluate(NODE, id)
    await page.mouse.click(x, y, click_count=times)


def panel_of(page: Page) -> Any:
    return page.locator("#graph-panel")


async def test_a_click_on_an_entity_shows_what_is_known_of_it(
    people: People, graph_site: Served, named: dict[str, Entity], used: Entity
) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    await click(page, used.id)
    panel = panel_of(page)
    await expect(panel.get_by_role("heading", level=2)).to_have_text(used.name)
    await expect(panel.locator("mark").first).to_be_visible()
    await expect(panel.locator(".graph-items a").first).to_have_attribute("href", re.compile("^/items/item-"))
    assert path_of(page) == f"/graph?entity={used.id}"
    await shot(page, "graph-entity")
    await page.reload()
    await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text(used.name)
    ids = {node["id"] for node in await drawn(page)}
    assert used.id in ids
    assert len(ids) < len(named)  # now its neighbourhood


async def test_a_click_on_a_line_shows_its_relations(people: People, graph_site: Served) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    line = (await page.evaluate(LINES))[0]
    # Its own middle may lie under a node: the line is told of a tap as a mouse would tell it.
    await page.evaluate(
        "id => document.getElementById('graph-picture')._cyreg.cy.getElementById(id).emit('tap')", line["id"]
    )
    await expect(panel_of(page).locator(".graph-passage").first).to_be_visible()
    await expect(panel_of(page).locator("h2 [data-entity]")).to_have_count(2)
    await panel_of(page).locator("h2 [data-entity]").first.click()
    await expect(panel_of(page).locator("[data-shown]")).to_have_attribute("data-shown", line["source"])


async def test_a_double_click_adds_neighbours(people: People, graph_site: Served, named: dict[str, Entity]) -> None:
    page = await people.enter(graph_site, f"/graph?entity={named['tide mill'].id}")
    before = await drawn(page)
    lines = await page.evaluate(LINES)
    joined = {node["id"]: sum(node["id"] in (one["source"], one["target"]) for one in lines) for node in before}
    further = max(before, key=lambda node: node["degree"] - joined[node["id"]])
    await click(page, further["id"], times=2)
    await expect(page.locator("#graph-said")).to_have_text(re.compile(r"^added \d+ neighbours"))
    after = await page.evaluate(NODES)
    assert {node["id"] for node in before} < {node["id"] for node in after}
    await expect(panel_of(page).locator("[data-shown]")).to_have_attribute("data-shown", further["id"])
    await page.get_by_role("button", name="Overview").click()
    await expect(page.locator("#graph-said")).to_have_text(f"showing {len(named)} entities")


async def test_the_search_works_by_keyboard(people: People, graph_site: Served, named: dict[str, Entity]) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    field = page.get_by_role("combobox", name="Find an entity")
    await field.press_sequentially("tid")
    options = page.locator("#graph-found [role=option]")
    await expect(options.first).to_be_visible()
    await shot(page, "graph-search")
    await field.press("ArrowDown")
    await field.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    wanted = await options.nth(1).locator("bdi").inner_text()
    await field.press("Enter")
    await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text(wanted)
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await field.press_sequentially("no such thing")
    await expect(page.get_by_text("no entity is called that")).to_be_visible()
    await field.press("Escape")
    await expect(page.get_by_text("no entity is called that")).to_be_hidden()


async def test_the_list_does_by_keyboard_what_the_picture_does(people: People, graph_site: Served) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    await page.locator("#graph-list").get_by_role("link", name="Rejected").press("Enter")
    await expect(page.locator("#graph-list [aria-sort]")).to_contain_text("Rejected")
    first = page.locator("#graph-list tbody a").first
    wanted = await first.inner_text()
    await first.press("Enter")
    await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text(wanted)
    await expect(panel_of(page)).to_be_focused()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('#graph-panel') !== null")
    await page.locator("#graph-list").get_by_role("link", name="Next").press("Enter")
    await expect(page.locator("#graph-list")).to_contain_text("51 to 100 of")


async def test_filters_reach_picture_list_and_address(people: People, graph_site: Served) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    await page.get_by_label("Coverage").select_option("never")
    await expect(page.locator("#graph-list .swatch:not(.never)")).to_have_count(0)
    await until_levels(page, {"never"})
    assert path_of(page) == "/graph?coverage=never"
    await page.get_by_label("Document").fill("no document is called that")
    await page.get_by_label("Document").press("Enter")
    await expect(page.locator("#graph-list")).to_contain_text("No entity is like that")
    await expect(page.locator("#graph-said")).to_have_text("showing 0 entities")


async def until_levels(page: Page, wanted: set[str]) -> None:
    async def levels() -> set[str]:
        return {node["level"] for node in await page.evaluate(NODES)}

    for _ in range(300):
        if await levels() == wanted:
            return
        await page.wait_for_timeout(100)
    raise AssertionError(f"{await levels()} and not {wanted}")


async def test_back_returns_to_what_was_open(people: People, graph_site: Served, named: dict[str, Entity]) -> None:
    page = await people.enter(graph_site, "/graph")
    await drawn(page)
    for name in ("tide mill", "Brittany"):
        await click(page, named[name].id)
        await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text(name)
    await page.go_back()
    await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text("tide mill")


async def test_colours_follow_the_scheme(people: People, graph_site: Served) -> None:
    page = await people.enter(graph_site, "/graph")
    node = (await drawn(page))[0]
    light = await page.evaluate(COLOUR, node["id"])
    await page.emulate_media(color_scheme="dark")
    for _ in range(100):
        if await page.evaluate(COLOUR, node["id"]) != light:
            break
        await page.wait_for_timeout(100)
    swatch = f"getComputedStyle(document.querySelector('#graph-legend .{node['level']}')).backgroundColor"
    assert (
        await page.evaluate(COLOUR, node["id"])
        == (await page.evaluate(swatch)).replace(" ", "").replace("rgba", "rgb")
        != light
    )
    await shot(page, "graph-turned-dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_telephone_shows_all_of_it(
    people: People, graph_site: Served, named: dict[str, Entity], scheme: str
) -> None:
    page = await people.enter(graph_site, "/graph", size=NARROW, scheme=scheme)
    await expect(page.locator("#graph-said")).to_have_text(f"showing 80 of {len(named)} entities")
    await page.get_by_role("combobox", name="Find an entity").fill("tide mill")
    await page.locator("#graph-found [role=option]").first.click()
    await expect(panel_of(page).get_by_role("heading", level=2)).to_have_text("tide mill")
    assert await page.evaluate("document.documentElement.scrollWidth") == NARROW[0]
    await shot(page, f"graph-360-{scheme}", whole=True)


async def test_the_same_part_is_drawn_the_same_way(people: People, graph_site: Served) -> None:
    page = await people.enter(graph_site, "/graph")
    places = "document.getElementById('graph-picture')._cyreg.cy.nodes().map((node) => node.position())"
    await drawn(page)
    first = await page.evaluate(places)
    await page.reload()
    await drawn(page)
    assert await page.evaluate(places) == first


async def test_coverage_grows_while_the_page_is_open(
    people: People, graph_run: Path, review: Any, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(graph_run, tmp_path / "runs" / "graph"))
    page = await people.enter(await review(run), "/graph?coverage=never")
    node = (await drawn(page))[0]
    assert node["level"] == "never"
    store = RunStore.open(run)
    task = Task.of("pair", entities=(node["id"],), seed=12345)
    await store.plan([task])
    item = Item(id=content_id("item", task.id), task=task.id, kind="qa", status=Status.ACCEPTED, entities=task.entities)
    await store.finish(task.id, Status.ACCEPTED, [item])
    await store.close()
    level = "id => document.getElementById('graph-picture')._cyreg.cy.getElementById(id).data('level')"
    for _ in range(300):
        if await page.evaluate(level, node["id"]) == "one":
            break
        await page.wait_for_timeout(100)
    assert await page.evaluate(level, node["id"]) == "one"


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<style>body{display:none}</style>",
    "javascript:alert(3)",
    "\u202eevil\u202c \u0000 {{7*7}} ${7*7}",
    "N" * 3000,
)


async def test_hostile_names_stay_text(people: People, review: Any, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "hostile"
    store = RunStore.open(run)
    entities = [
        Entity(id=content_id("entity", text), name=text, type=text[:150], description=text, aliases=(text,))
        for text in HOSTILE
    ]
    relations = [
        Relation(id=content_id("relation", one.id), source=entities[0].id, target=one.id, type=one.name)
        for one in entities[1:]
    ]
    await store.set_graph(entities, relations, {})
    await store.close()
    page = await people.enter(await review(run), "/graph")
    assert len(await drawn(page)) == len(HOSTILE)
    for number in range(len(HOSTILE)):
        await page.locator("#graph-list tbody a").nth(number).click()
        shown = page.locator("#graph-list tbody a").nth(number)
        id = await shown.get_attribute("data-entity")
        await expect(panel_of(page).locator(f"[data-shown='{id}']")).to_be_visible()
    await page.get_by_role("combobox", name="Find an entity").press_sequentially("<img")
    await expect(page.locator("#graph-found [role=option]")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("getComputedStyle(document.body).display") != "none"
    labels = [node["label"] for node in await page.evaluate(NODES)]
    assert all(len(label) <= 26 and "\u202e" not in label for label in labels)
    await shot(page, "graph-hostile")


async def test_a_run_without_a_graph_says_what_to_do(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site, "/graph", size=NARROW)
    await expect(page.get_by_role("heading", level=2)).to_have_text("This run has no knowledge graph")
    assert await page.evaluate("document.documentElement.scrollWidth") == NARROW[0]
    await shot(page, "graph-none")


async def test_the_page_finds_the_graph_when_it_is_built(people: People, review: Any, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "built"
    store = RunStore.open(run)
    document = Document.of("mill.txt", "A mill stands in Kelling.")
    (part,) = chunk(document)
    await store.add_documents([(document, [part])])
    await store.add_extraction(part.id, "{}")
    page = await people.enter(await review(run), "/graph")
    await expect(page.get_by_role("heading", level=2)).to_have_text("The graph is being built")
    await store.set_graph([Entity(id=content_id("entity", 1), name="valve", type="thing")], [], {})
    await store.close()
    assert len(await drawn(page)) == 1
