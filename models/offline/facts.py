"""Questions that a single clause answers: definitions, dates, places, agents, objects, numbers and causes.

Each rule turns a clause into its question by moving the auxiliary, and takes the answer verbatim from the clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .clauses import first_clause, head_phrase, parse
from .figures import QUANTITY, figures
from .lexicon import DETERMINERS, PREPOSITIONS, word_list
from .reading import Reading
from .sentences import words
from .stated import DANGLING, OBJECT_PRONOUNS, Candidate, Stated, stated
from .terms import kind_of, strip_article

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


_STRANDED = word_list("stranded")


_CLASSED = re.compile(r"[a-z].{0,200}\b(?:that|which|of|formed|made|found|where)\b")
_BECAUSE = re.compile(r",? (because|due to|owing to|as a result of|since(?= (?:the|it|they|a|an|its|their)\b))")


_LINKS = frozenset(["cause", "trigger", "lead", "result", "produce"])


_NO_OBJECT_VERBS = word_list("no_object_verbs")


_NO_OBJECT = re.compile(
    r"^(?:to|that|how|whether|not|very|more|most|so|as|only|even|if|when|and|or|not|able|available|up|down|out|off|back|"
    r"away|together|well|better|\w+ly|\w+ing)\b"
)


def definitions(s: Stated) -> Iterator[Candidate]:
    """`X is a Y`, `X, a Y, ...`, `X refers to Y`, and acronyms with their long form."""
    clause, subject = s.clause, s.clause.subject
    sentence = s.reading.sentences[s.index].text
    plain = len(subject.split()) <= 6 and not re.search(r" (?:in|on|for|at|with|from|by) ", subject)
    rest = head_phrase(clause.rest) if clause.shape == "copula" else clause.rest
    article = re.match(
        r"(?:an?|one of|any) |the (?!\w+er of )(?:\w+ ){1,3}(?:that|of|in|between|for|by|on|to|used)\b", clause.rest
    )
    unique = _UNIQUE.match(clause.rest)
    if clause.shape == "copula" and plain and not subject.startswith("the authors"):
        whole = first_clause(clause.rest)
        full = whole if len(words(whole)) <= 24 and ";" not in whole else rest
        who = kind_of(strip_article(subject), clause.rest) == "person"
        wh = "who" if who and clause.aux in {"is", "was"} else "what"
        if unique and clause.aux in {"is", "was"}:
            # "X is the largest Y": what Y asks for is X
            answer = s.clause.subject
            if len(words(rest)) <= 16 and not DANGLING.search(rest):
                yield from s.candidate("fact", f"what {clause.aux} {rest}?", answer, "what it is said of", 1.3)
        elif article:
            yield from s.candidate("definition", f"{wh} {clause.aux} {subject}?", full, "what it is", 1.5)
        elif clause.aux == "are" and subject[-1] == "s" and _CLASSED.match(rest) and len(words(rest)) >= 4:
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
        if first in PREPOSITIONS | OBJECT_PRONOUNS or QUANTITY.match(rest) or clause.base in _NO_OBJECT_VERBS:
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
