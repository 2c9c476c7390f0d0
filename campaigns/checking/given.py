"""What a campaign is given in Python: objects of any type, of which those that cannot be are refused with the mend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ...errors import ConfigError, require_kind, what_is
from ...models.contract import Model
from ...models.spec import ModelSpec

AnyModel = str | Mapping[str, Any] | ModelSpec | Model
BY_NAME = 'give models by name: models={"default": "openai_api/Qwen/Qwen2.5-7B-Instruct"}'
A_MODEL = 'give a string such as \'offline\', a table such as {"model": "offline"}, a ModelSpec, or a Model'
OBJECTS = {
    "flow": "a StateGraph, a function that returns one, or 'module:attribute'",
    "planner": "a function (docs/own-recipe.md), or 'module:attribute'",
    "trainer": 'a function (docs/recipe-guide.md); a name stands in train={"hook": "module:attribute"}',
}


def told_models(models: Mapping[str, AnyModel]) -> tuple[dict[str, Any], dict[str, Model]]:
    """Returns the models that are told by their keys, for the campaign to validate, and those that are objects.

    Raises:
        ConfigError: they are no table, a name is no text, or a model is none.
    """
    require_kind("models", models, Mapping, BY_NAME)
    told: dict[str, Any] = {}
    objects: dict[str, Model] = {}
    for name, value in models.items():
        require_kind("a model's name", name, str, BY_NAME)
        if isinstance(value, ModelSpec):
            told[name] = value
        elif isinstance(value, str | Mapping):  # checked as a table of the campaign file is
            told[name] = {"model": value} if isinstance(value, str) else dict(value)
        elif isinstance(value, type) or not callable(getattr(value, "complete", None)):
            raise ConfigError(f"models.{name} is {what_is(value)}; {A_MODEL}")
        else:
            objects[name] = value
    return told, objects


def told_documents(documents: Iterable[str | Path]) -> list[str]:
    """Returns paths as texts.

    Raises:
        ConfigError: it is no list of paths.
    """
    if isinstance(documents, str | PathLike):
        raise ConfigError(f"documents must be a list, write [{fspath(documents)!r}]")
    if isinstance(documents, Mapping) or not isinstance(documents, Iterable):
        raise ConfigError(f'documents is {what_is(documents)}; give a list of paths: documents=["rows.jsonl"]')
    paths = list(documents)
    for path in paths:
        require_kind("one of documents", path, (str, PathLike), "give paths; texts have to stand in files")
    return [fspath(path) for path in paths]


def require_object(name: str, value: object) -> None:
    """Raises `ConfigError` for a flow, planner or trainer that can be none."""
    if value is None or callable(value) or (isinstance(value, str) and name != "trainer"):
        return
    if name == "flow" and hasattr(value, "nodes"):  # a graph, which is looked at when it is loaded
        return
    raise ConfigError(f"{name} is {what_is(value)}; give {OBJECTS[name]}")
