"""Questions beyond a single clause: lists, comparisons, relations, blanks, true or false, and summaries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .clauses import head_phrase, is_generic
from .facts import of_clause, second_subject
from .lexicon import AUXILIARIES, DETERMINERS, PREPOSITIONS, PRONOUNS, STOPWORDS, VERBS
from .reading import Reading
from .sentences import Sentence, content_stems, words
from .stated import Candidate, stated
from .statements import blanks, named, truths, worth_naming
from .terms import strip_article

_ITEM = r"[^,;:.()]{2,60}"


_SERIES = re.compile(rf"{_ITEM}(?:, {_ITEM}){{1,8}},? (?:and|or) {_ITEM}|{_ITEM} (?:and|or) {_ITEM}")


_EXAMPLES = re.compile(r"((?:[A-Za-z-]+ ){1,4}?)(?:, )?(?:,? such as|,? including|,? for example|, e\.g\.,?) ")


_LISTING = frozenset(["include", "contain", "comprise", "combine", "involve", "feature"])


_THAN = re.compile(
    r"\b(?:than|compared (?:with|to)|as \w+ as|similar to|different from|unlike|in contrast to|relative to) "
)


_COMPARED_END = re.compile(r",|;| (?:in|by|because|which|that|who|when|for|on|is|are|was|were|do|does|did|has|have)\b")
_UNCOMPARABLE = re.compile(
    r"(?:that|those|in|before|expected|half|one|previously)\b|.*\b(?:ones?|others)$", re.IGNORECASE
)
_CONTRAST = re.compile(r", (?:while|whereas|but) | whereas ")


_OPENING_PRONOUN = re.compile(
    r"\b(?:it|its|they|their|them|this|these|those|he|she|his|her|such|we|our)\b", re.IGNORECASE
)


_OPENING_LINK = re.compile(
    r"^(?:however|therefore|thus|moreover|furthermore|also|but|and|so|in addition|additionally|as a result|for example|"
    r"for instance|in contrast|instead|similarly|consequently|hence|finally)\b",
    re.IGNORECASE,
)


def stands_alone(sentence: Sentence) -> bool:
    """Whether a sentence can be read without the one before: complete, and its first half points at nothing else."""
    half = sentence.text[: max(40, len(sentence.text) // 2)]
    return sentence.complete and not _OPENING_PRONOUN.search(half) and not _OPENING_LINK.match(sentence.text)


def lists(reading: Reading, index: int) -> Iterator[Candidate]:
    """Enumerations: `X include A, B and C`, `P such as A, B and C`."""
    s = stated(reading, index)
    text = reading.sentences[index].text
    if s is not None and s.clause.shape == "active" and (s.clause.base in _LISTING or s.clause.base == "have"):
        rest = head_phrase(s.clause.rest)
        if _is_series(rest, 3 if s.clause.base == "have" else 2):
            yield from s.candidate("list", s.clause.ask("what"), rest, "what it lists", 1.3)
    if (
        s is not None
        and s.clause.shape == "copula"
        and s.clause.aux == "are"
        and _is_series(head_phrase(s.clause.rest), 3)
    ):
        yield from s.candidate("list", s.clause.ask("what"), head_phrase(s.clause.rest), "what they are", 1.2)
    for match in _EXAMPLES.finditer(text):
        phrase = _noun_before(match.group(1))
        series = _SERIES.match(text[match.end() :])
        if not phrase or series is None or is_generic(phrase):
            continue
        listed = _trim_series(series.group())
        if len(words(listed)) <= 25 and listed.lower() not in phrase.lower() and _is_series(listed, 2):
            question = f"Which examples of {reading.lowered(phrase)} does the passage name?"
            yield Candidate("list", question, listed, (index,), phrase, "the examples", 1.2)


def _is_series(text: str, least: int) -> bool:
    parts = [p for p in re.split(r", (?:and |or )?| and | or ", text) if p.strip()]
    return len(parts) >= least and all(1 <= len(words(p)) <= 8 for p in parts) and (" and " in text or " or " in text)


def _trim_series(text: str) -> str:
    """Ends a series before the verb, relative clause or comma that follows its last item."""
    match = re.search(r" (?:and|or) (?!.* (?:and|or) )", text)
    if match is None:
        return text.strip()
    tail: list[str] = []
    for word in text[match.end() :].split():
        low = word.lower()
        if tail and (low in AUXILIARIES or low in STOPWORDS or VERBS.get(low, ("", "do"))[1] != "do"):
            break
        tail.append(word)
    return (text[: match.end()] + " ".join(tail)).strip()


def _noun_before(text: str) -> str:
    kept: list[str] = []
    for word in reversed(text.split()):
        low = word.lower()
        if low in STOPWORDS or low in PREPOSITIONS or low in DETERMINERS or low in PRONOUNS or low in AUXILIARIES:
            break
        if kept and low in VERBS and VERBS[low][1] != "do":
            break
        kept.insert(0, word)
    return " ".join(kept[-3:])


def comparisons(reading: Reading, index: int) -> Iterator[Candidate]:
    """`X is larger than Y`, `X ..., whereas Y ...`: how the two compare, answered with the sentence."""
    s = stated(reading, index)
    sentence = reading.sentences[index]
    if s is None or not stands_alone(sentence):
        return
    subject, rest = s.clause.subject, s.clause.rest
    match = _THAN.search(rest)
    other = _COMPARED_END.split(rest[match.end() :], maxsplit=1)[0].strip() if match else ""
    if 1 <= len(words(other)) <= 7 and other[0].isalpha() and not is_generic(other) and not _UNCOMPARABLE.match(other):
        question = f"How does the passage compare {subject} with {other}?"
        yield from _whole(s.evidence, reading, index, "comparison", question, subject, "the comparison", 1.3)
    contrast = _CONTRAST.search(rest)
    if contrast:
        other = second_subject(rest[contrast.end() :])
        if other and not _OPENING_PRONOUN.search(other) and not is_generic(other):
            question = f"How do {subject} and {reading.lowered(other)} differ?"
            yield from _whole(s.evidence, reading, index, "comparison", question, subject, "the contrast", 1.4)


def relations(reading: Reading, index: int) -> Iterator[Candidate]:
    """How two terms of one sentence are related, answered with the sentence."""
    sentence = reading.sentences[index]
    if not stands_alone(sentence) or reading.clauses[index] is None:
        return
    inside = [t for t in reading.terms if index in t.sentences and t.name in sentence.text]
    inside = [t for t in inside if not any(t.name != o.name and t.name in o.name for o in inside)]
    clause = reading.clauses[index]
    if clause is None:
        return
    for first in inside:
        if first.name not in clause.subject or not worth_naming(first):
            continue
        for second in inside:
            if second.name in clause.rest and second.name not in clause.subject and worth_naming(second):
                if len(content_stems(sentence.text) - content_stems(f"{first.name} {second.name}")) < 2:
                    continue  # the sentence says no more than the question
                question = f"How is {named(first, sentence)} related to {named(second, sentence)}?"
                score = 1.0 + 0.05 * min(first.score + second.score, 10)
                yield from _whole(
                    (index,), reading, index, "relation", question, first.name, f"its relation to {second.name}", score
                )


def _whole(
    evidence: tuple[int, ...],
    reading: Reading,
    index: int,
    kind: str,
    question: str,
    topic: str,
    angle: str,
    score: float,
) -> Iterator[Candidate]:
    text = reading.sentences[index].text
    if len(words(text)) <= 45 and len(words(question)) <= 26:
        yield Candidate(kind, question, text, evidence, strip_article(topic), angle, score)


def summaries(reading: Reading, headings: tuple[str, ...]) -> Iterator[Candidate]:
    """What the passage says about a term that several of its sentences name, answered with two or three of them."""
    whole = [t for t in reading.terms if not any(t is not o and t.name in o.name for o in reading.terms)]
    for term in [t for t in whole if worth_naming(t)][:8]:
        chosen: list[int] = []
        for i in term.sentences:
            follows = bool(chosen) and i == chosen[-1] + 1
            if reading.sentences[i].complete and len(chosen) < 3 and (follows or stands_alone(reading.sentences[i])):
                chosen.append(i)
        answer = " ".join(reading.sentences[i].text for i in chosen)
        if len(chosen) >= 2 and len(words(answer)) <= 110:
            question = f"Summarise what the passage says about {named(term, reading.sentences[chosen[0]])}."
            angle = f"a summary about {term.name}"
            yield Candidate("summary", question, answer, tuple(chosen), term.name, angle, 1 + term.score / 20)
    best = [s.index for s in reading.sentences if stands_alone(s)][:2]
    answer = " ".join(reading.sentences[i].text for i in best)
    heading = headings[-1] if headings else ""
    stems = content_stems(heading)
    if len(best) == 2 and stems and len(stems & content_stems(answer)) > 0.5 * len(stems):
        question = f"What are the main points made under the heading “{heading}”?"
        yield Candidate("summary", question, answer, tuple(best), heading, "the main points", 0.8)


def of_sentence(reading: Reading, index: int) -> Iterator[Candidate]:
    """Yields every question that sentence `index` answers, of every kind but `summary`."""
    if not reading.sentences[index].complete:
        return
    yield from of_clause(reading, index)
    for rule in (lists, comparisons, relations, blanks, truths):
        yield from rule(reading, index)
