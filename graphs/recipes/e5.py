"""`e5`: embedding data from nothing: retrieval tasks are thought up, then queries with positives and hard negatives.

One task is a place in a list of retrieval tasks, and what its triple is to be like. A proposer lists tasks of a family,
once for all of them; a writer writes a query, a text that answers it, and hard negatives. `fields.instruction` is the
task's sentence, which goes before the query.

After "Improving Text Embeddings with Large Language Models" (Wang et al. 2024, arXiv:2401.00368), E5-mistral's data.
Faithful: two steps: a model lists retrieval tasks of a family, then writes a query, a positive and a hard negative for
one of them, with kind, length and clarity of the query, difficulty, language and length of the texts drawn anew each
time; families by the lengths of both sides; the task's sentence goes with the query as its instruction.
Not faithful: the four asymmetric families only, no semantic similarity and no bitext; one list of tasks serves the
draws of a family until another is asked for. Added: query, positive and negatives are checked to be different texts,
and twins are dropped (the paper drops malformed answers only); a critic on request.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from ...agents.brainstormer import PLACE, brainstormer
from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import retrieval
from ...agents.state import FlowState
from ...agents.variables import last_draft
from ...agents.verifiers.contrast import contrast
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.groups import group_rng
from .base import Recipe

FAMILIES = {
    "short-long": "a short query, a long text is found (a question and the page that answers it)",
    "long-short": "a long text is searched with, a short one is found (a story and its title)",
    "short-short": "a short text is searched with, a short one is found (a headline and another on the same event)",
    "long-long": "a long text is searched with, a long one is found (a document and another on the same matter)",
}
DRAWN = {
    "query_type": ("extremely long-tail", "long-tail", "common"),
    "query_length": ("less than 5 words", "5 to 15 words", "at least 10 words"),
    "clarity": ("clear", "understandable with some effort", "ambiguous"),
    "difficulty": ("what is taught at school", "what is taught at college", "what an expert knows"),
    "length": ("50 words", "100 words", "200 words", "300 words"),
}
LONG_QUERIES = ("50 words", "100 words", "200 words")


class E5Options(Options):
    """Options of `e5`.

    families:  families of tasks, of `short-long`, `long-short`, `short-short`, `long-long`.
    domain:    what all tasks are about; any subject when empty.
    languages: languages of the texts, drawn alike.
    tasks:     tasks that one list is asked for, 50 at most; ask for more lists instead.
    lists:     lists that a family is asked for, each drawn anew.
    examples:  triples a task gets.
    negatives: hard negatives of a triple.
    judge:     ask a critic whether the positive answers the query and no negative does.
    """

    families: tuple[str, ...] = Field(default=tuple(FAMILIES), min_length=1)
    domain: str = ""
    languages: tuple[str, ...] = Field(default=("English",), min_length=1)
    tasks: int = Field(default=20, ge=1, le=50)
    lists: int = Field(default=10, ge=1)
    examples: int = Field(default=1, ge=1)
    negatives: int = Field(default=1, ge=1, le=8)
    judge: bool = False

    @model_validator(mode="after")
    def _families_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        for family in self.families:
            if family not in FAMILIES:
                raise ConfigError(f"no family is called '{family}' (there are: {', '.join(FAMILIES)})")
        return self


@lazily
def plan_e5(view: PlanView, rng: random.Random, options: E5Options) -> Iterator[Task]:
    """Draws the first task of every family's first list, then the second; a next list when one is through."""
    for number in range(options.lists):
        for place in range(options.tasks):
            for family in options.families:
                for example in range(options.examples):
                    attributes = {"family": family, PLACE: place, "example": example}
                    drawn = _drawn(family, group_rng(number, *attributes.values()), options)
                    yield Task.of("triple", attributes={**attributes, **drawn}, seed=number)


def _drawn(family: str, rng: random.Random, options: E5Options) -> dict[str, str]:
    """What the triple is to be like; it hangs on the task alone, so a campaign that goes on draws the same."""
    drawn = {name: rng.choice(values) for name, values in DRAWN.items()}
    if family.startswith("long"):
        drawn["query_length"] = rng.choice(LONG_QUERIES)
    if family.endswith("short"):
        drawn["length"] = "a few words or one sentence"
    return {**drawn, "language": rng.choice(options.languages)}


def e5_flow(options: E5Options) -> Flow:
    """Builds the flow: a brainstormer of tasks, a writer of triples, checks of contrast and novelty."""

    def family(state: FlowState) -> str:
        return FAMILIES[str(state["task"].attributes["family"])]

    brainstorm = {
        "count": lambda _: options.tasks,
        "domain": lambda _: options.domain,
        "family_description": family,
    }
    judged = critic(
        prompt="judge-query",
        variables=("query", "negatives"),
        given={"passage": lambda state: last_draft(state).fields["positive"]},
    )
    return reference_flow(
        proposer=brainstormer(
            prompt="brainstorm-retrieval-tasks",
            variables=(),
            given=brainstorm,
            listed="tasks",
            most=options.tasks,
        ),
        generator=generator(
            prompt="write-retrieval-triple",
            variables=("chosen", "language", *DRAWN),
            given={"count": lambda _: options.negatives},
            messages=retrieval,
            fields=("negatives",),
            adds={"instruction": lambda state: state["values"]["chosen"]},
        ),
        verifiers=(contrast(least_negatives=options.negatives), novelty(fields=("query",), attempts=None)),
        critic=judged if options.judge else None,
    )


E5 = Recipe(
    name="e5",
    summary="Embedding data from nothing: retrieval tasks, then queries with positives and hard negatives for each.",
    paper="E5-mistral, arXiv:2401.00368",
    gives="retrieval",
    needs=frozenset(),
    roles=("proposer", "generator", "critic"),
    options=E5Options,
    planner=plan_e5,
    flow=e5_flow,
)
