"""`open-math`: many solutions of each problem in words and programs, kept where the final answer is right.

One task is a row, a problem whose answer is known, with a reference solution where there is one. It is solved in words
and Python programs, which run in the sandbox as they are written; the model sees what they print. The reference guides
it with its numbers masked. Kept is what ends with the right answer, leaks nothing, and works out what it prints.
Problems are tried in turn until each has `per_problem`.

After OpenMathInstruct-1 (Toshniwal et al. 2024, arXiv:2402.10176).
Faithful: solutions mix words with programs, which are run as they are written; a reference solution guides with its
numbers masked, so that it cannot be copied; many samples of each problem; the final answer decides; traces that leak,
cheat or have broken code are dropped; problems are represented as evenly as they can be, and code is preferred.
Not faithful: numbers are masked by rule (there by a model); one worked example stands in the prompt, with the row's
subject (there a few examples by subject); a program sees what those before it defined because they are run again, in a
sandbox without numpy or sympy. Sampling is fair in place of a choice afterwards: no problem gets its next solution
before each other has had a try, and none more than `per_problem`; traces without code are rejected, unless
`with_code` is off.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ...agents.messages import instruction_response
from ...agents.programs.interpreter import interpreter
from ...agents.programs.traces import sound_trace
from ...agents.state import FlowState
from ...agents.variables import passage_text
from ...agents.verifiers.agreement import answer_match, attribute
from ...agents.verifiers.novelty import novelty
from ...evals.execution.records import Limits
from ...evals.masking import masked_solution
from ...storage.records import Chunk, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.seeds import rows
from .base import Recipe
from .trials import TRIAL, known_answer, trials

NAME = "open-math"


class OpenMathOptions(Options):
    """Options of `open-math`.

    per_problem: right solutions of each problem.
    max_trials:  samples of one problem at most.
    programs:    programs in one solution at most.
    seconds:     how long one program may run.
    with_code:   whether a solution has to have a program.
    guided:      whether the model sees the reference solution, masked, of a row that has one.
    answer:      the column with a row's answer, or with a solution that ends with it; the row's text is the problem.
    solution:    the column with the reference solution.
    subject:     the column with the subject, such as `algebra`.
    """

    per_problem: int = Field(default=4, ge=1)
    max_trials: int = Field(default=32, ge=1)
    programs: int = Field(default=3, ge=1, le=10)
    seconds: float = Field(default=10.0, gt=0, le=600)
    with_code: bool = True
    guided: bool = True
    answer: Annotated[str, Column()] = "answer"
    solution: Annotated[str, Column(needed=False)] = "solution"
    subject: Annotated[str, Column(needed=False)] = "subject"


@lazily
def plan_open_math(view: PlanView, rng: random.Random, options: OpenMathOptions) -> Iterator[Task | None]:
    """Draws trials of all problems in turn, while they lack right solutions and have trials left."""
    problems = rows(view, NAME)

    def made(chunk: Chunk, number: int) -> Task:
        answer = known_answer(view, chunk, options.answer, NAME)
        meta = view.meta(chunk)
        reference = str(meta.get(options.solution) or "") if options.guided else ""
        # Lists make no cells: an answer is nothing to steer by.
        attributes = {
            "answer": answer,
            "guide": [masked_solution(reference, chunk.text, answer[0])] if reference else [],
            "subject": [str(meta.get(options.subject) or "")],
        }
        return Task.of(TRIAL, chunks=(chunk.id,), attributes=attributes, seed=number)

    most = max(options.max_trials, options.per_problem)
    yield from trials(view, problems, made, kind=TRIAL, wanted=lambda _: options.per_problem, most=most)


def _first(name: str, state: FlowState) -> str:
    return next(iter(state["task"].attributes[name]), "")


def open_math_flow(options: OpenMathOptions) -> Flow:
    """Builds the flow: a solution with programs, checks of its trace, its final answer compared, novelty gate."""
    given = {
        "instruction": passage_text,
        "guide": lambda state: _first("guide", state),
        "subject": lambda state: _first("subject", state),
    }
    return reference_flow(
        proposer=None,
        generator=interpreter(
            variables=(),
            given=given,
            adds={"instruction": passage_text},
            messages=instruction_response,
            most=options.programs,
            limits=Limits(seconds=options.seconds, cpu_seconds=max(1, round(options.seconds))),
        ),
        verifiers=(
            answer_match(attribute("answer"), field="response", how="final"),
            sound_trace("response", with_code=options.with_code),
            novelty(fields=("response",)),
        ),
        critic=None,
    )


OPEN_MATH = Recipe(
    name=NAME,
    summary="Solutions in words and programs that are run, guided by masked references, with a right final answer.",
    paper="OpenMathInstruct-1, arXiv:2402.10176",
    gives="reasoning",
    needs=frozenset({"seeds", "code runner"}),
    roles=("solver",),
    options=OpenMathOptions,
    planner=plan_open_math,
    flow=open_math_flow,
)
