"""`targen`: labelled texts without seeds: contexts, seeds of instances, instances under a label, labels corrected.

One task is a place in a list of seeds, with a label: contexts are listed once, seeds of instances once a context; on
each seed an instance is built under the label, and a labeller reads both anew. A label that it corrects is the item's,
`initial_label` keeps the first.

After TarGEN (Gupta et al. 2023, arXiv:2310.17876).
Faithful: four steps, contexts of the task, seeds in each context, an instance built on a seed so that a given label is
true of it, and self-correction by a model that reads instance and label anew; both labels stay with the item; labels
are balanced by construction.
Not faithful: one task of a text and a label in place of prompts for each of eight SuperGLUE tasks, described in words
and without worked examples. An answer that cannot be parsed is asked for again a few times and then fails its task.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from ...agents.generator import generator
from ...agents.labeller import INITIAL, labeller
from ...agents.messages import classification
from ...agents.preparer import preparer
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe


class TarGENOptions(Options):
    """Options of `targen`.

    task:     what an instance is and what its label says, in words.
    labels:   label → what it means; two at least.
    contexts: settings that are listed, 100 at most.
    seeds:    seeds of instances in each setting, 50 at most.
    correct:  whether labels are read anew and corrected.
    """

    task: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    contexts: int = Field(default=20, ge=1, le=100)
    seeds: int = Field(default=20, ge=1, le=50)
    correct: bool = True


@lazily
def plan_targen(view: PlanView, rng: random.Random, options: TarGENOptions) -> Iterator[Task]:
    """Draws the first seed of every context, then the second, and so on; the labels go round."""
    if len(options.labels) < 2 or not options.task.strip():
        raise ConfigError(
            "'targen' needs a task in words and two labels at least: [options] task = \"...\", "
            '[options.labels] positive = "says that ..."'
        )
    labels = list(options.labels)
    number = rng.randrange(len(labels))
    for seed in range(options.seeds):
        for context in range(options.contexts):
            label = labels[number % len(labels)]
            number += 1
            yield Task.of("seed", attributes={"label": label, "context_place": context, "seed_place": seed})
        number += options.contexts % len(labels) == 0  # else a context would keep its label


def _label(state: FlowState) -> str:
    return str(state["task"].attributes["label"])


def targen_flow(options: TarGENOptions) -> Flow:
    """Builds the flow: contexts, seeds, instance, novelty gate, self-correction."""
    task = {"description": lambda _: options.task}
    return reference_flow(
        proposer=in_turn(
            preparer(
                prompt="targen-contexts",
                variables=(),
                given={**task, "count": lambda _: options.contexts},
                shared=True,
                pick={"context": "contexts"},
                place="context_place",
            ),
            preparer(
                prompt="targen-seeds",
                variables=("context",),
                given={**task, "count": lambda _: options.seeds},
                shared=True,
                pick={"instance_seed": "seeds"},
                place="seed_place",
            ),
        ),
        generator=generator(
            prompt="targen-write",
            variables=("instance_seed", "label"),
            given={**task, "definition": lambda state: options.labels.get(_label(state), "")},
            messages=classification,
            adds={"label": _label, INITIAL: _label},
        ),
        verifiers=novelty(fields=("text",)),
        critic=labeller(description=options.task, classes=options.labels, correct=True) if options.correct else None,
    )


TARGEN = Recipe(
    name="targen",
    summary="Labelled texts from a task in words: contexts, seeds, instances under a label, labels read anew.",
    paper="TarGEN, arXiv:2310.17876",
    gives="classification",
    needs=frozenset(),
    roles=("preparer", "generator", "labeller"),
    options=TarGENOptions,
    planner=plan_targen,
    flow=targen_flow,
)
