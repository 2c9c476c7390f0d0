"""What recipes that start from rows or from nothing share: rows as examples, and chances that a restart repeats."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ...errors import ConfigError
from ...storage.records import Chunk, content_id
from .base import PlanView


def chance(*parts: object) -> random.Random:
    """Returns a generator that hangs on `parts` (JSON values) alone, so that a restart draws the same."""
    return random.Random(content_id("chance", *parts))  # noqa: S311  # nothing secret hangs on it


def rows(view: PlanView, recipe: str, least: int = 1) -> Sequence[Chunk]:
    """Returns the chunks of a view that are whole rows.

    Raises:
        ConfigError: a row was cut into chunks, or there are fewer than `least`.
    """
    if cut := next((chunk for chunk in view.chunks if chunk.index), None):
        raise ConfigError(
            f"'{recipe}' takes a row as it is, and one of more than chunks.max_tokens was cut "
            f"({view.source(cut)}); raise chunks.max_tokens"
        )
    if len(view.chunks) < least:
        raise ConfigError(f"'{recipe}' needs {least} rows at least, and the documents have {len(view.chunks)}")
    return view.chunks


def column(view: PlanView, chunk: Chunk, name: str, recipe: str) -> str:
    """Returns a row's column as text without blanks around it; raises `ConfigError` where the row has none."""
    value = view.meta(chunk).get(name)
    if value is None or isinstance(value, dict | list) or not str(value).strip():
        there = ", ".join(view.meta(chunk)) or "none"
        raise ConfigError(
            f"'{recipe}' reads the column '{name}', and {view.source(chunk)} has none (it has: {there}): "
            f"{chunk.text[:80]}"
        )
    return str(value).strip()


def example(view: PlanView, chunk: Chunk, response: str) -> dict[str, Any]:
    """A row as an instruction, its text, and a response: its column `response`, empty where it has none."""
    value = view.meta(chunk).get(response, "")
    return {"instruction": chunk.text.strip(), "response": value.strip() if isinstance(value, str) else str(value)}
