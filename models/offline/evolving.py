"""The prompts of evolved programs: instructions that are crossed and changed, solutions, and the judge of both."""

from __future__ import annotations

import ast
import re

from ...prompts.schemas import Judgement, Mutant, Offspring
from .asked import Asked
from .programs import CHANGES, Step, code_of, drawn, instruction, solution, steps_of
from .wording import judged


def crossed(asked: Asked) -> Offspring:
    """Answers `genetic-crossover`: steps of several members one after another, with others where they do not fit."""
    given = [step for member in asked.texts("members") for step in steps_of(member)]
    made: dict[str, None] = {}
    for _ in range(8 * asked.count()):
        steps = _chained([asked.rng.choice(given)] if given else [], drawn(asked, asked.rng.randint(2, 4)))
        made[instruction(steps, asked.rng.choice(("", *CHANGES)))] = None
        if len(made) == asked.count():
            break
    return Offspring(instructions=list(made))


def _chained(first: list[Step], then: list[Step]) -> list[Step]:
    """Returns the first steps with those of `then` behind them that can follow."""
    steps = list(first)
    for step in then:
        if not steps or (steps[-1].gives == step.takes and step not in steps):
            steps.append(step)
    return steps


def mutated(asked: Asked) -> Mutant:
    """Answers `genetic-mutate`: a further step that can follow, or a further demand."""
    member = " ".join(asked.texts("members")[:1]).strip()
    known = steps_of(member)
    added = _chained(known, drawn(asked, 3))
    change = asked.rng.choice([one for one in CHANGES if one not in member] or CHANGES)
    if known and len(added) > len(known) and len(added) < 5:
        return Mutant(instruction=instruction(added, change))
    if known:
        return Mutant(instruction=f"{member.rstrip('. ')}. {change}")
    return Mutant(instruction=instruction(drawn(asked, 3), change))


def code(asked: Asked) -> str:
    """Answers `genetic-code`."""
    return solution(asked, asked.text("instruction"))


def judge(asked: Asked) -> Judgement:
    """Answers `judge-code`: has the program all steps that the instruction asks for, and is it Python."""
    wanted, response = steps_of(asked.text("instruction")), asked.text("response")
    program = code_of(response)
    done = sum(step.code in program for step in wanted)
    correct = done / len(wanted) if wanted and _is_python(program) else 0.0
    demands = len(re.findall(r"[.!?](?:\s|$)", asked.text("instruction")))
    return judged(
        {"correct": correct, "quality": min(1.0, 0.4 + 0.15 * len(wanted) + 0.05 * demands)},
        {"unclear": not wanted, "incorrect": bool(wanted) and correct < 1},
    )


def _is_python(program: str) -> bool:
    try:
        return bool(program.strip()) and bool(ast.parse(program).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
