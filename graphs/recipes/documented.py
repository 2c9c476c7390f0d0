"""What a recipe says of itself in its code, for pages and help: its notes, its options with their meanings, its calls.

Notes are the docstring of the recipe's module, options the docstrings of their class and of its bases, a line
`name: meaning` each, of which longer ones go on indented. Calls for an accepted item were counted (`measured.toml`).
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from .base import Recipe

MEASURED = "measured.toml"
_OPTION = re.compile(r"(\w+(?:, \w+)*): +(.*)")
_HEADS = ("Faithful:", "Not faithful:")


@dataclass(frozen=True)
class Option:
    """One option: its name, its default as JSON values, what it means, and the values that it is one of, if few."""

    name: str
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notes:
    """What a module says of its recipe, in paragraphs: how it goes about a task, and what it keeps of its paper."""

    course: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()


def notes_of(recipe: Recipe) -> Notes:
    """Returns the notes of the module that the recipe is in; none where it cannot be told which that is."""
    home = _home(recipe)
    paragraphs = list(_paragraphs(inspect.getdoc(home) or ""))[1:] if home else []
    start = next((number for number, text in enumerate(paragraphs) if text.startswith(("After ", *_HEADS))), None)
    if start is None:
        return Notes(course=tuple(paragraphs))
    return Notes(course=tuple(paragraphs[:start]), paper=tuple(paragraphs[start:]))


def options_of(recipe: Recipe) -> tuple[Option, ...]:
    """Returns the recipe's options in their order; the meaning is empty where the docstring does not say it."""
    told = meanings(recipe.options)
    defaults = recipe.options().model_dump(mode="json")
    return tuple(
        Option(name, defaults[name], told.get(name, ""), _choices(field.annotation))
        for name, field in recipe.options.model_fields.items()
    )


def meanings(options: type[BaseModel]) -> dict[str, str]:
    """Returns the meanings that the docstrings of a class of options and of its bases have, by name."""
    homes = (home for home in reversed(options.__mro__) if issubclass(home, BaseModel) and home is not BaseModel)
    return {name: meaning for home in homes for name, meaning in _meanings(vars(home).get("__doc__") or "").items()}


def _meanings(docstring: str) -> dict[str, str]:
    found: dict[str, str] = {}
    names: tuple[str, ...] = ()
    for line in inspect.cleandoc(docstring).splitlines():
        if match := _OPTION.match(line):
            names = tuple(match[1].split(", "))
            found |= dict.fromkeys(names, match[2].strip())
        elif line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = ()
    return found


def file_of(recipe: Recipe) -> Path | None:
    """Returns the file that the recipe stands in; None where it cannot be told which that is."""
    home = _home(recipe)
    return Path(home.__file__) if home and home.__file__ else None


def calls_of(name: str) -> float | None:
    """Returns how many model calls an accepted item took on the recipe's small scripted campaign; None where nobody
    counted. Calls that build a knowledge graph are not among them."""
    return _measured().get(name)


@cache
def _measured() -> dict[str, float]:
    return tomllib.loads(resources.files(__package__).joinpath(MEASURED).read_text(encoding="utf-8"))


def _home(recipe: Recipe) -> ModuleType | None:
    """The module in which the recipe stands: that of its flow, else that of its options."""
    names = [getattr(recipe.flow, "__module__", ""), recipe.options.__module__]
    modules = [sys.modules[name] for name in names if name in sys.modules]
    return next((one for one in modules if any(value is recipe for value in vars(one).values())), None)


def _paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs of a docstring, each on one line; `Faithful:` and `Not faithful:` begin one by themselves."""
    lines: list[str] = []
    for line in [*docstring.splitlines(), ""]:
        if lines and (not line.strip() or line.startswith(_HEADS)):
            yield " ".join(lines)
            lines = []
        if line.strip():
            lines.append(line.strip())


def _choices(annotation: Any) -> tuple[str, ...]:
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()
