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
        "classification": ("jsonl", "huggingface"),
        "extraction": ("jsonl", "huggingface"),
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


def formats_of(recipe: Recipe) -> tuple[str, ...]:
    """Returns the formats that fit the recipe, the whole items first."""
    fitting = FITTING.get(recipe.gives, FITTING["sft"])
    return (*fitting, "dpo") if recipe.name in PAIRED else fitting
