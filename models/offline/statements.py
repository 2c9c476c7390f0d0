"""Questions made of a whole statement: a blank to fill, true or false."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .clauses import is_generic
from .reading import Reading
from .sentences import NUMBER, Sentence, content_stems, find_name, words
from .stated import Candidate, restated
from .terms import Term, strip_article

BLANK = "____"


VAGUE_SUBJECT = re.compile(r"The [a-z]+ (?:is|are|was|were|has|have|had|can|will|[a-z]+s|[a-z]+ed)\b")


def named(term: Term, sentence: Sentence) -> str:
    """Returns a term as the sentence writes it, singular or plural, with its article."""
    text = sentence.text.lower()
    found = find_name(term.name.lower(), text, plural=True)
    if found is None:
        return term.name
    start, end = found
    surface = term.name[0] + sentence.text[start + 1 : end]
    article = next((one for one in ("the", "an", "a") if f" {text[:start]}".endswith(f" {one} ")), "")
    return f"{article} {surface}" if article else surface


def blanks(reading: Reading, index: int) -> Iterator[Candidate]:
    """A sentence with one term or number left out."""
    alone = restated(reading, index)
    if alone is None or len(words(alone[0])) > 35 or re.search(r"<|https?:|\w/\d", alone[0]):
        return
    text, evidence = alone
    score = 0.6 if VAGUE_SUBJECT.match(text) else 1.0
    for term in reading.terms:
        # not in the sentence itself: the name that its pronoun was replaced by
        stated_here = index in term.sentences and term.name in reading.sentences[index].text
        found = find_name(term.name, text) if stated_here else None
        if found and worth_naming(term) and text.count(term.name) == 1:
            start, end = found
            longer = any(
                term.name != other.name and term.name in other.name and other.name in text for other in reading.terms
            )
            if longer or re.match(r" (?:of|for) [A-Z]", text[end:]) or re.search(r"[A-Z]\w+ of $", text[:start]):
                continue  # a part of a longer name
            rest = content_stems(text[:start] + " " + text[end:])
            if len(rest) >= 4 and not content_stems(term.name) <= rest:
                left = text[:start] + BLANK + text[end:]
                angle = f"the blank for {term.name}"
                yield Candidate(
                    "cloze",
                    f"Fill in the blank: {left}",
                    term.name,
                    evidence,
                    term.name,
                    angle,
                    score + term.score / 20,
                )
    figures = list(NUMBER.finditer(text))
    for figure in figures if len(figures) <= 3 else ():
        if text.count(figure.group()) == 1 and not text[: figure.start()].endswith("("):
            left = text[: figure.start()] + BLANK + text[figure.end() :]
            angle, topic = f"the blank for {figure.group()}", reading.topic(index)
            yield Candidate("cloze", f"Fill in the blank: {left}", figure.group(), evidence, topic, angle, score)


def truths(reading: Reading, index: int) -> Iterator[Candidate]:
    """The sentence as a statement: as it stands, or with one number or name exchanged so that it is false."""
    alone = restated(reading, index)
    clause = reading.clauses[index]
    if alone is None or clause is None or len(words(alone[0])) > 30:
        return
    text, evidence = alone
    told = reading.sentences[index].text
    topic = reading.topic(index)
    score = 0.6 if VAGUE_SUBJECT.match(text) else 1.0

    def claim(statement: str, verdict: str, angle: str) -> Candidate:
        answer = f"{verdict}. {told}"
        return Candidate("true-false", f"True or false: {statement}", answer, evidence, topic, angle, score)

    yield claim(text, "True", "a true statement")
    here = NUMBER.search(text)
    if here and text.count(here.group()) == 1 and not re.search(r"\d (?:to|and|or) \d", text):
        swapped = _other_number(here.group())
        if swapped:
            yield claim(text[: here.start()] + swapped + text[here.end() :], "False", "a false number")
    subject = next((t for t in reading.terms if index in t.sentences and strip_article(clause.subject) == t.name), None)
    other = subject and _exchange(reading, subject, index)
    if subject is not None and other:
        yield claim(text.replace(subject.name, other, 1), "False", f"a false name ({other})")


def _exchange(reading: Reading, subject: Term, index: int) -> str:
    """Returns another defined term of the same kind, number and article, which the sentence is not true of."""
    sentence = reading.sentences[index]
    defined = reading.defined
    if subject.kind == "term" and subject.name not in defined:
        return ""
    for other in reading.terms:
        at = defined.get(other.name) or defined.get(other.name[0].upper() + other.name[1:])
        if at is None or at == index or other.kind != subject.kind or other.name in sentence.text:
            continue
        articles = named(other, reading.sentences[at]) == other.name, named(subject, sentence) == subject.name
        capitals = other.name[0].isupper() == subject.name[0].isupper()
        if capitals and articles[0] == articles[1] and other.name.endswith("s") == subject.name.endswith("s"):
            return other.name
    return ""


def worth_naming(term: Term) -> bool:
    """Whether a term can be asked about alone: a name, several words, or one that is defined."""
    return not is_generic(term.name) and (term.name[0].isupper() or " " in term.name or term.score >= 4)


def _other_number(found: str) -> str:
    """Returns another number of the same shape: a year moves by some years, other numbers by half or double."""
    match = re.match(r"(\d+(?:,\d{3})*)(.*)", found)
    if match is None or "." in found:
        return ""
    digits = match.group(1)
    value = int(digits.replace(",", "")) if len(digits) < 16 else 0
    if value < 2:
        return ""
    changed = value + 12 if 1000 <= value < 2100 and "," not in digits and not match.group(2) else value * 2
    if "%" in match.group(2) or "cent" in match.group(2):
        changed = value // 2 if value > 50 else value + 25
    return (f"{changed:,}" if "," in digits else str(changed)) + match.group(2)
