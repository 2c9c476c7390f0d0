"""Sums in words: poses them, finds them in a text, works them out exactly by the figures that are there.

Which operation is meant goes by cue words (`each` multiplies, `left` subtracts, `share` divides), so that a problem
that is worded otherwise is solved wrongly, as a model would at times.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .wording import capital, stock

_FIGURE = re.compile(r"(?<![\w.])\d{1,9}(?:,\d{3})*(?:\.\d{1,6})?(?![\w])")
_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([-+*/\u00d7\u00f7])\s*(\d{1,9}(?:\.\d{1,6})?)")
_SPOKEN = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "dozen": 12,
}  # fmt: skip
_WORD = re.compile(rf"\b(?:{'|'.join(_SPOKEN)})\b", re.IGNORECASE)
_CUES: dict[str, re.Pattern[str]] = {
    "/": re.compile(r"\b(?:shares?|shared|divided?|splits?|equally|equal groups|quotient|per head)\b", re.IGNORECASE),
    "*": re.compile(
        r"\b(?:each|every|per|times|multipl\w+|product|rows of|an hour|a day|a week|a month|an? piece|apiece)\b",
        re.IGNORECASE,
    ),
    "-": re.compile(
        r"\b(?:left|remain\w*|fewer|less|difference|minus|subtract\w*|gave away|gives away|sells|sold|lost|loses|spent|"
        r"spends|used|eats|ate|broken|how many more)\b",
        re.IGNORECASE,
    ),
}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s?(?:%|percent|per cent)")
_LESS = re.compile(r"\b(?:off|discount|less|reduced|cheaper|lower)\b", re.IGNORECASE)
_IN_UNITS = re.compile(r"\bin (\d{1,6}) (\w{3,20})")
OPERATIONS = {"*": "multiplication", "+": "addition", "-": "subtraction", "/": "division"}
_SWAPPED = {"*": "+", "+": "-", "-": "+", "/": "*"}


@dataclass(frozen=True)
class Sum:
    """Figures with the operation between each and the next, from left to right; `*` and `/` come first."""

    figures: tuple[str, ...]
    signs: tuple[str, ...]

    @property
    def expression(self) -> str:
        """As Python writes it."""
        return " ".join(part for pair in zip(self.figures, (*self.signs, ""), strict=True) for part in pair).strip()

    @property
    def value(self) -> Fraction:
        """The exact result; 0 where it would divide by nothing."""
        terms = [Fraction(self.figures[0])]
        for sign, figure in zip(self.signs, map(Fraction, self.figures[1:]), strict=True):
            if sign == "*":
                terms[-1] *= figure
            elif sign == "/":
                terms[-1] = terms[-1] / figure if figure else Fraction(0)
            else:
                terms.append(figure if sign == "+" else -figure)
        return sum(terms, Fraction(0))

    @property
    def answer(self) -> str:
        """The result as a number: whole, as a decimal where that is short, else as a fraction."""
        return shown(self.value)

    def mistaken(self, rng: random.Random) -> Sum:
        """Returns the sum with one operation taken for another."""
        at = rng.randrange(len(self.signs))
        return Sum(self.figures, (*self.signs[:at], _SWAPPED[self.signs[at]], *self.signs[at + 1 :]))


def shown(value: Fraction) -> str:
    """Returns a number as it is written."""
    if value.denominator == 1:
        return str(value.numerator)
    return str(float(value)) if 10**6 % value.denominator == 0 else f"{value.numerator}/{value.denominator}"


def found(text: str) -> Sum | None:
    """Returns the sum that a text asks for, None where it has no two figures."""
    if written := _WRITTEN.search(text):
        return Sum((written[1], written[3]), ({"\u00d7": "*", "\u00f7": "/"}.get(written[2], written[2]),))
    parts = list(_PERCENT.finditer(text))[:1]
    places = {match.start(): match[0].replace(",", "") for match in _FIGURE.finditer(text)}
    places |= {match.start(): str(_SPOKEN[match[0].lower()]) for match in _WORD.finditer(text)}
    figures = tuple(places[at] for at in sorted(places) if not any(at == part.start() for part in parts))[:6]
    if parts and figures:
        share = 100 - Fraction(parts[0][1]) if _LESS.search(text) else Fraction(parts[0][1])
        return Sum((*figures, shown(share), "100"), (*["*"] * len(figures), "/"))
    if len(figures) < 2:
        return None
    return Sum(figures, _signs(text, figures))


def _signs(text: str, figures: Sequence[str]) -> tuple[str, ...]:
    """Which operations are meant, by the words of the text; so much in so long, and how much in another time, is a
    proportion."""
    timed = _IN_UNITS.findall(text)
    if len(figures) == 3 and len(timed) == 2 and timed[0][1] == timed[1][1]:
        return ("/", "*")
    cued = {sign for sign, pattern in _CUES.items() if pattern.search(text)}
    rest = len(figures) - 2
    if "/" in cued:
        return ("/", *["+"] * rest)
    if "*" in cued:
        last = "-" if "-" in cued else "+" if re.search(r"\b(?:more|besides|gets|finds)\b", text) else "*"
        return ("*", *[last] * rest)
    return tuple(["-" if "-" in cued else "+"] * (rest + 1))


def pose(rng: random.Random, about: str = "", signs: Sequence[str] = ()) -> str:
    """Returns a problem in words that `found` reads; about something where that is given, with the operations asked for
    where they are."""
    who, what, where = (rng.choice(stock(name)) for name in ("people", "things", "places"))
    first, second, third = rng.randint(12, 96), rng.randint(3, 19), rng.randint(2, 11)
    said = f" for {about}" if about else f" in {where}"
    who = capital(who)
    shapes = {
        "*": f"{who} packs {first} {what} a day{said}. How many {what} is that in {second} days?",
        "+": f"{who} has {first} {what}{said} and finds {second} more. How many {what} is that in all?",
        "-": f"{who} has {first} {what}{said} and gives away {second}. How many {what} are left?",
        "/": f"{who} shares {first * second} {what} equally among {second} boxes{said}. How many are in a box?",
        "*-": f"{who} packs {first} {what} a day{said}, does so on {second} days, and then sells {third}. "
        f"How many {what} are left?",
        "*+": f"{who} fills {first} boxes with {second} {what} each{said}, and gets {third} {what} more. "
        f"How many {what} is that in all?",
    }
    wanted = "".join(signs)
    fitting = [shape for shape in shapes if set(shape) >= set(wanted)] or list(shapes)
    return shapes[rng.choice(fitting if wanted else list(shapes))]
