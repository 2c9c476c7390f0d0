"""Scripted models and cases of the recipes whose items are verified by an answer, a program or a query."""

from __future__ import annotations

import random
from typing import Any

from seed_recipes import Case, mark

from gristmill import Request

# dart

# Problems by how often a solution is right; nobody solves the last.
RATES = {"easy": 1.0, "even": 0.5, "hard": 0.2, "hopeless": 0.0}
PROBLEMS = [
    {"text": f"A {name} sum: what is {number} times {number}?", "answer": f"Squares. #### {number * number}"}
    for number, name in enumerate(RATES, 12)
]


def is_right(request: Request, rates: dict[str, float] = RATES) -> bool:
    """Whether the script solves this problem at this seed: as often as the problem's rate says, and always alike."""
    name = next(name for name in rates if f"A {name} sum" in request.variables["instruction"])
    return random.Random(f"{name} {request.sampling.seed}").random() < rates[name]  # nothing secret


def dart(request: Request) -> Any:
    number = int(request.variables["instruction"].split()[5])
    answer = number * number if is_right(request) else number + 1
    return f"In way {mark(request)} we find\n\n\\boxed{{{answer}}}"


CASES = {
    "dart": Case("dart", dart, PROBLEMS, {"correct": 3, "max_trials": 10, "initial": 2}),
}
