"""`plan-search`: different programs for a problem, by plans that are built on different observations about it.

One task is a leaf of a problem's search: a plan that is built on one combination of observations, as it is or mended.
Rows are problems with tests. The calls above a leaf (observations, what is derived of them, the plan) are asked once
for all leaves below them; a plan that is an idea which solved the problem before ends there, else it becomes a program,
which is run against the tests.

After PlanSearch, "Planning In Natural Language Improves LLM Search For Code Generation" (Wang et al. 2024,
arXiv:2409.03733).
Faithful: a model lists observations about a problem; of each combination of at most two it derives second-order
observations; each combination of these becomes a plan in plain words, then pseudo-code, then a program, which must pass
the problem's tests; a plan is also criticised and mended, which doubles the leaves; the share of pairs of solutions
that a model calls different ideas is measured.
Not faithful: observations are combined by one or two, never by none; a leaf is a task of its own and shares the calls
above it with its neighbours; the paper spends all leaves, here a problem is left when it has `per_problem` solutions or
its plans are ideas that it has (`least_diversity`); a plan that is such an idea is not written out. Where a problem has
more than one leaf in work (`at_once`), these are not compared with each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from ...agents.drafter import drafter
from ...agents.ideas import DIVERSITY, IDEAS, new_idea
from ...agents.messages import code
from ...agents.preparer import preparer
from ...agents.programs.execution import runs
from ...agents.responder import responder
from ...agents.state import Node
from ...agents.turns import by_kind, in_turn
from ...agents.variables import Given, passage_text
from ...agents.verifiers.agreement import attribute
from ...agents.verifiers.novelty import novelty
from ...errors import ConfigError
from ...storage.records import Chunk, Item, Task
from ...storage.returns import NOTE
from ..flows.reference import Flow, reference_flow
from ..planners.base import Column, Options, PlanView, lazily
from ..planners.leaves import LEAF, Search, Searches
from ..planners.seeds import chance, rows
from .base import Recipe
from .plans import FIRST, MENDED, SECOND, plans

NAME = "plan-search"
WATCHED = 8  # plans that were compared, over which a problem's ideas are counted


class PlanSearchOptions(Options):
    """Options of `plan-search`.

    tests:           the column of a row with its tests, Python texts that assert (or one text); empty for rows without
                     any, whose programs must only run to their end.
    observations:    observations that are listed about a problem.
    derived:         observations that are derived of each combination; 0 builds plans on the first ones alone.
    largest:         most observations in a combination.
    mend:            whether each plan is also criticised and mended, as a leaf of its own.
    pseudocode:      whether a plan becomes pseudo-code before it becomes a program.
    leaves:          plans of one problem at most.
    per_problem:     solutions of different ideas after which a problem is left.
    least_diversity: least share of pairs that are different ideas, over a problem's last eight plans that were
                     compared; below it the problem is left.
    at_once:         leaves of one problem that are in work together.
    """

    tests: Annotated[str, Column(needed=False)] = "tests"
    observations: int = Field(default=6, ge=1, le=50)
    derived: int = Field(default=2, ge=0, le=20)
    largest: int = Field(default=2, ge=1, le=3)
    mend: bool = True
    pseudocode: bool = True
    leaves: int = Field(default=48, ge=1)
    per_problem: int = Field(default=5, ge=1, le=50)
    least_diversity: float = Field(default=0.25, ge=0, le=1)
    at_once: int = Field(default=1, ge=1)


@lazily
def plan_plan_search(view: PlanView, rng: random.Random, options: PlanSearchOptions) -> Iterator[Task | None]:
    """Draws the leaves of each problem one after another, or `at_once`, until it has solutions or ideas enough."""

    def wave(chunk: Chunk, search: Search) -> list[Task] | None:
        all_plans = plans(
            chance(NAME, chunk.id), options.observations, options.derived, options.largest, mend=options.mend
        )
        leaves = list(islice(all_plans, options.leaves))
        begin = search.begin(options.at_once, len(leaves))
        solved = [number for leaf, number in search.accepted if leaf < begin]
        compared = [score for leaf, score in search.scores if leaf < begin][-WATCHED:]
        if begin >= len(leaves) or len(solved) >= options.per_problem:
            return None
        if len(compared) == WATCHED and sum(compared) / WATCHED < options.least_diversity:
            return None
        # Lists make no cells: there is nothing to steer by.
        shared = {
            "tests": _tests(view, chunk, options.tests),
            "known_plans": [str(view.ended.at(number).fields["plan"]) for number in solved],
        }
        places = range(begin, min(begin + options.at_once, len(leaves)))
        return [
            Task.of(leaves[leaf].kind, chunks=(chunk.id,), attributes={LEAF: leaf, **leaves[leaf].places, **shared})
            for leaf in places
            if leaf not in search.ended
        ]

    return Searches(view, _diversity).draw(rows(view, NAME), wave)


def _diversity(item: Item) -> float | None:
    return next((verdict.scores.get(DIVERSITY) for verdict in item.verdicts if verdict.by == IDEAS), None)


def _tests(view: PlanView, chunk: Chunk, name: str) -> list[str]:
    """The tests of a row, none where no column is named; raises `ConfigError` where a row has none."""
    value = view.meta(chunk).get(name) if name else []
    tests = [str(one) for one in (value if isinstance(value, list) else [value or ""]) if str(one).strip()]
    if name and not tests:
        raise ConfigError(
            f"'{NAME}' reads tests from the column '{name}', and {view.source(chunk)} has none: {chunk.text[:80]}; "
            f'name another column, or none (tests = ""), which keeps every program that runs to its end'
        )
    return tests


def plan_search_flow(options: PlanSearchOptions) -> Flow:
    """Builds the flow: observations, plan, check of ideas, pseudo-code, program, novelty gate, tests."""
    problem = {"problem": passage_text}
    insights: Given = {} if options.derived else {"insights": lambda _: []}

    def prepared(prompt: str, *variables: str, **more: Any) -> Node:
        """A question that all leaves ask alike which have the same answers above them."""
        given = {**problem, **more.pop("given", {})}
        return preparer(role="planner", prompt=prompt, variables=variables, given=given, shared=True, **more)

    def written(role: str, prompt: str, *variables: str, field: str, given: Given | None = None) -> Node:
        given = {**problem, **(given or {})}
        return responder(role=role, prompt=prompt, variables=variables, given=given, messages=code, response_as=field)

    planned = [
        prepared(
            "plansearch-observe",
            given={"count": lambda _: options.observations},
            pick={"combination": "observations"},
            place=FIRST,
        ),
        prepared("plansearch-plan", "combination", "insights", fields=("plan",), given=insights),
        by_kind({MENDED: prepared("plansearch-mend", "plan", fields=("plan",))}),
    ]
    if options.derived:
        derive = prepared(
            "plansearch-derive",
            "combination",
            given={"count": lambda _: options.derived},
            pick={"insights": "derived"},
            place=SECOND,
        )
        planned.insert(1, derive)
    sketched = [written("planner", "plansearch-pseudocode", "plan", field="pseudocode")] if options.pseudocode else []
    return reference_flow(
        proposer=in_turn(*planned),
        generator=in_turn(
            drafter(
                ("combination", "insights", "plan"),
                by="planner",
                messages=code,
                given={"instruction": passage_text, **insights},
            ),
            new_idea("plan", known=attribute("known_plans"), given=problem),
            *sketched,
            written(
                "coder",
                "plansearch-code",
                *("plan", "pseudocode", NOTE),
                field="program",
                given=None if options.pseudocode else {"pseudocode": lambda _: ""},
            ),
            anew=True,
        ),
        verifiers=(
            novelty(fields=("instruction", "program")),
            runs("program", tests=attribute("tests") if options.tests else None),
        ),
        critic=None,
    )


PLAN_SEARCH = Recipe(
    name=NAME,
    summary="Different programs for each problem, by plans on different observations, kept where they pass its tests.",
    paper="PlanSearch, arXiv:2409.03733",
    gives="code",
    needs=frozenset({"seeds", "code runner"}),
    roles=("planner", "judge", "coder"),
    options=PlanSearchOptions,
    planner=plan_plan_search,
    flow=plan_search_flow,
)
