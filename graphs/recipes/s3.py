"""`s3`: a small student is trained on what was written; more is written after its errors on gold, until it learns no
more.

One task is a text of a label, or one after an error. Texts of each label are written first; then the student, a
classifier that takes a second to train (extra `evals`), learns all that is accepted and is examined on your rows, the
gold, and its errors are the next tasks. A round begins when the one before has ended; the run's mark `notes`
(`gristmill status RUN --json`) has the accuracy of each.

After Synthesizing Step by Step (Wang et al. 2023, arXiv:2310.13671).
Faithful: rationales of each label first and labelled texts after them; a small model is trained on these and examined
on a small set of real rows; a model is shown each error, what the text is and what the student took it for, and writes
new texts of the same failure pattern; training and examination again, for a number of rounds or until the accuracy no
longer rises.
Not faithful: the student is a linear classifier over TF-IDF, not a transformer: it costs a second. A new text carries
the gold label of the error that it is written after (known of re-implementations, not of the abstract). Added: copies
of the gold row are refused, and a labeller that does not see the label has to give it (`check`).

Gold rows are shown to the writer, so they are no test set: give that in `[contamination] sets`, and nothing accepted
shares its wording.
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
from ...agents.preparer import preparer
from ...agents.state import FlowState
from ...agents.turns import by_kind
from ...agents.variables import passage_text
from ...errors import ConfigError
from ...evals.student.classifier import Student, examine
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from .base import Options, PlanView, Recipe, lazily
from .rounds import ROUND, ROUNDS, classes, ended, gold, labelled, noted
from .seeds import chance

NAME = "s3"


class S3Options(Options):
    """Options of `s3`.

    task:        what a text is and what its label says, in words.
    label:       the column with a gold row's label; its text is the text.
    labels:      label → what it means; those of the rows when empty.
    rationales:  reasons that are listed for each label.
    seeds:       texts of each label before the first examination.
    per_error:   texts that are written after one error.
    most_errors: errors that a round works from at most; of more, chance takes so many.
    rounds:      how often the student is trained and its errors worked from, at most.
    patience:    it stops after so many rounds in a row that did not raise the best accuracy.
    check:       whether a labeller that does not see the label has to agree with it.
    """

    task: str = ""
    label: str = "label"
    labels: dict[str, str] = Field(default_factory=dict)
    rationales: int = Field(default=5, ge=1, le=50)
    seeds: int = Field(default=20, ge=1)
    per_error: int = Field(default=3, ge=1)
    most_errors: int = Field(default=100, ge=1)
    rounds: int = Field(default=5, ge=1, le=100)
    patience: int = Field(default=1, ge=1)
    check: bool = True


@lazily
def plan_s3(view: PlanView, rng: random.Random, options: S3Options) -> Iterator[Task | None]:
    """Draws texts of every label, then round by round the student's errors on gold."""
    rows = gold(view, options.label, NAME)
    labels = classes(options.labels, rows, NAME)
    start = rng.getrandbits(64)
    for number in range(options.seeds):
        for label in labels:
            yield Task.of("seed", attributes={"label": label, ROUND: "0", "classes": list(labels)}, seed=number)
    yield from ended(view)
    for turn in range(1, options.rounds + 1):
        found = noted(view, turn, lambda: _examined(view, rows, start))
        if not found["wrong"] or _stalled(view, turn, options.patience):
            return
        drawn = chance(NAME, start, turn).sample(found["wrong"], min(options.most_errors, len(found["wrong"])))
        for number in range(options.per_error):
            for place, said in sorted(drawn):
                attributes = {"label": rows[place][1], "predicted": said, ROUND: str(turn), "classes": list(labels)}
                yield Task.of("error", chunks=(view.chunks[place].id,), attributes=attributes, seed=number)
        yield from ended(view)
    noted(view, options.rounds + 1, lambda: _examined(view, rows, start))


def _examined(view: PlanView, rows: list[tuple[str, str]], seed: int) -> dict[str, Any]:
    taught = [labelled(item) for item in view.accepted.every()]
    if not taught:
        raise ConfigError(
            "'s3' has nothing to train its student on: none of the first texts was accepted; `gristmill status` says "
            "why, mend the prompts, the model or options.labels"
        )
    exam = examine(Student.taught(taught, seed=seed), rows)
    return {"items": len(taught), "accuracy": exam.accuracy, "wrong": [list(one) for one in exam.wrong]}


def _stalled(view: PlanView, turn: int, patience: int) -> bool:
    """Whether the accuracies of the last `patience` rounds are none above the best before them."""
    known = [view.notes[ROUNDS][str(number)]["accuracy"] for number in range(1, turn + 1)]
    return len(known) > patience and max(known[-patience:]) <= max(known[:-patience])


def _label(state: FlowState) -> str:
    return str(state["task"].attributes["label"])


def s3_flow(options: S3Options) -> Flow:
    """Builds the flow: rationales and a text, or a text after an error; copies, novelty, labeller."""
    given = {
        "description": lambda _: options.task,
        "definition": lambda state: options.labels.get(_label(state), ""),
    }
    adds = {"label": _label}
    count = {"count": lambda _: options.rationales}
    return reference_flow(
        proposer=by_kind({
            "seed": preparer(
                prompt="s3-rationales", variables=("label",), given={**given, **count}, shared=True,
                pick={"rationale": "rationales"},
            )
        }),
        generator=by_kind({
            "seed": generator(
                prompt="s3-write", variables=("label", "rationale"), given=given, messages=classification, adds=adds
            ),
            "error": generator(
                prompt="s3-extrapolate", variables=("passage", "label", "predicted"), given=given,
                messages=classification, adds=adds,
            ),
        }),
        verifiers=(
            by_kind({"error": no_copy("text", of=lambda state: [passage_text(state)])}), novelty(fields=("text",)),
        ),
        critic=labeller(description=options.task, given={"classes": _classes(options)}) if options.check else None,
    )  # fmt: skip


def _classes(options: S3Options) -> Any:
    def known(state: FlowState) -> list[dict[str, str]]:
        names = state["task"].attributes["classes"]
        return [{"name": name, "definition": options.labels.get(name, "")} for name in names]

    return known


S3 = Recipe(
    name=NAME,
    summary="Labelled texts after the errors that a small student makes on gold rows, until it learns no more.",
    paper="S3, arXiv:2310.13671",
    gives="classification",
    needs=frozenset({"labels"}),
    roles=("preparer", "generator", "labeller"),
    options=S3Options,
    planner=plan_s3,
    flow=s3_flow,
)
