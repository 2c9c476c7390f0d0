"""What docs/review.md describes, done as a new user would: run the demo, open it, decide ten rejects by key, export."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from time import monotonic

from browser import People, shot
from playwright.async_api import Page, expect
from processes import Start
from served import ROOT

NOTE = "ask about a cause: the passage names one"
WAITING = re.compile(r"\d+")


async def test_from_the_demo_to_an_export(people: People, review, command, tmp_path) -> None:
    began = monotonic()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert (await (await command("run", tmp_path / "examples" / "demo.toml", "--plain")).ended())[0] == 0
    run = tmp_path / "runs" / "demo"
    before = await exported(command, run, tmp_path / "before")
    served = await review(run)
    page = await people.enter(served)
    title = page.get_by_role("heading", level=1)
    waiting = int(WAITING.findall(await title.inner_text())[0])
    assert waiting >= 10
    await shot(page, "review-queue")
    await page.locator(".row a.open").first.click()
    accepted = [number for number in range(10) if await decide(page, number)]
    await page.get_by_role("link", name="Queue").click()
    await expect(title).to_contain_text(str(waiting - 10))
    after = await exported(command, run, tmp_path / "after")
    assert len(after) == len(before) + len(accepted)
    written = {one["instruction"]: one["output"] for one in after}
    for number in (0, 4, 8):
        assert written[f"Question {number} of mine?"] == "An answer."
    print(f"from the demo to the export: {monotonic() - began:.1f} s, {len(accepted)} of 10 accepted")


async def exported(command: Start, run: Path, out: Path) -> list[dict[str, str]]:
    """What an export has."""
    code, _, err = await (await command("export", run, "--format", "alpaca", "--out", out)).ended()
    assert code == 0, err
    return [
        json.loads(line) for file in sorted((out / "alpaca").glob("*.jsonl")) for line in file.read_bytes().splitlines()
    ]


async def decide(page: Page, number: int) -> bool:
    """Decides the item that the page shows by keys alone, and waits for the next; returns whether it was accepted.

    One in four is written anew, one sent back; the others are accepted and rejected in turn, but rejected where no
    draft was made that could be accepted.
    """
    await expect(page.locator("article.item[data-ready=yes]")).to_be_visible()  # a key counts once it is in view
    here = page.url
    drafted = await page.locator("[data-do=accept]").is_enabled()
    action = (
        "edit" if number % 4 == 0 else "send_back" if number == 5 else "accept" if drafted and number % 2 else "reject"
    )
    if number == 1:
        await shot(page, "review-item")
    if action in {"accept", "reject"}:
        await page.keyboard.press(action[0])
    elif action == "send_back":
        await page.keyboard.press("b")
        await page.keyboard.type(NOTE)
        await page.keyboard.press("Control+Enter")
    else:
        await page.keyboard.press("e")
        await page.locator("#edit-0").fill(f"Question {number} of mine?")
        await page.locator("#edit-1").fill("An answer.")
        await shot(page, "review-edit")
        await page.keyboard.press("Control+Enter")
    await page.wait_for_url(lambda url: url != here)
    return action in {"accept", "edit"}


def test_the_page_has_the_pictures() -> None:
    """Small enough to be read over a slow line."""
    pictures = sorted((ROOT / "docs" / "images").glob("review-*.png"))
    assert pictures
    text = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    for picture in pictures:
        assert Path(picture).stat().st_size < 150_000, picture.name
        assert f"images/{picture.name}" in text
