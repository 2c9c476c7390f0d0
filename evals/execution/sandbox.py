"""Runs programs that models wrote, each in a process of its own that has no network and little else.

The launcher (`launcher.py`) is started through a layer of isolation, limits and confines itself, and becomes the
program. A program reaches this process only as bytes on pipes. Knows nothing of drafts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import PurePosixPath
from weakref import WeakKeyDictionary

from ...errors import ConfigError
from .layers import command, interpreter, orders_for
from .process import attend, judge
from .records import Ending, Execution, Layer, Limits, Program
from .syscalls import filter_for

MEND = (
    "install bubblewrap (Debian: apt-get install bubblewrap) on a kernel that allows user namespaces, "
    "or use Linux 6.2 or newer with Landlock, on x86_64 or aarch64"
)
PROGRAM = "program.py"
_TAIL = 400

_LIMITS = Limits()
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_probed: dict[Layer, str] = {}  # what a layer says against itself; empty for one that holds


async def run(
    program: Program | Sequence[str],
    *,
    stdin: str | bytes = b"",
    files: Mapping[str, str | bytes] | None = None,
    limits: Limits = _LIMITS,
    layer: Layer | None = None,
) -> Execution:
    """Runs a program and says how it ended; a hostile program is an ending, never an exception.

    As many run at once as the machine has cores; others wait. Cancelling ends the program.

    Args:
        program: a Python program, or a command line whose first word is an absolute path.
        files: the working folder's contents by relative path.
        layer: the isolation to use; by default the strongest that holds on this machine.

    Raises:
        ConfigError: a file's name leads out of the folder, limits make no sense, or a command has no absolute path.
    """
    contents = {_checked_name(name): _bytes(content) for name, content in (files or {}).items()}
    argv = _argv(program, contents)
    _check(limits)
    async with _slot():
        if layer is None:
            layer = await _strongest()
        if layer is None:
            return unavailable("; ".join(f"{one}: {why}" for one, why in _probed.items()))
        return await _run(layer, argv, _bytes(stdin), contents, limits)


async def available() -> dict[Layer, str]:
    """Tries each layer with a real program. Returns what is wrong with each; an empty text is a layer that holds."""
    return {layer: await _objection(layer) for layer in Layer}


def unavailable(why: str) -> Execution:
    """The execution of a program that was never started, with the mend."""
    return Execution(Ending.UNAVAILABLE, None, detail=f"no isolation for programs on this machine ({why}): {MEND}")


async def _strongest() -> Layer | None:
    for layer in Layer:
        if not await _objection(layer):
            return layer
    return None


async def _objection(layer: Layer) -> str:
    """Returns what a layer says against itself; tried once, but for one that was too slow to answer."""
    if layer not in _probed:
        contents: dict[str, bytes] = {}
        argv = _argv(Program("print(6 * 7)"), contents)
        tried = await _run(layer, argv, b"", contents, _LIMITS)
        said = "" if (tried.ending, tried.stdout) == (Ending.OK, "42\n") else tried.detail or tried.stderr[-_TAIL:]
        if tried.ending is Ending.TIMEOUT:
            return said
        _probed[layer] = said
    return _probed[layer]


async def _run(
    layer: Layer, argv: Sequence[str], stdin: bytes, files: Mapping[str, bytes], limits: Limits
) -> Execution:
    if filter_for() is None:
        return unavailable(f"no filter of system calls for {os.uname().machine}")
    if layer is Layer.BUBBLEWRAP and shutil.which("bwrap") is None:
        return unavailable("bwrap is not installed")
    seen = await attend(command(layer, limits), orders_for(layer, argv, stdin, files, limits), limits)
    return judge(layer, seen, limits)


def _slot() -> asyncio.Semaphore:
    return _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(os.cpu_count() or 1))


def _argv(program: Program | Sequence[str], contents: dict[str, bytes]) -> list[str]:
    if isinstance(program, Program):
        if PROGRAM in contents:
            raise ConfigError(f"files has '{PROGRAM}', which is the program's own name; give it another")
        contents[PROGRAM] = _bytes(program.source)
        argv = [interpreter(), "-s", "-S", PROGRAM, *program.arguments]
    else:
        argv = list(program)
    if isinstance(program, str) or not argv or not os.path.isabs(argv[0]):
        raise ConfigError(f"a command is a list whose first word is an absolute path, not {program!r:.100}")
    if any("\0" in word for word in argv):
        raise ConfigError("an argument of a program has a NUL character; hand such text over as stdin or as a file")
    return argv


def _checked_name(name: str) -> str:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name or str(path) != name or name == ".":
        raise ConfigError(f"a file is named {name!r:.100}; give a plain relative path, such as 'data/rows.csv'")
    return name


def _check(limits: Limits) -> None:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if not value > 0 or value == float("inf"):
            raise ConfigError(f"the limit {field.name} is {value}; give a finite number above 0")


def _bytes(text: str | bytes) -> bytes:
    """Broken text stays broken: the program that it is in gets to see that."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
