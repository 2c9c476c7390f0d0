"""Spends trials on rows by how those before them ended, so that every row gets what it is to have and none much more.

What is drawn next follows from the books alone (`PlanView.tries`), so that a resumed campaign goes on by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...agents.attributes.choices import finished
from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.variables import passage_text
from ...agents.verifiers.agreement import answer_match, attribute
from ...agents.verifiers.novelty import novelty
from ...evals.final_answers import final_answer
from ...storage.records import Chunk, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import PlanView
from ..planners.seeds import column
from ..planners.tried import Tried

TRIAL = "trial"
RIGHT_ALL_THE_SAME = "duplicate"  # the reason of a rejection that says nothing against the answer

Made = Callable[[Chunk, int], Task]
"""`(chunk, number) -> task`: a chunk's trial of a number, counted from 0; a task on this chunk alone."""


def trials(
    view: PlanView,
    chunks: Sequence[Chunk],
    made: Made,
    *,
    kind: str,
    wanted: Callable[[str], int],
    most: int,
) -> Iterator[Task | None]:
    """Tries every chunk until `wanted` of its trials are accepted, `most` times at most: all once before any twice.

    `made` makes tasks of `kind`; `wanted` is asked by chunk id. No more trials of a chunk are open at a time than it
    still lacks: so none is accepted beyond what is wanted, and which trials are made hangs on how they end and not on
    the order in which they do. None says that everything which may be drawn is open.
    """
    active: Iterator[tuple[int, str]] = ((place, chunk.id) for place, chunk in enumerate(chunks))
    issued: dict[int, tuple[int, str]] = {}  # draws that the books may not have yet: how many of a chunk, the last's id
    level = 0  # chunks that were tried no more often than this are drawn: a resumed walk starts at those tried least
    while True:
        left, drew, above = [], False, list[int]()
        for place, id in active:
            tried = view.tries(id, kind)
            number = max(issued.get(place, (0, ""))[0], tried.planned)
            is_open = number > tried.ended
            if number < most and wanted(id) - tried.accepted - (number - tried.ended) > 0:
                if number > level:
                    above.append(number)
                    is_open = True
                elif found := _next(view, chunks[place], range(number, most), made):
                    yield found[1]
                    issued[place], drew, is_open = (found[0] + 1, found[1].id), True, True
            if is_open:
                left.append((place, id))
            else:
                issued.pop(place, None)
        if not left:
            return
        if drew:
            level += 1
        elif above:
            level = min(above)
        else:
            yield None
            pending = view.pending()
            issued = {
                place: (number, last)
                for place, (number, last) in issued.items()
                if pending and view.is_planned(last) and view.tries(chunks[place].id, kind).planned < number
            }  # what steering holds is not in the books yet; what was refused will never be
        active = iter(left)


def _next(view: PlanView, chunk: Chunk, numbers: range, made: Made) -> tuple[int, Task] | None:
    """The first of a chunk's trials that is not planned yet, with its number; None where all are."""
    for number in numbers:
        task = made(chunk, number)
        if not view.is_planned(task.id):
            return number, task
    return None


def fail_rate(tried: Tried) -> float:
    """The share of wrong answers in [0, 1]: a repeated answer was right, and a failed call was no answer; 1 of none."""
    right = tried.accepted + tried.rejected.get(RIGHT_ALL_THE_SAME, 0)
    answered = tried.ended - tried.failed
    return 1 - right / answered if answered else 1.0


def known_answer(view: PlanView, chunk: Chunk, name: str, recipe: str) -> list[str]:
    """A row's answer from its column `name`, which may hold a whole solution; as a list, which steers nothing.

    Raises `ConfigError` where the row has none.
    """
    value = column(view, chunk, name, recipe)
    return [final_answer(value) or value]


def answered_flow(role: str) -> Flow:
    """Builds the flow of one trial: a solution by `role`, its final answer compared, novelty gate."""
    problem = {"instruction": passage_text}
    return reference_flow(
        proposer=None,
        generator=generator(
            role=role,
            prompt="solve-step-by-step",
            variables=(),
            given=problem,
            messages=instruction_response,
            adds=problem,
            text_as="response",
        ),
        verifiers=(
            finished("response"),
            answer_match(attribute("answer"), field="response", how="final"),
            novelty(fields=("response",)),
        ),
        critic=None,
    )
