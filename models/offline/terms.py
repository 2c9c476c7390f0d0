"""The terms of a passage: names, acronyms, defined expressions, and phrases that it repeats.

Multi-word phrases are runs of words between stop words, verbs and punctuation (after RAKE, Rose et al. 2010), kept when
repeated, defined or standing as a subject.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from .clauses import Clause, is_generic
from .lexicon import (
    AUXILIARIES,
    DETERMINERS,
    GENERIC,
    KIND_WORDS,
    NOUN_VERBS,
    PARTICIPLES,
    PREPOSITIONS,
    RELATION_VERBS,
    STOPWORDS,
    VERBS,
)
from .names import LONG_FORM, TITLES, TOKEN, core_name, extended, is_adjective, long_form, name_of, runs
from .sentences import MAX_SENTENCE, Sentence, find_name, stem

_ROLES = [KIND_WORDS[kind] for kind in ("person", "organisation", "place")]  # "the engineer Robert Gibrat"
_RELATING = frozenset[str]().union(*RELATION_VERBS.values()) - {"be", "have"}
MAX_TERMS = 60


@dataclass(frozen=True, slots=True)
class Term:
    """One term. `sentences` are the indexes of the sentences that name it; `aliases` are its short forms."""

    name: str
    kind: str
    score: float
    sentences: tuple[int, ...]
    aliases: tuple[str, ...] = ()


HEAD_END = re.compile(
    r"\b(?:of|in|on|at|that|which|who|for|from|by|with|used|near|to|and|across|between|behind)\b|[,;(]"
)


def strip_article(phrase: str) -> str:
    """Returns `phrase` without a leading determiner or possessive."""
    first, _, rest = phrase.partition(" ")
    return rest if rest and first.lower() in DETERMINERS else phrase


def proper_words(sentences: tuple[Sentence, ...]) -> frozenset[str]:
    """Returns the words that are capitalised where no sentence begins, or that carry inner capitals."""
    found: set[str] = set()
    lower: set[str] = set()
    for sentence in sentences:
        if is_title(sentence):
            continue
        for i, match in enumerate(TOKEN.finditer(sentence.text)):
            token = match.group()
            if not token[0].isalpha():
                continue
            if token[0].isupper():
                if i > 0 or token[1:] != token[1:].lower():
                    found.add(token)
            else:
                lower.add(token)
    return frozenset(w for w in found if w.lower() not in STOPWORDS and (w.lower() not in lower or w.isupper()))


def is_title(sentence: Sentence) -> bool:
    """Whether a fragment is written in title case, where capitals name nothing."""
    named = [w for w in sentence.text.split() if w[0].isalpha() and w.lower() not in STOPWORDS]
    return not sentence.complete and len(named) > 3 and sum(w[0].isupper() for w in named) > 0.6 * len(named)


def kind_of(name: str, definition: str = "") -> str:
    """Guesses the kind of a term (`person`, `place`, ...) from its definition's head noun, else its own last words."""
    head = re.split(
        r"\b(?:of|in|on|at|that|which|who|for|from|by|with|used|near|to|and)\b|[,;(]", definition, maxsplit=1
    )[0]
    for text in (head, name, HEAD_END.split(name, maxsplit=1)[0]):
        tokens = [t.lower() for t in TOKEN.findall(text) if t[0].isalpha()]
        for token in reversed(tokens[-3:]):
            singular = token[:-1] if token.endswith("s") and not token.endswith("ss") else token
            for kind, cues in KIND_WORDS.items():
                if token in cues or singular in cues:
                    if kind == "person" and text is name and not name[0].isupper():
                        continue
                    if (
                        kind in {"substance", "work"}
                        and text is not head
                        and (name[0].isupper() is (kind == "substance"))
                    ):
                        continue  # "Southampton Water" is no water, a "scaling law" no law
                    return kind
    first = name.split()[0].lower().rstrip(".")
    if first in TITLES:
        return "person"
    return "term"


def _phrases(text: str) -> list[str]:
    """Returns lower-case runs of one to four content words between stop words, verbs and punctuation."""
    found: list[str] = []
    current: list[re.Match[str]] = []

    def close() -> None:
        if 1 <= len(current) <= 4:
            last = current[-1].group().lower()
            adjective = last.endswith(("ing", "ous", "ful", "ive", "able", "ic", "al"))
            if last not in GENERIC and not adjective:
                found.append(text[current[0].start() : current[-1].end()])
        current.clear()

    for match in TOKEN.finditer(text):
        token, low = match.group(), match.group().lower()
        breaks = (
            not token[0].isalpha()
            or low in STOPWORDS
            or low.endswith("ly")
            or (low in VERBS and VERBS[low][0] not in NOUN_VERBS and (VERBS[low][1] != "do" or not current))
            or (low in PARTICIPLES and not current)
            or len(token) < 3
        )
        if breaks:
            close()
        else:
            current.append(match)
    close()
    return found


def _lower_first(phrase: str) -> str:
    second = phrase.partition(" ")[2][:1]
    if second.isupper():
        return phrase
    return phrase[0].lower() + phrase[1:] if phrase[1:2].islower() or len(phrase) == 1 else phrase


def _is_phrase(subject: str) -> bool:
    """Whether a subject is one plain noun phrase: no preposition but `of`, no number, no conjunction."""
    for word in subject.split():
        low = word.lower().strip(",")
        if (
            low in (PREPOSITIONS - {"of"}) | {"and", "or", "that", "which"} | AUXILIARIES
            or word[0].isdigit()
            or "," in word
        ):
            return False
    return True


def terms(
    sentences: tuple[Sentence, ...], clauses: tuple[Clause | None, ...], proper: frozenset[str]
) -> tuple[Term, ...]:
    """Returns the best 60 terms of a passage, best first."""
    usable = [
        (sentence, clause)
        for sentence, clause in zip(sentences, clauses, strict=True)
        if len(sentence.text) <= MAX_SENTENCE and not is_title(sentence)
    ]
    found = _Gathered(proper)
    found.add_names(usable)
    for sentence, clause in usable:
        found.add_acronyms(sentence)
        if clause is not None and not clause.pronoun:
            found.add_subject(sentence, clause)
    found.add_phrases([sentence for sentence, _ in usable])
    return found.ranked(sentences)


class _Gathered:
    """The terms found so far by the key of their stems, which singular and plural share."""

    def __init__(self, proper: frozenset[str]) -> None:
        self.proper = proper
        self.names: dict[str, Counter[str]] = {}
        self.where: dict[str, list[int]] = {}
        self.weight: dict[str, float] = {}
        self.said: dict[str, str] = {}  # key -> what the passage says the term is
        self.long: dict[str, str] = {}  # key of an acronym -> key of its long form
        self.defined: set[str] = set()

    def add(self, name: str, index: int, weight: float) -> str:
        """Adds one mention and returns its key."""
        key = " ".join(stem(word) for word in name.split())
        self.names.setdefault(key, Counter())[name] += 1
        places = self.where.setdefault(key, [])
        if not places or places[-1] != index:
            places.append(index)
        self.weight[key] = self.weight.get(key, 0.0) + weight
        return key

    def add_names(self, usable: list[tuple[Sentence, Clause | None]]) -> None:
        """Adds runs of capitals; with the nouns after them when that is repeated, or the subject of a definition."""
        named = [(s, c, run, name_of(run, s.text, self.proper)) for s, c in usable for run in runs(s.text)]
        longer = [extended(run, s.text) if name else "" for s, _, run, name in named]
        repeated = Counter(longer)
        for (sentence, clause, run, name), long in zip(named, longer, strict=True):
            is_subject = clause is not None and clause.shape == "copula" and strip_article(clause.subject) == long
            if name and long and (repeated[long] > 1 or is_subject or is_adjective(name.split()[-1])):
                self.add(long, sentence.index, 2.0)
            elif name and not is_adjective(name):
                core, role = core_name(name)
                key = self.add(core, sentence.index, 2.0)
                before = sentence.text[: run[0].start()].rstrip().rpartition(" ")[2].lower()
                role = role or (before if any(before in words for words in _ROLES) else "")
                if role:
                    self.said.setdefault(key, role)

    def add_acronyms(self, sentence: Sentence) -> None:
        """Adds `Long Form (LF)` as one term."""
        for match in LONG_FORM.finditer(sentence.text):
            short = match.group(1)
            spelled = long_form(sentence.text[: match.start()].rstrip(), short)
            if spelled:
                self.long[self.add(short, sentence.index, 2.0)] = self.add(spelled, sentence.index, 2.0)

    def add_subject(self, sentence: Sentence, clause: Clause) -> None:
        """Adds a plain subject: what a sentence is about; more so when the sentence defines it."""
        subject = re.sub(r"\s*\([^()]{0,60}\)", "", strip_article(clause.subject))
        if len(subject.split()) > 6 or is_generic(subject) or not _is_phrase(subject):
            return
        core, role = core_name(subject)
        proper = core.split()[0] in self.proper or core[1:2].isupper()
        core = core if proper else _lower_first(core)
        said = clause.apposition or (clause.rest if clause.shape == "copula" else "")
        if len(core.split()) <= 4 and said.lower().startswith(("a ", "an ", "the ", "one of")):
            key = self.add(core, sentence.index, 3.0)
            self.said.setdefault(key, re.sub(r"^(?:an?|the) ", "", said.lower()))
            self.defined.add(key)
        elif role or self._says(core, clause) or (len(core.split()) in {2, 3, 4} and " of " not in core):
            key = self.add(core, sentence.index, 1.0)
            if role:
                self.said.setdefault(key, role)

    @staticmethod
    def _says(core: str, clause: Clause) -> bool:
        """Whether a single word is the subject of a verb that relates it to something: `turbidity causes ...`."""
        return " " not in core and len(core) > 4 and clause.shape == "active" and clause.base in _RELATING

    def add_phrases(self, usable: list[Sentence]) -> None:
        """Adds phrases that are repeated, or that are terms already."""
        found = [(phrase, sentence.index) for sentence in usable for phrase in _phrases(sentence.text)]
        keys = [" ".join(stem(word) for word in phrase.split()) for phrase, _ in found]
        count = Counter(keys)
        for key, (phrase, index) in zip(keys, found, strict=True):
            multi = " " in phrase
            if key in self.names or (multi and count[key] >= 2) or (count[key] >= 3 and len(phrase) >= 5):
                name = phrase if phrase.split()[0] in self.proper else _lower_first(phrase)
                self.add(name, index, 0.5 if multi else 0.3)

    def ranked(self, sentences: tuple[Sentence, ...]) -> tuple[Term, ...]:
        """Returns the terms, best first, without acronyms of their own and without the bare head noun of a name."""
        heads = {key.split()[-1] for key, names in self.names.items() if " " in key and max(names)[:1].isupper()}
        made: list[Term] = []
        for key, counted in self.names.items():
            name = counted.most_common(1)[0][0]
            bare = " " not in key and name[0].islower() and key in heads and key not in self.defined
            if bare or self.long.get(key, key) != key:
                continue
            shorts = [short for short, long in self.long.items() if long == key and short != key]
            seen = sorted({i for one in (key, *shorts) for i in self.where[one]})
            score = self.weight[key] + len(seen) + 0.3 * len(name.split())
            kind = kind_of(name, self.said.get(key, ""))
            if kind == "term" and _placed(name, [sentences[i].text for i in seen]):
                kind = "place"
            aliases = tuple(self.names[short].most_common(1)[0][0] for short in shorts)
            made.append(Term(name, kind, score, tuple(seen), aliases))
        made.sort(key=lambda term: (-term.score, term.sentences[0], term.name))
        return tuple(made[:MAX_TERMS])


def _placed(name: str, texts: list[str]) -> bool:
    """Whether a name of plain capitalised words stands where places stand: `in Brittany`, `near Orkney`."""
    if not all(word[0].isupper() and word[1:].islower() for word in re.findall(r"[^\W_]+", name)):
        return False
    count = 0
    for text in texts:
        span = find_name(name, text)
        before = text[: span[0]].removesuffix("the ") if span else ""
        after = text[span[1] : span[1] + 1] if span else ""
        count += after in {" ", ",", ".", ";", ")"} and before.endswith(
            (" in ", " near ", " from ", " off ", "In ", "Near ")
        )
    return 2 * count >= len(texts)
