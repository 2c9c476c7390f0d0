"""Hostile documents, replies, verdicts and notes, through a whole campaign into every page: nothing comes alive."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from accessible import SIDEWAYS
from browser import NARROW, People, shot
from hostile import FILES, PAYLOADS
from playwright.async_api import Page
from processes import starting
from served import Served, serve
from visitor import address, methods, routes, visitor

OUR_ELEMENTS = """() => {
  const alive = (one) => {
    const names = one.getAttributeNames();
    const ours = one.localName === "script" && new URL(one.src, location).pathname.startsWith("/static/") && !one.text;
    return names.includes("data-canary") || names.some((name) => name.startsWith("on") || name === "srcdoc")
      || names.some((name) => /^(data-)?hx-/.test(name) && /^\\/?evil|alert\\(/.test(one.getAttribute(name)))
      || ["iframe", "object", "embed", "style", "base", "math", "mglyph", "canary-element"].includes(one.localName)
      || (one.localName === "script" && !ours) || (one.localName === "meta" && one.httpEquiv)
      || /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute("href") ?? one.getAttribute("action") ?? "")
      || /evil/.test(one.getAttribute("src") ?? "");
  };
  const all = (root) => [...root.querySelectorAll("*")].flatMap((one) =>
    [one, ...(one.shadowRoot ? all(one.shadowRoot) : []), ...(one.localName === "template" ? all(one.content) : [])]);
  return all(document).filter(alive).map((one) => one.outerHTML.slice(0, 300));
}"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
# What opens something: a panel with a field, a dialog, a selection. None that decides or leads to another page.
KEYS = ("?", "?", "Escape", "e", "Escape", "b", "Escape", "R", "Escape", "x", "Escape")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(hostile: Path, tmp_path_factory: pytest.TempPathFactory):
    run = Path(shutil.copytree(hostile, tmp_path_factory.mktemp("site") / "hostile"))
    async with starting(tmp_path_factory.mktemp("said")) as start:
        yield await serve(start, run, "--reviewer", PAYLOADS[1])


def ids(folder: Path, table: str) -> list[str]:
    with sqlite3.connect(folder / "run.sqlite3") as store:
        return [id for (id,) in store.execute(f"SELECT id FROM {table} ORDER BY id")]


def page_of(path: str) -> bool:
    """Whether a browser shows it as a page of ours; the rest answers in JSON or to htmx."""
    return path in {"/", "/dashboard", "/graph", "/agreement"} or re.fullmatch(r"/items/[^/]+", path) is not None


async def assert_dead(page: Page, what: str) -> None:
    found = await page.evaluate(OUR_ELEMENTS)
    assert not found, f"{what}:\n" + "\n".join(found)
    text = await page.evaluate("() => document.body.innerText")
    assert "canary49" not in text


def test_the_run_is_hostile_in_every_table(hostile: Path) -> None:
    """A run that was cleaned on its way would prove nothing."""
    with sqlite3.connect(hostile / "run.sqlite3") as store:
        for table in ("documents", "chunks", "entities", "relations", "items", "reviews"):
            assert "data-canary" in str(store.execute(f"SELECT * FROM {table}").fetchall()), table
        assert b"data-canary" in b"".join(raw for (raw,) in store.execute("SELECT raw FROM calls"))
        assert {name for (name,) in store.execute("SELECT name FROM documents")} >= set(FILES)


PATHS = sorted({route.path for route in routes() if "GET" in methods(route) and "{" not in route.path})


@pytest.mark.parametrize("path", [path for path in PATHS if page_of(path)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_of_the_whole_run(people: People, site: Served, path: str, scheme: str) -> None:
    page = await people.enter(site, path, scheme=scheme)
    await work(page, path)
    await shot(page, f"hostile{path}-{scheme}")


@pytest.mark.parametrize("path", [path for path in PATHS if page_of(path)])
async def test_no_text_pushes_a_page_wider_than_a_telephone(people: People, site: Served, path: str) -> None:
    page = await people.enter(site, path, size=NARROW)
    await assert_fits(page)


async def test_every_item(people: People, site: Served, hostile: Path) -> None:
    page = await people.enter(site)
    seen = replies = ""
    for number, id in enumerate(ids(hostile, "items")):
        answer = await page.goto(f"{site.origin}/items/{id}")
        assert answer is not None
        assert answer.status == 200
        await page.evaluate(OPEN_ALL)
        await assert_dead(page, id)
        assert await page.locator(".calls .step").count(), "each item here was asked of a model"
        seen += await page.locator("body").inner_text()
        if number % 8 == 0:
            await work(page, id)
            await page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
            await assert_fits(page)
            await shot(page, f"hostile-item-{number}")
            await page.set_viewport_size({"width": 1280, "height": 860})
        replies += "".join(await page.locator(".calls pre.raw").all_inner_texts())
    for payload in PAYLOADS[:17]:  # shown as text, so it was there to come alive
        assert re.sub(r"\s+", " ", payload) in re.sub(r"\s+", " ", seen), payload
        assert re.sub(r"\s+", " ", payload) in re.sub(r"\s+", " ", replies), payload


async def test_what_a_person_types(people: People, site: Served) -> None:
    """A search, a filter, an address: said back by the page, as a notice or an error."""
    page = await people.enter(site, allow=["status of 4"])
    for payload in (*PAYLOADS[:9], PAYLOADS[15], PAYLOADS[18], PAYLOADS[23]):
        given = quote(payload)
        for path in (f"/?text={given}&reason={given}&document={given}&critic={given}&sort={given}", f"/?after={given}",
                     f"/items/{quote(payload, safe='')}", f"/{given}", f"/graph?entity={given}", f"/?text={given}",
                     f"/?status={given}", f"/?reason={given}", f"/static/{given}"):  # fmt: skip
            answer = await page.goto(site.origin + path)
            assert answer is not None
            assert answer.status < 500, path
            await assert_dead(page, path)


async def test_answers_that_are_no_page_are_not_taken_for_one(site: Served, hostile: Path) -> None:
    """JSON and parts for htmx: typed as what they are, with nothing alive in them."""
    item, entity = ids(hostile, "items")[0], ids(hostile, "entities")[0]
    async with visitor(site) as one:
        for route in routes():
            if "GET" not in methods(route):
                continue
            path = address(route, entity if route.path.startswith("/graph/") else item)
            path = path.replace("some", ids(hostile, "entities")[1])
            for headers in ({}, {"HX-Request": "true"}, {"Accept": "application/json"}):
                answer = await one.get(path, **headers)
                assert answer.status < 500, path
                answer.assert_safe()
                kind = answer.headers.get("content-type", "")
                if kind.startswith("application/json"):
                    json.loads(answer.text)
                elif answer.text:
                    assert kind == "text/html; charset=utf-8", path
                    assert not canaries(answer.text), path


def canaries(markup: str) -> list[str]:
    """The elements of the payloads that came alive in a page or a part of one."""
    found: list[str] = []

    class Reading(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if "data-canary" in dict(attrs):
                found.append(str(self.get_starttag_text()))

    Reading().feed(markup)
    return found


async def work(page: Page, what: str) -> None:
    """Opens what is folded, presses keys, rests the pointer on things: what is made later is hostile too."""
    await page.evaluate(OPEN_ALL)
    await assert_dead(page, what)
    for key in KEYS:
        await page.keyboard.press(key)
        await assert_dead(page, f"{what} after {key}")
    for point in range(8):
        await page.mouse.move(120 + 140 * point, 150 + 80 * point)
    await page.wait_for_timeout(300)
    await assert_dead(page, what)


async def assert_fits(page: Page) -> None:
    """The page scrolls down only."""
    assert not await page.evaluate(SIDEWAYS)
