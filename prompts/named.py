"""Finds what a user wrote by its name `module:attribute`: an answer's schema here, flows and recipes further up."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import ConfigError


def load_named(name: str, noun: str, error: type[ConfigError] = ConfigError) -> Any:
    """Imports `module:attribute` and returns it; `noun` says in messages what it is.

    The working folder is on the import path for the time of the import. Importing a module runs it.

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
    with _importable(Path.cwd()):
        importlib.invalidate_caches()  # the file may be younger than the import system's listing of the folder
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise kind(
                    f"{noun} '{name}': there is no module '{error.name}', neither installed nor in {Path.cwd()}"
                ) from error
            raise kind(f"{noun} '{name}': {module_name} needs a module that is missing: {error}") from error
        except Exception as error:  # a user's module may raise anything
            raise kind(f"{noun} '{name}': importing {module_name} failed: {type(error).__name__}: {error}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))
