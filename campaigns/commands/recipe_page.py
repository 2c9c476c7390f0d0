"""The page of recipes as Markdown, read off the code: `gristmill recipes --markdown` prints it, for one's own too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...graphs.flows.sketch import sketch
from ...graphs.recipes.base import NEEDS, Recipe
from ...graphs.recipes.documented import Option, calls_of, notes_of, options_of
from ...graphs.recipes.examples import example_of
from .fitting import formats_of
from .rows_wanted import ROWS, wanted

LONGEST = 90  # characters of a default that is shown whole
_PAPER = re.compile(r"\barXiv:(\d{4}\.\d{4,5})")

HEAD = """\
# Recipes

<!-- Written by `make recipes-page` from the code: change the docstrings of graphs/recipes/, never this page. -->

A recipe says what to make next (its planner) and how one task becomes an item (its flow). A campaign names one:

```toml
recipe = "grounded-qa"

[options]
kinds = ["cause", "comparison", "inference"]
max_rounds = 2
```

[Choosing a recipe](recipe-guide.md) says which one for what, and what options have in common; [a recipe of your
own](own-recipe.md) how to write one in under 60 lines, and how to copy one of these to change it.

`gristmill recipes` lists them, `gristmill recipes NAME` shows one; `--json` gives either to a program, `--markdown`
writes it as on this page. An option that does not exist, or that cannot work, stops the campaign before the first model
call.

*Calls* are the model calls for one accepted item, counted on the small campaign that tests the recipe, with a scripted
model whose answers are good (`benchmarks/recipes.py`); a real model's rejected drafts come on top. Calls that build the
knowledge graph are not among them. A role without a model of its own is answered by the model called `default`; recipes
that need the graph also ask the role `extractor`.
"""

READING = """
In the pictures a box is a step of the flow with the roles that it asks, each with its prompt. *new by* names the fields
whose text no other item may have. Dotted arrows are taken for the reason on them.
"""


def page(recipes: Iterable[Recipe]) -> str:
    """Returns the whole page: a table of the recipes, then a section each."""
    found = list(recipes)
    head = ["| recipe | gives | needs | roles | calls | after |", "|---|---|---|---|---|---|"]
    rows = [_row(f"[`{one.name}`](#{one.name})", *_facts(one)) for one in found]
    sections = [section(one) for one in found]
    return "\n".join([HEAD, *head, *rows, READING, "\n".join(sections)])


def section(recipe: Recipe) -> str:
    """Returns what is said of one recipe: what it makes and needs, its flow, its options, its paper."""
    return "\n".join(_section(recipe))


def _section(recipe: Recipe) -> Iterator[str]:
    notes = notes_of(recipe)
    yield f"## {recipe.name}\n"
    yield f"{recipe.summary}\n"
    for paragraph in notes.course:
        yield f"{_linked(paragraph)}\n"
    yield _row("gives", "needs", "roles", "calls")
    yield "|---|---|---|---|"
    yield _row(*_facts(recipe)[:4])
    yield ""
    yield f"{_work(recipe)}\n"
    if recipe.flow is None:
        yield 'It has no flow: the campaign names yours, `flow = "my_flow:build"` ([writing a flow](flows.md)).\n'
    else:
        yield f"```mermaid\n{sketch(recipe.flow(recipe.options()))}```\n"
    if options := options_of(recipe):
        yield "| option | default | meaning |"
        yield "|---|---|---|"
        yield from (_row(f"`{one.name}`", default(one.default), _meaning(one)) for one in options)
        yield ""
    for paragraph in notes.paper:
        name, colon, rest = paragraph.partition(":")
        headed = colon and name in ("Faithful", "Not faithful")
        yield f"**{name}**:{_linked(rest)}\n" if headed else f"{_linked(paragraph)}\n"


def _work(recipe: Recipe) -> str:
    """What stands on the other side of it: its rows, the options that only a user can give, the exports that fit."""
    rows = f"From {wanted(recipe)}. " if recipe.needs & ROWS else ""
    asked = example_of(recipe).asked
    given = f"To be given: {', '.join(f'`{name}`' for name in asked)}. " if asked else ""
    formats = ", ".join(f"`{name}`" for name in formats_of(recipe))
    return f"{rows}{given}[Exports](datasets.md) that fit: {formats}."


def _facts(recipe: Recipe) -> tuple[str, str, str, str, str]:
    needs = ", ".join(need for need in NEEDS if need in recipe.needs) or "nothing"
    calls = calls_of(recipe.name)
    roles = ", ".join(f"`{role}`" for role in recipe.roles) or "those of your flow"
    return f"`{recipe.gives}`", needs, roles, "" if calls is None else f"{calls:g}", _linked(recipe.paper)


def default(value: Any) -> str:
    """Words a default as a campaign file would say it; a long one is cut."""
    if value in ("", [], {}, None):
        return "none"
    text = toml(value)
    if len(text) > LONGEST and isinstance(value, list):
        return f"{len(value)} of them: `{toml(value[:1])[1:-1]}`, ..."
    if len(text) > LONGEST and isinstance(value, dict):
        return f"for {', '.join(f'`{name}`' for name in value)}"
    return f"`{text}`"


def toml(value: Any) -> str:
    """Returns JSON values as one TOML value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return (
            "{}" if not value else "{ " + ", ".join(f"{_key(name)} = {toml(one)}" for name, one in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def _meaning(option: Option) -> str:
    choices = f" One of {', '.join(f'`{one}`' for one in option.choices)}." if option.choices else ""
    return _linked(f"{option.meaning.rstrip('.')}.{choices}" if option.meaning else choices.strip())


def _linked(text: str) -> str:
    return _PAPER.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
