"""`best-of-n`: the response of the highest reward among several that are written independently.

One task is a row, whose text is a prompt. All responses to it are written at once, none seeing another, and the one of
the highest reward is kept.

After no single paper: it is what searches are measured against, TOA (Ye et al. 2024, arXiv:2412.17061) among them.
Faithful: with one writer it is best-of-N sampling; with several, each response is by one drawn at random, the paper's
multi-model baseline. The best and the worst are a preference pair.
Not faithful: the reward is a judge's marks unless a reward model or a function is named.
"""

from __future__ import annotations

from pydantic import Field

from ...agents.search.policies import Policy, best_of
from ..flows.reference import Flow
from .base import Recipe
from .searches import MOST_RESPONSES, SearchOptions, each_prompt, search_flow

NAME = "best-of-n"


class BestOfNOptions(SearchOptions):
    """Options of `best-of-n`, and those of every search (`SearchOptions`).

    writers:   the roles that write; of several, each response is by one drawn at random.
    responses: how many responses a prompt gets, all at once; each is a call, and one more where a model scores it.
    """

    writers: tuple[str, ...] = ("writer",)
    responses: int = Field(default=12, ge=1, le=MOST_RESPONSES)

    @property
    def policy(self) -> Policy:
        return best_of(self.writers, self.responses)


def best_of_n_flow(options: BestOfNOptions) -> Flow:
    """Builds the flow: all responses at once, the best is kept."""
    return search_flow(options, options.writers)


BEST_OF_N = Recipe(
    name=NAME,
    summary="The response of the highest reward among several that are written independently.",
    paper="",
    gives="sft",
    needs=frozenset({"seeds"}),
    roles=("writer", "reward"),
    options=BestOfNOptions,
    planner=each_prompt(NAME),
    flow=best_of_n_flow,
)
