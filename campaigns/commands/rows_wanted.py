"""Says what a recipe works from: kinds of files, or rows with the columns that its options name."""

from __future__ import annotations

from ...graphs.planners.base import columns_of
from ...graphs.recipes.base import Recipe
from ...graphs.recipes.examples import TEXT

ROWS = frozenset({"seeds", "labels"})
"""The needs that rows meet."""


def wanted(recipe: Recipe) -> str:
    """Says what the documents of a recipe are: kinds of files, or rows with their columns."""
    if not recipe.needs & ROWS:
        return "files, folders, globs: md, txt, html, pdf, docx, csv, jsonl, parquet"
    columns = columns_of(recipe.options()).values()
    needed = [TEXT, *(name for name, mark in columns if mark.needed)]
    maybe = [name for name, mark in columns if not mark.needed]
    said = f"jsonl, csv, parquet: rows with {_listed(needed)}"
    return f"{said}, perhaps {_listed(maybe)}" if maybe else said


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
