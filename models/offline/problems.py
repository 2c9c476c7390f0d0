"""Problems over several knowledge points and their solutions: `write-problem`, `solve-problem`.

Three shapes: compare two figures for one property; a chain, where the words missing in one sentence are what the next
question asks about; and the plain demand to connect the points. The solver sees passages, points and problem alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...prompts.schemas import Problem, Solution
from .judging import share, texts
from .lexicon import word_list
from .passages import Said, displayed, joined, mentions, names_of, readings_of, sentences_about
from .questions import candidates, draw
from .reading import Reading
from .sentences import content_stems, one_line, stem, words
from .stated import Candidate
from .statements import BLANK

COMPARE = re.compile(r"Compare (.{1,200}?) with (.{1,200}?) by (\w{1,20}) in ([a-z]{1,14}(?: per [a-z]{1,10})?):")
CHAIN = re.compile(r"First find what is missing here: “(.{5,700}?)” Then (?:answer|say)(?: about it)?: (.{3,300})")
UNSOLVED = "The source does not say."
_FIGURE = re.compile(
    r"(?<![\w.,])(\d+(?:,\d{3})*(?:\.\d+)?)(?: (million|billion|thousand))? ?"
    r"(%|percent|per cent|[a-z]{3,14}(?: per [a-z]{3,10})?)(?!\w)"
)
_SCALE = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_NO_UNITS = word_list("no_units")
# stems of the properties that figures are given for, and how a problem names them
_PROPERTIES = {stem(word): name for entry in word_list("properties") for word, name in [entry.split(":")]}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit and the property that it is given for, in a sentence that begins with one point."""

    name: str
    value: float
    shown: str
    unit: str
    property: str
    said: Said


def given(variables: Mapping[str, Any]) -> tuple[list[str], list[Said], list[Reading]]:
    """Returns the points' names, the sentences that name them, and the passages' readings."""
    names = [name for name in names_of(variables.get("points")) if name]
    readings = readings_of(variables.get("passages"))
    return names, sentences_about(readings, names), readings


def _figures(name: str, said: Sequence[Said]) -> Iterator[Figure]:
    subject = re.compile(rf"(?:the |an? )?{re.escape(name.lower())}(?:'s|’s)?(?!\w)")
    for s in said:
        if name not in s.names or not subject.match(s.text.lower()):
            continue
        for match in _FIGURE.finditer(s.text):
            unit = "percent" if match.group(3) in {"%", "per cent"} else match.group(3)
            near = " ".join(s.text[: match.start()].split()[-6:]) + " " + " ".join(s.text[match.end() :].split()[:2])
            found = [_PROPERTIES[one] for one in map(stem, words(near)) if one in _PROPERTIES]
            if found and unit not in _NO_UNITS and len(match.group(1)) < 16:
                value = float(match.group(1).replace(",", "")) * _SCALE[match.group(2) or ""]
                yield Figure(name, value, match.group().strip(), unit, found[-1], s)


def _comparable(said: Sequence[Said], names: Sequence[str]) -> tuple[Figure, Figure] | None:
    """Returns the first two figures of two points with one unit for one property."""
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            for a in _figures(first, said):
                for b in _figures(second, said):
                    same = a.unit == b.unit and a.property == b.property
                    if same and a.value != b.value and a.said.quote != b.said.quote:
                        return a, b
    return None


def links(said: Sequence[Said], names: Sequence[str]) -> list[tuple[str, str, Said]]:
    """Returns for each step from a point to the next the best sentence that names both, where there is one."""
    found: list[tuple[str, str, Said]] = []
    for first, second in pairwise(names):
        together = sorted((s for s in said if {first, second} <= s.names), key=lambda s: (not s.alone, len(s.text)))
        if together:
            found.append((first, second, together[0]))
    return found


def _blanked(text: str, name: str) -> str:
    """Returns a sentence without a name, or an empty string where the name is a part of a longer one."""
    found = list(re.finditer(rf"(?<!\w){re.escape(name)}(?:s|es)?(?!\w)", text, re.IGNORECASE))
    if len(found) != 1:
        return ""
    before, after = text[: found[0].start()], text[found[0].end() :]
    if re.match(r" (?:of|for) [A-Z]| [A-Z]", after) or re.search(r"[A-Z]\w+(?: of)? $", before):
        return ""
    return f"{before}{BLANK}{after}"


def _about(name: str, readings: Sequence[Reading], besides: Said) -> list[tuple[Reading, Candidate, str]]:
    """Returns questions about a point that other sentences answer, with `it` in the point's place."""
    found: list[tuple[Reading, Candidate, str]] = []
    for reading in readings:
        for candidate in candidates(reading.passage):
            if candidate.kind not in {"definition", "fact", "number", "cause", "list"} or candidate.score < 0.7:
                continue
            if any(reading.sentences[i].quote == besides.quote for i in candidate.evidence):
                continue
            asked = re.sub(
                rf"\b(?:(?:the|an?) )?{re.escape(name)}(?!\w)", "it", candidate.question, flags=re.IGNORECASE
            )
            own = re.search(r"\b(?:is|was|does|did|has|can|will|would) it\b(?! \w+ (?:is|was|has)\b)", asked)
            if own and not mentions(name, asked) and not mentions(name, candidate.answer):
                found.append((reading, candidate, asked))
    return found


def write(variables: Mapping[str, Any], seed: int) -> Problem:
    """Answers `write-problem`; when the points do not fit a comparison or a chain, asks how they are connected."""
    names, said, readings = given(variables)
    path = [name for name in texts(variables.get("path")) if name in names] or names
    shapes: list[str] = []
    figures = _comparable(said, path) if len(path) == 2 else None
    if figures is not None:
        a, b = figures
        shapes.append(
            f"Compare {displayed(a.name, said)} with {displayed(b.name, said)} by {a.property} in {a.unit}: which of "
            f"the two has more, and by how much?"
        )
    chains = list(_chains(path, said, readings))
    if chains:
        shapes.append(chains[draw(len(chains), "chain", path, seed)])
    if not shapes:
        via = f" through {joined([displayed(name, said) for name in path[1:-1]])}" if len(path) > 2 else ""
        ends = joined([displayed(path[0], said), displayed(path[-1], said)] if len(path) > 1 else path) or "the subject"
        shapes.append(
            f"Explain, step by step, how {ends} are connected{via}: what is each, and what leads from one to the next?"
        )
    return Problem(problem=shapes[draw(len(shapes), "shape", path, seed)], needs=list(path))


def _chains(path: Sequence[str], said: Sequence[Said], readings: Sequence[Reading]) -> Iterator[str]:
    steps = links(said, path)
    if len(path) == 2 and steps:
        first, second, step = steps[0]
        for bridge in (second, first):
            blanked = _blanked(step.text, bridge) if step.alone else ""
            for _, _, asked in _about(bridge, readings, step) if blanked else ():
                yield f"First find what is missing here: “{blanked}” Then answer about it: {asked}"
    elif len(path) == 3 and len(steps) == 2:
        (_, bridge, step), (_, last, after) = steps
        blanked = _blanked(step.text, bridge) if step.alone and step.quote != after.quote else ""
        if blanked and not mentions(last, blanked):
            yield (
                f"First find what is missing here: “{blanked}” Then say: how is it related to {displayed(last, said)}?"
            )


def solve(variables: Mapping[str, Any], seed: int) -> Solution:
    """Answers `solve-problem` from the passages, by the shape of the problem."""
    names, said, readings = given(variables)
    problem = one_line(str(variables.get("problem", "")))
    compared, chained = COMPARE.search(problem), CHAIN.search(problem)
    solved: Solution | None = None
    if compared:
        solved = _solve_comparison(compared, said, names)
    elif chained and BLANK in chained.group(1):
        solved = _solve_chain(chained.group(1), chained.group(2), said, names, readings)
    return solved or _explain(problem, said, names)


def _solve_comparison(match: re.Match[str], said: Sequence[Said], names: Sequence[str]) -> Solution | None:
    asked = [name for name in names if mentions(name, f"{match.group(1)} and {match.group(2)}")]
    figures = _comparable(said, asked)
    if figures is None or (figures[0].property, figures[0].unit) != (match.group(3), match.group(4)):
        return None
    larger, smaller = sorted(figures, key=lambda figure: -figure.value)
    difference = larger.value - smaller.value
    shown = f"{difference:,.6g}" if difference < 1e6 else f"{difference:,.0f}"
    return Solution(
        reasoning=f"{larger.said.text} So the {larger.property} of {displayed(larger.name, said)} is {larger.shown}. "
        f"{smaller.said.text} So the {smaller.property} of {displayed(smaller.name, said)} is {smaller.shown}. "
        f"The difference is {shown} {larger.unit}.",
        answer=f"{displayed(larger.name, said)}, by {shown} {larger.unit}",
        evidence=[larger.said.quote, smaller.said.quote],
    )


def _solve_chain(
    blanked: str, asked: str, said: Sequence[Said], names: Sequence[str], readings: Sequence[Reading]
) -> Solution | None:
    wanted = one_line(blanked)
    for step in said:
        for name in step.names:
            if _blanked(step.text, name) != wanted:
                continue
            found = f"What is missing is “{name}”: {step.text}"
            for reading, candidate, question in _about(name, readings, step):
                if question == asked:
                    facts = [reading.sentences[i] for i in sorted(candidate.evidence)]
                    return Solution(
                        reasoning=" ".join([found, f"Of {name} it is said:", *(fact.text for fact in facts)]),
                        answer=f"{name}: {candidate.answer}",
                        evidence=list(dict.fromkeys([step.quote, *(fact.quote for fact in facts)])),
                    )
            for other in names:
                after = links(said, [name, other]) if other != name and mentions(other, asked) else []
                if after:
                    return Solution(
                        reasoning=f"{found} What relates {name} to {other} is this: {after[0][2].text}",
                        answer=f"{name}: {after[0][2].text}",
                        evidence=list(dict.fromkeys([step.quote, after[0][2].quote])),
                    )
    return None


def _explain(problem: str, said: Sequence[Said], names: Sequence[str]) -> Solution:
    """Says what each point is, then gives the sentences that lead from one to the next."""
    asked = [name for name in names if mentions(name, problem)] or list(names)
    stems = content_stems(problem)
    linking = [step for _, _, step in links(said, asked)]
    steps: list[Said] = []
    for name in asked:
        own = [s for s in said if name in s.names and s not in linking and s not in steps and s.alone]
        own.sort(
            key=lambda s: (
                len(s.names) > 1,
                s.text.lower().find(name.lower()) not in range(5),
                -share(stems, content_stems(s.text)),
                s.rank,
            )
        )
        steps += own[:1]
    every = list(dict.fromkeys([*steps, *linking]))
    if not every:
        return Solution(reasoning="No sentence of the source names the points.", answer=UNSOLVED, evidence=[])
    reasoning = " ".join(f"Step {number}: {s.text}" for number, s in enumerate(every, 1))
    answer = " ".join(dict.fromkeys(s.text for s in linking)) or UNSOLVED
    return Solution(reasoning=reasoning, answer=answer, evidence=[s.quote for s in every])
