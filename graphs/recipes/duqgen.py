"""`duqgen`: search queries for passages that stand for a whole corpus, with hard negatives from it.

One task is a chunk that stands for its cluster, with passages near it that are to be no answers. The planner embeds the
corpus (hashed TF-IDF; extra `evals`; 2 kB a chunk in memory) and clusters it before its first task: k-means over
100,000 chunks takes minutes. Negatives are texts in the task's attributes: they are no source of the item, and a split
by document may have them on both sides.

After DUQGen, "Effective Unsupervised Domain Adaptation of Neural Rankers by Diversifying Synthetic Query Generation"
(Chandradevan et al. 2024, arXiv:2404.02489).
Faithful: short passages are left out; the corpus is clustered by k-means, each cluster is given one draw and the rest
by its size; within a cluster passages are drawn with a probability that grows with their likeness to its centre
(softmax of the cosine over a temperature); queries by a prompt with three examples of the domain; negatives are four
from the bottom of the hundred nearest passages.
Not faithful: vectors are hashed TF-IDF, not Contriever's; the nearest passages are those of the passage, not of its
query, so that they are found without a model; the authors' re-ranking by MMR is left out, which at their default
changes nothing but the order; queries are drawn at a temperature of 0.7, not greedily. Added: twins are dropped, and a
critic looks whether the passage answers the query and no negative does. Fine-tuning is left to the trainer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import chain, zip_longest

from pydantic import BaseModel, ConfigDict, Field

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import retrieval
from ...agents.state import FlowState
from ...agents.variables import passage_text
from ...agents.verifiers.contrast import contrast
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.corpus import Cluster, Corpus, allotted
from .base import Recipe

NEGATIVES = "negatives"


class Example(BaseModel):
    """A passage of the domain and a query for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passage: str = Field(min_length=1)
    query: str = Field(min_length=1)


class DUQGenOptions(Options):
    """Options of `duqgen`.

    samples:          passages that are asked of, in all.
    clusters:         clusters of the corpus; 0 takes the square root of its passages.
    temperature:      of the draw within a cluster: small for what is nearest to its centre, large for any.
    least_characters: shorter passages are left out.
    examples:         passages of the domain with queries; three are shown.
    negatives:        hard negatives of an item.
    pool:             nearest passages, from whose bottom negatives are taken.
    minimum:          least score by name (`answered`, `natural`, `contrast`) for the critic's acceptance.
    """

    samples: int = Field(default=1000, ge=1)
    clusters: int = Field(default=0, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    least_characters: int = Field(default=300, ge=0)
    examples: tuple[Example, ...] = ()
    negatives: int = Field(default=4, ge=0)
    pool: int = Field(default=100, ge=1)
    minimum: dict[str, float] = Field(default_factory=lambda: {"answered": 0.6})


@lazily
def plan_duqgen(view: PlanView, rng: random.Random, options: DUQGenOptions) -> Iterator[Task]:
    """Draws a passage of every cluster, the largest first, then a second of every one that is given more, and so on."""
    seed = rng.getrandbits(32)
    corpus = Corpus.of(view.chunks, least_characters=options.least_characters)
    clusters = corpus.clusters(options.clusters, seed)
    counts = allotted(options.samples, [len(one.places) for one in clusters])
    drawn = [_drawn(one, count, options.temperature, rng) for one, count in zip(clusters, counts, strict=True)]
    for number, place in chain.from_iterable(enumerate(row) for row in zip_longest(*drawn)):
        if place is not None:
            near = corpus.beside(place, options.pool)[::-1][: options.negatives]
            yield Task.of(
                "passage",
                chunks=(corpus.chunks[place].id,),
                attributes={"cluster": str(number), NEGATIVES: [corpus.chunks[at].text for at in near]},
            )


def _drawn(cluster: Cluster, count: int, temperature: float, rng: random.Random) -> list[int]:
    """Draws `count` places without replacement by softmax of closeness (the Gumbel trick: the largest noisy scores)."""
    noisy = [
        (closeness / temperature - math.log(-math.log(max(rng.random(), 1e-300))), place)
        for place, closeness in zip(cluster.places, cluster.closeness, strict=True)
    ]
    return [place for _, place in sorted(noisy, reverse=True)[:count]]


def duqgen_flow(options: DUQGenOptions) -> Flow:
    """Builds the flow: writer of queries, checks of contrast and novelty, critic."""

    def negatives(state: FlowState) -> list[str]:
        return [str(text) for text in state["task"].attributes.get(NEGATIVES, ())]

    shown = [one.model_dump() for one in options.examples[:3]]
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="write-query",
            variables=("passage",),
            given={"exemplars": lambda _: shown},
            messages=retrieval,
            adds={"positive": passage_text, NEGATIVES: negatives},
        ),
        verifiers=(contrast(longest_query=60), novelty(fields=("query",), attempts=None)),
        critic=critic(
            prompt="judge-query",
            variables=("passage", "query", NEGATIVES),
            minimum=options.minimum,
            unasked=() if options.negatives else ("contrast",),
        ),
    )


DUQGEN = Recipe(
    name="duqgen",
    summary="Queries for passages drawn from all clusters of a corpus, with hard negatives, to adapt a ranker to it.",
    paper="DUQGen, arXiv:2404.02489",
    gives="retrieval",
    needs=frozenset({"documents"}),
    roles=("generator", "critic"),
    options=DUQGenOptions,
    planner=plan_duqgen,
    flow=duqgen_flow,
)
