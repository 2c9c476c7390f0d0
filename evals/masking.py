"""Masks the numbers of a reference solution, so that it guides a model that solves the problem and cannot be copied.

After OpenMathInstruct-1 (Toshniwal et al. 2024, arXiv:2402.10176), where a model writes the masked text; here a rule
does, which leaves no number by mistake and costs no call.
"""

from __future__ import annotations

import re
from itertools import count
from string import ascii_uppercase

from .final_answers import boxed_answers

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_TAIL = re.compile(r"####.*", re.DOTALL)
_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_TENS = "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half third"
_NUMERAL = re.compile(rf"\b(?:{'|'.join(f'{_ONES} {_TENS} twice thrice quarter dozen'.split())})s?\b", re.IGNORECASE)
ANSWER = "[answer]"


def masked_solution(solution: str, problem: str, answer: str) -> str:
    """Returns `solution` with every number that `problem` does not state as a letter, the same number the same letter.

    The final answer becomes `[answer]` wherever it stands, what follows `####` goes, and so do numerals in words that
    the problem does not have.
    """
    text = _TAIL.sub("", solution)
    for told in sorted({*boxed_answers(text), answer.strip()} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.]){re.escape(told)}(?!\w|\.\d)", lambda _: ANSWER, text)
    stated = {_plain(number) for number in _NUMBER.findall(problem)} - {_plain(answer)}
    said = {word.lower() for word in _NUMERAL.findall(problem)}
    names: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        number = _plain(match[0])
        if number == _plain(answer):
            return ANSWER
        if number in stated or match[0].lower() in said:
            return match[0]
        return names.setdefault(number, _letter(len(names)))

    return _NUMERAL.sub(hide, _NUMBER.sub(hide, text)).strip()


def _plain(number: str) -> str:
    bare = number.replace(",", "").strip().lower()
    return bare.rstrip("0").rstrip(".") if "." in bare else bare


def _letter(place: int) -> str:
    """M, N, ..., Z, A, ..., L, then MM, NN, ...: letters that problems seldom use themselves come first."""
    letters = ascii_uppercase[12:] + ascii_uppercase[:12]
    return letters[place % 26] * next(times for times in count(1) if place < 26 * times)
