"""What the tests of the pages share: one Chromium, people in it who are watched, real servers, the demo's run.

All tests here run in the session's event loop, the one that the browser lives in. An asynchronous fixture of your own
says so too: `@pytest_asyncio.fixture(loop_scope="session")`.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import PATIENCE, TELL_BREACHES, WIDE, People, chromium, shot
from hostile import hostile_run
from opened_files import OURS, Open
from playwright.async_api import Browser, Page
from processes import Start, starting
from served import Served, run_demo, serve

HERE = Path(__file__).parent
FAILED = pytest.StashKey[bool]()
Review = Callable[..., Awaitable[Served]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each person in it has a profile of their own."""
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def review(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Review]:
    """`await review(run, *options)` starts `gristmill review` as a process of this test's own; returns it `Served`."""
    async with starting(tmp_path_factory.mktemp("said")) as start:

        async def reviewing(run: Path, *options: object, **env: str) -> Served:
            return await serve(start, run, *options, **env)

        yield reviewing


@pytest_asyncio.fixture(loop_scope="session")
async def people(browser: Browser, review: Review, request: pytest.FixtureRequest) -> AsyncIterator[People]:
    """`await people.enter(served, path)` opens a page. The test fails if anything went wrong on one (see `browser.py`).

    Of a test that failed, each open page is kept as a picture among the artefacts.
    """
    assert review  # set up before, so that its servers end after the pages that ask them
    found = People(browser)
    yield found
    if request.node.stash.get(FAILED, False):
        for number, page in enumerate(found.pages()):
            await shot(page, f"failed-{request.node.name}-{number}")
    faults = await found.close()
    assert not faults, "on the pages of this test:\n" + "\n".join(faults)


@pytest_asyncio.fixture(loop_scope="session")
async def command(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    """Starts other `gristmill` commands as processes of this test's own."""
    async with starting(tmp_path_factory.mktemp("said")) as start:
        yield start


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the example campaign, made once. Read it only: `demo_run` is a copy to decide in."""
    return run_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo_run(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo's run for this test."""
    return Path(shutil.copytree(demo, tmp_path / "runs" / "demo"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose every text is out to run its script, made once; with a knowledge graph. Read it only."""
    report = await hostile_run(tmp_path_factory.mktemp("hostile"))
    assert report.books.failed
    assert report.books.rejected
    return Path(report.folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo_site(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One server of the demo's run for all tests that decide nothing."""
    run = Path(shutil.copytree(demo, tmp_path_factory.mktemp("read") / "demo"))
    async with starting(tmp_path_factory.mktemp("said")) as start:
        yield await serve(start, run)


@pytest_asyncio.fixture(loop_scope="session")
async def opened(browser: Browser) -> AsyncIterator[Open]:
    """`await opened(path)` opens a file; the test fails for whatever a page must never do."""
    faults: list[str] = []
    contexts = []

    async def opening(path: Path, *, size: tuple[int, int] = WIDE, scheme: str = "light", touch: bool = False) -> Page:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            has_touch=touch,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(TELL_BREACHES)
        page = await context.new_page()
        here = path.as_uri()
        page.on("console", lambda one: faults.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda one: faults.append(f"uncaught: {one}"))
        page.on("dialog", lambda one: faults.append(f"dialog: {one.message}"))
        page.on(
            "request",
            lambda one: None if one.url.startswith((here, "data:")) else faults.append(f"asked for {one.url}"),
        )
        await page.goto(here)
        await page.wait_for_selector("html[data-ready]", state="attached")
        await page.evaluate(OURS)
        return page

    yield opening
    for context in contexts:
        await context.close()
    assert not faults, "\n".join(faults)
