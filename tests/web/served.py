"""`gristmill review` on a free port of this machine, as a real process or in a thread, and runs for it to serve."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import uvicorn
from in_process import typed
from places import ROOT
from processes import Command, Start, until

from gristmill.review.web.serve import access_of, bound, server_of
from gristmill.review.web.site import Site

ADDRESS = re.compile(r"http://\S+\?token=\S+")


@dataclass(frozen=True)
class Place:
    """Where a run is served. `url` has the token; `origin` is scheme, host and port."""

    folder: Path
    url: str

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def port(self) -> int:
        found = urlsplit(self.url).port
        assert found
        return found

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]


@dataclass(frozen=True)
class Served(Place):
    """A process that answers there."""

    command: Command

    @property
    def said(self) -> str:
        """All that the process has said until now."""
        return self.command.out.read_text() + self.command.err.read_text()


async def serve(start: Start, run: Path, *options: object, **env: str) -> Served:
    """Starts `gristmill review RUN` with further options; returns when it answers. It ends with `start`'s fixture."""
    command = await start("review", run, "--port", 0, "--no-browser", "--reviewer", "ada", *options, **env)
    await until(lambda: "Ctrl-C" in command.out.read_text() or command.process.returncode is not None)
    found = ADDRESS.search(command.out.read_text())
    assert found, f"it did not start:\n{command.out.read_text()}{command.err.read_text()}"
    return Served(run, found[0], command)


@asynccontextmanager
async def served_here(run: Path) -> AsyncIterator[Place]:
    """Serves a run by a thread of this process: the same pages and server, without a process's start."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[tuple[str, uvicorn.Server]] = loop.create_future()

    async def serving() -> None:
        with bound("127.0.0.1", 0) as listening:
            site = Site(run, "", access_of("127.0.0.1", listening.getsockname()[1], "", "ada"))
            await site.ready(lambda _: None)
            server = server_of(site)
            loop.call_soon_threadsafe(ready.set_result, (site.access.url, server))
            await asyncio.gather(site.warm(), server.serve(sockets=[listening]))

    thread = asyncio.ensure_future(asyncio.to_thread(asyncio.run, serving()))
    await asyncio.wait([thread, ready], return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await thread  # raises why it did not start
    url, server = ready.result()
    try:
        yield Place(run, url)
    finally:
        server.should_exit = True
        await thread


def run_demo(folder: Path) -> Path:
    """Runs the example campaign in a new folder as `make demo` does; returns the run's folder. Takes seconds."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    ran = typed("run", "examples/demo.toml", "--plain", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "runs" / "demo"
