"""`sense`: questions over databases with their SQL by a strong model, and a weak model's errors as the worse half.

One task is a domain and a difficulty. A strong model makes up a small database, a question over it and the query; the
query runs on SQLite in the sandbox, and one that fails or gives no rows is rejected. Then a weak model answers the
question. A query of its that fails or gives other rows stays with the item, and the export `dpo` makes a preference
pair of it; where it is right, the item is plain SFT.

After SENSE (Yang et al. 2024, arXiv:2408.03256).
Faithful: a strong model writes schema, question and query, while domain and difficulty vary; a small, poorly aligned
model answers the same questions; what it writes is executed, and what fails or gives other rows becomes the rejected
side of a preference pair against the strong model's query.
Not faithful: the strong model fills its tables with rows, so that execution tells queries apart (there the databases
of Spider and BIRD are there); its own query is executed too, and one that fails or gives nothing is no item. Nothing
is trained between the two steps: the weak model is whichever the role names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from pydantic import Field

from ...agents.generator import generator
from ...agents.messages import text_to_sql
from ...agents.programs.execution import query_runs, same_query
from ...agents.programs.mistakes import EXPECTED, mistakes
from ...agents.state import FlowState
from ...agents.turns import in_turn
from ...agents.variables import last_draft
from ...agents.verifiers.agreement import value
from ...agents.verifiers.novelty import novelty
from ...storage.records import Task
from ..flows.reference import Flow, reference_flow
from ..planners.base import Options, PlanView, lazily
from .base import Recipe

DOMAINS = (
    "a public library", "hospital wards", "train timetables", "a chess league", "wine growing", "city elections",
    "film production", "rented flats", "bird counts", "a steel works", "school marks", "airline bookings",
    "a music festival", "river levels", "insurance claims", "farm animals", "software licences", "museum loans",
    "restaurant orders", "patents",
)  # fmt: skip
DIFFICULTIES = (
    "easy: one table, one condition",
    "medium: a join of two tables, or a group with a count",
    "hard: several joins, HAVING, or ORDER BY with LIMIT",
    "very hard: a nested query, a set operation, or a window",
)


class SenseOptions(Options):
    """Options of `sense`.

    domains:      what the databases are about, in turn.
    difficulties: how hard a query is to be, in words, in turn within a domain.
    samples:      answers of the weak model to one question.
    least_rows:   rows that a query has to give; with 0 two queries that give nothing are equal.
    tasks:        how many questions to ask for at most.
    """

    domains: tuple[str, ...] = Field(default=DOMAINS, min_length=1)
    difficulties: tuple[str, ...] = Field(default=DIFFICULTIES, min_length=1)
    samples: int = Field(default=1, ge=1, le=20)
    least_rows: int = Field(default=1, ge=0)
    tasks: int = Field(default=100_000, ge=1)


@lazily
def plan_sense(view: PlanView, rng: random.Random, options: SenseOptions) -> Iterator[Task]:
    """Draws every pair of a domain and a difficulty once before any twice."""
    domains, difficulties = options.domains, options.difficulties
    for number in range(options.tasks):
        turn, domain = divmod(number, len(domains))
        difficulty = difficulties[(turn + domain) % len(difficulties)]
        yield Task.of("question", attributes={"domain": domains[domain], "difficulty": difficulty}, seed=number)


def _database(state: FlowState) -> Sequence[str]:
    fields = last_draft(state).fields
    return [str(fields["tables"]), str(fields["rows"])]


def sense_flow(options: SenseOptions) -> Flow:
    """Builds the flow: database, question and query, its execution, novelty gate, the weak model's errors."""
    return reference_flow(
        proposer=None,
        generator=in_turn(
            generator(prompt="sense-write", variables=("domain", "difficulty"), messages=text_to_sql),
            query_runs(_database, least_rows=options.least_rows),
            novelty(fields=("question",)),
            mistakes(
                prompt="write-sql",
                variables=("tables", "question"),
                field="sql",
                check=same_query(_database, value(EXPECTED)),
                messages=text_to_sql,
                samples=options.samples,
            ),
            anew=True,
        ),
        critic=None,
    )


SENSE = Recipe(
    name="sense",
    summary="Text-to-SQL over databases of a strong model's making, with a weak model's wrong queries as worse halves.",
    paper="SENSE, arXiv:2408.03256",
    gives="code",
    needs=frozenset({"several models", "code runner"}),
    roles=("generator", "weak"),
    apart=(("generator", "weak"),),
    options=SenseOptions,
    planner=plan_sense,
    flow=sense_flow,
)
