"""`craft`: a few examples of a task find documents that suit it, which are made into examples of the task.

One task is a chunk that your few examples of a task retrieved (hashed TF-IDF; extra `evals`; 2 kB a chunk in memory). A
writer makes an example of the task out of the chunk, or declines it (`unsuitable`); what copies an example of yours is
dropped (`copied`).

After CRAFT, "CRAFT Your Dataset: Task-Specific Synthetic Dataset Generation Through Corpus Retrieval and Augmentation"
(Ziegler et al. 2024, arXiv:2409.02098).
Faithful: few examples say what the task is; documents that people wrote are retrieved by likeness to them, half for
each example by itself and half for their mean; a model makes an example of the task out of each document, with three of
the few in its prompt, in their form; near-copies of the few and of other items are dropped.
Not faithful: vectors are hashed TF-IDF, not a sentence encoder's, and the corpus is the campaign's documents, thousands
and not hundreds of millions, so retrieval has one step. Added: a document that has nothing for the task is declined,
and a critic looks at the example against its document.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from pydantic import BaseModel, ConfigDict, Field

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import instruction_on_input
from ...agents.state import FlowState
from ...agents.verifiers.form import declined, length
from ...agents.verifiers.novelty import novelty
from ...agents.verifiers.rewriting import unlike
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.corpus import Corpus
from ..planners.groups import group_rng
from .base import Recipe

SHOTS = "shots"  # the attribute of a task that says which examples its prompt shows, by place


class Shot(BaseModel):
    """An example of the task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instruction: str = Field(min_length=1)
    output: str = Field(min_length=1)


class CraftOptions(Options):
    """Options of `craft`.

    shots:            examples of the task; the paper has 8 to 32. Without any there is nothing to retrieve by.
    samples:          documents that are retrieved, in all.
    shown:            examples in a prompt, drawn for each document.
    least_characters: shorter documents are left out.
    most_copied:      largest share of an item's words in runs that an example has.
    minimum:          least score by name (`correct`, `valid`) for the critic's acceptance.
    """

    shots: tuple[Shot, ...] = ()
    samples: int = Field(default=500, ge=1)
    shown: int = Field(default=3, ge=1)
    least_characters: int = Field(default=200, ge=0)
    most_copied: float = Field(default=0.6, ge=0, le=1)
    minimum: dict[str, float] = Field(default_factory=lambda: {"correct": 0.6})


@lazily
def plan_craft(view: PlanView, rng: random.Random, options: CraftOptions) -> Iterator[Task]:
    """Draws the document nearest to each example, then the nearest to their mean, then the second nearest, and so on.

    Raises `ConfigError` without an example, and where the extra `evals` is not installed.
    """
    if not options.shots:
        raise ConfigError("recipe 'craft' retrieves documents by examples of the task; give some as options.shots")
    corpus = Corpus.of(view.chunks, least_characters=options.least_characters)
    for place in retrieved(corpus, [f"{one.instruction}\n{one.output}" for one in options.shots], options.samples):
        chunk = corpus.chunks[place].id
        shown = group_rng("shots", chunk).sample(range(len(options.shots)), min(options.shown, len(options.shots)))
        yield Task.of("document", chunks=(chunk,), attributes={SHOTS: shown})


def retrieved(corpus: Corpus, texts: Sequence[str], count: int) -> list[int]:
    """Returns at most `count` places of documents, none twice: half are near one of `texts`, half near their mean.

    What is like none of them (a cosine of 0 or less) is not retrieved.
    """
    if not corpus.chunks:
        return []
    each = [_alike(corpus.near([text], count)) for text in texts]
    mean = _alike(corpus.near(texts, count))
    by_rank = chain.from_iterable(zip_longest(*each))
    singly = list(dict.fromkeys(place for place in by_rank if place is not None))
    found: dict[int, None] = {}
    for pair in zip_longest(singly, mean):
        found |= dict.fromkeys(place for place in pair if place is not None)
    return list(found)[:count]


def _alike(near: Sequence[tuple[int, float]]) -> list[int]:
    return [place for place, likeness in near if likeness > 0]


def craft_flow(options: CraftOptions) -> Flow:
    """Builds the flow: a writer of examples, checks of length, copies and novelty, critic."""

    def shots(state: FlowState) -> list[dict[str, str]]:
        places: list[int] = state["task"].attributes.get(SHOTS, [])
        return [options.shots[place].model_dump() for place in places if place < len(options.shots)]

    texts = [text for one in options.shots for text in (one.instruction, one.output)]
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="write-from-shots",
            variables=("passage",),
            given={"shots": shots},
            messages=instruction_on_input,
            fields=("output",),
        ),
        verifiers=(
            declined(),
            length("instruction", minimum=1),
            length("output", minimum=1),
            unlike(texts, "instruction", most_copied=options.most_copied),
            novelty(fields=("instruction",), attempts=None),
        ),
        critic=critic(
            prompt="judge-instruction",
            variables=("passage", "instruction", "output"),
            given={"needs_source": lambda _: False},
            minimum=options.minimum,
        ),
    )


CRAFT = Recipe(
    name="craft",
    summary="Examples of a task made out of the documents that a few examples of it retrieve.",
    paper="CRAFT, arXiv:2409.02098",
    gives="sft",
    needs=frozenset({"documents"}),
    roles=("generator", "critic"),
    options=CraftOptions,
    planner=plan_craft,
    flow=craft_flow,
)
