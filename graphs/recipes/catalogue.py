"""All recipes by name. A new one is a module of its own and a line here; a user's own goes by `module:attribute`.

A recipe's module is imported when it is asked for, so that a campaign loads no other recipe's libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from ...errors import ConfigError, meant
from ...prompts.named import load_named
from .base import Recipe

_HOMES = {
    "grounded-qa": "grounded_qa:GROUNDED_QA",
    "entigraph": "entigraph:ENTIGRAPH",
    "graph-reasoning": "graph_reasoning:GRAPH_REASONING",
    "gsdp": "gsdp:GSDP",
    "rows": "rows:ROWS",
    "wrap": "wrap:WRAP",
    "maga": "maga:MAGA",
    "genqa": "genqa:GENQA",
    "magpie": "magpie:MAGPIE",
    "bare": "bare:BARE",
    "persona-hub": "persona_hub:PERSONA_HUB",
    "swim-ir": "swim_ir:SWIM_IR",
    "duqgen": "duqgen:DUQGEN",
    "synth-ie": "synth_ie:SYNTH_IE",
    "e5": "e5:E5",
    "muffin": "muffin:MUFFIN",
    "craft": "craft:CRAFT",
    "attrprompt": "attrprompt:ATTRPROMPT",
    "cotam": "cotam:COTAM",
    "targen": "targen:TARGEN",
    "codeclm": "codeclm:CODECLM",
    "refed": "refed:REFED",
    "datatune": "datatune:DATATUNE",
    "toa": "toa:TOA",
    "best-of-n": "best_of_n:BEST_OF_N",
    "mixture-of-agents": "mixture_of_agents:MIXTURE_OF_AGENTS",
    "sequential-refinement": "sequential_refinement:SEQUENTIAL_REFINEMENT",
    "genetic-instruct": "genetic_instruct:GENETIC_INSTRUCT",
    "plan-search": "plan_search:PLAN_SEARCH",
    "agent-instruct": "agent_instruct:AGENT_INSTRUCT",
    "open-math": "open_math:OPEN_MATH",
    "dart": "dart:DART",
    "scale-quest": "scale_quest:SCALE_QUEST",
    "sense": "sense:SENSE",
    "s3": "s3:S3",
    "active-inheritance": "active_inheritance:ACTIVE_INHERITANCE",
    "reverse-gen": "reverse_gen:REVERSE_GEN",
    "rest": "rest:REST",
    "deliberate-practice": "deliberate_practice:DELIBERATE_PRACTICE",
}


def recipes() -> Mapping[str, Recipe]:
    """Returns the recipes by name, all of them loaded."""
    return MappingProxyType({name: recipe(name) for name in _HOMES})


def settings_of(name: str) -> Mapping[str, Any]:
    """Returns what the recipe called `name` sets in a campaign; nothing where there is none of that name."""
    return recipe(name).settings if name in _HOMES else {}


def recipe(name: str) -> Recipe:
    """Returns the recipe called `name`, or the one of a user's own that `module:attribute` names.

    As with flows, the campaign file's folder and the working folder are on the import path for the time of the import,
    which runs the module.

    Raises:
        ConfigError: there is none, and which is the nearest; or what the name leads to is no recipe.
    """
    if ":" in name:
        return _own(name)
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return cast(Recipe, getattr(import_module(f".{module}", __package__), attribute))
    raise ConfigError(f"recipe: no recipe is called '{name}'{meant(name, _HOMES, listed='`gristmill recipes`')}")


def home(name: str) -> tuple[str, str]:
    """Returns the module and the attribute of a recipe that is built in: `("bare", "BARE")`."""
    recipe(name)
    module, _, attribute = _HOMES[name].partition(":")
    return module, attribute


def _own(name: str) -> Recipe:
    found = load_named(name, "recipe")
    if not isinstance(found, Recipe):
        raise ConfigError(
            f"recipe '{name}' is a {type(found).__name__}; it has to be a Recipe (see docs/own-recipe.md)"
        )
    return found
