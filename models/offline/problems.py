"""Problems over several knowledge points: `write-problem`, `solve-problem`, `judge-problem`.

Three shapes, the first that fits: compare two figures with one unit; a chain, where a blank in one sentence leads to what
another sentence says; and a plain demand to connect the points. The solver sees only passages, points and problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...prompts.schemas import Judgement, Problem, Solution
from .forms import BLANK
from .judging import Checked, Fault, judgement, share, texts, verbatim
from .lexicon import word_list
from .passages import Said, joined, mentions, names_of, readings_of, sentences_about
from .questions import draw
from .sentences import content_stems, numbers, one_line, stem, words

_FIGURE = re.compile(
    r"(?<![\w.,])(\d+(?:,\d{3})*(?:\.\d+)?)(?: (million|billion|thousand))? ?"
    r"(%|percent|per cent|[a-z]{3,14}(?: per [a-z]{3,10})?)(?!\w)"
)
_SCALE = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_COMPARE = re.compile(r"Compare (.{1,200}?) with (.{1,200}?) by their figures in ([a-z%]{1,14}(?: per [a-z]{1,10})?)")
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
    for first, second in zip(names, names[1:], strict=False):
        together = sorted((s for s in said if {first, second} <= s.names), key=lambda s: (not s.alone, len(s.text)))
        if together:
            found.append((first, second, together[0]))
    return found


def _blanked(text: str, name: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(name)}(?:s|es)?(?!\w)", BLANK, text, flags=re.IGNORECASE)


def _given(variables: Mapping[str, Any]) -> tuple[list[str], list[Said]]:
    names = [name for name in names_of(variables.get("points")) if name]
    return names, sentences_about(readings_of(variables.get("passages")), names)


def write(variables: Mapping[str, Any], seed: int) -> Problem:
    """Answers `write-problem`."""
    names, said = _given(variables)
    path = [name for name in texts(variables.get("path")) if name in names] or names
    shapes: list[Problem] = []
    figures = _comparable(said, path)
    if figures is not None and len(path) == 2:
        a, b = figures
        shapes.append(
            Problem(
                problem=f"Compare {a.name} with {b.name} by their figures in {a.unit}: which of the two has the larger one, "
                f"and by how much does it exceed the other?",
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
                problem=f"Explain, step by step, how {ends} are connected{via}: what is each, and what leads from one to the next?",
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
    names, said = _given(variables)
    problem = one_line(str(variables.get("problem", "")))
    match = _COMPARE.search(problem)
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
    figures = _comparable([s for s in said], [n for n in (first, second) if n in names])
    if figures is None or figures[0].unit != unit:
        return None
    larger, smaller = sorted(figures, key=lambda f: -f.value)
    difference = larger.value - smaller.value
    shown = f"{difference:,.6g}" if difference < 1e6 else f"{difference:,.0f}"
    return Solution(
        reasoning=f"{larger.said.text} So the figure of {larger.name} is {larger.shown}. {smaller.said.text} So the figure of "
        f"{smaller.name} is {smaller.shown}. The difference is {shown} {unit}.",
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


def judge(variables: Mapping[str, Any]) -> Judgement:
    """Answers `judge-problem`; each `judge` checks another thing and scores it under its own name."""
    which = str(variables.get("judge", "correctness"))
    checks = {"relevance": _relevance, "correctness": _correctness, "difficulty": _difficulty}
    faults, score, evidence = checks.get(which, _correctness)(variables)
    return judgement(Checked(tuple(faults), {which: round(max(0.0, min(1.0, score)), 3)}, tuple(evidence)))


Outcome = tuple[list[Fault], float, list[str]]


def _sources(variables: Mapping[str, Any]) -> list[str]:
    return [reading.passage for reading in readings_of(variables.get("passages"))]


def _relevance(variables: Mapping[str, Any]) -> Outcome:
    """Is the problem about the points, all of them, and can the passages carry it."""
    names, said = _given(variables)
    problem = str(variables.get("problem", ""))
    whole = " ".join([problem, str(variables.get("reasoning", "")), str(variables.get("answer", ""))])
    faults: list[Fault] = []
    missing = [name for name in names if not mentions(name, whole)]
    score = 1 - len(missing) / max(1, len(names))
    if missing:
        faults.append(Fault("misses_entity", False, f"problem and solution do without {joined(missing)}"))
    unknown = [name for name in names if not any(name in s.names for s in said)]
    if unknown:
        score -= 0.3
        faults.append(Fault("unanswerable", False, f"the sources have no sentence about {joined(unknown)}"))
    known = set[str]().union(*(content_stems(source) for source in _sources(variables))) | _TASK
    foreign = content_stems(problem) - known
    if len(foreign) > 0.5 * max(1, len(content_stems(problem))):
        score -= 0.5
        faults.append(Fault("off_topic", False, f"the problem is about {', '.join(sorted(foreign)[:5])}"))
    if len(words(problem)) < 6 or re.search(r"\b(?:the (?:text|passages?)|above|below)\b", problem.lower()):
        score -= 0.2
        faults.append(
            Fault("unclear", True, "the problem is too short or points at a text that the reader does not have")
        )
    return faults, score, [s.quote for s in said if len(s.names) > 1][:3]


def _correctness(variables: Mapping[str, Any]) -> Outcome:
    """Do quotes, words and numbers of the solution stand in the passages, and does an own attempt agree."""
    sources = _sources(variables)
    answer, reasoning = str(variables.get("answer", "")), str(variables.get("reasoning", ""))
    inside, outside = verbatim(texts(variables.get("evidence")), sources)
    faults: list[Fault] = []
    known = set[str]().union(*(content_stems(source) for source in sources)) | _TASK
    known |= content_stems(str(variables.get("problem", "")))
    score = share(content_stems(f"{answer} {reasoning}"), known)
    if answer.startswith("The source does not say"):
        return [Fault("unanswerable", False, "the solver found no answer")], 0.0, []
    if score < 0.8:
        foreign = sorted(content_stems(f"{answer} {reasoning}") - known)[:5]
        faults.append(Fault("ungrounded", score >= 0.65, f"the sources do not speak of {', '.join(foreign)}"))
    if outside:
        score *= 0.5
        faults.append(Fault("ungrounded", bool(inside), f"a quote is not in the sources: {outside[0][:80]!r}"))
    elif not inside:
        score *= 0.5
        faults.append(Fault("ungrounded", False, "no evidence is quoted"))
    own = solve(variables, 0)
    stated = set[str]().union(*(numbers(source) for source in sources)) | numbers(str(variables.get("problem", "")))
    derived = numbers(answer) - stated
    if derived - numbers(own.answer):
        score *= 0.3
        faults.append(
            Fault("incorrect", False, f"{', '.join(sorted(derived))} neither stands in the sources nor follows")
        )
    elif _COMPARE.search(str(variables.get("problem", ""))) and not own.answer.startswith("The source"):
        agrees = numbers(own.answer) == numbers(answer) and mentions(own.answer.split(", by ")[0], answer)
        if not agrees:
            score *= 0.3
            faults.append(Fault("incorrect", False, f"an own solution gives: {own.answer}"))
    elif inside and share(content_stems(answer), content_stems(" ".join(inside)) | _TASK) < 0.6:
        score *= 0.6
        faults.append(Fault("ungrounded", True, "the evidence quoted does not contain the answer"))
    return faults, score, inside


def _difficulty(variables: Mapping[str, Any]) -> Outcome:
    """Does it take two steps: more than one point, more than one sentence, an answer that the problem does not hold."""
    names, _ = _given(variables)
    problem, answer = str(variables.get("problem", "")), str(variables.get("answer", ""))
    inside, _ = verbatim(texts(variables.get("evidence")), _sources(variables))
    faults: list[Fault] = []
    score = 1.0
    if content_stems(answer) <= content_stems(problem) and not numbers(answer) - numbers(problem):
        score -= 0.7
        faults.append(Fault("trivial", False, "the problem holds its answer"))
    if len(set(inside)) < 2 or len(names) < 2:
        score -= 0.5
        faults.append(Fault("too_easy", False, "one sentence or one point is enough"))
    if one_line(answer).lower() in one_line(problem).lower():
        score -= 0.3
        faults.append(Fault("duplicate", False, "the answer repeats the problem"))
    return faults, score, inside


# words of the task itself, which no source needs to have
_TASK = frozenset(stem(word) for word in word_list("asking_problem"))
