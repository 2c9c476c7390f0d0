"""All recipes by name. A new one is a module of its own and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from ...errors import ConfigError
from .base import Recipe
from .entigraph import ENTIGRAPH
from .graph_reasoning import GRAPH_REASONING
from .grounded_qa import GROUNDED_QA
from .rows import ROWS

_RECIPES = MappingProxyType({found.name: found for found in (GROUNDED_QA, ENTIGRAPH, GRAPH_REASONING, ROWS)})


def recipes() -> Mapping[str, Recipe]:
    """Returns the recipes by name."""
    return _RECIPES


def recipe(name: str) -> Recipe:
    """Returns the recipe called `name`; raises `ConfigError` naming the nearest when there is none."""
    if name in _RECIPES:
        return _RECIPES[name]
    near = get_close_matches(name, _RECIPES, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    raise ConfigError(f"recipe: no recipe is called '{name}'{meant} (there are: {', '.join(_RECIPES)})")
