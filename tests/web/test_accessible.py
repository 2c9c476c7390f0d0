"""Every page is usable by keyboard, with a screen reader, in both colour schemes and on a telephone."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from accessible import complaints, without_a_ring
from browser import NARROW, WIDE, People, shot
from places import ROOT
from playwright.async_api import Browser
from served import Served
from visitor import pages

BASE = ROOT / "review" / "web" / "static" / "base.css"
OPEN_ALL = "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"


def items(folder: Path) -> list[str]:
    """One item of each status."""
    with sqlite3.connect(folder / "run.sqlite3") as store:
        return [id for (id,) in store.execute("SELECT MIN(id) FROM items GROUP BY status ORDER BY status")]


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_pages(people: People, demo_site: Served, path: str, scheme: str, size: tuple[int, int]) -> None:
    page = await people.enter(demo_site, path.format(id=items(demo_site.folder)[-1]), size=size, scheme=scheme)
    await page.wait_for_timeout(300)
    await shot(page, f"page{path}-{scheme}-{size[0]}", whole=True)
    assert not await complaints(page)
    await page.evaluate(OPEN_ALL)
    assert not await complaints(page)
    assert not await without_a_ring(page)


async def test_errors_are_pages_too(people: People, demo_site: Served) -> None:
    page = await people.enter(demo_site, "/nothing", allow=["status of 404"])
    assert not await complaints(page)


async def test_the_check_sees_what_is_wrong(browser: Browser) -> None:
    """Without this it could be blind."""
    page = await browser.new_page(viewport={"width": 360, "height": 700})
    try:
        await page.set_content(
            "<main><h1>One</h1><h3 id=a>Three</h3><button></button><input><img src='data:,'><i id=a for=none>i</i>"
            "<p style='color:#999;background:#fff'>pale</p><p style='opacity:.5;color:#555'>faded</p>"
            "<a href='#' style='outline:none'>link</a><div style='width:900px'>wide</div><table><tr><td>x</table>"
        )
        said = "\n".join([*await complaints(page), *await without_a_ring(page)])
    finally:
        await page.context.close()
    for part in (
        "no language", "no title", "<h3>", "twice", "names nothing", "a button has no name", "a textbox has no name",
        "pale", "faded", "px wide in a window of 360", "no <th>", "focus is not to be seen",
    ):  # fmt: skip
        assert part in said


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_tokens_have_contrast_on_every_ground(scheme: int) -> None:
    """Whatever a page makes of them: a colour for text on each colour for grounds."""
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", BASE.read_text())
    token = {name: colors[scheme] for name, *colors in found}
    pairs = [(text, ground) for text in ("text", "dim", "accent", "good", "bad", "warn") for ground in
             ("ground", "panel", "raised")]  # fmt: skip
    pairs += [("good", "good-ground"), ("bad", "bad-ground"), ("text", "mark"), ("on-accent", "accent")]
    for text, ground in pairs:
        high, low = sorted((luminance(token[text]), luminance(token[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"
    for ground in ("ground", "panel", "raised"):  # a ring of focus is no text: 3 (WCAG 1.4.11)
        high, low = sorted((luminance(token["focus"]), luminance(token[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, f"focus on {ground}"
