"""`rows`: one task a chunk, in document order, for a flow of the user's own.

After no paper: this is what labelling, rewriting or answering row by row needs. It plans and nothing else; the
campaign names the flow (`flow = "module:attribute"`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from ...storage.records import Task
from ..planners.base import Options, PlanView, lazily
from .base import Recipe


class RowsOptions(Options):
    """Options of `rows`.

    passes: how many tasks each chunk gets; they differ in their seed, so a sampling model answers differently.
    attributes: given to every task as it is, for the flow to read.
    """

    passes: int = Field(default=1, ge=1)
    attributes: dict[str, str] = Field(default_factory=dict)


@lazily
def plan_rows(view: PlanView, rng: random.Random, options: RowsOptions) -> Iterator[Task]:
    """Draws each chunk once a pass, in document order."""
    for turn in range(options.passes):
        for chunk in view.chunks:
            yield Task.of("chunk", chunks=(chunk.id,), attributes=dict(options.attributes), seed=turn)


ROWS = Recipe(
    name="rows",
    summary="One task for each chunk, for a flow of your own: labelling, rewriting, answering row by row.",
    paper="",
    gives="sft",
    needs=frozenset({"documents"}),
    roles=(),
    options=RowsOptions,
    planner=plan_rows,
    flow=None,
)
