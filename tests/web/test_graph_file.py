"""The page of `gristmill graph RUN --html`, opened from the disk as people open it: nothing is served or asked for."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from accessible import SIDEWAYS, complaints, without_a_ring
from browser import NARROW, PATIENCE, WIDE, shot
from click.testing import CliRunner
from entigraph_runs import run_entigraph
from hostile import PAYLOADS
from opened_files import ALIVE, Open
from playwright.async_api import Browser, Page, expect

from gristmill.cli import main
from gristmill.review.page import contents as contents_module
from gristmill.review.page.contents import contents
from gristmill.storage.records import Entity, Relation, Span
from gristmill.storage.store import RunStore

expect.set_options(timeout=PATIENCE)


def write(run: Path, out: Path) -> str:
    done = CliRunner().invoke(main, ["graph", str(run), "--html", "--out", str(out)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def tides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the example documents."""
    return run_entigraph(tmp_path_factory.mktemp("graph-file"))


@pytest.fixture(scope="module")
def tides_page(tides: Path) -> Path:
    assert "wrote" in write(tides, tides / "graph.html")
    return tides / "graph.html"


async def place_of(page: Page, expression: str) -> tuple[float, float]:
    box = await page.locator("#picture").bounding_box()
    assert box is not None
    x, y = await page.evaluate(expression)
    return box["x"] + x, box["y"] + y


# what it does


async def test_a_click_leads_to_the_passages(opened: Open, tides_page: Path) -> None:
    page = await opened(tides_page)
    number = await page.evaluate("data.nodes.findIndex((node) => node.n === 'Severn Estuary')")
    await page.mouse.click(*await place_of(page, f"picture.where({number})"))
    panel = page.locator("#panel")
    await expect(panel.locator("h2")).to_have_text("Severn Estuary")
    marks = await panel.locator(".passages mark").all_inner_texts()
    assert marks
    assert all("Severn" in mark for mark in marks)
    assert re.search(r"\.(md|txt|html)", await panel.locator(".passages .from").first.inner_text())
    first = panel.locator(".relations > li").first
    await first.locator("summary").click()
    await expect(first.locator("mark").first).to_be_visible()
    name = await first.locator("button").inner_text()
    await first.locator("button").click()
    await expect(panel.locator("h2")).to_have_text(name)
    await page.mouse.click(*await place_of(page, "[4, 4]"))
    await expect(panel).to_contain_text("Choose an entity")


async def test_every_mark_is_what_the_store_has_there(opened: Open, tides: Path, tides_page: Path) -> None:
    """Offsets count characters in Python and halves of some in JavaScript."""
    page = await opened(tides_page)
    found = await page.evaluate("""() => data.nodes.flatMap((node) => node.m.map((one) =>
      [passage(data, one).querySelector("mark").textContent, one[3]]))""")
    assert len(found) > 300
    assert all(mark.startswith(quote) for mark, quote in found)
    assert (
        await page.evaluate("""() => {
      const some = { chunks: [{ d: "a", h: [], t: "\\u{1F30A}\\u{1F30A} Sea" }] };
      return passage(some, [0, 3, 6, "Sea"]).querySelector("mark").textContent; }""")
        == "Sea"
    )


async def test_search_by_keyboard(opened: Open, tides_page: Path) -> None:
    page = await opened(tides_page)
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("severn")
    options = page.locator("#found [role=option]")
    count = await options.count()
    assert count > 2
    second = await options.nth(1).locator("bdi").first.inner_text()
    await page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel h2")).to_have_text(second)
    await expect(page.locator("#panel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel h2")).to_have_count(0)
    await page.locator("#search").fill("nothing is called so")
    await expect(page.locator("#found")).to_contain_text("Nothing is called so.")


async def test_filters_choose_what_is_drawn_and_listed(opened: Open, tides_page: Path) -> None:
    page = await opened(tides_page)
    whole = await page.evaluate("data.nodes.length")
    for id, test in (("type", "node.t === Number(value)"), ("document", "node.d.includes(Number(value))")):
        value = await page.locator(f"#{id} option").nth(1).get_attribute("value")
        await page.select_option(f"#{id}", value)
        expected = await page.evaluate(f"(value) => data.nodes.filter((node) => {test}).length", value)
        assert 0 < expected < whole
        await expect(page.locator("#shown")).to_have_text(re.compile(rf"^{expected} entit(y|ies) of {whole}"))
        assert await page.evaluate("data.nodes.filter((_, number) => visible(number)).length") == expected
        assert await page.locator("#list li").count() == min(100, expected)
        await page.select_option(f"#{id}", "")
    await page.select_option("#level", "uncovered")
    assert await page.evaluate("data.nodes.every((node, at) => !passing[at] || ['never', 'lost'].includes(node.l))")
    # What is chosen from outside of the filter takes the filter away.
    outside = await page.evaluate("passing.indexOf(false)")
    await page.evaluate(f"choose({outside})")
    await expect(page.locator("#shown")).to_have_text(f"{whole} entities")


async def test_colours_and_communities(opened: Open, tides_page: Path) -> None:
    page = await opened(tides_page)
    for colour in ("level", "type", "group"):
        await page.select_option("#colour", colour)
        await expect(page.locator("#legend li").first).to_be_visible()
    await page.locator("#fold").click()
    await expect(page.locator("#fold")).to_have_attribute("aria-pressed", "true")
    assert await page.evaluate("data.nodes.some((_, number) => visible(number))") is False
    await page.mouse.click(*await place_of(page, "picture.whereGroup(0)"))
    await expect(page.locator("#panel")).to_contain_text("A community of")
    assert await page.evaluate("members[0].every(visible)")
    await page.locator("#panel .members button").first.click()
    await expect(page.locator("#panel .passages")).to_be_visible()


async def test_the_picture_is_moved_by_keys_and_by_hand(opened: Open, tides_page: Path) -> None:
    page = await opened(tides_page)
    await page.locator("#picture").focus()
    before = await page.evaluate("picture.where(0)")
    await page.keyboard.press("ArrowRight")
    assert await page.evaluate("picture.where(0)") == [before[0] - 60, before[1]]
    await page.keyboard.press("+")
    await page.keyboard.press("0")
    assert await page.evaluate("picture.where(0)") == pytest.approx(before, abs=1)
    start = await place_of(page, "[5, 5]")
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move(start[0] + 30, start[1] + 20, steps=3)
    await page.mouse.up()
    assert await page.evaluate("picture.where(0)") == pytest.approx([before[0] + 30, before[1] + 20], abs=1)
    await page.mouse.wheel(0, -300)
    assert await page.evaluate("picture.where(0)") != pytest.approx([before[0] + 30, before[1] + 20], abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_it_is_usable_by_everybody(opened: Open, tides_page: Path, scheme: str, size: tuple[int, int]) -> None:
    page = await opened(tides_page, scheme=scheme, size=size)
    await shot(page, f"graph-file-{scheme}-{size[0]}")
    assert not await complaints(page)
    await page.evaluate("choose(0, { look: true })")
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    await shot(page, f"graph-file-{scheme}-{size[0]}-chosen", whole=True)
    assert not await complaints(page)
    assert not await without_a_ring(page)
    assert not await page.evaluate(SIDEWAYS)


# what it must not do


def test_the_file_lets_nothing_in_but_what_stands_in_it(tides_page: Path) -> None:
    markup = tides_page.read_text(encoding="utf-8")
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Reading(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    Reading().feed(markup)
    names = [tag for tag, _ in seen]
    assert names.index("meta") < names.index("style") < names.index("script")
    policy = next(str(given["content"]) for tag, given in seen if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not [given for _, given in seen if "src" in given or "style" in given]
    assert [given["href"] for _, given in seen if "href" in given] == ["data:,", "#list"]


def put_in(page: Path, changed: Path) -> None:
    changed.write_bytes(page.read_bytes().replace(b"</header>", b"<script>window.bad = 1</script></header>"))


async def test_no_other_script_runs(tides_page: Path, tmp_path: Path, browser: Browser) -> None:
    """With a script put in, as somebody might who can change texts in the file only."""
    changed = tmp_path / "changed.html"
    put_in(tides_page, changed)
    page = await browser.new_page()
    try:
        await page.goto(changed.as_uri())
        await page.wait_for_selector("html[data-ready]", state="attached")
        assert await page.evaluate("window.bad") is None
    finally:
        await page.close()


async def test_hostile_texts_stay_texts(opened: Open, hostile: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(hostile, tmp_path / "hostile"))
    write(run, tmp_path / "graph.html")
    markup = (tmp_path / "graph.html").read_text(encoding="utf-8")
    block = markup.partition('<script id="data" type="application/json">')[2].partition("</script>")[0]
    assert "data-canary" in block
    assert not set("<>&\u2028\u2029") & set(block)
    for scheme, size in (("light", WIDE), ("dark", NARROW)):
        page = await opened(tmp_path / "graph.html", scheme=scheme, size=size)
        shown = ""
        for number in range(await page.evaluate("data.nodes.length")):
            await page.evaluate(f"choose({number}, {{ look: true }})")
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            await page.evaluate("new Promise(requestAnimationFrame)")
            assert not await page.evaluate(ALIVE)
            shown += await page.locator("body").inner_text()
            assert not await page.evaluate(SIDEWAYS)
        assert "canary49" not in shown
        for payload in (PAYLOADS[0], PAYLOADS[3]):
            assert payload in shown
        for colour in ("level", "type", "group"):
            await page.select_option("#colour", colour)
            assert not await page.evaluate(ALIVE)
        for payload in PAYLOADS:
            await page.locator("#search").fill(payload.replace("\x00", "")[:200])
            assert not await page.evaluate(ALIVE)
        await page.keyboard.press("Escape")
        await page.locator("#fold").click()
        await page.evaluate("data.groups.forEach((_, number) => unfold(number))")
        assert not await page.evaluate(ALIVE)
        await shot(page, f"graph-file-hostile-{scheme}")


# large ones


def large(folder: Path, count: int) -> Path:
    """A run with a graph of `count` entities in rings of fifty."""

    async def fill() -> None:
        store = RunStore.open(folder)
        try:
            entities = [
                Entity(id=f"e{n:06}", name=f"Mill {n}", type="place", mentions=(Span(chunk="gone", start=0, end=1),))
                for n in range(count)
            ]
            ends = [(n, n + 1 if (n + 1) % 50 else n - 49) for n in range(count)]
            relations = [
                Relation(id=f"r{a}", source=f"e{a:06}", target=f"e{b:06}", type="is by") for a, b in ends if b < count
            ]
            await store.set_graph(entities, relations, {"chunks": 0})
        finally:
            await store.close()

    asyncio.run(fill())
    return folder


async def test_a_large_graph_shows_its_communities_first(opened: Open, tmp_path: Path) -> None:
    run = await asyncio.to_thread(large, tmp_path / "large", 6000)
    write(run, tmp_path / "graph.html")
    page = await opened(tmp_path / "graph.html")
    groups = await page.evaluate("data.groups.length")
    await expect(page.locator("#shown")).to_contain_text(f"6,000 entities · 0 drawn · {groups} communities folded")
    await page.mouse.click(*await place_of(page, "picture.whereGroup(3)"))
    drawn = await page.evaluate("data.groups[3].length")
    await expect(page.locator("#shown")).to_contain_text(f"{drawn} drawn")
    await page.evaluate("data.groups.forEach((_, number) => unfold(number))")
    assert await page.evaluate("visibleCount()") <= 5000
    await page.locator("#search").fill("mill 4321")
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel h2")).to_have_text("Mill 4321")
    assert await page.evaluate("visible(chosen)")
    await expect(page.locator("#panel")).to_contain_text("a document that is no longer there")


def test_what_lies_beyond_the_bounds_is_said(tides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_module, "ENTITIES", 20)
    monkeypatch.setattr(contents_module, "RELATIONS", 10)
    monkeypatch.setattr(contents_module, "TEXT", 3000)
    said = write(tides, tmp_path / "graph.html")
    assert re.search(r"it holds the 20 of \d+ entities that most others are joined to", said)
    store = RunStore.read(tides)
    try:
        held = contents(store, "tides")
    finally:
        store.close_reading()
    assert len(held["nodes"]) == 20
    assert len(held["edges"]) == 10
    texts = [chunk["t"] for chunk in held["chunks"]]
    assert None in texts
    assert sum(len(text) for text in texts if text is not None) <= 3000
    assert sorted(number for group in held["groups"] for number in group) == list(range(20))


def test_the_same_run_gives_the_same_page(tides: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tides, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["one", "two"]


def test_a_run_without_a_graph_says_so(demo: Path) -> None:
    done = CliRunner().invoke(main, ["graph", str(demo), "--html"])
    assert done.exit_code == 1
    assert "has no knowledge graph" in done.output


def test_numbers_agree_with_the_store(tides: Path) -> None:
    store = RunStore.read(tides)
    try:
        held: dict[str, Any] = contents(store, "tides")
    finally:
        store.close_reading()
    with sqlite3.connect(tides / "run.sqlite3") as tables:
        (count,) = tables.execute("SELECT count(*) FROM tasks WHERE status = 'accepted'").fetchone()
    assert count
    assert sum(node["u"][0] for node in held["nodes"]) >= count
    assert all(node["l"] != "never" or not any(node["u"]) for node in held["nodes"])
