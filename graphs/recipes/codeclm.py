"""`codeclm`: instructions for one target model: seeds to metadata to instructions, kept where the target lags.

One task is an instruction from a seed's metadata (a use case and skills, asked for once), made harder by an action from
rubrics of its own. A strong and the target model answer, a judge marks both; where the strong one is better by `gap`,
the item is accepted with its response, else the instruction is made harder again. The roles `strong` and `target` need
two models.

After CodecLM (Wang et al. 2024, arXiv:2404.05875).
Faithful: a seed is encoded as a use case and at most three skills; instructions are decoded from these alone, and the
writer never sees the seed; self-rubrics, actions that fit the metadata, of which one is drawn and applied; contrastive
filtering: a strong and the target model answer, a judge marks both in either order, and what has too small a gap goes
back to the self-rubrics, a few times.
Not faithful: metadata come of seeds alone, not of the user's hand; only a gap in the strong model's favour counts,
whose response is kept (the target's stays with the item as a rejected draft, for preference pairs). `gap` and `rounds`
are as known from re-implementations: the judge's marks go to 10, 3 of them are 0.3.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import Field

from ...agents.generator import generator
from ...agents.messages import instruction_response
from ...agents.preparer import preparer
from ...agents.refiner import refiner
from ...agents.teachable import teachable
from ...agents.turns import in_turn
from ...agents.variables import passage_text
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.seeds import rows
from .base import Recipe

NAME = "codeclm"
METADATA = ("use_case", "skills")


class CodecLMOptions(Options):
    """Options of `codeclm`.

    per_seed: instructions that are written from one seed's metadata.
    gap:      how much better the strong model's response must be, in (0, 1].
    rounds:   how often an instruction is made harder at most, the first time before it is answered.
    """

    per_seed: int = Field(default=5, ge=1)
    gap: float = Field(default=0.3, gt=0, le=1)
    rounds: int = Field(default=4, ge=1, le=20)


@lazily
def plan_codeclm(view: PlanView, rng: random.Random, options: CodecLMOptions) -> Iterator[Task]:
    """Draws every seed once before any twice; draws of a seed differ in their seed number."""
    seeds = rows(view, NAME)
    for number in range(options.per_seed):
        for chunk in seeds:
            yield Task.of("seed", chunks=(chunk.id,), seed=number)


def codeclm_flow(options: CodecLMOptions) -> Flow:
    """Builds the flow: encode, decode, self-rubrics, novelty gate, contrast, and self-rubrics again."""
    harder = refiner(
        role="generator",
        suggest="codeclm-rubrics",
        suggest_variables=("instruction", *METADATA),
        edit="codeclm-improve",
        variables=("instruction",),
        messages=instruction_response,
        one=True,
    )
    return reference_flow(
        proposer=preparer(
            prompt="codeclm-encode",
            variables=(),
            fields=METADATA,
            given={"instruction": passage_text},
            role="encoder",
            shared=True,
        ),
        generator=in_turn(
            generator(prompt="codeclm-decode", variables=METADATA, messages=instruction_response), harder, anew=True
        ),
        verifiers=novelty(fields=("instruction",)),
        critic=teachable(gap=options.gap),
        refiner=harder,
        max_rounds=options.rounds,
    )


CODECLM = Recipe(
    name=NAME,
    summary="Instructions on which a target model lags behind a strong one, made from the metadata of seeds.",
    paper="CodecLM, arXiv:2404.05875",
    gives="sft",
    needs=frozenset({"seeds", "several models"}),
    roles=("encoder", "generator", "strong", "target", "judge"),
    apart=(("strong", "target"),),
    options=CodecLMOptions,
    planner=plan_codeclm,
    flow=codeclm_flow,
)
