"""Compares short answers: exact match, numeric match, and the majority of several answers.

Pure string work; which field of which draft is an answer is the caller's business (see `agents.verifiers.form`).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from .folding import fold

RELATIVE_TOLERANCE = 1e-3
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"(?<=\d)[.,](?=\d)|(?<![\w.])(?:-\.?|\.)(?=\d)|(" + f"[{re.escape(string.punctuation)}])")
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\}){0,200})\}")
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([-+.\d]{1,40})\s*\}\s*\{\s*([-+.\d]{1,40})\s*\}")
_TEN_TO = re.compile(r"\s{0,3}(?:[x\u00d7*]|\\times|\\cdot)\s{0,3}10\s{0,3}\^\s{0,3}\{?\s{0,3}([-+]?\d{1,4})\}?")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-+]?)[$\u20ac\u00a3\u00a5]?"
    r"(?:(?P<whole>\d{1,15})\s{1,2}(?=\d{1,15}/\d))?"
    r"(?P<digits>\d+(?:[., ]\d{3})*(?:[.,]\d+)?|\.\d+)"
    r"(?P<exponent>[eE][-+]?\d{1,4})?"
    r"(?:\s?/\s?(?P<divisor>\d{1,15}(?:\.\d{1,15})?))?"
    r"(?:\s?(?P<percent>%|\\%|percent\b|per cent\b)|\s(?P<scale>thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)


def normalise_answer(text: str) -> str:
    """Lower-cases, drops punctuation and the articles a, an, the, and joins white space.

    The normalisation of the SQuAD evaluation script (Rajpurkar et al. 2016, arXiv:1606.05250), after typographic
    folding, but for two things: marks inside a number stay, so that 3.14 is not 314 and -5 is not 5; and an answer of
    punctuation or articles alone stays as it is, so that it never equals an empty one.
    """
    folded = fold(text).text.strip()
    bare = " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(_unless_in_number, folded)).split())
    return bare or folded


def exact_match(answer: str, expected: str | Sequence[str]) -> bool:
    """Says whether `answer` equals `expected`, or one of them, once both are normalised."""
    candidates = [expected] if isinstance(expected, str) else expected
    wanted = {normalise_answer(candidate) for candidate in candidates} - {""}
    return normalise_answer(answer) in wanted


@dataclass(frozen=True, slots=True)
class Number:
    """A number read from a text. `value` has a percentage applied (15% is 0.15); `plain` is what was written (15)."""

    value: float
    plain: float


def read_number(text: str) -> Number | None:
    r"""Reads the number that `text` answers with; None when there is none.

    A `\boxed{}` wins, then what follows the last `####` (GSM8K), then the last number in the text. Understood are
    thousands separators (comma, point or space), decimal points and commas, fractions (also mixed and LaTeX),
    exponents, percentages, and the words thousand to trillion. Units and currency signs are ignored. A single group
    such as `1,234` or `1.234` counts as thousands with a comma and as a decimal with a point.
    """
    if boxed := _BOXED.findall(text):
        text = str(boxed[-1])
    elif "####" in text:
        text = text.rsplit("####", 1)[1]
    text = text.replace("\u2212", "-").replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ")
    text = _TEN_TO.sub(r"e\1", _LATEX_FRACTION.sub(r"\1/\2", text))
    found = None
    for match in _NUMBER.finditer(text):
        found = _number(match) or found
    return found


def numeric_match(answer: str, expected: str, *, tolerance: float = RELATIVE_TOLERANCE) -> bool:
    """Says whether both texts answer with the same number, within the relative `tolerance`.

    A percentage equals its fraction (15% and 0.15) and, as a unit that was left out, its bare figure (15% and 15).
    """
    left, right = read_number(answer), read_number(expected)
    if left is None or right is None:
        return False
    return _close(left.value, right.value, tolerance) or _close(left.plain, right.plain, tolerance)


def same_answer(answer: str, expected: str, *, tolerance: float = RELATIVE_TOLERANCE) -> bool:
    """Compares as numbers when both texts are a number (with a unit at most), else by exact match."""
    if _is_number(answer) and _is_number(expected):
        return numeric_match(answer, expected, tolerance=tolerance)
    return exact_match(answer, expected)


@dataclass(frozen=True, slots=True)
class Majority:
    """The vote of `total` answers: the winner, its votes and share in [0, 1], and all that tie with it (else empty)."""

    answer: str
    votes: int
    total: int
    tied: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return self.votes / self.total


def majority(answers: Sequence[str], *, same: Callable[[str, str], bool] = same_answer) -> Majority:
    """Votes over `answers`, as in self-consistency (Wang et al. 2022, arXiv:2203.11171).

    An answer joins the first group whose first member is the `same`; the winner is the largest group's first member,
    the earliest of those that tie. A blank answer abstains: it counts in `total` and wins nothing.

    Raises:
        ConfigError: there is no answer to vote on.
    """
    if not answers:
        raise ConfigError("majority() got no answers; give it at least one")
    groups: dict[str, int] = {}
    for answer in answers:
        if not answer.strip():
            continue
        head = next((known for known in groups if same(answer, known)), answer)
        groups[head] = groups.get(head, 0) + 1
    if not groups:
        return Majority("", 0, len(answers))
    votes = max(groups.values())
    first = [answer for answer, count in groups.items() if count == votes]
    return Majority(first[0], votes, len(answers), tuple(first) if len(first) > 1 else ())


def _unless_in_number(match: re.Match[str]) -> str:
    return "" if match[1] else match[0]


def _close(left: float, right: float, tolerance: float) -> bool:
    return math.isclose(left, right, rel_tol=tolerance, abs_tol=1e-12)


def _is_number(text: str) -> bool:
    """True for a text that is one number with a unit of at most three words, not a sentence that contains one."""
    return len(text) <= 80 and len(text.split()) <= 4 and read_number(text) is not None


def _number(match: re.Match[str]) -> Number | None:
    plain = float(_plain_digits(match["digits"]) + (match["exponent"] or ""))
    if match["divisor"]:
        divisor = float(match["divisor"])
        if divisor == 0:
            return None
        plain = float(match["whole"] or 0) + plain / divisor
    if match["sign"] == "-":
        plain = -plain
    if match["scale"]:
        plain *= _SCALES[match["scale"].lower()]
    if not math.isfinite(plain):
        return None
    return Number(value=plain / 100 if match["percent"] else plain, plain=plain)


def _plain_digits(digits: str) -> str:
    """Rewrites `1,234.5`, `1.234,5`, `1 234` and `3,14` with a decimal point and no separators."""
    digits = digits.replace(" ", "")
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:
        thousands, decimal = (",", ".") if point > comma else (".", ",")
    elif comma >= 0:
        grouped = all(len(group) == 3 for group in digits.split(",")[1:]) and not digits.startswith("0,")
        thousands, decimal = (",", ".") if grouped else ("", ",")
    else:
        thousands, decimal = (".", ",") if digits.count(".") > 1 else ("", ".")
    if thousands:
        digits = digits.replace(thousands, "")
    return digits.replace(decimal, ".")
