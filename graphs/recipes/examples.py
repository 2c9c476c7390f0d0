"""Examples of what the user gives a recipe (`examples.toml`): by the recipe's name options and rows; documents.

`gristmill init` fills them in, so that what it writes runs as it stands; help shows them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from ..planners.base import columns_of
from .base import Recipe

EXAMPLES = "examples.toml"
TEXT = "text"  # the column that a campaign reads as a row's text (`text_field`)


@dataclass(frozen=True)
class Example:
    """What the user gives a recipe.

    asked:   options that nobody else can give, each with a value that shows what is meant.
    options: options worth giving, which go with the rows.
    rows:    rows as the recipe reads them, of JSON values: their text as `text`, and the columns that its options name
             by default; none for what works from documents or from nothing.
    """

    asked: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()

    @property
    def filled(self) -> dict[str, Any]:
        """All options of the example."""
        return {**self.asked, **self.options}


def example_of(recipe: Recipe) -> Example:
    """Returns the recipe's example; an empty one where nobody wrote any, as for a user's own recipe."""
    known = _known()
    found = known["recipes"].get(recipe.name, {})
    columns = {TEXT, *(name for name, _ in columns_of(recipe.options()).values()), *found.get("columns", ())}
    rows = known["rows"][found["rows"]] if "rows" in found else ()
    return Example(
        asked=found.get("asked", {}),
        options=found.get("options", {}),
        rows=tuple({name: value for name, value in row.items() if name in columns} for row in rows),
    )


def example_documents() -> Mapping[str, str]:
    """Returns short documents to begin with: file name → Markdown text."""
    return {name: text.lstrip() for name, text in _known()["documents"].items()}


@cache
def _known() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(EXAMPLES).read_text(encoding="utf-8"))
