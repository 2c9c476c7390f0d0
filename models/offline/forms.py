"""Questions beyond a single clause: lists, comparisons, relations, blanks, true or false, and summaries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .clauses import head_phrase, is_generic
from .facts import Candidate, of_clause, second_subject, stated
from .lexicon import AUXILIARIES, DETERMINERS, PREPOSITIONS, PRONOUNS, STOPWORDS, VERBS
from .reading import Reading, Term, strip_article
from .sentences import NUMBER, Sentence, content_stems, words

BLANK = "____"
_ITEM = r"[^,;:.()]{2,60}"
_SERIES = re.compile(rf"{_ITEM}(?:, {_ITEM}){{1,8}},? (?:and|or) {_ITEM}|{_ITEM} (?:and|or) {_ITEM}")
_EXAMPLES = re.compile(r"((?:[A-Za-z-]+ ){1,4}?)(?:, )?(?:,? such as|,? including|,? for example|, e\.g\.,?) ")
_LISTING = frozenset("include contain comprise combine involve feature".split())
_THAN = re.compile(
    r"\b(?:than|compared (?:with|to)|as \w+ as|similar to|different from|unlike|in contrast to|relative to) "
)
_CONTRAST = re.compile(r",? (?:while|whereas|but) ")
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
    if match:
        other = re.split(
            r",|;| (?:in|by|because|which|that|who|when|for|on|is|are|was|were|do|does|did|has|have)\b",
            rest[match.end() :],
        )[0]
        if 1 <= len(words(other)) <= 7 and other[:1].isalpha() and not other[0].isdigit() and not is_generic(other):
            if other.split()[0].lower() not in {
                "that",
                "those",
                "in",
                "before",
                "expected",
                "half",
                "one",
                "previously",
            }:
                yield from _whole(
                    s.evidence,
                    reading,
                    index,
                    "comparison",
                    f"How does the passage compare {subject} with {other.strip()}?",
                    subject,
                    "the comparison",
                    1.3,
                )
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
        if first.name not in clause.subject:
            continue
        for second in inside:
            if second.name in clause.rest and second.name not in clause.subject and not is_generic(second.name):
                question = f"How is {named(first, sentence)} related to {named(second, sentence)}?"
                score = 1.0 + 0.05 * min(first.score + second.score, 10)
                yield from _whole(
                    (index,), reading, index, "relation", question, first.name, f"its relation to {second.name}", score
                )


def named(term: Term, sentence: Sentence) -> str:
    """Returns a term with the article that the sentence gives to it."""
    at = sentence.text.lower().find(term.name.lower())
    before = sentence.text[: max(at, 0)].split()
    article = before[-1].lower() if before else ""
    return f"{article} {term.name}" if article in {"the", "a", "an"} else term.name


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


def blanks(reading: Reading, index: int) -> Iterator[Candidate]:
    """A sentence with one term or number left out."""
    sentence = reading.sentences[index]
    if not stands_alone(sentence) or len(words(sentence.text)) > 35:
        return
    for term in reading.terms:
        found = re.search(rf"(?<!\w){re.escape(term.name)}(?!\w)", sentence.text)
        if index in term.sentences and found and len(re.findall(re.escape(term.name), sentence.text)) == 1:
            rest = content_stems(sentence.text[: found.start()] + " " + sentence.text[found.end() :])
            if len(rest) >= 4 and not content_stems(term.name) <= rest:
                left = sentence.text[: found.start()] + BLANK + sentence.text[found.end() :]
                yield Candidate(
                    "cloze",
                    f"Fill in the blank: {left}",
                    term.name,
                    (index,),
                    term.name,
                    f"the blank for {term.name}",
                    1 + term.score / 20,
                )
    for found in NUMBER.finditer(sentence.text):
        if len(NUMBER.findall(sentence.text)) <= 3 and sentence.text.count(found.group()) == 1:
            left = sentence.text[: found.start()] + BLANK + sentence.text[found.end() :]
            yield Candidate(
                "cloze",
                f"Fill in the blank: {left}",
                found.group(),
                (index,),
                reading.topic(index),
                f"the blank for {found.group()}",
                1.0,
            )


def truths(reading: Reading, index: int) -> Iterator[Candidate]:
    """The sentence as a statement: as it stands, or with one number or name exchanged for another of the passage."""
    sentence = reading.sentences[index]
    if not stands_alone(sentence) or reading.clauses[index] is None or len(words(sentence.text)) > 30:
        return
    topic = reading.topic(index)
    yield Candidate(
        "true-false",
        f"True or false: {sentence.text}",
        f"True. {sentence.text}",
        (index,),
        topic,
        "a true statement",
        1.0,
    )
    here = NUMBER.search(sentence.text)
    if here and sentence.text.count(here.group()) == 1:
        swapped = _other_number(here.group())
        if swapped:
            false = sentence.text[: here.start()] + swapped + sentence.text[here.end() :]
            yield Candidate(
                "true-false",
                f"True or false: {false}",
                f"False. {sentence.text}",
                (index,),
                topic,
                "a false number",
                1.1,
            )
    clause = reading.clauses[index]
    subject = next(
        (t for t in reading.terms if clause and index in t.sentences and strip_article(clause.subject) == t.name), None
    )
    if subject is None:
        return
    for other in reading.terms:
        if (
            other.kind == subject.kind
            and other.name not in sentence.text
            and other.name[0].isupper() == subject.name[0].isupper()
        ):
            there = reading.sentences[other.sentences[0]]
            articles = named(other, there) == other.name, named(subject, sentence) == subject.name
            apart = not set(other.sentences) & set(subject.sentences) and articles[0] == articles[1]
            if apart and other.name.endswith("s") == subject.name.endswith("s"):
                false = sentence.text.replace(subject.name, other.name, 1)
                yield Candidate(
                    "true-false",
                    f"True or false: {false}",
                    f"False. {sentence.text}",
                    (index,),
                    topic,
                    f"a false name ({other.name})",
                    1.0,
                )
                return


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


def summaries(reading: Reading, headings: tuple[str, ...]) -> Iterator[Candidate]:
    """What the passage says about a term that several of its sentences name, answered with two or three of them."""
    for term in reading.terms[:8]:
        about = [i for i in term.sentences if reading.sentences[i].complete]
        if len(about) >= 2 and stands_alone(reading.sentences[about[0]]):
            chosen = tuple(about[:3])
            answer = " ".join(reading.sentences[i].text for i in chosen)
            if len(words(answer)) <= 110:
                question = f"Summarise what the passage says about {named(term, reading.sentences[chosen[0]])}."
                yield Candidate(
                    "summary", question, answer, chosen, term.name, f"a summary about {term.name}", 1 + term.score / 20
                )
    best = [s.index for s in reading.sentences if stands_alone(s)][:2]
    if len(best) == 2 and headings:
        answer = " ".join(reading.sentences[i].text for i in best)
        yield Candidate(
            "summary",
            f"What are the main points made under the heading “{headings[-1]}”?",
            answer,
            tuple(best),
            headings[-1],
            "the main points",
            0.8,
        )


def of_sentence(reading: Reading, index: int) -> Iterator[Candidate]:
    """Yields every question that sentence `index` answers, of every kind but `summary`."""
    if not reading.sentences[index].complete:
        return
    yield from of_clause(reading, index)
    for rule in (lists, comparisons, relations, blanks, truths):
        yield from rule(reading, index)
