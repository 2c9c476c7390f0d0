"""`grounded-qa`: question and answer pairs of many kinds, each with quotes that lead back to the source.

One task is a chunk and a kind of question. A proposer looks whether the chunk can carry the kind and says what to ask,
else the task ends as `unsuitable` for the price of one short call. A generator writes question, answer and quotes; a
program checks that the quotes stand in the chunk and that no other item has the question. A critic accepts, rejects, or
sends back with reasons: then a suggester says how to mend, an editor does it, and the draft is checked and judged
again.

After AgentInstruct (Mitra et al. 2024, arXiv:2407.03502).
Faithful: raw documents are the only seeds; a taxonomy of task kinds in a data file, one agent instruction a kind; a
suggester proposes changes and an editor carries them out, for a fixed number of rounds; balance by quotas a kind.
Not faithful: no content transformation flow (a passage is not first rewritten as a debate, a poem and so on); only
question and answer skills, single turn, no tools. Added: a proposer that declines passages which cannot carry a kind,
evidence quotes that a program locates, a novelty gate, and a critic (the paper filters nothing). The suggester is
asked only for drafts that the critic sent back, and mends before it makes harder.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import question_answer, question_on_passage
from ...agents.proposer import proposer
from ...agents.refiner import refiner
from ...agents.state import FlowState
from ...agents.verifiers.grounding import grounding
from ...agents.verifiers.novelty import novelty
from ...storage.records import Decision, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.kinds import choose
from ..planners.shares import Shares, crossed, shares_of
from .base import Recipe


class GroundedQAOptions(Options):
    """Options of `grounded-qa`.

    kinds:      names of question kinds; the taxonomy's default ones when empty.
    shares:     how much of the accepted items a kind is to have, relative to the others, 1 where it is not named.
    taxonomy:   a file with kinds of your own, of the shape of `question_kinds.toml`.
    on_passage: put the passage before the question, for reading comprehension; else the answer is to be known by heart.
    propose:    ask a proposer first. Without it a kind that a passage cannot carry costs a generator's call.
    per_kind:   how many questions of one kind a chunk may be asked for.
    max_rounds: how often a draft may be refined.
    minimum:    least score by name (`grounded`, `answerable`, `nontrivial`, `clear`) for the critic's acceptance.
    """

    kinds: tuple[str, ...] = ()
    shares: dict[str, float] = Field(default_factory=dict)
    taxonomy: Path | None = None
    on_passage: bool = False
    propose: bool = True
    per_kind: int = Field(default=1, ge=1)
    max_rounds: int = Field(default=2, ge=0, le=30)
    minimum: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        chosen = [kind.name for kind in choose(self.kinds, self.taxonomy)]
        Shares("kind", shares_of(chosen, self.shares), {})
        return self


@lazily
def plan_grounded_qa(view: PlanView, rng: random.Random, options: GroundedQAOptions) -> Iterator[Task]:
    """Draws each chunk with each kind `per_kind` times: all chunks once before any twice, the rarest kind first."""
    kinds = [kind.name for kind in choose(options.kinds, options.taxonomy)]
    shares = Shares("kind", shares_of(kinds, options.shares), view.coverage)
    for turn in range(options.per_kind):
        for place, kind in crossed(len(view.chunks), shares, rng):
            yield Task.of("chunk", chunks=(view.chunks[place].id,), attributes={"kind": kind}, seed=turn)


def grounded_qa_flow(options: GroundedQAOptions) -> Flow:
    """Builds the flow: proposer, generator, evidence and novelty checks, critic, suggester and editor."""
    descriptions = {kind.name: kind.description for kind in choose(options.kinds, options.taxonomy)}

    def kind_description(state: FlowState) -> str:
        return descriptions.get(str(state["task"].attributes.get("kind", "")), "")

    given = {"kind_description": kind_description}
    messages = question_on_passage if options.on_passage else question_answer
    return reference_flow(
        proposer=proposer(given=given) if options.propose else None,
        generator=generator(given=given, messages=messages, fields=("evidence",)),
        verifiers=(grounding(quoted_in=(), on_fail=Decision.REVISE), novelty(fields=("question",), attempts=None)),
        critic=critic(minimum=options.minimum),
        refiner=refiner(messages=messages, fields=("evidence",)),
        max_rounds=options.max_rounds,
    )


GROUNDED_QA = Recipe(
    name="grounded-qa",
    summary="Questions of many kinds with answers and the quotes that support them, refined until a critic accepts.",
    paper="AgentInstruct, arXiv:2407.03502",
    gives="qa",
    needs=frozenset({"documents"}),
    roles=("proposer", "generator", "critic", "refiner"),
    options=GroundedQAOptions,
    planner=plan_grounded_qa,
    flow=grounded_qa_flow,
)
