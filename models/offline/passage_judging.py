"""The critic and the editor of texts that relate entities: `judge-entity-passage`, `revise-entity-passage`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...prompts.schemas import Judgement, Passage, PassageQuestion
from .judging import Checked, Fault, figures, judgement, plain, share, texts, verbatim
from .lexicon import word_list
from .passages import joined, mentions, names_of, readings_of, sentences_about, write
from .sentences import content_stems, numbers, split, stem, words

LEAST_WORDS = 30


def check(variables: Mapping[str, Any]) -> Checked:
    """Checks a text against its passages: every sentence grounded, every entity named and related, long enough."""
    names = [name for name in names_of(variables.get("entities")) if name]
    sources = [reading.passage for reading in readings_of(variables.get("passages"))]
    text = str(variables.get("text", ""))
    spoken = one_line_sentences(text)
    stating = statements(spoken)
    source_stems = set[str]().union(*(content_stems(source) for source in sources)) | content_stems(" ".join(names))
    source_numbers = set[str]().union(*(numbers(source) for source in sources))
    faults: list[Fault] = []
    loose = [t for t in stating if not _supported(t, source_stems, source_numbers)]
    total = max(1, len(stating))
    grounded = 1 - len(loose) / total
    for statement in loose[:3]:
        faults.append(Fault("ungrounded", len(loose) <= total / 2, f"the sources do not support: {statement[:100]!r}"))
    for pair in _pairs(variables.get("questions")):
        if share(content_stems(pair[1]), source_stems) < 0.75 or numbers(pair[1]) - source_numbers:
            faults.append(Fault("ungrounded", True, f"the sources do not support the answer {pair[1][:80]!r}"))
            grounded = min(grounded, 0.6)
        elif content_stems(pair[1]) <= content_stems(pair[0]) and not figures(pair[1]) - figures(pair[0]):
            faults.append(Fault("trivial", True, f"the question gives its answer away: {pair[0][:80]!r}"))
    inside, outside = verbatim(texts(variables.get("evidence")), sources)
    if outside:
        faults.append(Fault("ungrounded", True, f"a quote is not in the sources: {outside[0][:80]!r}"))
        grounded *= 0.7
    missing = [name for name in names if not mentions(name, text)]
    relating = [
        t for t in spoken if sum(mentions(name, t) for name in names) > 1 and len(words(t)) > 2 * len(names) + 3
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
    repeated = [t for t, count in Counter(spoken).items() if count > 1]
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


def statements(spoken: Sequence[str]) -> list[str]:
    """Returns the sentences that state something; questions and short phrases do not."""
    return [t for t in spoken if not t.endswith("?") and len(content_stems(t)) >= 4]


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
