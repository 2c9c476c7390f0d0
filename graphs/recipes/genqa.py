"""`genqa`: questions and answers from a handful of prompts and chance, without documents, seeds or a critic.

One task is one call, from nothing: the model lists topics of a subject, takes one, lists subtopics, takes one, and
writes a question that takes expertise in it, with the answer. Which entry it takes is drawn by the planner and checked.

After GenQA (Chen et al. 2024, arXiv:2406.10323).
Faithful: the variants in order of chance (`static`, `conditional` on a subject that the caller draws,
`generator-conditional` and `generator-nested`, in which one and the same answer lists topics, takes one and writes a
question that takes expertise in it, and `generator-uniform`, in which the caller draws the numbers that are taken,
evenly, because models take the first entries far too often); a booster sentence at the end, drawn at random; nothing
but parsing and a gate against duplicates afterwards.
Not faithful: one split of single-turn questions in place of nine (dialogue, code, mathematics and so on have prompts
of their own there). Added: a program checks that what was taken stands in the list, at the place that was drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from ...agents.attributes.choices import listed
from ...agents.generator import generator
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.seeds import chance
from .base import Recipe

VARIABLES = ("variant", "subject", "listed", "place", "subplace", "booster")
SUBJECTS = (
    "physics", "chemistry", "biology", "medicine", "mathematics", "statistics", "computer science", "engineering",
    "earth science", "astronomy", "history", "geography", "economics", "law", "philosophy", "psychology", "sociology",
    "linguistics", "literature", "music", "visual arts", "sports", "cooking", "agriculture", "crafts and trades",
)  # fmt: skip
BOOSTERS = ("", "Be creative.", "Ask in a way that is seldom met.", "Let the question take several steps to answer.")


class GenQAOptions(Options):
    """Options of `genqa`.

    variant:  how much chance there is; see the top of `graphs/recipes/genqa.py`.
    subjects: what the caller draws from.
    listed:   how many topics (and subtopics) the model lists, 100 at most.
    boosters: sentences at the end of the prompt, one of which is drawn; an empty one is none.
    tasks:    how many questions to ask for at most.
    """

    variant: Literal["static", "conditional", "generator-conditional", "generator-nested", "generator-uniform"] = (
        "generator-uniform"
    )
    subjects: tuple[str, ...] = Field(default=SUBJECTS, min_length=1)
    listed: int = Field(default=40, ge=2, le=100)
    boosters: tuple[str, ...] = Field(default=BOOSTERS, min_length=1)
    tasks: int = Field(default=100_000, ge=1)


@lazily
def plan_genqa(view: PlanView, rng: random.Random, options: GenQAOptions) -> Iterator[Task]:
    """Draws subject, booster and places evenly and apart from each other, `tasks` times."""
    start = rng.getrandbits(64)
    for number in range(options.tasks):
        drawn = chance("genqa", start, number)
        attributes = {
            "variant": options.variant,
            "subject": "" if options.variant == "static" else drawn.choice(options.subjects),
            "booster": drawn.choice(options.boosters),
            "listed": options.listed,
            "place": drawn.randint(1, options.listed),
            "subplace": drawn.randint(1, options.listed),
        }
        yield Task.of(options.variant, attributes=attributes, seed=number)


def genqa_flow(options: GenQAOptions) -> Flow:
    """Builds the flow: one call, checks of what was taken from the lists, novelty gate."""
    uniform = options.variant == "generator-uniform"
    checks, read = [], list[str]()
    if options.variant.startswith("generator"):
        read += ["topic", "topics"]
        checks.append(listed("topic", among="topics", place="place" if uniform else ""))
    if options.variant in ("generator-nested", "generator-uniform"):
        read += ["subtopic", "subtopics"]
        checks.append(listed("subtopic", among="subtopics", place="subplace" if uniform else ""))
    return reference_flow(
        proposer=None,
        generator=generator(prompt="genqa-write", variables=VARIABLES, fields=tuple(read)),
        verifiers=(*checks, novelty(attempts=None)),
        critic=None,
    )


GENQA = Recipe(
    name="genqa",
    summary="Questions and answers from nothing: the model lists topics, chance takes one, it asks and answers.",
    paper="GenQA, arXiv:2406.10323",
    gives="qa",
    needs=frozenset(),
    roles=("generator",),
    options=GenQAOptions,
    planner=plan_genqa,
    flow=genqa_flow,
)
