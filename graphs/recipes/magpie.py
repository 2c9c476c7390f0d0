"""`magpie`: an aligned model is sent what stands before a user's words, goes on with an instruction, and answers it.

One task is an instruction that the model goes on with when it is sent its own template up to where the user's words
begin. The role `aligned` needs a server with raw completions (`/v1/completions`).

After Magpie (Xu et al. 2024, arXiv:2406.08464).
Faithful: the pre-query template alone is sent to a raw completion endpoint and the model's own end of turn ends the
instruction; domains by a system message before it; the response comes from a chat with the instruction alone, greedily;
tags of quality, difficulty and safety by a model, and filters on them (`minimum`).
Not faithful: one turn; no tag of the task's category; no reward model (the critic's scores stand in its place), and no
distance to the nearest neighbour by default: that is the campaign's `[novelty]`. Filters stand before the response
where they can, so that cut-off and known instructions cost no second call.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from ...agents.critic import critic, unjudged
from ...agents.messages import instruction_response
from ...agents.responder import responder
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe
from .pre_query import own_instruction


class MagpieOptions(Options):
    """Options of `magpie`.

    template: the prompt `magpie-TEMPLATE` is what is sent: `chatml`, `llama-3`, `gemma`, or one in a folder of your own
              for another model's template. Its `stop` has to name the template's end of turn.
    domains:  system messages that are put before the user's words, in turn; an empty one is none.
    judge:    whether a critic looks at instruction and response.
    minimum:  least score by name for its acceptance: `quality`, `difficulty`, `correct`, `safe`.
    tasks:    how many instructions to draw at most.
    """

    template: str = "chatml"
    domains: tuple[str, ...] = Field(default=("",), min_length=1)
    judge: bool = True
    minimum: dict[str, float] = Field(default_factory=dict)
    tasks: int = Field(default=100_000, ge=1)


@lazily
def plan_magpie(view: PlanView, rng: random.Random, options: MagpieOptions) -> Iterator[Task]:
    """Draws `tasks` times; draws differ in their seed alone, and take the domains in turn."""
    for number in range(options.tasks):
        domain = options.domains[number % len(options.domains)]
        yield Task.of("draw", attributes={"domain": domain}, seed=number)


def magpie_flow(options: MagpieOptions) -> Flow:
    """Builds the flow: instruction by completion, its checks and novelty gate, response, critic."""
    return reference_flow(
        proposer=None,
        generator=in_turn(
            *own_instruction(options.template, instruction_response),
            novelty(fields=("instruction",)),
            responder(role="aligned"),
            anew=True,
        ),
        critic=critic(
            prompt="judge-instruction-response", variables=("instruction", "response"), minimum=options.minimum
        )
        if options.judge
        else unjudged(options.minimum),
    )


MAGPIE = Recipe(
    name="magpie",
    summary="Instructions that an aligned model goes on with after its own chat template, and its responses to them.",
    paper="Magpie, arXiv:2406.08464",
    gives="sft",
    needs=frozenset({"base model"}),
    roles=("aligned", "critic"),
    options=MagpieOptions,
    planner=plan_magpie,
    flow=magpie_flow,
)
