"""`gristmill review` as a real process on a free port of this machine, and runs for it to serve."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from processes import Command, Start, until

ROOT = Path(__file__).parent.parent.parent
ADDRESS = re.compile(r"http://\S+\?token=\S+")


@dataclass(frozen=True)
class Served:
    """A server that answers. `url` has the token; `origin` is scheme, host and port."""

    command: Command
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
    return Served(command, run, found[0])


def run_demo(folder: Path) -> Path:
    """Runs the example campaign in a new folder as `make demo` does; returns the run's folder. Takes seconds."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    subprocess.run(
        [sys.executable, "-m", "gristmill.cli", "run", "examples/demo.toml", "--plain"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder / "runs" / "demo"
