"""`agent-instruct`: documents are transformed, instructed on by a taxonomy of agents, made harder, and answered.

One task is a chunk and a skill, with a transformation and an instruction agent of that skill. The chunk is brought into
the form of its transformation (a debate, a manual, a table; the tasks of one chunk and form share the call), the agent
writes an instruction on it, a suggester says how to make it harder and an editor does that, `rounds` times; then it is
answered, and a critic looks at both. All three know whether the one who answers sees the text.

After AgentInstruct, "Toward Generative Teaching with Agentic Flows" (Mitra et al. 2024, arXiv:2407.03502), all three of
its flows; `grounded-qa` is its short form with evidence.
Faithful: raw documents are the only seeds; a transformation agent brings each into a form that makes instructions easy
to write (argument, debate, meeting, poem, ...); instruction agents of a taxonomy by skill write on the result; a
suggester proposes how to make each instruction harder or trickier and an editor carries one out, for a fixed number of
rounds; a model answers; quotas by skill.
Not faithful: fifteen of the paper's seventeen skills stand in the data file, without web browsing and dialogue, with
some fifty agents in place of over a hundred; single turns, in which a tool's call is written and none is made; texts
alone are read, no files of code; one suggestion a round is carried out, so a task gives one item and not one for each
suggestion. Added: an instruction that another item has, on whatever text, is written anew or dropped, and a critic
looks at instruction and output (the paper filters nothing).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from ...agents.critic import critic
from ...agents.generator import generator
from ...agents.messages import instruction_on_input
from ...agents.preparer import preparer
from ...agents.refiner import refiner
from ...agents.state import FlowState
from ...agents.turns import by_kind, in_turn
from ...agents.variables import passage_text
from ...agents.verifiers.form import length
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from ..planners.groups import group_rng
from ..planners.shares import Shares, crossed, shares_of
from ..planners.skills import AS_IS, Skill, chosen_skills, skills
from .base import Recipe

TRANSFORMED = "transformed"
WRITE = ("source", "skill_description", "agent", "needs_source")


class AgentInstructOptions(Options):
    """Options of `agent-instruct`.

    skills:    names of skills; all of the taxonomy when empty.
    shares:    how much of the accepted items a skill is to have, relative to the others, 1 where it is not named.
    taxonomy:  a file with skills and transformations of your own, of the shape of `agent_skills.toml`.
    per_skill: instructions of one skill a chunk is asked for, each by another agent or on another transformation.
    rounds:    how often an instruction is made harder, before it is answered.
    minimum:   least score by name (`correct`, `valid`) for the critic's acceptance.
    """

    skills: tuple[str, ...] = ()
    shares: dict[str, float] = Field(default_factory=dict)
    taxonomy: Path | None = None
    per_skill: int = Field(default=1, ge=1)
    rounds: int = Field(default=1, ge=0, le=5)
    minimum: dict[str, float] = Field(default_factory=lambda: {"correct": 0.6})

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        """Raises `ConfigError` before anything is spent."""
        Shares("skill", shares_of(chosen_skills(self.skills, self.taxonomy), self.shares), {})
        return self


@lazily
def plan_agent_instruct(view: PlanView, rng: random.Random, options: AgentInstructOptions) -> Iterator[Task]:
    """Draws each chunk with each skill: all chunks once before any twice, the rarest skill first.

    Transformation and agent hang on chunk and skill alone; a next turn takes the next of their combinations.
    """
    known = chosen_skills(options.skills, options.taxonomy)
    shares = Shares("skill", shares_of(known, options.shares), view.coverage)
    for turn in range(options.per_skill):
        for place, name in crossed(len(view.chunks), shares, rng):
            chunk, skill = view.chunks[place].id, known[name]
            pairs = [(form, agent) for form in skill.transformations for agent in range(len(skill.agents))]
            if turn < len(pairs):
                form, agent = group_rng("agent", chunk, name).sample(pairs, len(pairs))[turn]
                attributes: dict[str, Any] = {"skill": name, "transformation": form, "agent_number": agent}
                kind = AS_IS if form == AS_IS else TRANSFORMED
                yield Task.of(kind, chunks=(chunk,), attributes=attributes)


def agent_instruct_flow(options: AgentInstructOptions) -> Flow:
    """Builds the flow: transformation, instruction agent, suggester and editor, checks, response, critic."""
    known, forms = chosen_skills(options.skills, options.taxonomy), skills(options.taxonomy).forms

    def skill(state: FlowState) -> Skill:
        return known[str(state["task"].attributes["skill"])]

    def source(state: FlowState) -> str:
        return str(state.get("values", {}).get("text") or passage_text(state))

    def agent(state: FlowState) -> str:
        return skill(state).agents[int(state["task"].attributes["agent_number"])]

    def shown(state: FlowState) -> str:
        return source(state) if skill(state).shows_source else ""

    def form(state: FlowState) -> str:
        return forms[str(state["task"].attributes["transformation"])]

    given = {
        "source": source,
        "skill_description": lambda state: skill(state).description,
        "agent": agent,
        "needs_source": lambda state: skill(state).shows_source,
    }
    adds = {"input": shown}
    harder = refiner(
        suggest="suggest-harder",
        suggest_variables=(*WRITE, "instruction"),
        edit="edit-instruction",
        variables=(*WRITE, "instruction"),
        messages=instruction_on_input,
        given=given,
        adds=adds,
    )
    answer = generator(
        role="responder",
        prompt="answer-instruction",
        variables=("instruction", "input"),
        messages=instruction_on_input,
        fields=("output",),
        adds={**adds, "instruction": lambda state: state["drafts"][-1].fields["instruction"]},
    )
    judge = critic(
        prompt="judge-instruction",
        variables=("instruction", "output"),
        given={"passage": source, "needs_source": given["needs_source"]},
        minimum=options.minimum,
    )
    return reference_flow(
        proposer=by_kind(
            {
                TRANSFORMED: preparer(
                    prompt="transform-text",
                    variables=("passage",),
                    fields=("text",),
                    role="proposer",
                    given={"form": form},
                    shared=True,
                )
            }
        ),
        generator=in_turn(
            generator(
                prompt="write-instruction", variables=WRITE, messages=instruction_on_input, given=given, adds=adds
            ),
            *[harder] * options.rounds,
            anew=True,
        ),
        verifiers=(length("instruction", minimum=3), novelty(fields=("instruction",), attempts=None)),
        critic=in_turn(answer, length("output", minimum=1), judge),
    )


AGENT_INSTRUCT = Recipe(
    name="agent-instruct",
    summary="Documents transformed, instructed on by agents of many skills, made harder by a suggester, and answered.",
    paper="AgentInstruct, arXiv:2407.03502",
    gives="sft",
    needs=frozenset({"documents"}),
    roles=("proposer", "generator", "refiner", "responder", "critic"),
    options=AgentInstructOptions,
    planner=plan_agent_instruct,
    flow=agent_instruct_flow,
)
