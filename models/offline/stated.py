"""Clauses that stand alone: pronouns and vague subjects replaced by the names that they stand for.

A question is made of one such clause, so nothing in it points at a text that its reader does not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .clauses import Clause, is_generic
from .reading import Reading
from .sentences import words

PARENTHESIS = re.compile(r"\s*\([^()]{0,80}\)")


DANGLING = re.compile(
    r"\b(?:it|its|itself|they|their|them|this|these|those|he|she|his|her|him|we|our|us|former|latter|such|above|below|"
    r"here|there|following|respectively|(?:of|in|on|at|for|by|with|from|to) that)\b|\bof the two$",
    re.IGNORECASE,
)


OBJECT_PRONOUNS = frozenset(["it", "them", "him", "her", "us", "me", "itself", "themselves"])


_OPENING = re.compile(
    r"(?:it|its|they|their|he|she|his|her|such|we|our|however|therefore|thus|moreover|furthermore|also|but|and|so|hence|"
    r"in addition|additionally|as a result|for example|for instance|in contrast|instead|similarly|consequently|"
    r"finally)\b",
    re.IGNORECASE,
)


_POINTING = re.compile(
    r"\b(?:this|these|those|such|there|therefore|however|thus|above|below|following|former|latter|here)\b|"
    r"\b(?:it|them|him|her|theirs|so)[.;,]|\b(?:of|in|on|at|for|by|with|from|to) that\b",
    re.IGNORECASE,
)


_VAGUE = re.compile(r"the [a-z]+")  # a definite noun that nothing before it named


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that the passage answers. `evidence` are sentence indexes, the main one first; `score` orders them."""

    kind: str
    question: str
    answer: str
    evidence: tuple[int, ...]
    topic: str
    angle: str
    score: float


@dataclass(frozen=True, slots=True)
class Stated:
    """A clause whose subject can stand in a question of its own: pronouns are replaced by what they stand for."""

    reading: Reading
    index: int
    clause: Clause
    evidence: tuple[int, ...]
    topic: str

    def candidate(self, kind: str, question: str, answer: str, angle: str, score: float) -> Iterator[Candidate]:
        """Yields the candidate when question and answer read well enough, else nothing."""
        answer = answer.strip(" ,;:")
        count = len(words(answer))
        if not answer or count > 30 or len(words(question)) > 30 or len(words(question)) < 3:
            return
        if (
            DANGLING.search(question)
            or answer.count("(") != answer.count(")")
            or question.count("(") != question.count(")")
        ):
            return
        if answer.lower() in question.lower():
            return
        if DANGLING.search(answer):
            score -= 0.6
        if count > 18:
            score -= 0.3
        if _VAGUE.fullmatch(self.clause.subject):
            score -= 0.7 if kind == "definition" else 0.2
        question = question[0].upper() + question[1:]
        yield Candidate(
            kind, question, answer, self.evidence, self.topic, angle, score - 0.2 * (len(self.evidence) - 1)
        )


def stated(reading: Reading, index: int) -> Stated | None:
    """Returns the clause of a sentence with a subject that stands alone; None when there is none."""
    clause = reading.clauses[index]
    if clause is None:
        return None
    evidence: tuple[int, ...] = (index,)
    subject = PARENTHESIS.sub("", clause.subject)
    first, _, remainder = subject.partition(" ")
    low = first.lower()
    if low in {"it", "they", "he", "she", "its", "their", "his", "her"}:
        antecedent = reading.antecedents[index]
        if antecedent is None or (clause.pronoun is False and not remainder):
            return None
        owner, named_at = _resolved(reading, PARENTHESIS.sub("", antecedent[0]), antecedent[1])
        subject = owner if not remainder else f"{owner}{possessive(owner)} {remainder}"
        evidence = tuple(dict.fromkeys((index, antecedent[1], named_at)))
    elif low == "we" and not remainder:
        subject = "the authors"
    elif low == "our":
        subject = f"the authors' {remainder}"
    else:
        subject, named_at = _resolved(reading, subject, index)
        evidence = tuple(dict.fromkeys((index, named_at)))
    if DANGLING.search(subject) or (is_generic(subject) and low not in {"we", "our"}) or len(subject.split()) > 12:
        return None
    return Stated(reading, index, clause.renamed(subject), evidence, reading.topic(index))


def _resolved(reading: Reading, subject: str, index: int) -> tuple[str, int]:
    """Returns a subject as it stands inside a question, `the station` replaced by the station's name where the passage
    names just one, and the index of the sentence that names it."""
    article, _, noun = subject.partition(" ")
    if article.lower() == "the" and noun.islower() and " " not in noun:
        referent = reading.referent(noun, index)
        if referent is not None:
            return reading.lowered(PARENTHESIS.sub("", referent[0])), referent[1]
    return reading.lowered(subject), index


def restated(reading: Reading, index: int) -> tuple[str, tuple[int, ...]] | None:
    """Returns sentence `index` so that it can be read alone, and the sentences it then rests on.

    A pronoun or a vague subject (`It`, `The station`) is replaced by the name that it stands for; None when it is open.
    """
    sentence, clause = reading.sentences[index], reading.clauses[index]
    if not sentence.complete or _POINTING.search(sentence.text):
        return None
    if clause is None:
        return None if _OPENING.match(sentence.text) else (sentence.text, (index,))
    found = stated(reading, index)
    if clause.rest.split(" ")[0].lower() in OBJECT_PRONOUNS or re.search(r"\bof (?:them|it)\b", sentence.text):
        return None
    if found is None or clause.subject.lower() == "we" or clause.subject.lower().startswith("our "):
        return None
    if found.clause.subject == reading.lowered(clause.subject) or found.evidence == (index,):
        return sentence.text, (index,)
    at = sentence.text.find(clause.subject)
    subject = found.clause.subject if at else found.clause.subject[0].upper() + found.clause.subject[1:]
    return sentence.text[:at] + subject + sentence.text[at + len(clause.subject) :], found.evidence


def possessive(owner: str) -> str:
    """Returns the ending that makes `owner` a possessor."""
    return "'" if owner.endswith("s") else "'s"
