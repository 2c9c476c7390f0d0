"""Cases of the recipes that search: by evolution, by plans. Each script's answers hang on the request alone."""

from __future__ import annotations

import re
from typing import Any

from seed_recipes import Case, accepting, mark

from gristmill import Request

# genetic-instruct

FOUNDERS = [{"text": f"Write a function that {what}."} for what in (
    "adds two numbers", "turns a word round", "counts the vowels", "sorts a list of names", "reads a date",
)]  # fmt: skip


def unfit(request: Request) -> bool:
    """A quarter of all instructions, by chance: their solutions are wrong."""
    return int(mark(request), 16) % 4 == 0


def genetic(request: Request) -> Any:
    said = request.variables
    if request.prompt == "genetic-crossover":
        return {"instructions": [f"Cross {mark(request)} number {number}." for number in range(said["count"])]}
    if request.prompt == "genetic-mutate":
        return {"instruction": f"{said['members'][0]} And {mark(request)}."}
    if request.prompt == "genetic-code":
        return f"It prints.\n\n```python\nprint({int(mark(request), 16)})\n```"
    if unfit(request):
        return {**accepting(correct=0.1, quality=0.9), "decision": "reject", "reasons": ["incorrect"]}
    return accepting(correct=0.9, quality=0.9)


# plan-search

PROBLEMS = [
    {"text": f"Write f(x) that gives x and {number} together.", "tests": [f"assert f(2) == {number + 2}"]}
    for number in (3, 40)
]


def idea_of(plan: str) -> str:
    """The idea of a plan is its first observation: `seen 2` in `By seen 2 with ...`."""
    return plan.split(" with ")[0]


def plan_search(request: Request) -> Any:
    """A plan on the first observation is carried out wrong, unless it was mended."""
    said = request.variables
    if request.prompt == "plansearch-observe":
        return {"observations": [f"seen {number}" for number in range(said["count"])]}
    if request.prompt == "plansearch-derive":
        return {"derived": [f"insight {number} of {'+'.join(said['combination'])}" for number in range(said["count"])]}
    if request.prompt == "plansearch-plan":
        return {"plan": f"By {' and '.join(said['combination'])} with {' and '.join(said['insights'])}."}
    if request.prompt == "plansearch-mend":
        return {"critique": "It is slow.", "plan": f"Mended {said['plan']}"}
    if request.prompt == "same-idea":
        return {"reason": "the same observation", "same": idea_of(said["first"]) == idea_of(said["second"])}
    if request.prompt == "plansearch-pseudocode":
        return f"do {said['plan']}"
    number = re.findall(r"and (\d+) together", said["problem"])[0]
    wrong = "- 1" if said["plan"].startswith("By seen 0 ") else ""
    return f"```python\ndef f(x):\n    return x + {number} {wrong}  # {said['plan']}\n```"


CASES = {
    "genetic-instruct": Case(
        "genetic-instruct",
        genetic,
        FOUNDERS,
        {"generations": 2, "colonies": 2, "steps": 2, "brood": 4, "shots": 2, "offspring": 2},
    ),
    "plan-search": Case(
        "plan-search", plan_search, PROBLEMS, {"observations": 3, "derived": 1, "per_problem": 4, "leaves": 10}
    ),
}
