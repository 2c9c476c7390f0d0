"""Finds a user's flow by its name `module:attribute`."""

from __future__ import annotations

from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...errors import FlowError
from ...prompts.named import load_named
from .check import builder_of


def load_flow(name: str) -> StateGraph[Any, Any, Any, Any]:
    """Imports `module:attribute` and returns its `StateGraph`.

    The attribute is a `StateGraph`, a compiled one, or a function without required parameters that returns either.
    The campaign file's folder and the working folder are on the import path for the time of this import, so
    `my_flow.py` beside the campaign file is `my_flow:flow`. Importing a module runs it: name only your own.

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
