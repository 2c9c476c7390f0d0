"""`datatune`: turns the rows of a data set that was made for something else into examples of a task, by a plan.

One task is a row. Three calls are made once: what the task takes, which columns serve, a plan; then one call a row
carries the plan out. A row that it does not fit ends as `unsuitable`.

After DataTune (Gandhi et al. 2024, arXiv:2404.14361).
Faithful: the task is expanded into requirements, columns are selected, a plan of steps is written from the task and
a few rows, all once; the plan is executed row by row, and a row that it cannot use gives nothing.
Not faithful: the data set is the user's; none is searched for. Added: where the task has labels, a response must be one
of them; an instruction that another row gave is dropped. `[novelty] near` is 0 where the campaign does not say: what
the plan puts into every instruction may be longer than what is the row's own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import Field

from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.preparer import preparer
from ...agents.proposer import UNSUITABLE
from ...agents.state import FlowState, Node
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...agents.verifiers.verifier import PASSED, Finding, verifier
from ...errors import ConfigError
from ...storage.records import Chunk, Draft, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.seeds import rows
from .base import Recipe

NAME = "datatune"
LONGEST = 800  # characters of a row that the planner is shown
TASK = ("description", "requirements", "examples")


class DataTuneOptions(Options):
    """Options of `datatune`.

    task:     what the examples are for, in words.
    examples: a few examples of the task as they should look, as texts.
    labels:   what a response may be, everything when empty.
    text:     the name under which a row's text is shown beside its other columns.
    sample:   rows that the plan is made from, the first ones.
    """

    task: str = ""
    examples: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    text: str = "text"
    sample: int = Field(default=3, ge=1, le=20)


@lazily
def plan_datatune(view: PlanView, rng: random.Random, options: DataTuneOptions) -> Iterator[Task]:
    """Draws every row once, in order."""
    if not options.task.strip():
        raise ConfigError("'datatune' needs a task in words: [options] task = \"...\"")
    chunks = rows(view, NAME)

    def row_of(chunk: Chunk) -> dict[str, Any]:
        return {**view.meta(chunk), options.text: chunk.text}

    sample = [_written(row_of(chunk))[:LONGEST] for chunk in islice(iter(chunks), options.sample)]
    for chunk in chunks:
        yield Task.of("row", chunks=(chunk.id,), attributes={"columns_of_row": row_of(chunk), "sample": sample})


def _written(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, indent=1, default=str)


def _row(state: FlowState) -> str:
    """The columns of the task's row that were selected; all of them where the model named none that is there."""
    row, chosen = state["task"].attributes["columns_of_row"], state.get("values", {}).get("columns", ())
    return _written({name: row[name] for name in chosen if name in row} or row)


def usable(labels: tuple[str, ...]) -> Node:
    """Rejects a row that could not be used (`unsuitable`), an empty part, and a response that is no label."""

    def check(draft: Draft, _: FlowState) -> Finding:
        instruction, response = (str(draft.fields.get(name, "")).strip() for name in ("instruction", "response"))
        if not draft.fields.get("usable") or not instruction or not response:
            return Finding((UNSUITABLE,), "the plan does not fit this row")
        return Finding(("unknown_label",), f"'{response}' is no label") if labels and response not in labels else PASSED

    return verifier("usable", check)


def datatune_flow(options: DataTuneOptions) -> Flow:
    """Builds the flow: task, columns and plan, asked for once; execution for the row; checks and novelty gate."""
    given = {"description": lambda _: options.task, "examples": lambda _: list(options.examples)}
    return reference_flow(
        proposer=in_turn(
            preparer(prompt="datatune-expand", variables=(), fields=("requirements",), given=given, shared=True),
            preparer(
                prompt="datatune-columns",
                variables=("requirements", "sample"),
                fields=("columns",),
                given=given,
                shared=True,
            ),
            preparer(
                prompt="datatune-plan",
                variables=(*TASK, "sample", "columns"),
                fields=("plan",),
                given=given,
                shared=True,
            ),
        ),
        generator=generator(
            prompt="datatune-execute",
            variables=("requirements", "plan"),
            given={**given, "row": _row},
            messages=instruction_response,
            fields=("response", "usable"),
        ),
        verifiers=(usable(options.labels), novelty(fields=("instruction",))),
        critic=None,
    )


DATATUNE = Recipe(
    name=NAME,
    summary="Examples of a task from the rows of a data set that was made for something else, by one plan.",
    paper="DataTune, arXiv:2404.14361",
    gives="sft",
    needs=frozenset({"seeds"}),
    roles=("preparer", "generator"),
    options=DataTuneOptions,
    planner=plan_datatune,
    flow=datatune_flow,
    settings={"novelty": {"near": 0.0}},
)
