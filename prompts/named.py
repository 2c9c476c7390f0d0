"""Finds what a user wrote by its name `module:attribute`: an answer's schema here, flows and recipes further up."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import ConfigError

_home: ContextVar[Path | None] = ContextVar("home", default=None)


def look_in(folder: str | Path) -> None:
    """Has modules looked up in `folder`, that of a campaign's file, before the working folder; "" for there alone.

    It holds for what runs in this context from now on. A folder that is not there is no folder of this machine: it is
    told where a module is not found.
    """
    _home.set(Path(os.path.abspath(folder)) if folder else None)


def load_named(name: str, noun: str, error: type[ConfigError] = ConfigError) -> Any:
    """Imports `module:attribute` and returns it; `noun` says in messages what it is.

    The campaign file's folder (`look_in`) and the working folder are on the import path for the time of the import.
    Importing a module runs it. One that was imported under this name from elsewhere gives way to the one found there.

    Raises:
        ConfigError: the name is malformed, or the module or attribute is missing or fails; `error` chooses a subclass.
    """
    module_name, colon, attribute = name.partition(":")
    parts = [*module_name.split("."), *attribute.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise error(f"{noun} '{name}' is not of the form module:attribute, such as my_{noun}:{noun}")
    found = _import(name, module_name, noun, error)
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise error(f"{noun} '{name}': {module_name} has no attribute '{part}'{meant}")
        found = getattr(found, part)
    return found


def _import(name: str, module_name: str, noun: str, kind: type[ConfigError]) -> Any:
    home = _home.get()
    folders = list(dict.fromkeys([Path.cwd()] if home is None else [home, Path.cwd()]))
    with _importable(folders):
        importlib.invalidate_caches()  # the file may be younger than the import system's listing of the folder
        _forget_other(module_name.partition(".")[0], folders)
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                where = " or ".join(f"{one}" if one.is_dir() else f"{one} (which is not there)" for one in folders)
                raise kind(
                    f"{noun} '{name}': there is no module '{error.name}', neither installed nor in {where}"
                ) from error
            raise kind(f"{noun} '{name}': {module_name} needs a module that is missing: {error}") from error
        except Exception as error:  # a user's module may raise anything
            raise kind(f"{noun} '{name}': importing {module_name} failed: {type(error).__name__}: {error}") from error


def _forget_other(top: str, folders: Sequence[Path]) -> None:
    """Forgets a module, with those in it, that another project's folder gave before: its name says another file now."""
    known = getattr(sys.modules.get(top), "__file__", None)
    files = (file for one in folders for file in (one / top / "__init__.py", one / f"{top}.py"))
    found = next((file for file in files if file.is_file()), None)
    if known and found is not None and Path(known).exists() and not found.samefile(known):
        for one in [one for one in sys.modules if one == top or one.startswith(f"{top}.")]:
            del sys.modules[one]


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    added = [str(folder) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            if folder in sys.path:
                sys.path.remove(folder)
