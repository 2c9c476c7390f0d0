"""Commands typed in the test's own process: the real command line, files and stores, without a process's start.

A start costs more than most commands. What is about a process itself (signals, kills, terminals, streams, locks that
processes hold against each other) starts one: `processes.py`, or `gristmill` of test_cli.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from gristmill.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left, named as `subprocess.CompletedProcess` names it."""

    returncode: int
    stdout: str
    stderr: str


def typed(*arguments: object, cwd: Path, given: str | None = None, **env: str) -> Done:
    """Types `gristmill` with arguments in a folder; `given` is what stdin has, `env` what the environment has more.

    An error that the command line does not turn into a message is raised here. Modules that the command imported from
    the folder are forgotten, as a process would. Within a running loop the command has a thread and a loop of its own,
    and the caller's loop waits.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _typed(arguments, cwd, given, env)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_typed, arguments, cwd, given, env).result()


def _typed(arguments: tuple[object, ...], cwd: Path, given: str | None, env: dict[str, str]) -> Done:
    before = set(sys.modules)
    with chdir(cwd):
        ran = CliRunner(env=env).invoke(main, [*map(str, arguments)], input=given, prog_name="gristmill")
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(cwd.resolve()):
            del sys.modules[name]
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return Done(ran.exit_code, ran.stdout, ran.stderr)
