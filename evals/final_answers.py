r"""Reads the final answer that a solution ends with, and says whether two of them are the same.

Stricter than `answers`: what is accepted here is trained on as right, and a right answer that is written in a way
not known here costs no more than another try. No algebra is done: `2x+2` is not `2(x+1)`.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

MOST = 2000  # characters of an answer that are looked at
TOLERANCE = 1e-4  # relative, where one of two numbers is written with a decimal point
_BRACES = re.compile(r"\\boxed\s{0,3}\{|[{}]")
_MARKED = re.compile(r"####[ \t]*(\S.*)$", re.MULTILINE)
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textit)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
# What stands before it could make it an exponent, an index, a decimal or a product: then it is none.
_WHOLE = r"(?<![\w.^/})])(?<![\w.]\s)(\d{1,3}(?:,\d{3})+|\d+)"
_MIXED = re.compile(
    _WHOLE + r"(?:\s*\\[dt]?frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))|\s+(\d+)/(\d+)(?![\w.^/(]))"
)
_GROUPED = re.compile(r"(?<![\w.])\d{1,3}(?:\s\d{3})+(?![\w./])")
_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")
_BOUND = re.compile(r"\w|\s+(?:\d|[A-Za-z]\b)")  # what follows a quotient, and would be read into its bottom
_DROPPED = re.compile(
    r"\\left(?![a-z])|\\right(?![a-z])|\\[!,;: ]|\\quad|\^\s*\{?\\circ\}?|\\\$|[$\u20ac\u00a3]|\\displaystyle"
)
_UNIT = re.compile(r"(?<=[\d.)])\s+(?:[a-z]{2,}\.?)(?:\s+[a-z]{1,15}){0,3}$", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-H])\)?")
_NUMBER = re.compile(
    r"(?P<top>[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,30})?(?:\.\d{1,30})?)"
    r"(?:/(?P<bottom>\d{1,30}))?(?:(?:\\times|\\cdot|\*|x)10\^\{?(?P<power>[-+]?\d{1,3})\}?)?(?P<percent>%?)"
)


def final_answer(text: str) -> str:
    r"""Returns what the last `\boxed{...}` of a text holds, else what follows its last `####` (GSM8K); "" else."""
    found = boxed_answers(text)
    if found:
        return found[-1]
    marked = _MARKED.findall(text)
    return str(marked[-1]).strip() if marked else ""


def boxed_answers(text: str) -> list[str]:
    r"""Returns what each `\boxed{...}` of a text holds, by their ends; braces may be nested, an open one is none."""
    found, opened = [], []
    for brace in _BRACES.finditer(text):
        if brace[0] != "}":
            opened.append(brace)
        elif opened and (begun := opened.pop())[0] != "{" and brace.start() - begun.end() <= MOST:
            found.append(text[begun.end() : brace.start()].strip())
    return found


def same_final_answer(answer: str, expected: str) -> bool:
    """Says whether two final answers are the same: as numbers where both are one, else by their folded spelling.

    Whole numbers and fractions are compared exactly; a unit, a currency sign and thousands separators count for
    nothing, and 15% is 15 and 0.15. An empty answer equals nothing.
    """
    ours, theirs = _folded(answer), _folded(expected)
    if not ours or not theirs:
        return False
    return ours == theirs or _same_number(ours, theirs)


def _folded(text: str) -> str:
    text = text[:MOST].replace("\u2212", "-").replace("\\%", "%").replace("\\{", "{").replace("\\}", "}")
    text = _WRAPPED.sub(r" \1 ", text)
    text = _DROPPED.sub(lambda match: " " if match[0] == "\\ " else "", text).strip().rstrip(".").strip()
    if text.startswith("\\(") and text.endswith("\\)"):
        text = text[2:-2]
    text = _MIXED.sub(_as_fraction, text)
    before = None
    while before != text:  # fractions may stand within fractions
        before, text = text, _FRACTION.sub(_as_quotient, text)
    if letter := _LETTER.fullmatch(text.strip()):
        return letter[1]
    text = _UNIT.sub("", text.strip())
    words = text.replace("\\", "").strip()
    if re.fullmatch(r"[A-Za-z][A-Za-z' -]*", words):
        return " ".join(words.lower().split())
    return _BLANKS.sub("", _GROUPED.sub(lambda match: re.sub(r"\s", "", match[0]), text))  # `2 3` is not 23


def _as_fraction(match: re.Match[str]) -> str:
    r"""`1\frac{1}{2}` and `1 1/2` as `\frac{3}{2}`, of which a sign before it holds whole; `2\frac{3}{2}` is none."""
    whole, top, bottom = (int(part.replace(",", "")) for part in match.groups() if part)
    return rf"\frac{{{whole * bottom + top}}}{{{bottom}}}" if top < bottom else match[0]


def _as_quotient(match: re.Match[str]) -> str:
    top, bottom = (match[1] or match[2] or "", match[3] or match[4] or "")
    plain = all(re.fullmatch(r"\s*\w+\s*", part) for part in (top, bottom))
    if not plain:
        return f"({top.strip()})/({bottom.strip()})"
    quotient = f"{top.strip()}/{bottom.strip()}"
    glued = match.string[: match.start()].rstrip()[-1:].isdigit() and quotient[0].isdigit()
    return f"({quotient})" if glued or _BOUND.match(match.string, match.end()) else quotient


def _same_number(left: str, right: str) -> bool:
    ours, theirs = _values(left), _values(right)
    if not ours or not theirs:
        return False
    exact = "." not in left and "." not in right and "%" not in left + right
    if exact:
        return ours[0] == theirs[0]
    return any(math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12) for one in ours for other in theirs)


def _values(text: str) -> list[Fraction]:
    """The number that a text is: for a percentage its fraction and its bare figure; nothing for what is no number."""
    found = _NUMBER.fullmatch(text)
    if found is None or not any(one.isdigit() for one in found["top"]):
        return []
    value = Fraction(found["top"].replace(",", ""))
    if found["bottom"]:
        if not int(found["bottom"]):
            return []
        value /= int(found["bottom"])
    value *= Fraction(10) ** int(found["power"] or 0)
    return [value, value / 100] if found["percent"] else [value]
