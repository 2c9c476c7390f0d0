"""Recipes that search for the best response, run on models whose strengths are known: one small campaign for each.

A response says who wrote it and how good it is; the judge reads that off. So rewards are a function of the requests
alone, and a campaign that was stopped is told the same when it goes on.
"""

from __future__ import annotations

import random
import re
from typing import Any

from seed_recipes import Case

from gristmill import Request

POOL = ("writer-a", "writer-b", "writer-c")
BEST = {"verse": "writer-a", "sums": "writer-b", "law": "writer-c"}  # who is best at what
PROMPTS = [{"text": f"Prompt {number} on {subject}: say something."} for number in range(2) for subject in BEST]
GOOD, FAIR, SPREAD = 0.7, 0.4, 0.08
QUALITY = re.compile(r"quality (\d\.\d+)")


def strength(writer: str, prompt: str) -> float:
    """How good a writer's responses to a prompt are on average."""
    return GOOD if any(f"on {subject}:" in prompt and writer == best for subject, best in BEST.items()) else FAIR


def quality(text: str) -> float:
    found = QUALITY.search(text)
    assert found is not None, text
    return float(found[1])


def written(request: Request) -> float:
    """How good a response is: by its writer, its seed, and, for a third, by the best that the writer was shown."""
    said = request.variables
    chance = random.Random(f"{said['instruction']} {request.role} {request.sampling.seed} {said['responses']}")
    own = chance.gauss(strength(request.role, said["instruction"]), SPREAD)
    shown = [quality(text) for text in said["responses"]]
    return round(min(1.0, max(0.0, own if not shown else (2 * own + max(shown)) / 3 + 0.02)), 3)


def searching(request: Request) -> Any:
    if request.prompt == "reward-response":
        mark = 10 * quality(request.variables["response"])
        return {"reason": "read off", "marks": [{"name": one["name"], "value": mark}
                                                for one in request.variables["criteria"]]}  # fmt: skip
    return f"{request.role} writes with quality {written(request)} by seed {request.sampling.seed}."


def measured(instruction: str, response: str) -> float:
    """A reward that asks no model."""
    assert instruction.startswith("Prompt ")
    return quality(response)


CASES: dict[str, Case] = {
    "toa": Case("toa", searching, PROMPTS, {"responses": 8}, others=POOL),
    "best-of-n": Case("best-of-n", searching, PROMPTS, {"responses": 4}),
    "mixture-of-agents": Case("mixture-of-agents", searching, PROMPTS, others=(*POOL, "aggregator")),
    "sequential-refinement": Case("sequential-refinement", searching, PROMPTS, {"responses": 4}),
}
