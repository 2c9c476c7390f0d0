"""`active-inheritance`: several teachers answer a prompt several times, and the answer stays that a metric likes best.

One task is a row, a prompt. Each teacher answers it `samples` times, and of all answers the one stays that the metric
likes best. All others stay with the item, each with its model and its profile: characters, words, words a sentence,
MTLD, distinct words, readability. `gristmill eval RUN` tells how far the chosen ones lie from what they were chosen
among: who chooses long answers may choose repetitive ones.

After LLM See, LLM Do (Shimabucoro et al. 2024, arXiv:2407.01490).
Faithful: k samples of each prompt, of one or of several teachers; each is scored by a metric that need not be
differentiable (length, lexical diversity as MTLD, readability, a function of the user's own); the highest or the lowest
stays; what else moved with it is measured (`gristmill eval`: drift of each attribute).
Not faithful: no student is fine-tuned, neither on the chosen nor, for the paper's audit of passive inheritance, on each
teacher's answers. Toxicity needs a scorer of the user's own: `metric = "my_module:my_function"`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import Field

from ...agents.search.best_of import best_of
from ...agents.variables import passage_text
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...evals.quality.profile import METRICS, Metric, metric_named
from ...prompts.named import load_named
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.seeds import rows
from .base import Recipe

NAME = "active-inheritance"


class ActiveInheritanceOptions(Options):
    """Options of `active-inheritance`.

    teachers: the roles that answer, each bound to a model of its own.
    samples:  answers of each teacher.
    metric:   what decides: `characters`, `words`, `sentence_words`, `mtld`, `distinct_words`, `readability`, or
              `module:function` of your own, from a text to a number.
    highest:  whether the answer with the highest value stays, else the one with the lowest.
    per_seed: items that come of one row.
    """

    teachers: tuple[str, ...] = Field(default=("teacher",), min_length=1)
    samples: int = Field(default=5, ge=1, le=100)
    metric: str = "mtld"
    highest: bool = True
    per_seed: int = Field(default=1, ge=1)


@lazily
def plan_active_inheritance(view: PlanView, rng: random.Random, options: ActiveInheritanceOptions) -> Iterator[Task]:
    """Draws every row once before any twice; draws of a row differ in their seed."""
    seeds = rows(view, NAME)
    for number in range(options.per_seed):
        for chunk in seeds:
            # Each sample takes a seed of its own after the task's.
            yield Task.of("prompt", chunks=(chunk.id,), seed=number * options.samples)


def metrics_of(name: str) -> Mapping[str, Metric]:
    """Returns the built-in metrics and the one called `name`, `module:function` for a user's own."""
    if ":" not in name:
        metric_named(name)
        return METRICS
    found = load_named(name, "metric")
    if not callable(found):
        raise ConfigError(
            f"metric '{name}' is a {type(found).__name__}; it has to be a function from a text to a number"
        )
    return {**METRICS, name: cast(Metric, found)}


def active_inheritance_flow(options: ActiveInheritanceOptions) -> Flow:
    """Builds the flow: candidates and their choice, novelty gate."""
    return reference_flow(
        proposer=None,
        generator=best_of(
            roles=options.teachers,
            metrics=metrics_of(options.metric),
            by=options.metric,
            samples=options.samples,
            highest=options.highest,
            given={"instruction": passage_text},
        ),
        verifiers=novelty(fields=("instruction", "response")),
        critic=None,
    )


ACTIVE_INHERITANCE = Recipe(
    name=NAME,
    summary="Of several answers of several teachers the one that a metric likes best; what else drifts is measured.",
    paper="LLM See, LLM Do (active inheritance), arXiv:2407.01490",
    gives="sft",
    needs=frozenset({"seeds", "several models"}),
    roles=("teacher",),
    options=ActiveInheritanceOptions,
    planner=plan_active_inheritance,
    flow=active_inheritance_flow,
)
