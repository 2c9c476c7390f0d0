"""The recipes by name: what each needs, gives and follows; for one, its options too."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ..graphs.recipes.base import NEEDS, Recipe
from ..graphs.recipes.catalogue import recipe, recipes
from ..graphs.recipes.documented import calls_of, options_of


def recipe_dict(found: Recipe) -> dict[str, Any]:
    """One recipe as JSON values; `calls` are model calls for an accepted item, `options` the defaults by name."""
    return {
        "name": found.name,
        "summary": found.summary,
        "paper": found.paper,
        "needs": needs_of(found),
        "gives": found.gives,
        "roles": list(found.roles),
        "calls": calls_of(found.name),
        "options": found.options().model_dump(mode="json"),
    }


def all_recipes() -> list[dict[str, Any]]:
    """All recipes, in the catalogue's order."""
    return [recipe_dict(found) for found in recipes().values()]


def needs_of(found: Recipe) -> list[str]:
    """What the recipe needs, in the order of `NEEDS`."""
    return [need for need in NEEDS if need in found.needs]


def print_recipes(console: Console) -> None:
    """Prints a table of all recipes."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("recipe", "needs", "gives", "what it makes"):
        table.add_column(column, no_wrap=column != "what it makes")
    for found in recipes().values():
        table.add_row(found.name, ", ".join(needs_of(found)) or "nothing", found.gives, found.summary)
    console.print(table)


def print_recipe(console: Console, name: str) -> None:
    """Prints one recipe; raises `ConfigError` for a name that none has."""
    found = recipe(name)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("recipe", found.name)
    table.add_row("makes", found.summary)
    table.add_row("after", found.paper or "no paper")
    table.add_row("needs", "\n".join(f"{need}: {NEEDS[need]}" for need in needs_of(found)) or "nothing")
    table.add_row("gives", found.gives)
    table.add_row("roles", ", ".join(found.roles) or "those of your flow")
    if (calls := calls_of(found.name)) is not None:
        table.add_row("calls", f"about {calls:g} for an accepted item")
    for option in options_of(found):
        table.add_row("option", f"{option.name} = {option.default!r}")
        table.add_row("", option.meaning, style="dim")
    console.print(table, markup=False)
