"""A passage as the rules see it: its sentences, their clauses, its terms. Kept per passage in a bounded cache.

A term is what a question can be about: a name, an acronym, a defined expression, or a phrase that the passage repeats.
Multi-word phrases are runs of words between stop words, verbs and punctuation (after RAKE, Rose et al. 2010), kept
when repeated, defined or standing as a subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from .clauses import Clause, first_clause, is_generic, parse
from .lexicon import (
    DETERMINERS,
    PRONOUNS,
    STOPWORDS,
)
from .sentences import Sentence, content_stems, one_line, split
from .terms import HEAD_END, Term, proper_words, strip_article, terms

REACH = 60  # sentences back to which "the station" may point


@dataclass(frozen=True, slots=True)
class Reading:
    """One passage, read. `clauses[i]` belongs to `sentences[i]`; `antecedents[i]` is what its pronoun stands for.

    `defined` maps what the passage defines (`X is a Y`) to the sentence that does.
    """

    passage: str
    sentences: tuple[Sentence, ...]
    clauses: tuple[Clause | None, ...]
    antecedents: tuple[tuple[str, int] | None, ...]
    terms: tuple[Term, ...]
    proper: frozenset[str]
    defined: Mapping[str, int]

    def referent(self, noun: str, index: int) -> tuple[str, int] | None:
        """Returns the named thing that `the <noun>` of sentence `index` points back to, and a sentence that names it.

        That is the last subject before it whose name ends with the noun or that is said to be such a thing; two
        different ones before it leave it open.
        """
        found: dict[str, int] = {}
        for earlier in range(max(0, index - REACH), index):
            clause = self.clauses[earlier]
            if clause is None or not is_name(clause.subject):
                continue
            said = clause.rest if clause.shape == "copula" else clause.apposition
            head = HEAD_END.split(said, maxsplit=1)[0].split()
            if clause.subject.split()[-1].lower() == noun or (said[:2] in {"a ", "an", "th"} and head[-1:] == [noun]):
                found.setdefault(clause.subject, earlier)
        return next(iter(found.items())) if len(found) == 1 else None

    def topic(self, index: int) -> str:
        """Returns what sentence `index` is about: its subject's term, else the best term in it."""
        text = self.sentences[index].text
        clause = self.clauses[index]
        inside = [term for term in self.terms if index in term.sentences]
        if clause is not None and not clause.pronoun:
            subject = strip_article(clause.subject)
            for term in sorted(inside, key=lambda t: -len(t.name)):
                if term.name in subject:
                    return term.name
            if not is_generic(subject) and len(subject) < 80:
                return subject
        antecedent = self.antecedents[index]
        if antecedent is not None:
            return strip_article(antecedent[0])
        if inside:
            return max(inside, key=lambda t: t.score).name
        return " ".join(text.split()[:6]).strip(" .,;:")

    def find(self, quote: str) -> int | None:
        """Returns the index of the sentence that a quote stands in or overlaps most; None when it is nowhere."""
        wanted = one_line(quote)
        if not wanted:
            return None
        for sentence in self.sentences:
            if wanted in sentence.text or (len(sentence.text) > 30 and sentence.text in wanted):
                return sentence.index
        stems = content_stems(wanted)
        if not stems:
            return None
        best = max(
            self.sentences,
            key=lambda s: len(stems & content_stems(s.text)) / (3 + len(content_stems(s.text))),
            default=None,
        )
        if best is None or len(stems & content_stems(best.text)) < 0.6 * len(stems):
            return None
        return best.index

    def lowered(self, phrase: str) -> str:
        """Returns a sentence's subject as it stands inside a sentence: `The barrage` becomes `the barrage`."""
        first, _, rest = phrase.partition(" ")
        if first in self.proper or first[1:] != first[1:].lower() or any(c.isdigit() for c in first):
            return phrase
        if first.lower() not in STOPWORDS and rest[:1].isupper():
            return phrase
        return first.lower() + (" " + rest if rest else "")


def is_name(subject: str) -> bool:
    """Whether a subject is named by a capital beyond its first word, or holds more than an article and common words."""
    named = [word for word in strip_article(subject).split() if word[0].isalpha()]
    capitals = sum(word[0].isupper() for word in named)
    return capitals > 1 or (capitals == 1 and subject.split()[0].lower() in DETERMINERS)


@lru_cache(maxsize=128)
def read(passage: str) -> Reading:
    """Reads a passage; the last 128 readings are kept."""
    sentences = split(passage)
    clauses = tuple(parse(s.text) if s.complete else None for s in sentences)
    proper = proper_words(sentences)
    return Reading(
        passage=passage,
        sentences=sentences,
        clauses=clauses,
        antecedents=_antecedents(sentences, clauses),
        terms=terms(sentences, clauses, proper),
        proper=proper,
        defined={
            strip_article(clause.subject): i
            for i, clause in enumerate(clauses)
            if clause is not None and clause.shape == "copula" and clause.rest.startswith(("a ", "an ", "the "))
        },
    )


def _antecedents(
    sentences: tuple[Sentence, ...], clauses: tuple[Clause | None, ...]
) -> tuple[tuple[str, int] | None, ...]:
    """Resolves `It`, `They` and `Its X` to the subject of the sentence before, when that is in the same paragraph.

    Only a chain of clauses that the rules read is followed: anything else leaves the pronoun unresolved.
    """
    found: list[tuple[str, int] | None] = []
    previous: tuple[str, int] | None = None
    for sentence, clause in zip(sentences, clauses, strict=True):
        before = sentences[sentence.index - 1] if sentence.index else None
        if clause is None or (before is not None and before.block != sentence.block):
            previous = None
        if clause is None:
            found.append(None)
            continue
        first = clause.subject.split()[0].lower()
        if first in {"it", "its", "they", "their", "he", "his", "she", "her"} and previous is not None:
            plural = first in {"they", "their"}
            subject = previous[0]
            last = subject.split()[-1].lower()
            is_plural = " and " in subject or (last.endswith("s") and not last.endswith(("ss", "us", "is")))
            found.append(previous if plural == is_plural or first in {"he", "his", "she", "her"} else None)
            if found[-1] is None:
                previous = None
            continue
        found.append(None)
        if first in {"this", "these", "that", "those", "such", "we"} or first in PRONOUNS or is_generic(clause.subject):
            previous = None
        elif first_clause(clause.rest) != clause.rest:
            previous = None  # a second clause has a subject of its own: the pronoun may mean either
        else:
            previous = (clause.subject, sentence.index)
    return tuple(found)
