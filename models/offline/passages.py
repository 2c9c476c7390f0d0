"""Texts that relate entities: `write-entity-passage`, `judge-entity-passage`, `revise-entity-passage`.

The writer arranges sentences of the passages, word for word, under short phrases that fit the form: what each entity is,
then what is said of several together. It does not paraphrase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...prompts.schemas import Judgement, Passage, PassageQuestion
from .forms import stands_alone
from .judging import Checked, Fault, judgement, plain, share, texts, verbatim
from .lexicon import word_list
from .questions import candidates, draw
from .reading import Reading, read
from .sentences import content_stems, numbers, one_line, split, stem, words

MAX_ABOUT, MAX_BOTH = 3, 3  # sentences about each entity, and about several
LEAST_WORDS = 30
# openings by form: (words in the form's name, before the entities, before what relates them, at the end)
_FORMS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (("compar", "contrast"), ("Consider {names} side by side.", "{names} can be set side by side."), ("Taken together:", "Where they meet:")),
    (("lesson", "lecture", "tutorial", "teach"), ("This lesson is about {names}.", "In this lesson we look at {names}."), ("To sum up:", "What to remember:")),
    (("explan", "why", "how"), ("To understand how {names} belong together, begin with what each is.", "This explains how {names} are connected."), ("This is how they are connected:", "The connection is this:")),
    (("report", "finding", "brief"), ("This report covers {names}.", "Subject of this report: {names}."), ("Findings on their relation:", "How they relate:")),
    ((), ("This article is about {names}.", "{names} are the subject of this article."), ("They are related as follows.", "As to how they are related:")),
)  # fmt: skip


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
    openings, links = next((o, k) for cues, o, k in _FORMS if not cues or any(cue in form.lower() for cue in cues))
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


def check(variables: Mapping[str, Any]) -> Checked:
    """Checks a text against its passages: is every sentence grounded, every entity named and related, is it long enough."""
    names = [name for name in names_of(variables.get("entities")) if name]
    sources = [reading.passage for reading in readings_of(variables.get("passages"))]
    text = str(variables.get("text", ""))
    source_stems = set[str]().union(*(content_stems(source) for source in sources)) | content_stems(" ".join(names))
    source_numbers = set[str]().union(*(numbers(source) for source in sources))
    faults: list[Fault] = []
    loose = [t for t in statements(text) if not _supported(t, source_stems, source_numbers)]
    total = max(1, len(statements(text)))
    grounded = 1 - len(loose) / total
    for statement in loose[:3]:
        faults.append(Fault("ungrounded", len(loose) <= total / 2, f"the sources do not support: {statement[:100]!r}"))
    for pair in _pairs(variables.get("questions")):
        if share(content_stems(pair[1]), source_stems) < 0.75 or numbers(pair[1]) - source_numbers:
            faults.append(Fault("ungrounded", True, f"the sources do not support the answer {pair[1][:80]!r}"))
            grounded = min(grounded, 0.6)
        elif content_stems(pair[1]) <= content_stems(pair[0]) and not numbers(pair[1]) - numbers(pair[0]):
            faults.append(Fault("trivial", True, f"the question gives its answer away: {pair[0][:80]!r}"))
    inside, outside = verbatim(texts(variables.get("evidence")), sources)
    if outside:
        faults.append(Fault("ungrounded", True, f"a quote is not in the sources: {outside[0][:80]!r}"))
        grounded *= 0.7
    missing = [name for name in names if not mentions(name, text)]
    relating = [
        t
        for t in one_line_sentences(text)
        if sum(mentions(name, t) for name in names) > 1 and len(words(t)) > 2 * len(names) + 3
    ]
    relates = 1 - len(missing) / max(1, len(names))
    if missing:
        faults.append(Fault("misses_entity", True, f"the text does not name {joined(missing)}"))
    elif len(names) > 1 and not _relating(relating, source_stems, names):
        relates *= 0.4
        faults.append(Fault("misses_entity", False, f"no statement of the text relates {joined(names)}"))
    fluent = 1.0
    count = len(words(text))
    if count < LEAST_WORDS:
        fluent -= 0.5
        faults.append(Fault("too_short", len(names) > 1, f"the text has {count} words"))
    repeated = [t for t in set(one_line_sentences(text)) if one_line_sentences(text).count(t) > 1]
    if repeated:
        fluent -= 0.4
        faults.append(Fault("duplicate", True, f"the text says twice: {repeated[0][:80]!r}"))
    if any(
        plain(source) in plain(text) or plain(text) in plain(source) for source in sources if len(words(source)) > 60
    ):
        fluent -= 0.5
        faults.append(Fault("duplicate", False, "the text copies a source whole"))
    scores = {"grounded": max(grounded, 0.0), "relates": relates, "fluent": max(fluent, 0.0)}
    return Checked(tuple(faults), {name: round(value, 3) for name, value in scores.items()}, tuple(inside))


def one_line_sentences(text: str) -> list[str]:
    """Returns a text's sentences, each on one line, speakers' names left out."""
    return [re.sub(r"^(?:Reader|Expert|Q|A): ", "", s.text) for s in split(text)]


def statements(text: str) -> list[str]:
    """Returns the sentences of a text that state something; questions and short phrases do not."""
    return [t for t in one_line_sentences(text) if not t.endswith("?") and len(content_stems(t)) >= 4]


_FRAME = frozenset(stem(word) for word in word_list("framing"))


def _supported(statement: str, source_stems: set[str], source_numbers: set[str]) -> bool:
    return share(content_stems(statement) - _FRAME, source_stems) >= 0.75 and not numbers(statement) - source_numbers


def _relating(relating: Sequence[str], source_stems: set[str], names: Sequence[str]) -> bool:
    """Whether one of the sentences says more than the names and the phrases around them."""
    own = content_stems(" ".join(names))
    return any(len((content_stems(t) - own - _FRAME) & source_stems) >= 2 for t in relating)


def _pairs(value: object) -> list[tuple[str, str]]:
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    return [(str(p.get("question", "")), str(p.get("answer", ""))) for p in listed if isinstance(p, Mapping)]


def judge(variables: Mapping[str, Any]) -> Judgement:
    """Answers `judge-entity-passage`."""
    return judgement(check(variables))


def revise(variables: Mapping[str, Any], seed: int) -> Passage:
    """Answers `revise-entity-passage`: keeps what is grounded, adds what misses, else writes anew."""
    names = [name for name in names_of(variables.get("entities")) if name]
    readings = readings_of(variables.get("passages"))
    sources = [reading.passage for reading in readings]
    source_stems = set[str]().union(*(content_stems(source) for source in sources)) | content_stems(" ".join(names))
    source_numbers = set[str]().union(*(numbers(source) for source in sources))
    kept: list[str] = []
    for paragraph in str(variables.get("text", "")).split("\n"):
        good = [
            s.text
            for s in split(paragraph)
            if len(content_stems(s.text)) < 4 or _supported(s.text, source_stems, source_numbers)
        ]
        good = [t for t in dict.fromkeys(good) if all(t not in earlier for earlier in kept)]
        if good:
            kept.append(" ".join(good))
    text = "\n\n".join(kept)
    fresh = write(variables, seed + 1)
    inside, _ = verbatim(texts(variables.get("evidence")), sources)
    needed = [name for name in names if not mentions(name, text)]
    said = sentences_about(readings, names)
    added = [s for s in said if (s.names & set(needed) or len(s.names) > 1) and s.text not in text][: len(needed) + 1]
    mended = Passage(
        title=str(variables.get("title", "")) or fresh.title,
        text="\n\n".join([text, *(s.text for s in added)]).strip() or fresh.text,
        questions=[
            PassageQuestion(question=q, answer=a)
            for q, a in _pairs(variables.get("questions"))
            if q and a and share(content_stems(a), source_stems) >= 0.75 and not numbers(a) - source_numbers
        ]
        or fresh.questions,
        evidence=list(dict.fromkeys([*inside, *(s.quote for s in added)])) or fresh.evidence,
    )
    outcome = check({**variables, **mended.model_dump()})
    return mended if outcome.decision == "accept" else fresh
