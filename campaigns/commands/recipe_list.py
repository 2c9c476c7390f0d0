"""The recipes by name: what each needs, gives and follows; for one, all that it takes to start it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...graphs.recipes.base import NEEDS, SOURCES, Recipe
from ...graphs.recipes.catalogue import recipe, recipes
from ...graphs.recipes.documented import calls_of, file_of, notes_of, options_of
from ...graphs.recipes.examples import example_of
from ..terminal import me
from .fitting import formats_of
from .recipe_page import default
from .rows_wanted import ROWS, wanted

NOTHING = ""
GROUPS = {
    "documents": "from documents",
    "graph": "from documents, by a knowledge graph that is made of them",
    "seeds": "from seeds: items to start from, one a row",
    "labels": "from rows with a label",
    NOTHING: "from nothing but options",
}
"""What a recipe starts from, for the list: of its needs the last that stands here."""

SHORT = {"several models": "2 models", "base model": "raw text", "code runner": "sandbox", "logprobs": "logprobs"}
NAME, GIVES = 21, 14  # characters of the columns of the list


def recipe_dict(found: Recipe) -> dict[str, Any]:
    """One recipe as JSON values; `calls` are model calls for an accepted item, `options` the defaults by name, `row` an
    example, `formats` the exports that fit."""
    example = example_of(found)
    return {
        "name": found.name,
        "summary": found.summary,
        "paper": found.paper,
        "needs": needs_of(found),
        "gives": found.gives,
        "formats": list(formats_of(found)),
        "roles": list(found.roles),
        "apart": [list(group) for group in found.apart],
        "calls": calls_of(found.name),
        "options": found.options().model_dump(mode="json"),
        "asked": dict(example.asked),
        "row": dict(example.rows[0]) if example.rows else None,
    }


def all_recipes() -> list[dict[str, Any]]:
    """All recipes, in the catalogue's order."""
    return [recipe_dict(found) for found in recipes().values()]


def needs_of(found: Recipe) -> list[str]:
    """What the recipe needs, in the order of `NEEDS`."""
    return [need for need in NEEDS if need in found.needs]


def print_recipes(console: Console) -> None:
    """Prints all recipes: by what they start from for people, a whole line each for pipes."""
    known = list(recipes().values())
    if not console.is_terminal:
        for found in known:
            needs = ", ".join(needs_of(found)) or "nothing"
            console.print(f"{found.name:<{NAME}}  {found.gives:<{GIVES}}  {needs:<27}  {found.summary}", markup=False)
        return
    for group, said in GROUPS.items():
        console.print(Text(said, style="bold"), no_wrap=True, overflow="ellipsis")
        for found in known:
            if _group(found) == group:
                told = shorten(_told(found), max(20, console.width - NAME - GIVES - 4), placeholder=" …")
                line = Text.assemble(f"  {found.name:<{NAME}} ", (f"{found.gives:<{GIVES}} ", "dim"), told)
                console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(f"\n{me()} recipes NAME: all that one takes, its options, a row of its seeds")
    console.print(f"{me()} init mine --recipe NAME: a campaign file of it, with an example to start from")


def _group(found: Recipe) -> str:
    return next((group for group in reversed(GROUPS) if group in found.needs), NOTHING)


def _told(found: Recipe) -> str:
    more = [SHORT.get(need, need) for need in needs_of(found) if need not in (*SOURCES - {"graph"}, _group(found))]
    return f"[{', '.join(more)}] {found.summary}" if more else found.summary


def print_recipe(console: Console, name: str) -> None:
    """Prints one recipe; raises `ConfigError` for a name that none has."""
    found = recipe(name)
    console.print(Text(found.summary, style="bold"))
    for paragraph in notes_of(found).course:
        console.print()
        console.print(paragraph, markup=False)
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, said in _facts(found, name):
        table.add_row(what, Text(said))
    for option in options_of(found):
        table.add_row("option", Text(f"{option.name} = {default(option.default).replace('`', '')}"))
        table.add_row("", Text(f"{option.meaning}{_choices(option.choices)}", style="dim"))
    table.add_row("start", Text(f"{me()} init mine --recipe {name}"))
    console.print(table)


def _facts(found: Recipe, name: str) -> Iterator[tuple[str, str]]:
    yield "recipe", name
    yield "after", found.paper or "no paper"
    yield "needs", "\n".join(f"{need}: {NEEDS[need]}" for need in needs_of(found)) or "nothing"
    yield "gives", f"{found.gives}; export it as {', '.join(formats_of(found))}"
    yield "roles", ", ".join(found.roles) or "those of your flow"
    for group in found.apart:
        yield "", f"{' and '.join(group)} are compared: one model must not answer for all of them"
    if (calls := calls_of(found.name)) is not None:
        yield "calls", f"about {calls:g} for an accepted item of a small campaign; `run --dry-run` counts yours"
    if file := file_of(found):
        yield "file", str(file)
    example = example_of(found)
    if found.needs & ROWS:
        yield "rows", wanted(found)
    if example.rows:
        yield "", json.dumps(example.rows[0], ensure_ascii=False)
    for option, value in example.asked.items():
        yield "asked", f"{option}, which only you can give: {json.dumps(value, ensure_ascii=False)}"


def _choices(choices: tuple[str, ...]) -> str:
    return f" One of {', '.join(choices)}." if choices else ""
