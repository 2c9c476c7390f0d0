"""Texts that relate entities: `write-entity-passage`, `judge-entity-passage`, `revise-entity-passage`.

The writer arranges sentences of the passages, word for word, under short phrases that fit the form: what each entity
is, then what is said of several together. It does not paraphrase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...prompts.schemas import Passage, PassageQuestion
from .judging import texts
from .questions import candidates, draw
from .reading import Reading, read
from .sentences import find_name, one_line, words
from .stated import restated

_SAYS = re.compile(r"(?: \([^)]{1,40}\))?(?:,| (?:is|are|was|were) )")
MAX_ABOUT, MAX_BOTH = 4, 3  # sentences about each entity, and about several


@dataclass(frozen=True, slots=True)
class Form:
    """How a text is framed. `cues` are words in a form's name; `openings` stand first, `links` before what relates."""

    cues: tuple[str, ...]
    openings: tuple[str, ...]
    links: tuple[str, ...]


_FORMS = (
    Form(
        ("compar", "contrast"),
        ("Consider {names} side by side.", "{names} can be set side by side."),
        ("Taken together:", "Where they meet:"),
    ),
    Form(
        ("lesson", "lecture", "tutorial", "teach"),
        ("This lesson is about {names}.", "In this lesson we look at {names}."),
        ("To sum up:", "What to remember:"),
    ),
    Form(
        ("explan", "why", "how"),
        ("This explains how {names} are connected.", "To understand how {names} are connected, begin with each."),
        ("This is how they are connected:", "The connection is this:"),
    ),
    Form(
        ("report", "finding", "brief"),
        ("This report covers {names}.", "Subject of this report: {names}."),
        ("Findings on their relation:", "How they relate:"),
    ),
    Form(
        (),
        ("This article is about {names}.", "{names} are the subject of this article."),
        ("They are related as follows.", "As to how they are related:"),
    ),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence that may be used: its words, its verbatim quote, and which entities it names.

    `alone` tells that it can be read without the sentence before; `rank` is its place in the passages.
    """

    text: str
    quote: str
    names: frozenset[str]
    alone: bool
    rank: tuple[int, int]


def names_of(value: object) -> list[str]:
    """Returns the names in a list of entities or points."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    return [str(one.get("name", "")) if isinstance(one, Mapping) else str(one) for one in listed]


def readings_of(value: object) -> list[Reading]:
    """Returns the readings of the texts in a list of passages."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    bodies = [str(one.get("text", "")) if isinstance(one, Mapping) else str(one) for one in listed]
    return [read(body) for body in dict.fromkeys(bodies)]


def mentions(name: str, text: str) -> bool:
    """Whether a text names an entity, in any case, in singular or plural."""
    return find_name(name.lower(), text.lower(), plural=True) is not None


def sentences_about(readings: Sequence[Reading], names: Sequence[str]) -> list[Said]:
    """Returns the complete sentences that name at least one of `names`, in the passages' order.

    A pronoun that opens a sentence is replaced by the name that it stands for, where that is certain.
    """
    found: list[Said] = []
    for number, reading in enumerate(readings):
        aliases = {t.name: t.aliases for t in reading.terms if t.name in names}
        for sentence in reading.sentences:
            if not sentence.complete:
                continue
            alone = restated(reading, sentence.index)
            text = sentence.text if alone is None else alone[0]
            named = frozenset(n for n in names if any(mentions(form, text) for form in (n, *aliases.get(n, ()))))
            if named:
                rank = (number, sentence.index)
                found.append(Said(text, sentence.quote, named, alone is not None, rank))
    return found


def joined(names: Sequence[str]) -> str:
    """Returns `A`, `A and B`, or `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def write(variables: Mapping[str, Any], seed: int) -> Passage:
    """Answers `write-entity-passage`."""
    names = [name for name in names_of(variables.get("entities")) if name]
    readings = readings_of(variables.get("passages"))
    form = str(variables.get("form", ""))
    said = sentences_about(readings, names)
    both = sorted((s for s in said if len(s.names) > 1), key=lambda s: (-len(s.names), not s.alone, s.rank))[:MAX_BOTH]
    used = {s.text for s in both}
    about: dict[str, list[Said]] = {}
    for name in names:
        own = [s for s in said if name in s.names and s.text not in used]
        own = [s for s in own if s.alone] or own[:1]
        own.sort(key=lambda s: (not _defines(name, s.text), not s.alone, s.rank))
        about[name] = own[:MAX_ABOUT]
        used |= {s.text for s in about[name]}
    relations = [line for line in texts(variables.get("relations")) if line.strip()]
    return _compose(readings, names, about, both, relations, form, seed)


def _compose(
    readings: Sequence[Reading],
    names: Sequence[str],
    about: Mapping[str, Sequence[Said]],
    both: Sequence[Said],
    relations: Sequence[str],
    form: str,
    seed: int,
) -> Passage:
    every = [said for own in about.values() for said in own] + list(both)
    shown = {name: displayed(name, every) for name in names}
    listed = joined(list(shown.values()))
    order = list(names) if draw(2, "order", listed, seed) == 0 else list(reversed(names))
    closing = [s.text for s in both] or [_spoken(line) for line in relations][:3]
    bodies = [(shown[name], " ".join(s.text for s in about[name])) for name in order if about.get(name)]
    parts = (
        _dialogue(listed, bodies, closing) if "dialog" in form.lower() else _prose(form, listed, bodies, closing, seed)
    )
    chosen = [s for name in order for s in about.get(name, ())] + list(both)
    title = f"{_capital(listed)}: {form}" if form and len(form) < 40 else _capital(listed)
    return Passage(
        title=title or "Untitled",
        text="\n\n".join(parts),
        questions=_questions(readings, names, shown, chosen, both),
        evidence=list(dict.fromkeys(s.quote for s in chosen)),
    )


def _dialogue(listed: str, bodies: Sequence[tuple[str, str]], closing: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for number, (name, body) in enumerate(bodies):
        parts += [f"Reader: {'What is known about' if number == 0 else 'And what about'} {name}?", f"Expert: {body}"]
    if closing:
        parts += [f"Reader: How are {listed} related?", f"Expert: {' '.join(closing)}"]
    return parts or [f"Reader: What is known about {listed}?"]


def _prose(form: str, listed: str, bodies: Sequence[tuple[str, str]], closing: Sequence[str], seed: int) -> list[str]:
    frame = next(one for one in _FORMS if not one.cues or any(cue in form.lower() for cue in one.cues))
    parts = [_capital(frame.openings[draw(len(frame.openings), form, listed, seed)].format(names=listed))]
    parts += [f"{_capital(name)}\n{body}" if "report" in form.lower() else body for name, body in bodies]
    if closing:
        parts.append(f"{frame.links[draw(len(frame.links), listed, form, seed)]} {' '.join(closing)}")
    return parts


def displayed(name: str, said: Sequence[Said]) -> str:
    """Returns a name with `the` where most of the sentences that name it write it so."""
    low = name.lower()
    found = [(s.text.lower(), find_name(low, s.text.lower())) for s in said]
    named = [text[: span[0]].endswith("the ") for text, span in found if span]
    return f"the {name}" if 2 * sum(named) > len(named) else name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _defines(name: str, text: str) -> bool:
    low = text.lower()
    span = find_name(name.lower(), low)
    return span is not None and low[: span[0]] in {"", "the ", "a ", "an "} and _SAYS.match(low[span[1] :]) is not None


def _spoken(line: str) -> str:
    """Turns a relation's line (`A - uses - B: what was said ["a quote"]`) into a sentence."""
    head, _, description = line.partition(' ["')[0].partition(": ")
    if len(words(description)) >= 4:
        return description if description.endswith((".", "!", "?")) else f"{description}."
    spoken = one_line(head.replace(" - ", " ").replace("->", " "))
    return f"{spoken[:1].upper()}{spoken[1:]}."


def _questions(
    readings: Sequence[Reading],
    names: Sequence[str],
    shown: Mapping[str, str],
    chosen: Sequence[Said],
    both: Sequence[Said],
) -> list[PassageQuestion]:
    """Returns one to three questions whose answers stand in the text, those on several entities first."""
    made: list[PassageQuestion] = []
    quotes = {s.quote for s in chosen}
    for s in both[:1]:
        pair = [shown[name] for name in names if name in s.names][:2]
        made.append(PassageQuestion(question=f"How are {joined(pair)} related?", answer=s.text))
    ranked = sorted(
        (
            (-sum(mentions(name, c.question) or mentions(name, c.answer) for name in names), -c.score, c.question, c)
            for reading in readings
            for c in candidates(reading.passage)
            if c.kind in {"definition", "fact", "number", "cause", "comparison"}
            and c.score > 0.8
            and reading.sentences[c.evidence[0]].quote in quotes
            and any(mentions(name, c.question) for name in names)
        ),
        key=lambda entry: entry[:3],
    )
    for _, _, question, candidate in ranked:
        if len(made) < 3 and all(one.answer != candidate.answer for one in made):
            made.append(PassageQuestion(question=question, answer=candidate.answer))
    return made
