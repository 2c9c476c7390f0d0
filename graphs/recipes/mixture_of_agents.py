"""`mixture-of-agents`: several models write, see what all wrote and write again, and an aggregator writes the last.

One task is a row, whose text is a prompt. All writers respond at once; then, layer by layer, each is shown all
responses of the layer before and merges them; an aggregator writes the last.

After Mixture-of-Agents (Wang et al. 2024, arXiv:2406.04692), a baseline of TOA (Ye et al. 2024, arXiv:2412.17061).
Faithful: layers of the same models side by side; each sees all responses of the layer before and merges them; one
aggregator writes the item by the last layer's.
Not faithful: every response is scored, for a preference pair of the aggregator's and the worst (`reward` may be a
function, which costs no call), and with `keep = "best"` the item is the best response of all layers. Where the
aggregator, or who scores it, failed, the task fails; nobody else's response stands in for it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...agents.search.policies import Policy, best, closing, in_layers
from ..flows.reference import Flow
from .base import Recipe
from .searches import SearchOptions, each_prompt, search_flow

NAME = "mixture-of-agents"
WRITERS = ("writer-a", "writer-b", "writer-c")
AGGREGATOR = "aggregator"


class MixtureOfAgentsOptions(SearchOptions):
    """Options of `mixture-of-agents`, and those of every search (`SearchOptions`).

    writers:  the roles that write in each layer.
    layers:   how many layers of writers there are before the aggregator.
    keep:     which response is the item: the `last`, the aggregator's, or the `best` of all.
    """

    writers: tuple[str, ...] = WRITERS
    layers: int = Field(default=2, ge=1, le=20)
    keep: Literal["last", "best"] = "last"

    @property
    def policy(self) -> Policy:
        return in_layers(self.writers, self.layers, AGGREGATOR)


def mixture_of_agents_flow(options: MixtureOfAgentsOptions) -> Flow:
    """Builds the flow: the layers, and the aggregator."""
    pick = closing if options.keep == "last" else best
    return search_flow(options, (*options.writers, AGGREGATOR), pick=pick, improve="merge-responses")


MIXTURE_OF_AGENTS = Recipe(
    name=NAME,
    summary="A response that an aggregator makes out of those that layers of several models wrote and merged.",
    paper="Mixture-of-Agents, arXiv:2406.04692",
    gives="sft",
    needs=frozenset({"seeds", "several models"}),
    roles=(*WRITERS, AGGREGATOR, "reward"),
    options=MixtureOfAgentsOptions,
    planner=each_prompt(NAME),
    flow=mixture_of_agents_flow,
)
