"""`toa`: a tree search over which model writes or improves the next response, steered by rewards.

One task is a row, whose text is a prompt. A tree search decides step by step who writes the next response, and whether
anew or by one that is there, which the model is shown as a reference to improve on. Each response is scored at once,
and the scores steer. The best is the item, and keeps the whole tree in its drafts; with the worst it is a pair of the
format `dpo`. A call that fails costs its step, and the search keeps away from a model that fails. A reward function of
yours costs no call; a plain one holds up all other tasks while it runs.

After TOA, "Multi-Agent Sampling: Scaling Inference Compute for Data Synthesis with Tree Search-Based Agentic
Collaboration" (Ye et al. 2024, arXiv:2412.17061).
Faithful: responses come from several different models; which one writes next, and by which response, is decided step by
step and anew for each prompt by Monte Carlo tree search: selection by UCB, expansion by a new response, whose model
sees the parent's as a reference to improve on, a reward at once, back-propagation, until the responses are used up. The
best response is the item; the best and the worst are a preference pair.
Not faithful: the abstract says what is searched and not how; constants, progressive widening, the value of a model that
was not tried at a node and the stretching of rewards are ours, see `agents/search/tree.py`. The reward is a judge's
marks unless a reward model or a function is named. Within a prompt the steps follow each other by nature, since each
hangs on the rewards before it; prompts run beside each other, and `width` steps at once where that is asked for.
"""

from __future__ import annotations

from pydantic import Field

from ...agents.search.policies import Policy
from ...agents.search.tree import tree_search
from ..flows.reference import Flow
from .base import Recipe
from .searches import MOST_RESPONSES, SearchOptions, each_prompt, search_flow

NAME = "toa"
WRITERS = ("writer-a", "writer-b", "writer-c")


class ToaOptions(SearchOptions):
    """Options of `toa`, and those of every search (`SearchOptions`).

    writers:     the roles that write, two at least, each bound to a model of its own.
    responses:   how many responses a prompt gets; each is a call, and one more where a model scores it.
    exploration: the constant of UCB1: 0 follows the best so far, 1.41 is the textbook's.
    widening:    chosen n times to go on from a response, a model has written so many times the root of n by it.
    depth:       most responses that build on each other, the first included.
    width:       steps taken at once for a prompt; more is faster and less informed.
    """

    writers: tuple[str, ...] = WRITERS
    responses: int = Field(default=12, ge=1, le=MOST_RESPONSES)
    exploration: float = Field(default=0.2, ge=0)
    widening: float = Field(default=2.0, ge=0)
    depth: int = Field(default=4, ge=1)
    width: int = Field(default=1, ge=1)

    @property
    def policy(self) -> Policy:
        return tree_search(
            self.writers,
            self.responses,
            exploration=self.exploration,
            widening=self.widening,
            depth=self.depth,
            width=self.width,
        )


def toa_flow(options: ToaOptions) -> Flow:
    """Builds the flow: the tree search."""
    return search_flow(options, options.writers, several=True)


TOA = Recipe(
    name=NAME,
    summary="The best of the responses that several models write and improve on, searched as a tree by rewards.",
    paper="TOA, arXiv:2412.17061",
    gives="sft",
    needs=frozenset({"seeds", "several models"}),
    roles=(*WRITERS, "reward"),
    apart=(WRITERS,),
    options=ToaOptions,
    planner=each_prompt(NAME),
    flow=toa_flow,
)
