"""What recipes share whose student is a classifier that is made here, or any model: the role `student`.

A classifier learns what is accepted, in a second. A model learns where the campaign has a trainer, which is handed each
round and says what answers the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from ...agents.state import FlowState
from ...errors import ConfigError
from .base import Handover, PlanView

Kind = Literal["classifier", "model"]
STUDENT = "student"


def require_teachable(view: PlanView, student: Kind, recipe: str) -> None:
    """Raises `ConfigError` where a trainer is given, and the student is a classifier, which it would not train."""
    if student == "classifier" and view.trained is not None:
        raise ConfigError(
            f"the student of '{recipe}' is a classifier, which it trains itself, and the campaign has a trainer for "
            f'it; give options.student = "model", or leave the trainer away'
        )


def handed(view: PlanView, turn: int) -> Iterator[Handover]:
    """Hands a round that has ended over to the trainer, where there is one; for a planner's `yield from`."""
    while view.trained is not None and turn not in view.trained:
        yield Handover(turn)


def told(labels: Mapping[str, str]) -> Callable[[FlowState], list[dict[str, str]]]:
    """Returns the prompts' variable `classes`: the names in a task's attribute `classes`, with what they mean."""

    def known(state: FlowState) -> list[dict[str, str]]:
        return [{"name": name, "definition": labels.get(name, "")} for name in state["task"].attributes["classes"]]

    return known
