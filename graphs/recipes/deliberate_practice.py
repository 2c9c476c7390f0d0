"""`deliberate-practice`: labelled texts that a student is unsure of, written after those that it is unsure of.

One task is a text of a label, written after texts that the student is unsure of; it is kept where the student is unsure
of it as well.

The student is a small classifier that is made here (extra `evals`), or any model, the role `student`, which says the
label of each text `samples` times. A trainer, where there is one, is handed each round, and its model is asked in the
next.

After Deliberate Practice (Askari-Hemmat et al. 2025, arXiv:2502.15588), whose samples are images.
Faithful: no pool is made to be pruned; what is written is guided towards a high predictive entropy of the current
student, what it is sure of is dropped, the student is trained on what is kept, and so on, round by round.
Not faithful: text in place of images, so the guide is not the entropy's gradient in a diffusion model: a model is shown
the texts whose labels the student is least sure of. The student is a linear classifier over TF-IDF, taught by your rows
and what was kept, or any model (`student`), taught by your trainer or not at all; a round has a fixed size, where the
paper begins one when validation stalls. A model's entropy is that of the labels in its answers, a few, and it is asked
of new texts alone: those shown were the hardest when they were kept. Added: a labeller that does not see the label has
to give it (`check`), since a text may be hard because its label is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from ...agents.attributes.choices import no_copy
from ...agents.generator import generator
from ...agents.labeller import labeller
from ...agents.messages import classification
from ...agents.state import FlowState, Node
from ...agents.student import require_reach, student_unsure
from ...agents.turns import in_turn
from ...agents.variables import Given
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Handover, Options, PlanView, lazily
from ..planners.rounds import ROUND, classes, ended, gold, noted, served
from ..planners.seeds import chance
from ..planners.students import STUDENT, Kind, handed, require_teachable, told
from ..planners.unsure import by_classifier, by_model, keeps_unsure
from .base import LastWord, Recipe

NAME = "deliberate-practice"


class DeliberatePracticeOptions(Options):
    """Options of `deliberate-practice`.

    task:          what a text is and what its label says, in words.
    label:         the column with a row's label; its text is the text.
    labels:        label → what it means; those of the rows when empty.
    shots:         texts in a prompt that the student is unsure of.
    unsure:        how many of the texts that it is least sure of the shots are drawn from.
    least_entropy: how unsure the student has to be of a text that is kept: the entropy of its probabilities, over that
                   of even ones.
    student:       who is unsure: a classifier that is trained here, or a `model`, the role `student`.
    samples:       answers of a `model` to each text.
    batch:         texts a round.
    rounds:        rounds at most.
    check:         whether a labeller that does not see the label has to agree with it.
    """

    task: str = ""
    label: Annotated[str, Column()] = "label"
    labels: dict[str, str] = Field(default_factory=dict)
    shots: int = Field(default=3, ge=1, le=50)
    unsure: int = Field(default=20, ge=1)
    least_entropy: float = Field(default=0.6, ge=0, le=1)
    student: Kind = "classifier"
    samples: int = Field(default=8, ge=2, le=100)
    batch: int = Field(default=64, ge=1)
    rounds: int = Field(default=5, ge=1)
    check: bool = True


@lazily
def plan_deliberate_practice(
    view: PlanView, rng: random.Random, options: DeliberatePracticeOptions
) -> Iterator[Task | Handover | None]:
    """Draws `batch` texts a round, the labels in turn, each after texts that the student of the round is unsure of."""
    require_teachable(view, options.student, NAME)
    rows = gold(view, options.label, NAME)
    labels = list(classes(options.labels, rows, NAME))
    if options.student == "model":
        require_reach(options.samples, len(labels), options.least_entropy)
    start = rng.getrandbits(64)
    for turn in range(options.rounds):
        found = noted(view, turn, lambda at=turn: _unsure(view, options, rows, start, at))  # type: ignore[misc]
        for number in range(options.batch):
            shown = chance(NAME, start, turn, number).sample(found["unsure"], min(options.shots, len(found["unsure"])))
            attributes = {
                "label": labels[number % len(labels)],
                "classes": labels,
                "examples": [{"text": text, "label": label} for text, label in shown],
                ROUND: str(turn),
                **served(view, STUDENT, turn),
            }
            yield Task.of("practice", attributes=attributes, seed=turn * options.batch + number)
        yield from ended(view)
        yield from handed(view, turn)


def _unsure(
    view: PlanView, options: DeliberatePracticeOptions, rows: list[tuple[str, str]], start: int, turn: int
) -> dict[str, Any]:
    if options.student == "classifier":
        return by_classifier(view, options.label, NAME, turn, options.unsure)
    return by_model(view, rows, turn, options.unsure, options.shots, chance(NAME, start, turn))


def keeps(options: DeliberatePracticeOptions) -> LastWord | None:
    """Returns what decides on accepted items: the classifier of their round. A model decides in the flow."""
    return keeps_unsure(options.label, NAME, options.least_entropy) if options.student == "classifier" else None


def _label(state: FlowState) -> str:
    return str(state["task"].attributes["label"])


def _examples(state: FlowState) -> list[str]:
    return [example["text"] for example in state["task"].attributes["examples"]]


def deliberate_practice_flow(options: DeliberatePracticeOptions) -> Flow:
    """Builds the flow: a text after unsure ones, copies, novelty gate, labeller, and a student that is a model.

    A classifier has the last word, after the flow."""
    asked: Given = {"classes": told(options.labels)}
    critics: list[Node] = []
    if options.check:
        critics.append(labeller(description=options.task, given=asked))
    if options.student == "model":
        critics.append(
            student_unsure(
                samples=options.samples, least_entropy=options.least_entropy, description=options.task, given=asked
            )
        )
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="practice-write",
            variables=("label", "examples"),
            given={
                "description": lambda _: options.task,
                "definition": lambda state: options.labels.get(_label(state), ""),
            },
            messages=classification,
            adds={"label": _label},
        ),
        verifiers=(no_copy("text", of=_examples), novelty(fields=("text",))),
        critic=in_turn(*critics) if critics else None,
    )


DELIBERATE_PRACTICE = Recipe(
    name=NAME,
    summary="Labelled texts that a small student, or any model, is unsure of, written after such texts.",
    paper="Deliberate Practice, arXiv:2502.15588",
    gives="classification",
    needs=frozenset({"labels"}),
    roles=("generator", "labeller", STUDENT),
    options=DeliberatePracticeOptions,
    planner=plan_deliberate_practice,
    flow=deliberate_practice_flow,
    hands_over=True,
    last_word=keeps,
)
