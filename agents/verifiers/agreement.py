"""Programmatic verifiers of a draft's answer: against one that is known, and against the majority of several.

The other answers come from a function of the state: `attribute`, `value` and `draft_field` make the usual ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ...errors import ConfigError
from ...evals.answers import RELATIVE_TOLERANCE, exact_match, majority, numeric_match, same_answer
from ...evals.final_answers import final_answer, same_final_answer
from ...storage.records import Decision, Draft
from ..state import FlowState, Node
from .verifier import Finding, missing, text_of, verifier

Answers = Callable[[FlowState], Sequence[str]]
How = Literal["exact", "numeric", "either", "final"]


def attribute(name: str) -> Answers:
    """The task's attribute `name`: a text, a number, or a list of them."""
    return lambda state: _texts(state["task"].attributes.get(name))


def value(name: str) -> Answers:
    """The entry `name` of the state's `values`: a text, a number, or a list of them, such as a solver's samples."""
    return lambda state: _texts(state.get("values", {}).get(name))


def draft_field(name: str) -> Answers:
    """The newest draft's own field `name`, for a generator that wrote the expected answer beside the question."""
    return lambda state: _texts(state["drafts"][-1].fields.get(name))


def answer_match(
    expected: Answers,
    *,
    field: str = "answer",
    how: How = "either",
    tolerance: float = RELATIVE_TOLERANCE,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field answers with one of the `expected` answers (`incorrect`; `nothing_expected` for none).

    Args:
        how: `exact` (SQuAD normalisation), `numeric` (within the relative `tolerance`), or `either`. `final` is for a
            whole solution, of which the final answer is taken (`evals.final_answers`; `no_answer` where it has none)
            and compared more strictly, as mathematics is: numbers exactly, all else by its spelling.

    Raises:
        ConfigError: `how` is none of these.
    """
    comparisons: dict[str, Callable[[str, str], bool]] = {
        "exact": exact_match,
        "numeric": lambda left, right: numeric_match(left, right, tolerance=tolerance),
        "either": lambda left, right: same_answer(left, right, tolerance=tolerance),
        "final": same_final_answer,
    }
    if how not in comparisons:
        raise ConfigError(f"answer_match has how='{how}'; choose from {', '.join(comparisons)}")
    same = comparisons[how]

    def check(draft: Draft, state: FlowState) -> Finding:
        answer = text_of(draft, field)
        if answer is None:
            return missing(field)
        known = expected(state)
        if not known:
            return Finding(("nothing_expected",), "there is no answer to compare with")
        if how == "final" and not (answer := final_answer(answer)):
            return Finding(("no_answer",), f"'{field}' ends with no final answer", {"match": 0.0})
        matches = any(same(answer, other) for other in known)
        remark = "" if matches else f"'{answer[:80]}' is not '{known[0][:80]}'"
        return Finding(() if matches else ("incorrect",), remark, {"match": float(matches)})

    return verifier("answer_match", check, on_fail=on_fail, reads=("drafts", "task", "values"))


def majority_agrees(
    answers: Answers,
    *,
    field: str = "answer",
    least_share: float = 0.5,
    least_answers: int = 2,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that the majority of several answers is the draft's own.

    Reasons: `too_few_answers` under `least_answers`; `no_majority` for a tie or a winner with less than `least_share`
    of all votes (blank answers vote for nobody); `incorrect` for a draft that answers otherwise than the majority.
    The verdict's score `agreement` is the share of votes that the winner has.

    Raises:
        ConfigError: `least_share` is not in (0, 1], or `least_answers` is below 1.
    """
    if not 0 < least_share <= 1 or least_answers < 1:
        raise ConfigError(
            f"majority_agrees has least_share={least_share} and least_answers={least_answers}; "
            "need a share in (0, 1] and at least one answer"
        )

    def check(draft: Draft, state: FlowState) -> Finding:
        answer = text_of(draft, field)
        if answer is None:
            return missing(field)
        votes = answers(state)
        if len(votes) < least_answers:
            return Finding(("too_few_answers",), f"{len(votes)} answers, fewer than {least_answers}")
        vote = majority(votes)
        scores = {"agreement": vote.share}
        if vote.tied or vote.share < least_share or not vote.votes:
            return Finding(("no_majority",), f"{vote.votes} of {vote.total} for '{vote.answer[:80]}'", scores)
        if not same_answer(answer, vote.answer):
            return Finding(("incorrect",), f"the majority says '{vote.answer[:80]}'", scores)
        return Finding(scores=scores)

    return verifier("majority", check, on_fail=on_fail, reads=("drafts", "task", "values"))


def _texts(found: Any) -> list[str]:
    several = found if isinstance(found, list | tuple) else [found]
    return [str(one) for one in several if isinstance(one, str | int | float) and not isinstance(one, bool)]
