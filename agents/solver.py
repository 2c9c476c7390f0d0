"""The solver: solves a problem k times and keeps the answer that most solutions agree on.

The vote is self-consistency (Wang et al. 2022, arXiv:2203.11171). All answers stay in the state's `values["answers"]`,
so that a verifier can demand a share of the votes.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..evals.answers import majority
from ..prompts.schemas import Solution
from .asking import ask, draft_of, parsed_as, together
from .messages import Messages, reasoning
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft

ANSWERS = "answers"
SOLVE = ("passages", "points", "problem")


def solver(
    *,
    role: str = "solver",
    prompt: str = "solve-problem",
    variables: tuple[str, ...] = SOLVE,
    given: Given | None = None,
    messages: Messages = reasoning,
    samples: int = 1,
) -> Node:
    """Returns a node that appends a draft: the newest draft's fields with `reasoning`, `answer` and `evidence`.

    `samples` solutions are asked for at once; the draft is the first one that gives the majority's answer, and its
    note says the votes. If one call fails, the others are awaited first and its error is raised.

    Raises:
        ConfigError: `samples` is below 1.
    """
    if samples < 1:
        raise ConfigError(f"samples is {samples}; a solver needs at least 1")
    names = tuple(dict.fromkeys((*variables, *(given or {}))))

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "chunks", "entities", "drafts"),
        writes=("drafts", "values"),
        answer=Solution,
    )
    async def solve(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        replies = await together(
            ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, sample=sample)
            for sample in range(samples)
        )
        solutions = [parsed_as(Solution, reply, role, prompt) for reply in replies]
        answers = [solution.answer for solution in solutions]
        vote = majority(answers)
        chosen = answers.index(vote.answer) if vote.answer in answers else 0
        fields = {**last_draft(state).fields, **solutions[chosen].model_dump(mode="json")}
        note = f"{vote.votes} of {vote.total} solutions agree" if samples > 1 else ""
        calls = tuple(call for reply in replies for call in reply.calls)
        draft = draft_of(
            state,
            runtime,
            replies[chosen],
            by=role,
            prompt=prompt,
            messages=messages,
            fields=fields,
            note=note,
            calls=calls,
        )
        return {"drafts": [draft], "values": {ANSWERS: answers}}

    return solve
