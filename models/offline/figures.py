"""Questions that a figure answers: how many, how long, what percentage, what capacity, by how much."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .clauses import head_phrase
from .sentences import words
from .stated import DANGLING, Candidate, Stated
from .terms import strip_article

QUANTITY = re.compile(
    r"^((?:about|around|nearly|up to|more than|over|at least|at most|roughly|approximately|almost|some|only|less than|"
    r"fewer than|between|an estimated) )?(\d+(?:,\d{3})*(?:\.\d+)?(?: (?:to|and|or) \d+(?:,\d{3})*(?:\.\d+)?)?"
    r"(?: (?:million|billion|trillion))?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|"
    r"hundreds|thousands|dozens)"
    r"( ?%| percent| per cent)?\b"
)


_DIMENSION = re.compile(r"^ (\w+) (long|wide|high|deep|tall|thick|old|across|away)\b")


_HOW = {"across": "How far across", "away": "How far away"}


_ABOUT = r"(?:about |around |nearly |up to |more than |over |at least |approximately |an estimated )?"
_STOP = r"(?:in|on|at|for|by|with|and|per|from|to|each|of|over|during|that|or|a|an|which|when)\b"
# " bulb turbines", " gigawatt-hours": the noun that a number counts
_COUNTED = re.compile(rf" ((?:[a-z][\w-]*|[A-Z]\w+)(?: (?!{_STOP})[a-z][\w-]*){{0,3}})")
# " of electricity", " of 10 megawatts each": what belongs to that noun
_OF_WHAT = re.compile(rf" of (?:\d[\d.,]{{0,12}} )?[\w-]+(?: each| (?!{_STOP})[a-z]+)?")
# "a capacity of 240 megawatts"
_MEASURE = re.compile(rf"((?:an?|the) (?:[a-z-]+ ){{0,3}}?[a-z-]+) of (?={_ABOUT}\d)(.{{1,60}})")
_BY = re.compile(
    rf"\bby ({_ABOUT}\d[\d.,]{{0,12}} ?(?:%|percent|per cent|times|[a-z]*(?:metre|meter|tonne|watt|gram)s))\b"
)
_MEASURING = frozenset(["have", "reach", "achieve", "generate", "produce", "cover", "get", "attain", "offer"])


def figures(s: Stated) -> Iterator[Candidate]:
    """Yields the questions after a figure that a clause states."""
    rest = head_phrase(s.clause.rest)
    quantity = QUANTITY.match(rest)
    if quantity:
        yield from _counted(s, rest, quantity)
    measure = _MEASURE.match(rest)
    if measure and s.clause.base in _MEASURING:
        value = re.split(r",(?!\d)| and (?!\d)| (?:in|on|by|at|with|for|from) ", measure.group(2))[0]
        yield from s.candidate(
            "number", s.clause.ask(f"What {strip_article(measure.group(1))}"), value, "the value", 1.5
        )
    amount = _BY.search(rest)
    if amount and not quantity and s.clause.shape != "copula" and len(words(rest[: amount.start()])) <= 8:
        question = s.clause.ask("By how much", rest[: amount.start()])
        yield from s.candidate("number", question, amount.group(1), "the amount", 1.3)


def _counted(s: Stated, rest: str, quantity: re.Match[str]) -> Iterator[Candidate]:
    """`is 750 metres long`, `supplies 60 per cent of X`, `has 24 bulb turbines`."""
    clause, after = s.clause, rest[quantity.end() :]
    dimension = _DIMENSION.match(after)
    noun = _COUNTED.match(after)
    year = re.fullmatch(r"(?:1[0-9]|20)\d\d", quantity.group(2))
    if clause.shape == "copula" and dimension:
        how = _HOW.get(dimension.group(2), f"How {dimension.group(2)}")
        answer = rest[: quantity.end() + dimension.start(2)].strip()
        yield from s.candidate("number", clause.ask(how), answer, "the measure", 1.5)
    elif quantity.group(3):
        of = re.match(r" of ((?:[\w'’-]+ ?){1,6})", after)
        if of and clause.shape != "copula":
            question = clause.ask(f"What percentage of {of.group(1).strip()}")
            yield from s.candidate("number", question, quantity.group(), "the share", 1.3)
    elif noun and clause.shape == "active" and not year and not re.match(_STOP, noun.group(1)):
        tail = after[noun.end() :]
        of_what = _OF_WHAT.match(tail)
        unit = noun.group(1) + (of_what.group() if of_what else "")
        tail = tail[of_what.end() :] if of_what else tail
        if DANGLING.search(tail) or len(words(tail)) > 8 or tail.lstrip(" ,").startswith("and "):
            tail = ""
        answer = f"{quantity.group()} {noun.group(1)}"
        yield from s.candidate("number", clause.ask(f"How many {unit}", tail), answer, "the number", 1.4)
