"""`wrap`: each passage said again in a few fixed styles, for pretraining beside the original.

One task is a chunk and a style. A writer says the chunk again in the style; a program drops copies, texts of another
length, texts that lost the chunk's figures, and words about the task itself; a critic looks whether the content was
kept.

After WRAP, "Rephrasing the Web" (Maini et al. 2024, arXiv:2401.16380).
Faithful: documents are cut into short chunks (the paper's are about 300 tokens: `[chunks] max_tokens = 300`, for longer
ones lose facts); an instruction-tuned model paraphrases each chunk in each style, the paper's four: easy, medium ("like
Wikipedia"), hard, and questions with answers; what is much shorter or longer than its source is dropped, as is what
begins with words about the task.
Not faithful: styles are kept at their shares of what was accepted. Added: a copy of the source and one that lost its
figures are dropped by a program, a critic looks whether the content was kept (`judge = false` leaves it out, as the
paper does), and a novelty gate stands before it. Mixing with the originals, one to one in the paper, and the training
are left to the trainer: an item's `chunks` say which original is its twin.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import pretraining
from ...agents.state import FlowState
from ...agents.verifiers.form import pattern
from ...agents.verifiers.novelty import novelty
from ...agents.verifiers.rewriting import rewriting
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.shares import Shares, crossed, shares_of
from .base import Recipe

STYLES = {
    "easy": "very simple: short sentences and a small vocabulary that a young child understands.",
    "medium": "like an encyclopedia: clear, neutral English of high quality, as in Wikipedia.",
    "hard": "terse and scholarly: precise, rare and technical words that only an expert reads with ease.",
    "qa": "a conversation of questions and answers: several lines of 'Question: ...' each followed by 'Answer: ...'.",
}
PREAMBLE = r"(?i)^\W*(sure|certainly|of course|okay|here is|here's|here are|as an ai|i am sorry|i'm sorry|i cannot)\b"
JUDGE = ("passage", "text")


class WrapOptions(Options):
    """Options of `wrap`.

    styles:   names of styles: `easy`, `medium`, `hard`, `qa`, and those of `own`.
    own:      styles of your own, by name: what the text is to be like, in a sentence.
    shares:   how much of the accepted items a style is to have, relative to the others, 1 where it is not named.
    shortest: least words of a text for each word of its passage.
    longest:  most words of a text for each word of its passage.
    judge:    ask a critic whether the content was kept; without it a text costs one call.
    minimum:  least score by name (`consistent`, `style`, `fluent`) for the critic's acceptance.
    """

    styles: tuple[str, ...] = Field(default=tuple(STYLES), min_length=1)
    own: dict[str, str] = Field(default_factory=dict)
    shares: dict[str, float] = Field(default_factory=dict)
    shortest: float = Field(default=0.3, ge=0)
    longest: float = Field(default=3.0, gt=0)
    judge: bool = True
    minimum: dict[str, float] = Field(default_factory=lambda: {"consistent": 0.6})

    @model_validator(mode="after")
    def _styles_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        known = {**STYLES, **self.own}
        for name in self.styles:
            if name not in known:
                raise ConfigError(f"no style is called '{name}' (there are: {', '.join(known)}); add it to own")
        Shares("style", shares_of(self.styles, self.shares), {})
        return self


@lazily
def plan_wrap(view: PlanView, rng: random.Random, options: WrapOptions) -> Iterator[Task]:
    """Draws each chunk in each style once: all chunks once before any twice, the rarest style first."""
    shares = Shares("style", shares_of(options.styles, options.shares), view.coverage)
    for place, style in crossed(len(view.chunks), shares, rng):
        yield Task.of("chunk", chunks=(view.chunks[place].id,), attributes={"style": style})


def wrap_flow(options: WrapOptions) -> Flow:
    """Builds the flow: a writer, checks of preamble, length, copies and novelty, and a critic."""
    known = {**STYLES, **options.own}

    def style_description(state: FlowState) -> str:
        return known.get(str(state["task"].attributes.get("style", "")), "")

    given = {"style_description": style_description}
    return reference_flow(
        proposer=None,
        generator=generator(prompt="rephrase-passage", variables=("passage",), messages=pretraining, given=given),
        verifiers=(
            pattern("text", must_not_match=PREAMBLE),
            rewriting("text", shortest=options.shortest, longest=options.longest),
            novelty(fields=("text",), attempts=None),
        ),
        critic=critic(prompt="judge-rewriting", variables=JUDGE, given=given, minimum=options.minimum)
        if options.judge
        else None,
    )


WRAP = Recipe(
    name="wrap",
    summary="Each passage said again in a few styles, its content kept, for pretraining beside the original.",
    paper="WRAP, arXiv:2401.16380",
    gives="pretraining",
    needs=frozenset({"documents"}),
    roles=("generator", "critic"),
    options=WrapOptions,
    planner=plan_wrap,
    flow=wrap_flow,
)
