"""`rest`: many solutions a problem, those that a verifier finds right handed to a trainer, and on with what it made.

One task is a sample of a row, a problem whose answer is known: one call, whose final answer decides. When a round has
ended, the trainer (`[train]`) is given its items, and the model that it gives back answers the next round.

After ReST-EM (Singh et al. 2023, arXiv:2312.06585) and ReST (Gulcehre et al. 2023, arXiv:2308.08998).
Faithful: the E-step samples each problem many times (32) and keeps what ends with the right answer, at most `cap` of a
problem (10), so that easy ones do not dominate; the M-step is the user's trainer, given exactly the items of the round;
a few rounds, each with the model that it gave. Without a trainer there is one round: rejection sampling.
Not faithful: a problem is sampled only until it has `cap` right solutions, of which the paper would keep as many at
random; a solution that an earlier one has word for word is not kept again, in later rounds neither (their folders lie
beside). Whether to train from the base model, as the paper does, is the trainer's choice; so is when to stop: its
held-out score is not known here. Samples and cap are as known of the paper's text, not of its abstract.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ...storage.records import Chunk, Task
from ..flows.reference import Flow
from ..planners.base import Column, Handover, Options, PlanView, lazily
from ..planners.rounds import ROUND, ended, served
from ..planners.seeds import rows
from .base import Recipe
from .trials import Made, answered_flow, known_answer, trials

NAME = "rest"
STUDENT = "student"


class RestOptions(Options):
    """Options of `rest`.

    samples: solutions of each problem a round, at most.
    cap:     right solutions of each problem that a round keeps.
    rounds:  rounds, where the campaign has a trainer.
    answer:  the column with a row's answer, or with a solution that ends with it; the row's text is the problem.
    """

    samples: int = Field(default=32, ge=1)
    cap: int = Field(default=10, ge=1)
    rounds: int = Field(default=3, ge=1, le=1000)
    answer: Annotated[str, Column()] = "answer"


@lazily
def plan_rest(view: PlanView, rng: random.Random, options: RestOptions) -> Iterator[Task | Handover | None]:
    """Draws samples of all problems in turn, round by round, each handed over when all of it has ended."""
    problems = rows(view, NAME)
    for turn in range(options.rounds):
        yield from trials(
            view, problems, _made(view, turn, options), kind=_kind(turn), wanted=lambda _: options.cap,
            most=options.samples,
        )  # fmt: skip
        if view.trained is None:
            return
        if turn not in view.trained:
            yield from ended(view)
        while turn not in view.trained:
            yield Handover(turn)


def _kind(turn: int) -> str:
    return f"sample-{turn}"


def _made(view: PlanView, turn: int, options: RestOptions) -> Made:
    model = served(view, STUDENT, turn)

    def made(chunk: Chunk, number: int) -> Task:
        attributes = {"answer": known_answer(view, chunk, options.answer, NAME), ROUND: str(turn), **model}
        # New weights under the same name are asked by other seeds, so that the cache has no answer of the old ones.
        return Task.of(_kind(turn), chunks=(chunk.id,), attributes=attributes, seed=turn * options.samples + number)

    return made


def rest_flow(options: RestOptions) -> Flow:
    """Builds the flow: a solution of the student, its final answer compared, novelty gate."""
    return answered_flow(STUDENT)


REST = Recipe(
    name=NAME,
    summary="Solutions that a verifier finds right, handed to your trainer round by round, and on with what it made.",
    paper="ReST-EM, arXiv:2312.06585",
    gives="reasoning",
    needs=frozenset({"seeds"}),
    roles=(STUDENT,),
    options=RestOptions,
    planner=plan_rest,
    flow=rest_flow,
    hands_over=True,
)
