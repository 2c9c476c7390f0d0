"""`swim-ir`: search queries in many languages for passages, by summarising first and asking then.

One task is a chunk and a language. One call sums the chunk up and then asks a search query of it in that language; a
critic looks whether the chunk answers it. The export format `retrieval` writes `query` and `positive`.

After SWIM-IR and its SAP prompting, "Leveraging LLMs for Synthesizing Training Data Across Many Languages in
Multilingual Dense Retrieval" (Thakur et al. 2023, arXiv:2311.05800).
Faithful: passages are sampled for each language; one call first sums the passage up and then asks, in the target
language, what the summary says; exemplars (passage, summary, query) may stand before it; the item is the query with its
passage, in one language or across two; negatives are the trainer's (in the batch).
Not faithful: exemplars are the user's own, none are built in. Added: languages are kept at their shares of what was
accepted, a program looks at the query's form and, on request, its language, twins are dropped, and a critic looks
whether the passage answers the query (the paper filters nothing).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import retrieval
from ...agents.state import FlowState
from ...agents.variables import passage_text
from ...agents.verifiers.contrast import contrast
from ...agents.verifiers.form import language
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.shares import Shares, crossed, shares_of
from .base import Recipe


class Exemplar(BaseModel):
    """A passage with its summary and a query for it, in `language`; shown before passages that are asked of in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str = "en"
    passage: str = Field(min_length=1)
    summary: str = Field(min_length=1)
    query: str = Field(min_length=1)


class SwimIROptions(Options):
    """Options of `swim-ir`.

    languages:      languages of queries, as ISO 639 codes or in words that the model knows.
    shares:         how much of the accepted items a language is to have, relative to the others.
    exemplars:      examples for the prompt; those of the task's language are shown, five at most.
    check_language: let a program check the language; needs the extra `language`, and languages as codes.
    minimum:        least score by name (`answered`, `natural`) for the critic's acceptance.
    """

    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    shares: dict[str, float] = Field(default_factory=dict)
    exemplars: tuple[Exemplar, ...] = ()
    check_language: bool = False
    minimum: dict[str, float] = Field(default_factory=lambda: {"answered": 0.6})

    @model_validator(mode="after")
    def _shares_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("language", shares_of(self.languages, self.shares), {})
        return self


@lazily
def plan_swim_ir(view: PlanView, rng: random.Random, options: SwimIROptions) -> Iterator[Task]:
    """Draws each chunk in each language once: all chunks once before any twice, the rarest language first."""
    shares = Shares("language", shares_of(options.languages, options.shares), view.coverage)
    for place, name in crossed(len(view.chunks), shares, rng):
        yield Task.of("passage", chunks=(view.chunks[place].id,), attributes={"language": name})


def swim_ir_flow(options: SwimIROptions) -> Flow:
    """Builds the flow: summarise and ask, checks of form, language and novelty, critic."""

    def wanted(state: FlowState) -> str:
        return str(state["task"].attributes.get("language", ""))

    def exemplars(state: FlowState) -> list[dict[str, str]]:
        return [one.model_dump() for one in options.exemplars if one.language == wanted(state)][:5]

    checks = (contrast(longest_query=60), novelty(fields=("query",), attempts=None))
    return reference_flow(
        proposer=None,
        generator=generator(
            prompt="summarise-then-ask",
            variables=("passage", "language"),
            given={"exemplars": exemplars},
            messages=retrieval,
            adds={"positive": passage_text},
        ),
        verifiers=(language("query", of=wanted), *checks) if options.check_language else checks,
        critic=critic(
            prompt="judge-query",
            variables=("passage", "query"),
            given={"negatives": lambda _: []},
            minimum=options.minimum,
            unasked=("contrast",),
        ),
    )


SWIM_IR = Recipe(
    name="swim-ir",
    summary="Search queries in several languages for each passage, asked of a summary that is written first.",
    paper="SWIM-IR, arXiv:2311.05800",
    gives="retrieval",
    needs=frozenset({"documents"}),
    roles=("generator", "critic"),
    options=SwimIROptions,
    planner=plan_swim_ir,
    flow=swim_ir_flow,
)
