"""Recipes that draw from a graph of what their seeds take, on a scripted model that plays their papers' roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seed_recipes import Case, mark

from gristmill import Request

# gsdp

TAKEN: tuple[tuple[str, ...], ...] = (
    ("linear equations", "ratios", "careful reading"),
    ("ratios", "similar triangles", "arithmetic"),
    ("similar triangle", "right angles"),
    ("right angles", "circle tangents", "careful reading"),
    ("circle tangents", "chord lengths"),
    ("chord lengths", "area of a sector"),
    ("area of a sector", "arc measure in radians"),
    ("linear equations", "area of the sector"),
)
POOR = {"careful reading": (0.1, 0.9), "arithmetic": (0.9, 0.2)}
"""Points that the filter drops: by their relevance and clarity."""


def problem(number: int) -> str:
    return f"Seed problem {number}. A miller of village {number} wants to know a length."


def problems(taken: Sequence[Sequence[str]] = TAKEN) -> list[dict[str, str]]:
    return [{"text": problem(number), "solution": f"By {' and '.join(one)}."} for number, one in enumerate(taken)]


def points(text: str, taken: Sequence[Sequence[str]] = TAKEN) -> Sequence[str]:
    return taken[int(text.split()[2].rstrip("."))]


def gsdp(request: Request) -> Any:
    said = request.variables
    if request.prompt == "extract-points":
        return {"points": list(points(said["problem"]))}
    if request.prompt == "score-points":
        return {"scores": [score(number, name) for number, name in enumerate(said["points"], 1)]}
    if request.prompt == "write-point-problem":
        names = [point["name"] for point in said["points"]]
        return {"problem": f"How long is rope {mark(request)} of the {len(names)} mills?", "needs": names}
    if request.prompt == "solve-point-problem":
        return {"reasoning": "One step leads to the next.", "answer": f"{mark(request)} ells"}
    return judged(0.9, 0.8)


def score(number: int, name: str) -> dict[str, float]:
    relevance, clarity = POOR.get(name, (0.9, 0.9))
    return {"number": number, "relevance": relevance, "clarity": clarity}


def judged(problem: float, solution: float, decision: str = "accept", *reasons: str) -> dict[str, Any]:
    scores = [{"name": "problem", "value": problem}, {"name": "solution", "value": solution}]
    return {"decision": decision, "scores": scores, "reasons": list(reasons), "comment": ""}


CASES = {"gsdp": Case("gsdp", gsdp, problems(), others=("judge", "second-judge", "third-judge"))}
