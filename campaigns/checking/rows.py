"""The rows that a recipe reads: whether they have the columns that its options name, and what a row looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orjson import dumps
from pydantic import BaseModel

from ...agents.names import one_line
from ...errors import ConfigError, meant
from ...graphs.planners.base import Column, Options, columns_of
from ...graphs.recipes.base import ROWS, Recipe
from ...graphs.recipes.examples import TEXT, example_of

MARK = "columns"  # the run's mark with the `Columns` of its documents
MOST_NAMES = 500  # columns that are counted: rows of a hostile file may each have others
LONGEST = 60  # characters of a value in the line that shows a row


@dataclass
class Columns:
    """How many documents there are, and how many of them have a value in a column; for rows of tables, by its name."""

    documents: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def add(self, meta: Mapping[str, Any]) -> None:
        """Counts one document."""
        self.documents += 1
        for name, value in meta.items():
            if value is None or not str(value).strip():
                continue
            if name in self.filled or len(self.filled) < MOST_NAMES:
                self.filled[name] += 1

    @property
    def as_mark(self) -> dict[str, Any]:
        """JSON values, for the run's marks."""
        return {"documents": self.documents, "filled": dict(self.filled)}

    @classmethod
    def of_mark(cls, mark: Mapping[str, Any]) -> Columns:
        """What `as_mark` wrote."""
        return cls(mark["documents"], Counter(mark["filled"]))


@dataclass(frozen=True)
class RowsWanted:
    """What a recipe wants of the rows, by its options.

    columns: option → the column that it names, and its mark; none for what reads no columns.
    given:   the options that the user set.
    shown:   a row as the recipe reads it, a line of JSON; empty for what works from no rows.
    """

    recipe: str = ""
    columns: Mapping[str, tuple[str, Column]] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    shown: str = ""

    @classmethod
    def of(cls, recipe: Recipe, options: BaseModel, text_field: str) -> RowsWanted:
        columns = columns_of(options) if isinstance(options, Options) else {}
        shown = row_of(recipe, options, text_field) if recipe.needs & ROWS else ""
        return cls(recipe.name, columns, frozenset(options.model_fields_set), shown)

    @property
    def hint(self) -> str:
        """What an error adds that says of documents that there are none."""
        return f"\n'{self.recipe}' reads a file of lines such as {self.shown}" if self.shown else ""

    def require(self, there: Columns) -> None:
        """Raises `ConfigError` for a column that every row must have, and that some or all have not."""
        if len(there.filled) == MOST_NAMES:  # it may be one of those that were not counted
            return
        for option, (column, mark) in self.columns.items():
            lacking = there.documents - there.filled[column]
            if not mark.needed or not lacking:
                continue
            said = f"options.{option}: '{self.recipe}' reads the column '{column}' of every row, and "
            if lacking == there.documents:
                raise ConfigError(f"{said}no row has it{_meant(column, there)}")
            raise ConfigError(
                f"{said}{lacking} of {there.documents} have no value there; fill it in, or leave these out"
            )

    def passed_over(self, there: Columns) -> list[str]:
        """What to tell of the columns that the user named, that no row has, and that the recipe can do without."""
        return [
            f"options.{option}: no row has the column '{column}'{_meant(column, there)}; "
            f"'{self.recipe}' goes on without"
            for option, (column, _) in self.columns.items()
            if option in self.given and there.documents and not there.filled[column]
        ]


def _meant(column: str, there: Columns) -> str:
    return meant(column, [one_line(name)[:LONGEST] for name in there.filled], listed="see the rows")


def row_of(recipe: Recipe, options: BaseModel, text_field: str) -> str:
    """Returns a line of JSON as the recipe reads it, with the columns that its options name."""
    defaults = columns_of(recipe.options())
    shown = next(iter(example_of(recipe).rows), {})
    row = {text_field: _short(shown.get(TEXT, "..."))}
    for option, (column, mark) in columns_of(options).items():
        value = shown.get(defaults[option][0] if option in defaults else column)
        if value is not None or mark.needed:
            row[column] = _short("..." if value is None else value)
    return dumps(row).decode()


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}..." if isinstance(value, str) and len(value) > LONGEST else value
