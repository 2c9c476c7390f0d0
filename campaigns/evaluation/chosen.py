"""The selections that were made of a run, each beside one of as many items by chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

MOST = 50


@dataclass(frozen=True)
class Chosen:
    """What `gristmill select` wrote: a strategy, how many it chose of how many, and figures of them.

    A figure is (name, of the chosen, of as many by chance, and between which two 95% of random draws lie), None where
    one is not defined.
    """

    strategy: str
    seed: int
    chosen: int
    of: int
    figures: tuple[tuple[str, float | None, float | None, float | None, float | None], ...]


def selections_of(folder: Path) -> tuple[Chosen, ...]:
    """Returns the selections in a run's folder; a file that is none is passed over."""
    found = (_read(path) for path in sorted((folder / "selected").glob("*/selection.json"))[:MOST])
    return tuple(one for one in found if one is not None)


def _read(path: Path) -> Chosen | None:
    try:
        told: dict[str, Any] = orjson.loads(path.read_bytes())
        figures = tuple(
            (
                name,
                _number(pair["chosen"]),
                _number(pair["random"]),
                _number(pair.get("random_low")),
                _number(pair.get("random_high")),
            )
            for name, pair in told["figures"].items()
        )
        return Chosen(str(told["strategy"]), int(told["seed"]), int(told["chosen"]), int(told["of"]), figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
