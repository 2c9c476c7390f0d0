"""`cotam`: labelled texts written again with every other label and all else equal.

One task is a row with a label and another label. The row is taken apart into attributes (once for all labels), a model
says what has to change for the other label, then it writes the text again with that alone changed.

After CoTAM (Peng et al. 2023, arXiv:2307.07099).
Faithful: three steps in the order of the paper, decomposition into attributes other than the label, a proposal how to
switch the label and keep the others, reconstruction; every label that a text has not.
Not faithful: each step is a call of its own, not a turn of one chain of thought, so that the decomposition is paid for
once for all labels of a text. Added: a labeller that sees neither label has to give the new one (`check`), and a text
that another item has is dropped. `[novelty] near` is 0 where the campaign does not say: the members of a contrast set
differ in few words, and that is what they are for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

from ...agents.generator import generator
from ...agents.labeller import labeller
from ...agents.messages import classification
from ...agents.preparer import preparer
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.seeds import column, rows
from .base import Recipe

NAME = "cotam"


class CoTAMOptions(Options):
    """Options of `cotam`.

    label:     the column with a row's label.
    labels:    the labels to switch among; those of the rows when empty.
    attribute: what the labels say of a text, such as `sentiment`.
    check:     whether a labeller that does not see the label has to agree with it.
    """

    label: Annotated[str, Column()] = "label"
    labels: tuple[str, ...] = ()
    attribute: str = "label"
    check: bool = True


@lazily
def plan_cotam(view: PlanView, rng: random.Random, options: CoTAMOptions) -> Iterator[Task]:
    """Draws each row once for every label that it has not, in the order of the rows."""
    seeds = rows(view, NAME)
    labels = list(options.labels or dict.fromkeys(column(view, chunk, options.label, NAME) for chunk in seeds))
    if len(labels) < 2:
        raise ConfigError(f"'{NAME}' switches labels, and there is one alone: {', '.join(labels)}; name more as labels")
    for chunk in seeds:
        own = column(view, chunk, options.label, NAME)
        for label in labels:
            if label != own:
                attributes = {"label": label, "source_label": own, "classes": labels}
                yield Task.of("switch", chunks=(chunk.id,), attributes=attributes)


def _classes(state: FlowState) -> list[dict[str, str]]:
    return [{"name": name, "definition": ""} for name in state["task"].attributes["classes"]]


def cotam_flow(options: CoTAMOptions) -> Flow:
    """Builds the flow: attributes, changes, text, novelty gate, labeller."""
    given = {"attribute": lambda _: options.attribute}
    source = ("passage", "source_label")
    return reference_flow(
        proposer=in_turn(
            preparer(prompt="cotam-decompose", variables=source, fields=("attributes",), given=given, shared=True),
            preparer(
                prompt="cotam-propose", variables=(*source, "attributes", "label"), fields=("changes",), given=given
            ),
        ),
        generator=generator(
            prompt="cotam-rewrite",
            variables=("passage", "label", "changes", "attributes"),
            given=given,
            messages=classification,
            adds={"label": lambda state: state["task"].attributes["label"]},
        ),
        verifiers=novelty(fields=("text",)),
        critic=labeller(description=options.attribute, given={"classes": _classes}) if options.check else None,
    )


COTAM = Recipe(
    name=NAME,
    summary="Labelled texts written again with another label and all else equal: contrast sets.",
    paper="CoTAM, arXiv:2307.07099",
    gives="classification",
    needs=frozenset({"labels"}),
    roles=("preparer", "generator", "labeller"),
    options=CoTAMOptions,
    planner=plan_cotam,
    flow=cotam_flow,
    settings={"novelty": {"near": 0.0}},
)
