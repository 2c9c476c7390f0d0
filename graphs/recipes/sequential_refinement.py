"""`sequential-refinement`: a response that is improved on again and again; the best version is kept.

One task is a row, whose text is a prompt. One response is written, then each by the newest one, as a reference to
improve on; the best version is kept.

After no single paper: it is what searches are measured against, TOA (Ye et al. 2024, arXiv:2412.17061) among them.
Faithful: each response is written by the newest one, in a chain as long as the responses last; with several writers
they take turns. The best and the worst are a preference pair.
Not faithful: the writer is not told its reward; where a response failed, the next is written by the one before it.
"""

from __future__ import annotations

from pydantic import Field

from ...agents.search.policies import Policy, in_sequence
from ..flows.reference import Flow
from .base import Recipe
from .searches import MOST_RESPONSES, SearchOptions, each_prompt, search_flow

NAME = "sequential-refinement"


class SequentialRefinementOptions(SearchOptions):
    """Options of `sequential-refinement`, and those of every search (`SearchOptions`).

    writers:   the roles that write; several take turns, in an order that is another for each prompt.
    responses: how many responses a prompt gets, in turn; each is a call, and one more where a model scores it.
    """

    writers: tuple[str, ...] = ("writer",)
    responses: int = Field(default=6, ge=1, le=MOST_RESPONSES)

    @property
    def policy(self) -> Policy:
        return in_sequence(self.writers, self.responses)


def sequential_refinement_flow(options: SequentialRefinementOptions) -> Flow:
    """Builds the flow: the chain of responses."""
    return search_flow(options, options.writers)


SEQUENTIAL_REFINEMENT = Recipe(
    name=NAME,
    summary="The best version of a response that is improved on again and again.",
    paper="",
    gives="sft",
    needs=frozenset({"seeds"}),
    roles=("writer", "reward"),
    options=SequentialRefinementOptions,
    planner=each_prompt(NAME),
    flow=sequential_refinement_flow,
)
