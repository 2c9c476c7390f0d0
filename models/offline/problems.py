"""Problems over several knowledge points: `write-problem`, `solve-problem`, `judge-problem`.

Three shapes, the first that fits: compare two figures with one unit; a chain, where a blank in one sentence leads to
what another sentence says; and a plain demand to connect the points. The solver sees only passages, points and problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...prompts.schemas import Problem, Solution
from .judging import share, texts
from .lexicon import word_list
from .passages import Said, joined, mentions, names_of, readings_of, sentences_about
from .questions import draw
from .sentences import content_stems, one_line
from .statements import BLANK

_FIGURE = re.compile(
    r"(?<![\w.,])(\d+(?:,\d{3})*(?:\.\d+)?)(?: (million|billion|thousand))? ?"
    r"(%|percent|per cent|[a-z]{3,14}(?: per [a-z]{3,10})?)(?!\w)"
)


_SCALE = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}


COMPARE = re.compile(r"Compare (.{1,200}?) with (.{1,200}?) by their figures in ([a-z%]{1,14}(?: per [a-z]{1,10})?)")


_NOT_UNITS = word_list("no_units")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit in a sentence about one point."""

    name: str
    value: float
    shown: str
    unit: str
    said: Said


def _figures(name: str, said: Sequence[Said], names: Sequence[str]) -> list[Figure]:
    found: list[Figure] = []
    for s in said:
        if s.names & set(names) == {name}:
            for match in _FIGURE.finditer(s.text):
                unit = match.group(3)
                if unit not in _NOT_UNITS and len(match.group(1)) < 16:
                    value = float(match.group(1).replace(",", "")) * _SCALE[match.group(2) or ""]
                    found.append(Figure(name, value, match.group().strip(), _unit(unit), s))
    return found


def _unit(unit: str) -> str:
    return "percent" if unit in {"%", "per cent"} else unit


def _comparable(said: Sequence[Said], names: Sequence[str]) -> tuple[Figure, Figure] | None:
    """Returns the first two figures with one unit, of two points."""
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            for a in _figures(first, said, names):
                for b in _figures(second, said, names):
                    if a.unit == b.unit and a.value != b.value and a.said.text != b.said.text:
                        return a, b
    return None


def _links(said: Sequence[Said], names: Sequence[str]) -> list[tuple[str, str, Said]]:
    """Returns for each step from a point to the next the sentence that names both."""
    found: list[tuple[str, str, Said]] = []
    for first, second in pairwise(names):
        together = sorted((s for s in said if {first, second} <= s.names), key=lambda s: (not s.alone, len(s.text)))
        if together:
            found.append((first, second, together[0]))
    return found


def _blanked(text: str, name: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(name)}(?:s|es)?(?!\w)", BLANK, text, flags=re.IGNORECASE)


def given(variables: Mapping[str, Any]) -> tuple[list[str], list[Said]]:
    names = [name for name in names_of(variables.get("points")) if name]
    return names, sentences_about(readings_of(variables.get("passages")), names)


def write(variables: Mapping[str, Any], seed: int) -> Problem:
    """Answers `write-problem`."""
    names, said = given(variables)
    path = [name for name in texts(variables.get("path")) if name in names] or names
    shapes: list[Problem] = []
    figures = _comparable(said, path)
    if figures is not None and len(path) == 2:
        a, b = figures
        shapes.append(
            Problem(
                problem=f"Compare {a.name} with {b.name} by their figures in {a.unit}: which of the two has the larger "
                f"one, and by how much does it exceed the other?",
                needs=[a.name, b.name],
            )
        )
    links = _links(said, path)
    if links and len(path) > 1:
        # the last link's sentence, with the bridging point left out, must be solved before its other fact can be told
        first, bridge, step = links[0]
        target = _known_of(bridge, said, step)
        others = [name for name in path if name not in {first, bridge}]
        if target is not None and step.alone:
            demand = (
                f"state what else is known about it, and how it bears on {joined([first, *others])}"
                if others
                else "state what else is known about it"
            )
            shapes.append(
                Problem(
                    problem=f"First find what is missing here: “{_blanked(step.text, bridge)}” Then {demand}.",
                    needs=list(path),
                )
            )
    if not shapes or draw(4, "shape", path, seed) == 3:
        via = f" through {joined(path[1:-1])}" if len(path) > 2 else ""
        ends = f"{path[0]} and {path[-1]}" if len(path) > 1 else joined(path) or "the subject"
        shapes.append(
            Problem(
                problem=f"Explain, step by step, how {ends} are connected{via}: what is each, and what leads from "
                f"one to the next?",
                needs=list(path),
            )
        )
    return shapes[draw(len(shapes), "problem", path, seed)]


def _known_of(name: str, said: Sequence[Said], besides: Said) -> Said | None:
    """Returns the best sentence about a point other than the one given."""
    own = [s for s in said if name in s.names and s.text != besides.text and s.alone]
    return min(own, key=lambda s: (len(s.names) > 1, s.rank), default=None)


def solve(variables: Mapping[str, Any], seed: int) -> Solution:
    """Answers `solve-problem` from the passages, by the shape of the problem."""
    names, said = given(variables)
    problem = one_line(str(variables.get("problem", "")))
    match = COMPARE.search(problem)
    if match:
        solved = _solve_comparison(match, said, names)
        if solved is not None:
            return solved
    blank = re.search(r"“(.{5,700}?)” Then", problem)
    if blank and BLANK in blank.group(1):
        solved = _solve_chain(blank.group(1), said, names)
        if solved is not None:
            return solved
    return _explain(problem, said, names)


def _solve_comparison(match: re.Match[str], said: Sequence[Said], names: Sequence[str]) -> Solution | None:
    first, second, unit = match.group(1), match.group(2), match.group(3)
    figures = _comparable(said, [n for n in (first, second) if n in names])
    if figures is None or figures[0].unit != unit:
        return None
    larger, smaller = sorted(figures, key=lambda f: -f.value)
    difference = larger.value - smaller.value
    shown = f"{difference:,.6g}" if difference < 1e6 else f"{difference:,.0f}"
    return Solution(
        reasoning=f"{larger.said.text} So the figure of {larger.name} is {larger.shown}. {smaller.said.text} "
        f"So the figure of {smaller.name} is {smaller.shown}. The difference is {shown} {unit}.",
        answer=f"{larger.name}, by {shown} {unit}",
        evidence=[larger.said.quote, smaller.said.quote],
    )


def _solve_chain(blanked: str, said: Sequence[Said], names: Sequence[str]) -> Solution | None:
    wanted = one_line(blanked)
    for step in said:
        for name in step.names:
            if _blanked(step.text, name) == wanted:
                known = _known_of(name, said, step)
                if known is None:
                    return None
                others = [n for n in names if n not in step.names and n not in known.names]
                extra = [s for n in others for s in said if n in s.names and s.alone][:2]
                return Solution(
                    reasoning=" ".join(
                        [f"The missing words are {name}: {step.text}", f"About {name} this is known too: {known.text}"]
                        + [f"Further: {s.text}" for s in extra]
                    ),
                    answer=f"{name}. {known.text}",
                    evidence=list(dict.fromkeys([step.quote, known.quote, *(s.quote for s in extra)])),
                )
    return None


def _explain(problem: str, said: Sequence[Said], names: Sequence[str]) -> Solution:
    """Connects the points by the sentences that name two of them, else by one sentence about each."""
    asked = [name for name in names if mentions(name, problem)] or list(names)
    links = _links(said, asked)
    steps: list[Said] = []
    for name in asked:
        own = [s for s in said if name in s.names and all(s.text != t.text for t in steps)]
        best = min(
            own,
            key=lambda s: (
                not s.alone,
                len(s.names) > 1,
                -share(content_stems(problem), content_stems(s.text)),
                s.rank,
            ),
            default=None,
        )
        if best is not None and not any(name in s.names for s in steps):
            steps.append(best)
    linking = [s for _, _, s in links]
    every = list(dict.fromkeys([*steps, *linking]))
    if not every:
        return Solution(
            reasoning="No sentence of the source names the knowledge points.",
            answer="The source does not say.",
            evidence=[],
        )
    reasoning = " ".join(f"Step {number}: {s.text}" for number, s in enumerate(every, 1))
    final = linking or steps[-2:]
    return Solution(
        reasoning=reasoning, answer=" ".join(dict.fromkeys(s.text for s in final)), evidence=[s.quote for s in every]
    )
