"""`scale-quest`: questions from nothing, written anew by a stronger model, filtered, and the best of five solutions.

One task is a question. An aligned model goes on after its own chat template and gives one; a stronger model writes it
anew, so that it can be solved or is harder; a judge scores it. It is solved `solutions` times, each solution gets a
reward, and the best is the item. The export `dpo` has pairs of the question written anew against the first, to tune a
generator of questions by, and of the best solution against the worst.

After ScaleQuest (Ding et al. 2024, arXiv:2410.18693).
Faithful: small models give questions with no seed in the prompt, at temperature 1; a stronger model writes them anew
for solvability or for difficulty; filters by language, solvability and difficulty; five solutions of each, of which the
one with the highest reward is kept.
Not faithful: nothing is trained. The question generator is an aligned model that goes on after its own chat template,
as in Magpie, in place of one tuned on questions; what the paper tunes that one by, the question written anew against
the first, becomes preference pairs. Difficulty is a judge's
score (there of a model trained on fail rates); the reward is a judge's marks, unless `reward` names a reward model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from ...agents.critic import critic
from ...agents.messages import reads
from ...agents.refiner import refiner
from ...agents.search.policies import Policy, best_of
from ...agents.search.searcher import searcher
from ...agents.state import FlowState, Node
from ...agents.turns import in_turn
from ...agents.variables import last_draft
from ...agents.verifiers.form import language
from ...agents.verifiers.novelty import novelty
from ...agents.verifiers.verifier import Finding, verifier
from ...storage.records import Draft, Message, Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import PlanView, lazily
from .base import Recipe
from .pre_query import own_instruction
from .searches import SearchOptions

SOUND = {
    "correct": "Is the final answer right?",
    "sound": "Does each step follow from those before it, with none left out?",
    "clear": "Can a pupil follow it?",
}


class ScaleQuestOptions(SearchOptions):
    """Options of `scale-quest`, and those of every search (`SearchOptions`).

    template:   the prompt `magpie-TEMPLATE` is what is sent: `chatml`, `llama-3`, `gemma`, or one of your own.
    domains:    system messages before the question, in turn; an empty one is none, and makes no preference pair.
    rewrite:    what questions are written anew for, in turn: `solvability`, `difficulty`; none at all where empty.
    languages:  languages of questions, ISO 639 (needs the extra `language`); any where empty.
    worth:      least score by name that a question needs: `solvable`, `difficulty`.
    solutions:  solutions of each question.
    minimum:    least score by name of the best solution, `reward` or a criterion; else the question is rejected.
    tasks:      how many questions to draw at most.
    """

    template: str = "chatml"
    domains: tuple[str, ...] = Field(default=("You solve problems in mathematics.",), min_length=1)
    rewrite: tuple[Literal["solvability", "difficulty"], ...] = ("solvability", "difficulty")
    languages: tuple[str, ...] = ("en",)
    worth: dict[str, float] = Field(default_factory=lambda: {"solvable": 0.5})
    solutions: int = Field(default=5, ge=1, le=100)
    criteria: dict[str, str] = Field(default_factory=lambda: dict(SOUND), min_length=1)
    tasks: int = Field(default=100_000, ge=1)

    @property
    def policy(self) -> Policy:
        return best_of(("solver",), self.solutions)


@lazily
def plan_scale_quest(view: PlanView, rng: random.Random, options: ScaleQuestOptions) -> Iterator[Task]:
    """Draws `tasks` times; draws differ in their seed alone, and take aims and domains in turn."""
    aims = options.rewrite or ("",)
    for number in range(options.tasks):
        turn, aim = divmod(number, len(aims))
        domain = options.domains[turn % len(options.domains)]
        yield Task.of("draw", attributes={"domain": domain, "aim": aims[aim]}, seed=number)


@reads("instruction")
def _posed(fields: Mapping[str, Any], state: FlowState) -> tuple[Message, ...]:
    """A question as what its generator is to learn to say, after the system message of its domain."""
    domain = str(state["task"].attributes["domain"])
    question = Message(role="assistant", content=str(fields.get("instruction", "")))
    return (Message(role="system", content=domain), question) if domain else (question,)


def _could_be_better(_: Draft, state: FlowState) -> Finding:
    return Finding((f"low_{state['task'].attributes['aim']}",))


def _anew() -> tuple[Node, ...]:
    return (
        verifier("aim", _could_be_better, on_fail="revise", reads=("drafts", "task")),
        refiner(
            role="rewriter",
            suggest=None,
            edit="rewrite-question",
            variables=("instruction", "aim"),
            messages=_posed,
        ),
    )


def scale_quest_flow(options: ScaleQuestOptions) -> Flow:
    """Builds the flow: question by completion, its checks, the question anew, a judge, solutions, the best of them."""
    checks = (
        *((language("instruction", options.languages),) if options.languages else ()),
        novelty(fields=("instruction",)),
    )
    return reference_flow(
        proposer=None,
        generator=in_turn(
            *own_instruction(options.template, _posed),
            *checks,
            *((*_anew(), *checks) if options.rewrite else ()),
            critic(prompt="judge-new-question", variables=("instruction",), minimum=options.worth, final=True),
            searcher(
                options.policy,
                ("solver",),
                reward=options.rewarding(),
                write="solve-step-by-step",
                asked=lambda state: str(last_draft(state).fields["instruction"]),
                minimum=options.minimum,
                margin=options.margin,
            ),
            anew=True,
        ),
        critic=None,
    )


SCALE_QUEST = Recipe(
    name="scale-quest",
    summary="Questions from an aligned model's own template, made solvable or harder, with the best of five solutions.",
    paper="ScaleQuest, arXiv:2410.18693",
    gives="reasoning",
    needs=frozenset({"base model"}),
    roles=("aligned", "rewriter", "critic", "solver", "reward"),
    options=ScaleQuestOptions,
    planner=plan_scale_quest,
    flow=scale_quest_flow,
)
