"""The page of `gristmill eval`, opened from the disk as people open it: nothing is served or asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from accessible import SIDEWAYS, complaints
from browser import NARROW, PATIENCE, WIDE, shot
from click.testing import CliRunner
from hostile import PAYLOADS
from opened_files import ALIVE, Open
from playwright.async_api import expect

from gristmill.campaigns.evaluation.evaluating import evaluate
from gristmill.campaigns.evaluation.told import as_dict
from gristmill.cli import main
from gristmill.review.report.page import page_of

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def report(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the demo's run, beside itself, compared with its own first rows."""
    out = tmp_path_factory.mktemp("report")
    rows = out / "exam.jsonl"
    exported = CliRunner().invoke(main, ["export", str(demo), "--format", "chat", "--out", str(out / "export")])
    assert exported.exit_code == 0, exported.output
    rows.write_text("".join((out / "export" / "chat" / "train.jsonl").read_text().splitlines(keepends=True)[:3]))
    done = CliRunner().invoke(
        main, ["eval", str(demo), "--against", str(demo), "--contamination", str(rows), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return out / "report.html"


async def test_every_part_is_on_the_page(opened: Open, report: Path) -> None:
    page = await opened(report)
    heads = await page.locator("#content h2").all_inner_texts()
    for part in ("Map of the items", "Yield", "Cost per accepted item", "Diversity", "Coverage", "Acceptance by reason",
                 "Novelty over time", "Distributions", "Side by side", "Contamination"):  # fmt: skip
        assert any(head.startswith(part) for head in heads), part
    whole = await page.locator("body").inner_text()
    assert not re.search(r"\b(NaN|undefined|null|Infinity)\b", whole)
    assert "exam.jsonl" in whole
    for mark in await page.locator("sup a").all():
        assert await page.locator((await mark.get_attribute("href")) or "#").count() == 1
    assert await page.locator("figure canvas").count() >= 7
    for part in ("Cost per accepted item", "Coverage by accepted items"):
        assert await page.locator("section", has_text=part).locator("figure canvas").count() >= 1, part
    rows = page.locator("section", has_text="Side by side").locator("tbody tr")
    assert await rows.count() == await page.evaluate("data.beside.length")
    assert await rows.locator(".pair").count() >= 8


async def test_figures_fit_a_telephone(opened: Open, report: Path) -> None:
    page = await opened(report, size=(400, 800))
    for part in ("Yield", "Cost per accepted item", "Length, difficulty", "Coverage by", "Diversity"):
        tables = page.locator("section", has=page.get_by_role("heading", name=part)).locator(".scroll")
        hidden = await tables.evaluate_all("all => all.map((one) => one.scrollWidth - one.clientWidth)")
        assert hidden, part
        assert max(hidden) <= 1, part


async def test_the_map_says_what_is_pointed_at(opened: Open, report: Path) -> None:
    page = await opened(report)
    await page.locator("canvas.picture").focus()
    await page.keyboard.press("ArrowRight")
    tip = page.locator(".tip")
    await expect(tip).to_be_visible()
    first = await page.evaluate("[data.map.points[0].id, data.map.points[0].line]")
    for text in first:
        await expect(tip).to_contain_text(text)
    for name in await page.locator("#tint option").evaluate_all("all => all.map((one) => one.value)"):
        await page.select_option("#tint", name)
        await expect(page.locator(".legend li").first).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_pictures_stay_in_their_columns_and_words_whole(
    opened: Open, report: Path, size: tuple[int, int]
) -> None:
    page = await opened(report, size=size)
    out = """all => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText)"""
    assert await page.locator("figure").evaluate_all(out) == []
    lines = """all => all.filter((one) => one.offsetHeight > 4 * parseFloat(getComputedStyle(one).fontSize))
                      .map((one) => one.innerText)"""
    assert await page.locator("th").evaluate_all(lines) == [], "a head over so many lines is one letter wide"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_it_is_usable_by_everybody(opened: Open, report: Path, scheme: str, size: tuple[int, int]) -> None:
    page = await opened(report, scheme=scheme, size=size)
    await shot(page, f"report-{scheme}-{size[0]}", whole=True)
    assert not await complaints(page)
    assert not await page.evaluate(SIDEWAYS)


async def test_hostile_texts_stay_text(opened: Open, tmp_path: Path) -> None:
    texts = [
        f"{payload} number {at}" for at, payload in enumerate([*PAYLOADS, "</script><script>window.bad = 1</script>"])
    ]
    path = tmp_path / "report.html"
    path.write_bytes(page_of(as_dict(evaluate(texts * 2, against=texts))))
    page = await opened(path)
    assert await page.evaluate("window.bad") is None
    assert not await page.evaluate(ALIVE)


async def test_an_empty_set_has_a_page(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(page_of(as_dict(evaluate([]))))
    page = await opened(path)
    await expect(page.locator("#content")).to_contain_text("nothing to measure")
