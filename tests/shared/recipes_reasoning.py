"""Scripted models and cases of the recipes whose items are verified by an answer, a program or a query."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from seed_recipes import Case, accepting, mark

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


# sense

TABLES = "CREATE TABLE tide (place TEXT, height REAL, day INTEGER);"
ROWS = "INSERT INTO tide VALUES ('Brest', 6.1, 1), ('Brest', 5.9, 2), ('Dover', 6.7, 1), ('Cork', NULL, 1);"
GOOD = "SELECT place, sum(height) FROM tide WHERE height > 1 GROUP BY place"
# The same rows in another order and from other sums; other rows; no query at all; none; a fence around the first.
SAME = "SELECT place, 0.0 + total(height) AS metres FROM tide WHERE height > 1 GROUP BY 1 ORDER BY 2"
WEAK = (SAME, "SELECT place, max(height) FROM tide GROUP BY place", "SELECT deep FROM tide", "", f"```sql\n{SAME}\n```")


def sense(request: Request) -> Any:
    """Every fourth query of the strong model fails; the weak one's answers come in turn, by the question's number."""
    if request.prompt == "sense-write":
        number = request.sampling.seed or 0
        question = f"Of question {number}, {mark(request)}: how high are the tides of each place, taken together?"
        sql = GOOD if number % 4 else "SELECT place FROM tides"
        return {"tables": TABLES, "rows": ROWS, "question": question, "sql": sql}
    return WEAK[int(request.variables["question"].split()[2].strip(",")) % len(WEAK)]


# open-math

SUMS = [
    {
        "text": f"A mill grinds {sacks} sacks a day. How many in {days} days?",
        "answer": str(sacks * days),
        "solution": f"In 1 day it grinds {sacks}, so in {days} days {sacks} * {days} = {sacks * days} sacks.\n"
        f"#### {sacks * days}",
        "subject": "arithmetic",
    }
    for sacks, days in ((31, 17), (23, 19), (47, 13))
]


def prose(request: Request) -> str:
    """Sixteen words that hang on what a model sees: no two solutions are nearly alike."""
    digest = hashlib.sha256(mark(request).encode()).hexdigest()
    return " ".join(digest[place : place + 4] for place in range(0, 64, 4))


def open_math(request: Request) -> Any:
    """Solves two of three samples with two programs, one after another; the third is wrong by one."""
    said = request.variables
    sacks, days = (int(word) for word in said["instruction"].replace("?", "").split() if word.isdigit())
    way = prose(request)
    if not said["so_far"]:
        return f"First {way}.\n```python\nsacks, days = {sacks}, {days}\nprint(sacks)\n```\nIt is 7."
    if said["so_far"].count("```output") == 1:
        wrong = (request.sampling.seed or 0) % 3 == 2
        return f"Then {way}.\n```python\nprint(sacks * days{' + 1' if wrong else ''})\n```"
    return f"So it is \\boxed{{{said['so_far'].splitlines()[-2]}}}."


# scale-quest

MARKS = (3, 9, 6, 9, 1)  # of the five solutions, by their sample


def scale_quest(request: Request) -> Any:
    """Every fourth question is one that cannot be solved."""
    said = request.variables
    if request.prompt.startswith("magpie-"):
        return f"How many pears are in {request.sampling.seed} baskets of {mark(request)} farmers who share alike?"
    if request.prompt == "rewrite-question":
        return {"instruction": f"{said['instruction']} Each basket holds {mark(request)} pears."}
    if request.prompt == "judge-new-question":
        number = int(said["instruction"].split()[5])
        return accepting(solvable=0.2 if number % 4 == 3 else 0.9, difficulty=0.5)
    if request.prompt == "solve-step-by-step":
        return f"Solution {request.sample} of {mark(request)}: \\boxed{{{request.sample}}}"
    value = MARKS[int(said["response"].split()[1])]
    return {"reason": "checked", "marks": [{"name": one["name"], "value": value} for one in said["criteria"]]}


CASES = {
    "sense": Case("sense", sense, options={"tasks": 10}, others=("weak",)),
    "open-math": Case("open-math", open_math, SUMS, {"per_problem": 3, "max_trials": 8}),
    "scale-quest": Case("scale-quest", scale_quest, options={"tasks": 10}),
    "dart": Case("dart", dart, PROBLEMS, {"correct": 3, "max_trials": 10, "initial": 2}),
}
