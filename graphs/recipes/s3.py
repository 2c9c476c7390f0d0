"""`s3`: a small student is trained on what was written; more is written after its errors on gold, until it learns no
more.

One task is a text of a label, or one after an error. Texts of each label are written first; then the student, a
classifier that takes a second to train (extra `evals`), learns all that is accepted and is examined on your rows, the
gold, and its errors are the next tasks. A round begins when the one before has ended; the run's mark `notes`
(`gristmill status RUN --json`) has the accuracy of each.

With `student = "model"` the role `student`, any model, is examined in its place: it is asked once for the label of each
gold row, and a row that it knows costs that call alone. The trainer, where there is one, is handed each round, the
first texts to begin with, and what it made is examined in the next; without one there is one round.

After Synthesizing Step by Step (Wang et al. 2023, arXiv:2310.13671).
Faithful: rationales of each label first and labelled texts after them; a small model is trained on these and examined
on a small set of real rows; a model is shown each error, what the text is and what the student took it for, and writes
new texts of the same failure pattern; training and examination again, for a number of rounds or until the accuracy no
longer rises.
Not faithful: the student is a linear classifier over TF-IDF, not a transformer, and costs a second; a model in its
place is examined before each round and not after the last. A new text carries the gold label of the error that it is
written after (known of re-implementations, not of the abstract). Added: copies of the gold row are refused, and a
labeller that does not see the label has to give it (`check`).

Gold rows are shown to the writer, so they are no test set: give that in `[contamination] sets`, and nothing accepted
shares its wording.
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
from ...agents.preparer import preparer
from ...agents.state import FlowState, Node
from ...agents.student import PREDICTED, predicted, student_errs
from ...agents.turns import by_kind
from ...agents.variables import Given, passage_text
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Handover, Options, PlanView, lazily
from ..planners.exams import answered, examined, stalled
from ..planners.rounds import ROUND, classes, ended, gold, noted, served
from ..planners.seeds import chance
from ..planners.students import STUDENT, Kind, handed, require_teachable, told
from .base import Recipe

NAME = "s3"


class S3Options(Options):
    """Options of `s3`.

    task:        what a text is and what its label says, in words.
    label:       the column with a gold row's label; its text is the text.
    labels:      label → what it means; those of the rows when empty.
    rationales:  reasons that are listed for each label.
    seeds:       texts of each label before the first examination.
    per_error:   texts that are written after one error.
    most_errors: errors that a round works from at most; of more, chance takes so many. After each error of a `model`
                 one text is written all the same.
    student:     who is examined: a classifier that is trained here, or a `model`, the role `student`.
    rounds:      how often the student is trained and its errors worked from, at most.
    patience:    it stops after so many rounds in a row that did not raise the best accuracy.
    check:       whether a labeller that does not see the label has to agree with it.
    """

    task: str = ""
    label: Annotated[str, Column()] = "label"
    labels: dict[str, str] = Field(default_factory=dict)
    rationales: int = Field(default=5, ge=1, le=50)
    seeds: int = Field(default=20, ge=1)
    per_error: int = Field(default=3, ge=1)
    most_errors: int = Field(default=100, ge=1)
    student: Kind = "classifier"
    rounds: int = Field(default=5, ge=1, le=100)
    patience: int = Field(default=1, ge=1)
    check: bool = True


@lazily
def plan_s3(view: PlanView, rng: random.Random, options: S3Options) -> Iterator[Task | Handover | None]:
    """Draws texts of every label, then round by round the student's errors on gold."""
    require_teachable(view, options.student, NAME)
    rows = gold(view, options.label, NAME)
    labels = classes(options.labels, rows, NAME)
    start = rng.getrandbits(64)
    for number in range(options.seeds):
        for label in labels:
            yield Task.of("seed", attributes={"label": label, ROUND: "0", "classes": list(labels)}, seed=number)
    yield from ended(view)
    asks = options.student == "model"
    known = {chunk.id: label for chunk, (_, label) in zip(view.chunks, rows, strict=True)}

    def error(row: str, turn: int, number: int, **more: Any) -> Task:
        attributes = {"label": known[row], **more, ROUND: str(turn), "classes": list(labels)}
        # Rounds differ in their seeds: the cache would have the text that was written after the same error before.
        seed = (turn - 1) * options.per_error + number
        return Task.of("error", chunks=(row,), attributes=attributes, seed=seed)

    for turn in range(1, options.rounds + 1):
        if asks:
            yield from handed(view, turn - 1)
            for row in known:
                yield error(row, turn, 0, **served(view, STUDENT, turn))
            yield from ended(view)
        found = noted(view, turn, lambda at=turn: _exam(view, options, rows, start, at))  # type: ignore[misc]
        if not found["wrong"] or stalled(view, turn, options.patience):
            return
        drawn = chance(NAME, start, turn).sample(found["wrong"], min(options.most_errors, len(found["wrong"])))
        said = dict(map(tuple, drawn))
        for number in range(int(asks), options.per_error):
            for row in known:  # of `drawn` a refresh may have taken some since
                if row in said:
                    yield error(row, turn, number, **{PREDICTED: said[row]})
        yield from ended(view)
        if asks and view.trained is None:
            return
    if asks:
        yield from handed(view, options.rounds)
    else:
        noted(view, options.rounds + 1, lambda: _exam(view, options, rows, start, options.rounds + 1))


def _exam(view: PlanView, options: S3Options, rows: list[tuple[str, str]], start: int, turn: int) -> dict[str, Any]:
    return answered(view, turn, NAME) if options.student == "model" else examined(view, rows, start, NAME)


def _label(state: FlowState) -> str:
    return str(state["task"].attributes["label"])


def s3_flow(options: S3Options) -> Flow:
    """Builds the flow: rationales and a text, or a text after an error; copies, novelty, labeller."""
    given: Given = {
        "description": lambda _: options.task,
        "definition": lambda state: options.labels.get(_label(state), ""),
    }
    adds: Given = {"label": _label}
    count: Given = {"count": lambda _: options.rationales}
    asked: Given = {"classes": told(options.labels)}
    first: dict[str, Node] = {
        "seed": preparer(
            prompt="s3-rationales",
            variables=("label",),
            given={**given, **count},
            shared=True,
            pick={"rationale": "rationales"},
        )
    }
    notes: Given = {}
    if options.student == "model":
        first["error"] = student_errs(description=options.task, given=asked)
        notes = {PREDICTED: predicted}
    return reference_flow(
        proposer=by_kind(first),
        generator=by_kind({
            "seed": generator(
                prompt="s3-write", variables=("label", "rationale"), given=given, messages=classification, adds=adds
            ),
            "error": generator(
                prompt="s3-extrapolate", variables=("passage", "label", "predicted"), given=given,
                messages=classification, adds={**adds, **notes},
            ),
        }),
        verifiers=(
            by_kind({"error": no_copy("text", of=lambda state: [passage_text(state)])}), novelty(fields=("text",)),
        ),
        critic=labeller(description=options.task, given=asked) if options.check else None,
    )  # fmt: skip


S3 = Recipe(
    name=NAME,
    summary="Labelled texts after the errors of a small student, or any model, on gold rows, until it learns no more.",
    paper="S3, arXiv:2310.13671",
    gives="classification",
    needs=frozenset({"labels"}),
    roles=("preparer", "generator", "labeller", STUDENT),
    options=S3Options,
    planner=plan_s3,
    flow=s3_flow,
    hands_over=True,
)
