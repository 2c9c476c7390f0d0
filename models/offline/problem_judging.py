"""The judges of problems and solutions, `judge-problem`: each looks at one of relevance, correctness, difficulty."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...prompts.schemas import Judgement
from .judging import Checked, Fault, figures, judgement, plain, share, texts, verbatim
from .lexicon import word_list
from .passages import joined, mentions, readings_of
from .problems import COMPARE, UNSOLVED, given, solve
from .sentences import content_stems, numbers, one_line, stem, words


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
    names, said, _ = given(variables)
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
    told = {one for one in content_stems(f"{answer} {reasoning}") if not one[0].isdigit()}  # numbers are checked below
    score = share(told, known)
    if answer.startswith(UNSOLVED):
        return [Fault("unanswerable", False, "the solver found no answer")], 0.0, []
    if score < 0.8:
        foreign = sorted(told - known)[:5]
        faults.append(Fault("ungrounded", score >= 0.65, f"the sources do not speak of {', '.join(foreign)}"))
    if outside:
        score *= 0.5
        faults.append(Fault("ungrounded", bool(inside), f"a quote is not in the sources: {outside[0][:80]!r}"))
    elif not inside:
        score *= 0.5
        faults.append(Fault("ungrounded", False, "no evidence is quoted"))
    if _CONNECTS.search(str(variables.get("problem", ""))) and (apart := _unlinked(variables, inside)):
        score *= 0.4
        faults.append(Fault("unanswerable", False, f"no quoted statement connects {joined(apart)} with the others"))
    own = solve(variables, 0)
    stated = set[str]().union(*(numbers(source) for source in sources)) | numbers(str(variables.get("problem", "")))
    derived = numbers(answer) - stated
    if derived - numbers(own.answer):
        score *= 0.3
        faults.append(
            Fault("incorrect", False, f"{', '.join(sorted(derived))} neither stands in the sources nor follows")
        )
    elif COMPARE.search(str(variables.get("problem", ""))) and own.answer != UNSOLVED:
        agrees = numbers(own.answer) == numbers(answer) and mentions(own.answer.split(", by ")[0], answer)
        if not agrees:
            score *= 0.3
            faults.append(Fault("incorrect", False, f"an own solution gives: {own.answer}"))
    elif inside and share(content_stems(answer), content_stems(" ".join(inside)) | _TASK) < 0.6:
        score *= 0.6
        faults.append(Fault("ungrounded", True, "the evidence quoted does not contain the answer"))
    return faults, score, inside


_CONNECTS = re.compile(r"\b(?:connected|related|connection|relation|linked)\b", re.IGNORECASE)


def _unlinked(variables: Mapping[str, Any], quotes: Sequence[str]) -> list[str]:
    """Returns the points that no chain of quoted sentences, each naming two of them, reaches from the first point."""
    names, said, _ = given(variables)
    quoted = {plain(quote) for quote in quotes}
    groups = [s.names for s in said if plain(s.quote) in quoted]
    reached = set(names[:1])
    for _ in names:
        reached |= {name for group in groups if group & reached for name in group}
    return [name for name in names if name not in reached]


def _difficulty(variables: Mapping[str, Any]) -> Outcome:
    """Does it take two steps: more than one point, more than one sentence, an answer that the problem does not hold."""
    names, _, _ = given(variables)
    problem, answer = str(variables.get("problem", "")), str(variables.get("answer", ""))
    inside, _ = verbatim(texts(variables.get("evidence")), _sources(variables))
    faults: list[Fault] = []
    score = 1.0
    if content_stems(answer) <= content_stems(problem) and not figures(answer) - figures(problem):
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
