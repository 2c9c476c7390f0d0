"""`persona-hub`: personas from texts and from each other; each brings one instruction, which is then answered.

One task is a persona: one of those whom a model names for a passage, or one that is related to such a one, some hops
on. A persona that another item has ends its task, else it brings one instruction, which is answered. The questions for
personas are asked once for all tasks on the same way.

After Persona Hub (Ge et al. 2024, arXiv:2406.20094).
Faithful: text-to-persona (who reads, writes, likes this text), persona-to-persona by relations over up to six hops, one
item a persona, zero-shot prompts for several sorts of item, of which each persona gets one; personas that share nine
words in ten with another are dropped by MinHash (`[novelty] near` is 0.9 and `shingle` 1 where the campaign does not
say), and by vectors where `[novelty] semantic` says so. These two figures are known of the paper's text, not of its
abstract.
Not faithful: no few-shot and no persona-enhanced few-shot prompts. No text is filtered there; nor is it here, unless
`judge` is on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from pydantic import Field

from ...agents.attributes.personas import PERSONA, STEPS, persona
from ...agents.critic import critic, unjudged
from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.responder import responder
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.seeds import chance
from .base import Recipe

MAKES = (
    "a challenging mathematics problem",
    "a logical reasoning problem",
    "a request that the person would send to an AI assistant",
    "a request for a text that explains something the person knows well",
)


class PersonaHubOptions(Options):
    """Options of `persona-hub`.

    makes:    sorts of items, as they follow "Write"; each persona gets one, drawn evenly.
    personas: personas that are asked for of a passage.
    related:  people that are asked for of each persona.
    hops:     how far persona-to-persona goes; 0 has personas of passages only.
    judge:    whether a critic looks at each item.
    minimum:  least score by name for its acceptance: `quality`, `difficulty`, `correct`, `safe`.
    """

    makes: tuple[str, ...] = Field(default=MAKES, min_length=1)
    personas: int = Field(default=4, ge=1, le=20)
    related: int = Field(default=3, ge=1, le=20)
    hops: int = Field(default=1, ge=0, le=6)
    judge: bool = False
    minimum: dict[str, float] = Field(default_factory=dict)


@lazily
def plan_persona_hub(view: PlanView, rng: random.Random, options: PersonaHubOptions) -> Iterator[Task]:
    """Draws the personas of all passages first, then those one hop away, and so on; each gets one sort of item."""
    for hops in range(options.hops + 1):
        for steps in product(range(options.personas), *[range(options.related)] * hops):
            for chunk in view.chunks:
                makes = chance("makes", chunk.id, steps).choice(options.makes)
                kind = f"hop{hops}" if hops else "persona"
                yield Task.of(kind, chunks=(chunk.id,), attributes={STEPS: list(steps), "makes": makes})


def persona_hub_flow(options: PersonaHubOptions) -> Flow:
    """Builds the flow: persona, gate against personas that are there, instruction, response."""
    return reference_flow(
        proposer=in_turn(persona(of_text=options.personas, related=options.related), novelty(fields=(PERSONA,))),
        generator=in_turn(
            generator(
                prompt="persona-write",
                variables=(PERSONA, "makes"),
                messages=instruction_response,
                adds={PERSONA: lambda state: state["values"][PERSONA]},
            ),
            responder(),
            anew=True,
        ),
        critic=critic(
            prompt="judge-instruction-response", variables=("instruction", "response"), minimum=options.minimum
        )
        if options.judge
        else unjudged(options.minimum),
    )


PERSONA_HUB = Recipe(
    name="persona-hub",
    summary="Personas read off texts and off each other; each brings one instruction of its own, which is answered.",
    paper="Persona Hub, arXiv:2406.20094",
    gives="sft",
    needs=frozenset({"documents"}),
    roles=("persona", "generator", "responder", "critic"),
    options=PersonaHubOptions,
    planner=plan_persona_hub,
    flow=persona_hub_flow,
    settings={"novelty": {"near": 0.9, "shingle": 1}},
)
