"""`deliberate-practice`: labelled texts that a student is unsure of, written after those that it is unsure of.

After Deliberate Practice (Askari-Hemmat et al. 2025, arXiv:2502.15588), whose samples are images.
Faithful: no pool is made to be pruned; what is written is guided towards a high predictive entropy of the current
student, what it is sure of is dropped, the student is trained on what is kept, and so on, round by round.
Not faithful: text in place of images, so the guide is not the entropy's gradient in a diffusion model: a model is shown
the texts whose labels the student is least sure of. The student is a linear classifier over TF-IDF, taught by your rows
and what was kept; a round has a fixed size, where the paper begins one when validation stalls. Added: a labeller that
does not see the label has to give it (`check`), since a text may be hard because its label is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from ...agents.choices import no_copy
from ...agents.generator import generator
from ...agents.labeller import labeller
from ...agents.messages import classification
from ...agents.novelty import novelty
from ...agents.state import FlowState
from ...evals.student.classifier import Student
from ...storage.records import Decision, Item, Task, Verdict
from ..flows.reference import Flow, reference_flow
from .base import LastWord, Options, PlanView, Recipe, lazily
from .rounds import ROUND, classes, ended, gold, labelled, noted
from .seeds import chance

NAME = "deliberate-practice"
SURE = "student_sure"


class DeliberatePracticeOptions(Options):
    """Options of `deliberate-practice`.

    task:          what a text is and what its label says, in words.
    label:         the column with a row's label; its text is the text.
    labels:        label → what it means; those of the rows when empty.
    shots:         texts in a prompt that the student is unsure of.
    unsure:        how many of the texts that it is least sure of the shots are drawn from.
    least_entropy: how unsure the student has to be of a text that is kept: the entropy of its probabilities, over that
                   of even ones.
    batch:         texts a round.
    rounds:        rounds at most.
    check:         whether a labeller that does not see the label has to agree with it.
    """

    task: str = ""
    label: str = "label"
    labels: dict[str, str] = Field(default_factory=dict)
    shots: int = Field(default=3, ge=1, le=50)
    unsure: int = Field(default=20, ge=1)
    least_entropy: float = Field(default=0.6, ge=0, le=1)
    batch: int = Field(default=64, ge=1)
    rounds: int = Field(default=5, ge=1)
    check: bool = True


@lazily
def plan_deliberate_practice(
    view: PlanView, rng: random.Random, options: DeliberatePracticeOptions
) -> Iterator[Task | None]:
    """Draws `batch` texts a round, the labels in turn, each after texts that the student of the round is unsure of."""
    rows = gold(view, options.label, NAME)
    labels = list(classes(options.labels, rows, NAME))
    start = rng.getrandbits(64)
    for turn in range(options.rounds):
        found = noted(view, turn, lambda at=turn: _unsure(view, options, at))  # type: ignore[misc]
        for number in range(options.batch):
            shown = chance(NAME, start, turn, number).sample(found["unsure"], min(options.shots, len(found["unsure"])))
            attributes = {
                "label": labels[number % len(labels)],
                "classes": labels,
                "examples": [{"text": text, "label": label} for text, label in shown],
                ROUND: str(turn),
            }
            yield Task.of("practice", attributes=attributes, seed=turn * options.batch + number)
        yield from ended(view)


def _known(view: PlanView, options: DeliberatePracticeOptions, turn: int) -> list[tuple[str, str]]:
    """What the student of a round is taught: the rows, and what the rounds before it had accepted."""
    before = (item for item in view.accepted.every() if int(item.attributes[ROUND]) < turn)
    return [*gold(view, options.label, NAME), *map(labelled, before)]


def _unsure(view: PlanView, options: DeliberatePracticeOptions, turn: int) -> dict[str, Any]:
    known = sorted(_known(view, options, turn))
    said = Student.taught(known).guesses([text for text, _ in known])
    entropies = [guess.entropy for guess in said]
    hardest = sorted(range(len(known)), key=lambda at: -entropies[at])[: options.unsure]
    mean = sum(entropies) / len(entropies)
    return {"items": len(known), "entropy": mean, "unsure": [list(known[at]) for at in hardest]}


def keeps_unsure(options: DeliberatePracticeOptions) -> LastWord:
    """Returns what decides on accepted items: the student of their round, made anew when a round is first asked of."""
    students: dict[int, Student] = {}

    def judge(view: PlanView, item: Item) -> Verdict:
        turn = int(item.attributes[ROUND])
        if turn not in students:
            students.clear()  # rounds come one after another
            students[turn] = Student.taught(_known(view, options, turn))
        (guess,) = students[turn].guesses([labelled(item)[0]])
        sure = guess.entropy < options.least_entropy
        return Verdict(
            by="student",
            draft=item.drafts[-1].index,
            decision=Decision.REJECT if sure else Decision.ACCEPT,
            reasons=(SURE,) if sure else (),
            scores={"entropy": guess.entropy},
            text=f"takes it for {guess.label}"[:500],
        )

    return judge


def _label(state: FlowState) -> str:
    return str(state["task"].attributes["label"])


def _examples(state: FlowState) -> list[str]:
    return [example["text"] for example in state["task"].attributes["examples"]]


def deliberate_practice_flow(options: DeliberatePracticeOptions) -> Flow:
    """Builds the flow: a text after unsure ones, copies, novelty gate, labeller. The student has the last word."""

    def known(state: FlowState) -> list[dict[str, str]]:
        names = state["task"].attributes["classes"]
        return [{"name": name, "definition": options.labels.get(name, "")} for name in names]

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
        critic=labeller(description=options.task, given={"classes": known}) if options.check else None,
    )


DELIBERATE_PRACTICE = Recipe(
    name=NAME,
    summary="Labelled texts that a small student is unsure of, written after those that it is unsure of.",
    paper="Deliberate Practice, arXiv:2502.15588",
    gives="classification",
    needs=frozenset({"labels"}),
    roles=("generator", "labeller"),
    options=DeliberatePracticeOptions,
    planner=plan_deliberate_practice,
    flow=deliberate_practice_flow,
    last_word=keeps_unsure,
)
