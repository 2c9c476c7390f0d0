"""Which export formats fit what a recipe gives: what a new campaign file names, and what help and pages say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...graphs.recipes.base import Recipe

FITTING: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "qa": ("jsonl", "chat"),
        "sft": ("jsonl", "chat"),
        "reasoning": ("jsonl", "chat"),
        "code": ("jsonl", "chat"),
        "classification": ("jsonl", "classification"),
        "extraction": ("jsonl", "extraction", "chat"),
        "retrieval": ("jsonl", "retrieval"),
        "pretraining": ("jsonl", "text"),
    }
)
"""What a recipe gives → formats that trainers of such data read. Others are possible: docs/datasets.md."""

PAIRED: Final = frozenset(
    {
        "best-of-n", "codeclm", "dart", "mixture-of-agents", "open-math", "plan-search", "rest", "reverse-gen",
        "scale-quest", "sense", "sequential-refinement", "toa",
    }
)  # fmt: skip
"""Recipes whose items keep a worse answer to the same prompt: `dpo` makes preference pairs of them."""

AGAINST: Final = frozenset({"duqgen", "e5"})
"""Recipes whose retrieval items have hard negatives: `triplets` has a row for each."""


def formats_of(recipe: Recipe) -> tuple[str, ...]:
    """Returns the formats that fit the recipe, the whole items first."""
    fitting = FITTING.get(recipe.gives, FITTING["sft"])
    more = (("dpo", PAIRED), ("triplets", AGAINST))
    return (*fitting, *(name for name, some in more if recipe.name in some))
