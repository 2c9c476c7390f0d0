"""The terms of a passage: names, acronyms, defined expressions, and phrases that it repeats.

Multi-word phrases are runs of words between stop words, verbs and punctuation (after RAKE, Rose et al. 2010), kept when
repeated, defined or standing as a subject. Long forms of acronyms go by initials (after Schwartz and Hearst 2003).
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
    PRONOUNS,
    STOPWORDS,
    VERBS,
    word_list,
)
from .sentences import MAX_SENTENCE, Sentence, stem

TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?%?(?![^\W_])|[^\W_]+(?:[-'’._][^\W_]+)*|[^\w\s]")


_LONG_FORM = re.compile(r"\(([A-Z][A-Za-z0-9-]{1,9}s?)\)")


_TITLES = word_list("titles")


_MONTHS = word_list("months")


_WEEKDAYS = word_list("weekdays")


_NATIONALITIES = word_list("name_adjectives")


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
        if _is_title(sentence):
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


def _is_title(sentence: Sentence) -> bool:
    """Whether a fragment is written in title case, where capitals name nothing."""
    named = [w for w in sentence.text.split() if w[0].isalpha() and w.lower() not in STOPWORDS]
    return not sentence.complete and len(named) > 3 and sum(w[0].isupper() for w in named) > 0.6 * len(named)


def kind_of(name: str, definition: str = "") -> str:
    """Guesses the kind of a term (`person`, `place`, ...) from its definition's head noun, else its own last words."""
    head = re.split(
        r"\b(?:of|in|on|at|that|which|who|for|from|by|with|used|near|to|and)\b|[,;(]", definition, maxsplit=1
    )[0]
    for text in (head, name):
        tokens = [t.lower() for t in TOKEN.findall(text) if t[0].isalpha()]
        for token in reversed(tokens[-3:]):
            singular = token[:-1] if token.endswith("s") and not token.endswith("ss") else token
            for kind, cues in KIND_WORDS.items():
                if token in cues or singular in cues:
                    if kind == "person" and text is name and not name[0].isupper():
                        continue
                    return kind
    first = name.split()[0].lower().rstrip(".")
    if first in _TITLES:
        return "person"
    return "term"


def _runs(text: str) -> list[list[re.Match[str]]]:
    """Returns runs of capitalised tokens, joined over connectors: `Rance Tidal Power Station`, `Bay of Fundy`."""
    runs: list[list[re.Match[str]]] = []
    current: list[re.Match[str]] = []
    pending: list[re.Match[str]] = []
    for match in TOKEN.finditer(text):
        token = match.group()
        capital = token[0].isupper() or (current and token[0].isdigit() and not pending and token.isalnum())
        if capital:
            current += [*pending, match]
            pending = []
        elif current and token.lower() in {"of", "de", "la", "von", "van", "du"} and not pending:
            pending = [match]
        elif pending and token in {"the"}:
            pending.append(match)
        else:
            if current:
                runs.append(current)
            current, pending = [], []
    if current:
        runs.append(current)
    joined: list[list[re.Match[str]]] = []
    for run in runs:
        # "the Wildfowl and Wetlands Trust": one body, told by its last word
        before = joined[-1] if joined else None
        if (
            before is not None
            and text[before[-1].end() : run[0].start()] == " and "
            and text[: before[0].start()].lower().endswith("the ")
            and run[-1].group().lower() in KIND_WORDS["organisation"]
        ):
            joined[-1] = [*before, *run]
        else:
            joined.append(run)
    return joined


def _is_adjective(word: str) -> bool:
    """Whether a capitalised word is rather an adjective (`Danish`, `European`) that needs a noun after it."""
    low = word.lower()
    return low in _NATIONALITIES or (low.endswith(("ish", "ese", "opean", "erican")) and len(low) > 4)


def _extended(run: list[re.Match[str]], text: str) -> str:
    """Returns a name with the common nouns that follow it: `La Rance tidal power station`, `European eel`."""
    start, end = run[0].start(), run[-1].end()
    added = 0
    for match in TOKEN.finditer(text, end):
        token, low = match.group(), match.group().lower()
        if match.start() != end + 1 or added == 3 or not token[0].islower() or low in STOPWORDS or low.endswith("ly"):
            break
        if (
            (low in VERBS and VERBS[low][0] not in NOUN_VERBS)
            or (low in PARTICIPLES and low not in VERBS)
            or low.endswith("ed")
        ):
            break
        end = match.end()
        added += 1
    name = text[start:end]
    first = name.split()[0].lower()
    if first in STOPWORDS and len(name.split()) > 2:
        name = name[len(first) + 1 :]
    return name if added and name.split()[-1].lower() not in GENERIC else ""


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


def terms(
    sentences: tuple[Sentence, ...], clauses: tuple[Clause | None, ...], proper: frozenset[str]
) -> tuple[Term, ...]:
    where: dict[str, list[int]] = {}
    names: dict[str, Counter[str]] = {}
    boost: Counter[str] = Counter()
    definitions: dict[str, str] = {}
    aliases: dict[str, str] = {}  # key of the short form -> key of the long form

    def add(name: str, index: int, weight: float) -> str:
        key = " ".join(stem(w) for w in name.split())
        names.setdefault(key, Counter())[name] += 1
        if not where.setdefault(key, []) or where[key][-1] != index:
            where[key].append(index)
        boost[key] += weight  # type: ignore[assignment]  # a Counter of floats
        return key

    phrases: Counter[str] = Counter()
    phrase_at: list[tuple[str, str, int]] = []
    usable = [s for s in sentences if len(s.text) <= MAX_SENTENCE and not _is_title(s)]
    named = [(s, run, _name_of(run, s.text, proper)) for s in usable for run in _runs(s.text)]
    extended = [_extended(run, s.text) if name else "" for s, run, name in named]
    repeated = Counter(extended)
    for (sentence, _, name), longer in zip(named, extended, strict=True):
        if name and longer and (repeated[longer] > 1 or _is_adjective(name.split()[-1])):
            add(longer, sentence.index, 2.0)
        elif name and not _is_adjective(name):
            add(name, sentence.index, 2.0)
    for sentence, clause in zip(sentences, clauses, strict=True):
        if len(sentence.text) > MAX_SENTENCE or _is_title(sentence):
            continue
        for match in _LONG_FORM.finditer(sentence.text):
            short = match.group(1)
            long = _long_form(sentence.text[: match.start()].rstrip(), short)
            if long:
                short_key = add(short, sentence.index, 2.0)
                aliases[short_key] = add(long, sentence.index, 2.0)
        for phrase in _phrases(sentence.text):
            key = " ".join(stem(w) for w in phrase.split())
            phrases[key] += 1
            phrase_at.append((key, phrase, sentence.index))
        if clause is not None and not clause.pronoun:
            subject = re.sub(r"\s*\([^()]{0,60}\)", "", strip_article(clause.subject))
            defining = clause.shape == "copula" and clause.rest.lower().startswith(("a ", "an ", "the ", "one of"))
            plain = len(subject.split()) <= 4 and not is_generic(subject) and _is_phrase(subject)
            if plain and (defining or clause.apposition):
                subject = subject if subject.split()[0] in proper or subject[1:2].isupper() else _lower_first(subject)
                key = add(subject, sentence.index, 3.0)
                definitions.setdefault(key, re.sub(r"^(?:an?|the) ", "", (clause.apposition or clause.rest).lower()))
            elif plain:
                subject = subject if subject.split()[0] in proper or subject[1:2].isupper() else _lower_first(subject)
                if len(subject.split()) > 1 or phrases[stem(subject)] > 1:
                    add(subject, sentence.index, 1.0)
    for key, phrase, index in phrase_at:
        multi = " " in phrase
        if key in where or (multi and phrases[key] >= 2) or (phrases[key] >= 3 and len(phrase) >= 5):
            add(_lower_first(phrase) if phrase.split()[0] not in proper else phrase, index, 0.5 if multi else 0.3)
    terms: list[Term] = []
    for key, counted in names.items():
        target = aliases.get(key)
        if target is not None and target in names:
            continue
        shorts = tuple(names[short].most_common(1)[0][0] for short, long in aliases.items() if long == key)
        name = counted.most_common(1)[0][0]
        seen = sorted({*where[key], *(i for short, long in aliases.items() if long == key for i in where[short])})
        score = boost[key] + len(seen) + 0.3 * len(name.split())
        terms.append(Term(name, kind_of(name, definitions.get(key, "")), score, tuple(seen), shorts))
    terms.sort(key=lambda t: (-t.score, t.sentences[0], t.name))
    return tuple(terms[:MAX_TERMS])


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


def _name_of(run: list[re.Match[str]], text: str, proper: frozenset[str]) -> str:
    """Returns the name in a run of capitalised tokens, or an empty string when it is no name of anything."""
    while run and (run[0].group().lower() in STOPWORDS or run[0].group().lower() in PRONOUNS):
        run = run[1:]
    while run and run[-1].group().lower() in STOPWORDS:
        run = run[:-1]
    if not run:
        return ""
    first = run[0]
    opening = not text[: first.start()].strip(" \"'“‘(")
    if opening and first.group() not in proper and len(run) == 1:
        return ""  # capitalised for standing first
    if opening and first.group() not in proper and first.group().lower() in VERBS:
        run = run[1:]
    tokens = [match.group() for match in run]
    if all(t.lower() in _MONTHS | _WEEKDAYS | _NATIONALITIES or t[0].isdigit() for t in tokens):
        return ""
    if len(tokens) == 1 and (
        len(tokens[0]) < 2 or tokens[0].lower() in GENERIC or tokens[0].lower().rstrip(".") in _TITLES
    ):
        return ""
    if len(tokens) > 7:
        return ""
    name = text[run[0].start() : run[-1].end()]
    return re.sub(r"['’]s$", "", name)


def _long_form(before: str, short: str) -> str:
    """Returns the words before `(ABC)` whose initials spell it (Schwartz and Hearst 2003, initials only)."""
    letters = [c.lower() for c in short.rstrip("s") if c.isalpha()]
    tokens = list(re.finditer(r"[^\W_]+", before[-160:]))
    if len(letters) < 2 or len(tokens) < 2:
        return ""
    offset = max(0, len(before) - 160)
    for count in range(min(len(tokens), len(letters) + 3), 1, -1):
        chosen = tokens[-count:]
        if chosen[0].group()[0].lower() != letters[0] or chosen[0].group().lower() in STOPWORDS:
            continue
        initials = iter([t.group()[0].lower() for t in chosen])
        if all(letter in initials for letter in letters):
            return before[offset + chosen[0].start() :]
    return ""
