"""The command line and the orders by which a layer starts the launcher. Starts nothing."""

from __future__ import annotations

import base64
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .records import Layer, Limits
from .syscalls import filter_for

BOX = "/box"  # the working folder, where the file tree is the program's own
_LAUNCHER = Path(__file__).with_name("launcher.py")
_INSIDE = "/run/launcher.py"
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/sbin")
_FILES = ("/etc/ld.so.cache", "/etc/localtime")
_DEVICES = ("/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
_OPEN_FILES = 64


def interpreter() -> str:
    """Returns the path of this interpreter itself, not of a virtual environment that stands before it."""
    path = os.path.realpath(sys.executable)
    if Path(path).is_relative_to(os.path.realpath(sys.base_prefix)):
        return path
    return os.path.join(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")


def environment(layer: Layer) -> dict[str, str]:
    """Returns all that a program finds in its environment. Sets have the same order in each execution."""
    home = BOX if layer is Layer.BUBBLEWRAP else "."
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def orders_for(
    layer: Layer, argv: Sequence[str], stdin: bytes, files: Mapping[str, bytes], limits: Limits
) -> dict[str, Any]:
    """Returns what the launcher is told, without the numbers of its pipes."""
    bounds = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": max(1, math.ceil(limits.cpu_seconds)),
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": limits.folder,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    if layer is not Layer.LANDLOCK:  # elsewhere it would count whatever else this user runs
        bounds["RLIMIT_NPROC"] = limits.threads + 4  # bubblewrap's two, the launcher and its child
    return {
        "layer": layer,
        "box": BOX,
        "base": tempfile.gettempdir(),
        "argv": list(argv),
        "environment": environment(layer),
        "stdin": base64.b64encode(stdin).decode(),
        "contents": {name: base64.b64encode(content).decode() for name, content in files.items()},
        "limits": bounds,
        "folder": limits.folder,
        "files": limits.files,
        "filter": filter_for(),
        "readable": ["/usr", *_SYSTEM, *_FILES, *_DEVICES, sys.base_prefix],
    }


def command(layer: Layer, limits: Limits) -> list[str]:
    """Returns the command that starts the launcher. For `bubblewrap`, the program must be installed."""
    python = interpreter()
    if layer is not Layer.BUBBLEWRAP:
        return [python, "-I", "-S", "-B", str(_LAUNCHER)]
    return [*_bubblewrap(limits), python, "-I", "-S", "-B", _INSIDE]


def _bubblewrap(limits: Limits) -> list[str]:
    words = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv"]
    words += ["--uid", "65534", "--gid", "65534", "--hostname", "box", "--cap-drop", "ALL"]
    words += ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind-try", path, path]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        words += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    for path in _FILES:
        words += ["--ro-bind-try", path, path]
    for path in _DEVICES:
        words += ["--dev-bind", path, path]
    words += ["--ro-bind", str(_LAUNCHER), _INSIDE]
    # The root is in memory and has no bound of its own: it is closed once all stands.
    return [
        *words,
        "--size",
        str(limits.folder),
        "--perms",
        "0700",
        "--tmpfs",
        BOX,
        "--remount-ro",
        "/",
        "--chdir",
        BOX,
    ]
