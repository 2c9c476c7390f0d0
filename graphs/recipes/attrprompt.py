"""`attrprompt`: texts of classes, each by attributes drawn at random that fit no class it is easily confused with.

One task is a class. For each dimension that hangs on the class a model lists values, once a run; those that fit a class
it is easily confused with are dropped. One value of each dimension is drawn, and one call writes a text that meets
them.

After AttrPrompt (Yu et al. 2023, arXiv:2306.15895).
Faithful: dimensions that hang on the class (a model lists their values for each) and dimensions that do not (such as
length); values that fit one of the most similar classes as well are dropped by asking; a value of each dimension is
drawn evenly and by itself; one text a call, asked to be of its class and of none of the similar ones.
Not faithful: the dimensions are given, where a person picks of those that a model proposes; a class's own values are
also held against those that were listed for the similar classes, and all that fit those are dropped, not five at most.
Labels are single; refusals are not looked for; a blind labeller is there to be switched on (`check`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from pydantic import Field

from ...agents.attributes.class_attributes import CONFUSABLE, DRAWN, REQUIREMENTS, class_attributes
from ...agents.generator import generator
from ...agents.labeller import labeller
from ...agents.messages import classification
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe

VALUES: Final = {
    "length": ("30 to 60 words", "60 to 100 words", "100 to 200 words"),
    "style": ("plain and factual", "personal and informal", "lively", "formal", "critical"),
}


class AttrPromptOptions(Options):
    """Options of `attrprompt`.

    classes:      the labels, two at least.
    domain:       what the texts are.
    dimensions:   dimensions whose values hang on the class.
    values:       dimension → values, for those that hang on no class.
    similar:      class → classes that it is confused with; for others a model names them.
    most_similar: how many it names.
    each:         values that are listed for a class in a dimension.
    per_class:    texts a class at most.
    check:        whether a labeller that does not see the label has to agree with it.
    """

    classes: tuple[str, ...] = ()
    domain: str = "short texts"
    dimensions: tuple[str, ...] = ("subtopic",)
    values: dict[str, tuple[str, ...]] = Field(default_factory=lambda: dict(VALUES))
    similar: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    most_similar: int = Field(default=5, ge=1, le=50)
    each: int = Field(default=10, ge=1, le=100)
    per_class: int = Field(default=1000, ge=1)
    check: bool = False


@lazily
def plan_attrprompt(view: PlanView, rng: random.Random, options: AttrPromptOptions) -> Iterator[Task]:
    """Draws every class once before any twice; draws of a class differ in their seed, and so in their values."""
    if len(set(options.classes)) < 2:
        raise ConfigError('\'attrprompt\' needs two labels at least: [options] classes = ["hardware", "software"]')
    for number in range(options.per_class):
        for label in dict.fromkeys(options.classes):
            yield Task.of("class", attributes={"label": label}, seed=number)


def attrprompt_flow(options: AttrPromptOptions) -> Flow:
    """Builds the flow: attributes of the class, text, novelty gate, labeller."""
    return reference_flow(
        proposer=class_attributes(
            classes=options.classes,
            domain=options.domain,
            dimensions=options.dimensions,
            values=options.values,
            similar=options.similar,
            most_similar=options.most_similar,
            each=options.each,
        ),
        generator=generator(
            prompt="write-class-text",
            variables=(CONFUSABLE, REQUIREMENTS),
            given={"domain": lambda _: options.domain, "class_name": lambda state: state["task"].attributes["label"]},
            messages=classification,
            adds={
                "label": lambda state: state["task"].attributes["label"],
                DRAWN: lambda state: state["values"][DRAWN],
            },
        ),
        verifiers=novelty(fields=("text",)),
        critic=labeller(description=options.domain, classes=dict.fromkeys(options.classes, ""))
        if options.check
        else None,
    )


ATTRPROMPT = Recipe(
    name="attrprompt",
    summary="Labelled texts by attributes drawn at random, none of which fits a class that is easily confused.",
    paper="AttrPrompt, arXiv:2306.15895",
    gives="classification",
    needs=frozenset(),
    roles=("attributes", "generator", "labeller"),
    options=AttrPromptOptions,
    planner=plan_attrprompt,
    flow=attrprompt_flow,
)
