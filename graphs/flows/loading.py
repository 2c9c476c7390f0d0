"""Finds what a user wrote, a flow above all, by its name `module:attribute`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...errors import ConfigError, FlowError
from .check import builder_of


def load_flow(name: str) -> StateGraph[Any, Any, Any, Any]:
    """Imports `module:attribute` and returns its `StateGraph`.

    The attribute is a `StateGraph`, a compiled one, or a function without required parameters that returns either.
    The working folder is on the import path for the time of this import, so `my_flow.py` beside the campaign file is
    `my_flow:flow`. Importing a module runs it: name only your own.

    Raises:
        FlowError: the name is malformed, the module or attribute is missing or fails, or it is no flow.
    """
    return flow_of(load_named(name, "flow", FlowError), name)


def flow_of(found: object, name: str) -> StateGraph[Any, Any, Any, Any]:
    """Returns the `StateGraph` that an object is, or that a function makes; `name` stands for it in messages.

    Raises:
        FlowError: it is neither, or calling it fails.
    """
    verb = "is"
    if callable(found) and not isinstance(found, StateGraph | CompiledStateGraph | type):
        verb = "returned"
        try:
            found = found()
        except Exception as error:  # a user's code may raise anything
            raise FlowError(f"flow '{name}': calling it failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, StateGraph | CompiledStateGraph):
        what = "None" if found is None else f"a {type(found).__name__}"
        raise FlowError(
            f"flow '{name}' {verb} {what}; it has to be a langgraph StateGraph or a function that returns one"
        )
    return builder_of(found)


def load_named(name: str, noun: str, error: type[ConfigError] = ConfigError) -> Any:
    """Imports `module:attribute` and returns it; `noun` says in messages what it is.

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
