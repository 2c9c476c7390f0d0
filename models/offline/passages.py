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
from .forms import stands_alone
from .judging import texts
from .questions import candidates, draw
from .reading import Reading, read
from .sentences import one_line, words

MAX_ABOUT, MAX_BOTH = 3, 3  # sentences about each entity, and about several


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
    """One sentence that may be used: its words, its verbatim quote, and which entities it names."""

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
    return re.search(rf"(?<!\w){re.escape(name.lower())}(?:s|es)?(?!\w)", text.lower()) is not None if name else False


def sentences_about(readings: Sequence[Reading], names: Sequence[str]) -> list[Said]:
    """Returns the complete sentences that name at least one of `names`, in the passages' order."""
    found: list[Said] = []
    for number, reading in enumerate(readings):
        aliases = {t.name: t.aliases for t in reading.terms if t.name in names}
        for sentence in reading.sentences:
            if not sentence.complete:
                continue
            named = frozenset(
                n for n in names if any(mentions(form, sentence.text) for form in (n, *aliases.get(n, ())))
            )
            if named:
                rank = (number, sentence.index)
                found.append(Said(sentence.text, sentence.quote, named, stands_alone(sentence), rank))
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
    found = next(one for one in _FORMS if not one.cues or any(cue in form.lower() for cue in one.cues))
    openings, links = found.openings, found.links
    listed = joined(names)
    opening = openings[draw(len(openings), form, listed, seed)].format(names=listed)
    link = links[draw(len(links), listed, form, seed)]
    order = list(names) if draw(2, "order", listed, seed) == 0 else list(reversed(names))
    bridging = [_spoken(line) for line in relations][:3]
    closing = [s.text for s in both] or bridging
    chosen = [s for name in order for s in about.get(name, ())] + list(both)
    if "dialog" in form.lower():
        parts = [f"Reader: What is known about {listed}?"]
        for name in order:
            if about.get(name):
                parts += [
                    f"Expert: {' '.join(s.text for s in about[name])}",
                    f"Reader: And how does {name} come in with the rest?",
                ]
        if len(parts) > 1:
            parts.pop()
        if closing:
            parts += [f"Reader: How are {listed} related?", f"Expert: {' '.join(closing)}"]
    else:
        heading = "report" in form.lower()
        parts = [opening]
        for name in order:
            if about.get(name):
                body = " ".join(s.text for s in about[name])
                parts.append(f"{name}\n{body}" if heading else body)
        if closing:
            parts.append(f"{link} {' '.join(closing)}")
    questions = _questions(readings, names, chosen, both)
    title = f"{listed}: {form}" if form and len(form) < 40 else listed
    evidence = list(dict.fromkeys(s.quote for s in chosen))
    return Passage(title=title or "Untitled", text="\n\n".join(parts), questions=questions, evidence=evidence)


def _defines(name: str, text: str) -> bool:
    return (
        re.match(
            rf"(?:the |an? )?{re.escape(name.lower())}(?: \([^)]{{1,40}}\))?(?:,| is | are | was | were )", text.lower()
        )
        is not None
    )


def _spoken(line: str) -> str:
    """Turns a relation's line (`A - uses - B: what was said`) into a sentence."""
    head, _, description = line.partition(": ")
    if len(words(description)) >= 4:
        return description if description.endswith((".", "!", "?")) else f"{description}."
    spoken = one_line(head.replace(" - ", " ").replace("->", " "))
    return f"{spoken[:1].upper()}{spoken[1:]}."


def _questions(
    readings: Sequence[Reading], names: Sequence[str], chosen: Sequence[Said], both: Sequence[Said]
) -> list[PassageQuestion]:
    """Returns one to three questions whose answers stand in the text, those on several entities first."""
    made: list[PassageQuestion] = []
    texts_chosen = {s.text for s in chosen}
    for s in both[:1]:
        pair = [name for name in names if name in s.names][:2]
        made.append(PassageQuestion(question=f"How are {joined(pair)} related?", answer=s.text))
    ranked = sorted(
        (
            (-sum(mentions(name, c.question) or mentions(name, c.answer) for name in names), -c.score, c.question, c)
            for reading in readings
            for c in candidates(reading.passage)
            if c.kind in {"definition", "fact", "number", "cause", "comparison"}
            and c.score > 0.8
            and all(reading.sentences[i].text in texts_chosen for i in c.evidence)
            and any(mentions(name, c.question) for name in names)
        ),
        key=lambda entry: entry[:3],
    )
    for _, _, question, candidate in ranked:
        if len(made) < 3 and all(one.answer != candidate.answer for one in made):
            made.append(PassageQuestion(question=question, answer=candidate.answer))
    return made
