"""Questions that a single clause answers: definitions, dates, places, agents, objects, numbers and causes.

Each rule turns a clause into its question by moving the auxiliary, and takes the answer verbatim from the clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .clauses import Clause, first_clause, head_phrase, is_generic, parse
from .lexicon import DETERMINERS, PREPOSITIONS, word_list
from .reading import Reading, kind_of, strip_article
from .sentences import words

_PARENTHESIS = re.compile(r"\s*\([^()]{0,80}\)")
_DANGLING = re.compile(
    r"\b(?:it|its|itself|they|their|them|this|these|those|he|she|his|her|him|we|our|us|former|latter|such|above|below|"
    r"here|there|following|respectively|(?:of|in|on|at|for|by|with|from|to) that)\b|\bof the two$",
    re.IGNORECASE,
)
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DATE = re.compile(
    rf"\b(?:in|on|since|until|during|between|from|around|about|by) "
    rf"(?:(?:the )?(?:early|late|mid|summer of|autumn of|spring of|winter of) )?"
    rf"(?:(?:\d{{1,2}} )?{_MONTH} (?:\d{{1,2}},? )?)?(?:the )?(?:1[0-9]|20)\d\ds?(?: (?:and|to) (?:1[0-9]|20)\d\ds?)?\b"
)
_PLACE = re.compile(r"^(?:in|on|at|near|off|along|between|beside|around|within|across|inside|under|above) ")
_PLACED = word_list("placed_verbs")
_UNIQUE = re.compile(
    r"the (?:\w+ ){0,2}?(?:only|main|first|last|best|most|second|third|chief|key|oldest|youngest|\w{3,}est|"
    r"site|reason|problem|home|subject|result|case|way) "
)
QUANTITY = re.compile(
    r"^((?:about|around|nearly|up to|more than|over|at least|at most|roughly|approximately|almost|some|only|less than|"
    r"fewer than|between|an estimated) )?(\d+(?:,\d{3})*(?:\.\d+)?(?: (?:to|and|or) \d+(?:,\d{3})*(?:\.\d+)?)?"
    r"(?: (?:million|billion|trillion))?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|"
    r"hundreds|thousands|dozens)"
    r"( ?%| percent| per cent)?\b"
)
_DIMENSION = re.compile(r"^ (\w+) (long|wide|high|deep|tall|thick|old|across|away)\b")
_HOW = {"across": "How far across", "away": "How far away"}
_STRANDED = word_list("stranded")
_BECAUSE = re.compile(r",? (because|due to|owing to|as a result of|since(?= (?:the|it|they|a|an|its|their)\b))")
_LINKS = frozenset(["cause", "trigger", "lead", "result", "produce"])
_OBJECT_PRONOUNS = frozenset(["it", "them", "him", "her", "us", "me", "itself", "themselves"])
_NO_OBJECT_VERBS = word_list("no_object_verbs")
_NO_OBJECT = re.compile(
    r"^(?:to|that|how|whether|not|very|more|most|so|as|only|even|if|when|and|or|not|able|available|up|down|out|off|back|"
    r"away|together|well|better|\w+ly|\w+ing)\b"
)


_OPENING = re.compile(
    r"(?:it|its|they|their|he|she|his|her|such|we|our|however|therefore|thus|moreover|furthermore|also|but|and|so|hence|"
    r"in addition|additionally|as a result|for example|for instance|in contrast|instead|similarly|consequently|finally)\b",
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
            _DANGLING.search(question)
            or answer.count("(") != answer.count(")")
            or question.count("(") != question.count(")")
        ):
            return
        if answer.lower() in question.lower():
            return
        if _DANGLING.search(answer):
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
    subject = _PARENTHESIS.sub("", clause.subject)
    first, _, remainder = subject.partition(" ")
    low = first.lower()
    if low in {"it", "they", "he", "she", "its", "their", "his", "her"}:
        antecedent = reading.antecedents[index]
        if antecedent is None or (clause.pronoun is False and not remainder):
            return None
        owner, named_at = _resolved(reading, _PARENTHESIS.sub("", antecedent[0]), antecedent[1])
        subject = owner if not remainder else f"{owner}{possessive(owner)} {remainder}"
        evidence = tuple(dict.fromkeys((index, antecedent[1], named_at)))
    elif low == "we" and not remainder:
        subject = "the authors"
    elif low == "our":
        subject = f"the authors' {remainder}"
    else:
        subject, named_at = _resolved(reading, subject, index)
        evidence = tuple(dict.fromkeys((index, named_at)))
    if _DANGLING.search(subject) or (is_generic(subject) and low not in {"we", "our"}) or len(subject.split()) > 12:
        return None
    return Stated(reading, index, clause.renamed(subject), evidence, reading.topic(index))


def _resolved(reading: Reading, subject: str, index: int) -> tuple[str, int]:
    """Returns a subject as it stands inside a question, `the station` replaced by the station's name where the passage
    names just one, and the index of the sentence that names it."""
    article, _, noun = subject.partition(" ")
    if article.lower() == "the" and noun.islower() and " " not in noun:
        referent = reading.referent(noun, index)
        if referent is not None:
            return reading.lowered(_PARENTHESIS.sub("", referent[0])), referent[1]
    return reading.lowered(subject), index


def restated(reading: Reading, index: int) -> tuple[str, tuple[int, ...]] | None:
    """Returns sentence `index` so that it can be read alone, and the sentences it then rests on.

    A pronoun or a vague subject (`It`, `The station`) is replaced by the name that it stands for; None when that is open.
    """
    sentence, clause = reading.sentences[index], reading.clauses[index]
    if not sentence.complete or _POINTING.search(sentence.text):
        return None
    if clause is None:
        return None if _OPENING.match(sentence.text) else (sentence.text, (index,))
    found = stated(reading, index)
    if clause.rest.split(" ")[0].lower() in _OBJECT_PRONOUNS or re.search(r"\bof (?:them|it)\b", sentence.text):
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


def definitions(s: Stated) -> Iterator[Candidate]:
    """`X is a Y`, `X, a Y, ...`, `X refers to Y`, and acronyms with their long form."""
    clause, subject = s.clause, s.clause.subject
    sentence = s.reading.sentences[s.index].text
    plain = len(subject.split()) <= 6 and not re.search(r" (?:in|on|for|at|with|from|by) ", subject)
    rest = head_phrase(clause.rest) if clause.shape == "copula" else clause.rest
    article = re.match(r"(?:an?|one of|any) |the (?:\w+ ){1,3}(?:that|of|in|between|for|by|on|to|used)\b", clause.rest)
    unique = _UNIQUE.match(clause.rest)
    if clause.shape == "copula" and plain and not subject.startswith("the authors"):
        whole = first_clause(clause.rest)
        full = whole if len(words(whole)) <= 24 and ";" not in whole else rest
        who = kind_of(strip_article(subject), clause.rest) == "person"
        wh = "who" if who and clause.aux in {"is", "was"} else "what"
        if unique and clause.aux in {"is", "was"}:
            # "X is the largest Y": what Y asks for is X
            answer = s.clause.subject
            if len(words(rest)) <= 16 and not _DANGLING.search(rest):
                yield from s.candidate("fact", f"what {clause.aux} {rest}?", answer, "what it is said of", 1.3)
        elif article:
            yield from s.candidate("definition", f"{wh} {clause.aux} {subject}?", full, "what it is", 1.5)
        elif clause.aux == "are" and re.match(r"[a-z]", rest) and len(words(rest)) >= 4 and subject[-1] == "s":
            if re.search(r"\b(?:that|which|of|formed|made|found|where)\b", rest):
                yield from s.candidate("definition", f"what are {subject}?", full, "what it is", 1.0)
    if clause.apposition.lower().startswith(("a ", "an ", "the ", "one of")) and plain:
        verb = "are" if clause.aux in {"are", "were", "do"} else "is"
        yield from s.candidate("definition", f"what {verb} {subject}?", clause.apposition, "what it is", 1.3)
    if clause.shape == "active" and clause.base in {"refer", "mean", "denote", "describe"} and plain:
        rest = head_phrase(clause.rest).removeprefix("to ")
        verb = "are" if clause.aux == "do" else "is"
        if clause.base in {"refer", "mean"}:
            yield from s.candidate(
                "definition", f"what {verb} meant by {strip_article(subject)}?", rest, "its meaning", 1.3
            )
    if clause.shape == "passive" and clause.base == "define" and clause.rest.startswith("as "):
        yield from s.candidate(
            "definition",
            f"how {clause.aux} {subject} {clause.main}?",
            head_phrase(clause.rest)[3:],
            "its definition",
            1.5,
        )
    for term in s.reading.terms:
        for short in term.aliases:
            if f"{term.name} ({short})" in sentence and term.name.lower() != short.lower():
                yield from s.candidate(
                    "definition", f"what does {short} stand for?", term.name, f"the long form of {short}", 0.8
                )


def facts(s: Stated) -> Iterator[Candidate]:
    """When, where, by whom and what."""
    clause = s.clause
    rest = head_phrase(clause.rest)
    date = DATE.search(rest)
    if date and (len(words(rest[: date.start()])) <= 12):
        before = rest[: date.start()]
        after = rest[date.end() :].strip()
        ends = not after or after[0] in ",;(" or after.split()[0].lower() in PREPOSITIONS | {"and", "when", "as"}
        if ends and not before.rstrip().endswith((",", "and", "of")):
            yield from s.candidate("fact", clause.ask("when", before), date.group(), "the date", 1.3)
    lead = DATE.match(clause.lead[:1].lower() + clause.lead[1:]) if clause.lead else None
    if lead and clause.lead[:1] + lead.group()[1:] == clause.lead[: lead.end()] and len(words(rest)) <= 14:
        yield from s.candidate("fact", clause.ask("when", rest), clause.lead, "the date", 1.2)
    if rest.startswith("where ") and clause.base in _PLACED:
        yield from s.candidate("fact", clause.ask("where"), rest, "the place", 1.0)
    if _PLACE.match(rest) and not DATE.match(rest) and (clause.base in _PLACED or clause.shape == "copula"):
        place = rest if len(words(rest)) <= 16 else rest.split(",")[0]
        if not re.match(r"(?:in|on|at) (?:\w+ )?(?:\d|order|addition|charge|line|use|danger|contrast|general)", place):
            yield from s.candidate("fact", clause.ask("where"), place, "the place", 1.2)
    if (
        clause.shape == "passive"
        and rest.startswith("by ")
        and not re.match(r"by (?:\w+ing|the (?:end|time)|\d+)\b", rest)
    ):
        agent = rest[3 : date.start()].rstrip() if date and date.start() > 3 else rest[3:]
        wh = "who" if kind_of(strip_article(agent), agent) == "person" or _is_personal(agent) else "what"
        yield from s.candidate("fact", f"{clause.ask(wh)[:-1]} by?", agent, "the agent", 1.2)
        return
    stranded = rest.split(" ", 1)
    if len(stranded) == 2 and f"{clause.base}-{stranded[0]}" in _STRANDED:
        kind = "cause" if clause.base in _LINKS else "fact"
        question = f"{clause.ask('what')[:-1]} {stranded[0]}?"
        for name in {kind, "fact"}:
            yield from s.candidate(name, question, stranded[1], f"what it {clause.verb} {stranded[0]}", 1.2)
    elif clause.base == "use" and clause.shape == "passive" and rest.startswith("to "):
        yield from s.candidate("fact", f"{clause.ask('what')[:-1]} for?", rest, "its use", 1.2)
    elif clause.shape == "active" and clause.base != "have" and rest.startswith("that ") and len(words(rest)) <= 30:
        yield from s.candidate("fact", clause.ask("what"), rest, "what is claimed", 0.7)
    elif (
        clause.shape == "active"
        and rest
        and not _NO_OBJECT.match(rest)
        and (clause.base != "have" or len(words(rest)) > 3)
    ):
        first = rest.split()[0].lower()
        if first in PREPOSITIONS | _OBJECT_PRONOUNS or QUANTITY.match(rest) or clause.base in _NO_OBJECT_VERBS:
            return
        weak = first not in DETERMINERS and len(words(rest)) == 1
        if date and date.end() == len(rest) and date.start() > 3:
            rest = rest[: date.start()].rstrip()
        kind_scores = [("fact", 0.9 if weak else 1.1)]
        if clause.base in _LINKS:
            kind_scores.append(("cause", 1.0))
        for kind, score in kind_scores:
            yield from s.candidate(kind, clause.ask("what"), rest, f"what it {clause.verb}", score)


def _is_personal(agent: str) -> bool:
    names = agent.split()
    return 2 <= len(names) <= 3 and all(
        n[0].isupper() and n[1:].islower() for n in names if n not in {"de", "von", "van"}
    )


def figures(s: Stated) -> Iterator[Candidate]:
    """How many, how long, what percentage, what capacity."""
    clause = s.clause
    rest = head_phrase(clause.rest)
    quantity = QUANTITY.match(rest)
    if quantity:
        after = rest[quantity.end() :]
        dimension = _DIMENSION.match(after)
        noun = re.match(
            r" ((?:[a-z][\w-]*|of the|[A-Z]\w+)(?: (?!in\b|on\b|at\b|for\b|by\b|with\b|and\b|per\b|from\b|to\b|each\b|of\b|over\b|during\b|that\b|or\b)[a-z][\w-]*){0,3})",
            after,
        )
        year = re.fullmatch(r"(?:1[0-9]|20)\d\d", quantity.group(2))
        if clause.shape == "copula" and dimension:
            how = _HOW.get(dimension.group(2), f"How {dimension.group(2)}")
            answer = rest[: quantity.end() + dimension.start(2)].strip()
            yield from s.candidate("number", clause.ask(how), answer, "the measure", 1.5)
        elif quantity.group(3):
            of = re.match(r" of ((?:[\w'’-]+ ?){1,6})", after)
            if of and clause.shape != "copula":
                yield from s.candidate(
                    "number",
                    clause.ask(f"What percentage of {of.group(1).strip()}"),
                    quantity.group(),
                    "the share",
                    1.3,
                )
        elif noun and clause.shape == "active" and not year and not noun.group(1).startswith(("of", "and", "or", "to")):
            tail = rest[quantity.end() + noun.end() :]
            of_what = re.match(
                r" of (?:\d[\d.,]* )?[\w-]+(?: each| (?!and\b|in\b|a\b|per\b|on\b|at\b|for\b|to\b|from\b|by\b)[a-z]+)?",
                tail,
            )
            tail = tail[of_what.end() :] if of_what else tail
            tail = "" if _DANGLING.search(tail) or len(words(tail)) > 8 else tail
            unit = noun.group(1) + (of_what.group() if of_what else "")
            if tail.lstrip().startswith(("and ", ", and ")):
                tail = ""
            yield from s.candidate(
                "number",
                clause.ask(f"How many {unit}", tail),
                quantity.group() + " " + noun.group(1),
                "the number",
                1.4,
            )
    of = re.match(
        r"((?:an?|the) (?:[a-z-]+ ){0,3}?(?:[a-z-]+)) of (?=(?:about |around |nearly |up to |more than |over |approximately )?\d)(.{1,60})",
        rest,
    )
    if of and clause.base in {"have", "reach", "achieve", "generate", "produce", "cover", "get", "attain"}:
        value = re.split(r",(?!\d)| and (?!\d)| (?:in|on|by|at|with|for|from) ", of.group(2))[0]
        measure = strip_article(of.group(1))
        yield from s.candidate("number", clause.ask(f"What {measure}"), value, "the value", 1.5)
    share = re.search(
        r"\b(?:by|to|at) ((?:about |around |nearly |up to |more than |over |approximately )?\d[\d.,]{0,12} ?(?:%|percent|per cent|times|metres|meters|degrees \w+|kilomet\w+|tonnes|megawatts))",
        rest,
    )
    if share and not quantity and clause.shape != "copula" and len(words(rest[: share.start()])) <= 8:
        question = clause.ask(
            "By how much" if rest[share.start() : share.start() + 2] == "by" else "How far", rest[: share.start()]
        )
        if rest[share.start() : share.start() + 2] == "by":
            yield from s.candidate("number", question, share.group(1), "the amount", 1.3)


def causes(s: Stated) -> Iterator[Candidate]:
    """Why: `S because R`, `S due to R`."""
    clause = s.clause
    match = _BECAUSE.search(clause.rest)
    if not match or len(words(clause.rest[: match.start()])) > 14:
        return
    reason = clause.rest[match.start(1) :]
    if match.group(1) in {"because", "since"}:
        reason = re.split(r";|, (?:which|while|but|so|whereas)\b", reason)[0]
    else:
        reason = head_phrase(reason)
    before = re.sub(
        r",? (?:partly|mainly|mostly|largely|probably|simply|perhaps|in part)$", "", clause.rest[: match.start()]
    )
    yield from s.candidate("cause", clause.ask("why", before), reason, "the reason", 1.5)


def of_clause(reading: Reading, index: int) -> Iterator[Candidate]:
    """Yields every question that the clause of sentence `index` answers."""
    s = stated(reading, index)
    if s is not None:
        for rule in (definitions, facts, figures, causes):
            yield from rule(s)


def second_subject(text: str) -> str:
    """Returns the subject of the clause that a conjunction opens, or an empty string."""
    clause = parse(text[:1].upper() + text[1:] + ".")
    return "" if clause is None or clause.pronoun else clause.subject
