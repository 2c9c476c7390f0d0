"""`dart`: many solutions of each problem, with more trials for the harder ones, kept where the final answer is right.

One task is a trial of a row, a problem whose answer is known. A solution is accepted when its final answer, in its box,
is right and no other solution is alike. Problems that fail more often get more trials: until each has `correct` right
solutions (`uniform`), or as many as its fail rate in the first `initial` samples asks for (`prop2diff`).

After DART-Math (Tong et al. 2024, arXiv:2407.13690), its DARS sampling: plain rejection sampling gives easy problems
many solutions and hard ones few or none.
Faithful: difficulty is the fail rate of a problem's initial samples; `uniform` samples until every problem has
`correct` right solutions; `prop2diff` until each has right solutions in proportion to its difficulty, the hardest
`correct`; a solution is right by its final answer alone; the samples of a problem are capped.
Not faithful: what initial samples got right is kept also where an easy problem is to have less (there the surplus is
dropped; here `initial` says how much that can be); a solution that the campaign's novelty gate finds like another, of
whichever problem, is dropped, and counts as right for the difficulty. Answers are compared by spelling and as numbers,
without algebra.
What is drawn hangs on which trials were right, never on the order in which they end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...storage.records import Chunk, Task
from ..flows.reference import Flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.seeds import rows
from .base import Recipe
from .trials import TRIAL, Made, answered_flow, fail_rate, known_answer, trials

NAME = "dart"
INITIAL = "initial"


class DartOptions(Options):
    """Options of `dart`.

    strategy:   `uniform`, or `prop2diff`: by difficulty.
    correct:    right solutions of each problem; with `prop2diff` of the hardest.
    least:      right solutions that `prop2diff` wants of the easiest.
    initial:    samples of each problem that `prop2diff` takes its difficulty from.
    max_trials: samples of one problem at most, the initial ones included.
    answer:     the column with a row's answer, or with a solution that ends with it; the row's text is the problem.
    """

    strategy: Literal["uniform", "prop2diff"] = "prop2diff"
    correct: int = Field(default=8, ge=1)
    least: int = Field(default=1, ge=0)
    initial: int = Field(default=4, ge=1)
    max_trials: int = Field(default=64, ge=1)
    answer: Annotated[str, Column()] = "answer"

    @model_validator(mode="after")
    def _trials_suffice(self) -> DartOptions:
        if self.max_trials < (self.initial if self.strategy == "prop2diff" else self.correct):
            raise ValueError(f"max_trials is {self.max_trials}, fewer than are wanted at once; raise it")
        if self.least > self.correct:
            raise ValueError(f"least is {self.least}, more than correct, {self.correct}")
        return self


@lazily
def plan_dart(view: PlanView, rng: random.Random, options: DartOptions) -> Iterator[Task | None]:
    """Draws trials of all problems in turn, while they lack right solutions and have trials left."""
    problems = rows(view, NAME)
    first = options.initial if options.strategy == "prop2diff" else 0
    made = _made(view, INITIAL, options, first=0)
    yield from trials(view, problems, made, kind=INITIAL, wanted=lambda _: first, most=first)
    wanted = _by_difficulty(view, problems, options) if first else lambda _: options.correct
    made = _made(view, TRIAL, options, first=first)
    yield from trials(view, problems, made, kind=TRIAL, wanted=wanted, most=options.max_trials - first)


def _by_difficulty(view: PlanView, problems: Sequence[Chunk], options: DartOptions) -> Callable[[str], int]:
    """How many right solutions a problem still lacks after its initial samples, of which all have ended."""
    hardest = max(fail_rate(view.tries(chunk.id, INITIAL)) for chunk in problems)

    def wanted(chunk: str) -> int:
        before = view.tries(chunk, INITIAL)
        share = fail_rate(before) / hardest if hardest else 0.0
        return max(options.least, round(options.correct * share)) - before.accepted

    return wanted


def _made(view: PlanView, kind: str, options: DartOptions, *, first: int) -> Made:
    def made(chunk: Chunk, number: int) -> Task:
        answer = known_answer(view, chunk, options.answer, NAME)
        return Task.of(kind, chunks=(chunk.id,), attributes={"answer": answer}, seed=first + number)

    return made


def dart_flow(options: DartOptions) -> Flow:
    """Builds the flow: a solution, its final answer compared, novelty gate."""
    return answered_flow("solver")


DART = Recipe(
    name=NAME,
    summary="Solutions whose final answers are right, with more trials for problems that fail more often.",
    paper="DART-Math, arXiv:2407.13690",
    gives="reasoning",
    needs=frozenset({"seeds"}),
    roles=("solver",),
    options=DartOptions,
    planner=plan_dart,
    flow=dart_flow,
)
