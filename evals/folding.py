"""Folds text to a form in which equal wordings are equal strings, and remembers where each character came from.

Folding undoes what extraction and models change without changing the wording: case, runs of white space, ligatures
and other compatibility forms (NFKD), typographic quotes and dashes, zero-width characters, and hyphens between letters
(a PDF breaks `exam-` / `ple`, a model writes `example`). It knows nothing of chunks or items.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

_QUOTES = dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'") | dict.fromkeys(
    "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'
)
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
_INVISIBLE = dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", "")
_FIXED = _QUOTES | _DASHES | _INVISIBLE
_DASH = re.compile(r"[-\u2010-\u2015\u207b\u208b\u2212\ufe31\ufe32\ufe58\ufe63\uff0d][ \t\r\n]*")  # what folds to it

# Scripts written without spaces: each of their characters counts as a word of its own.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# Accents and points, which one writer sets and another leaves out; and signs that are a word's vowels, as in Hindi.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
)
_VOWELS = "".join(
    character
    for first, last in ((0x07A6, 0x07B1), (0x0900, 0x0E00), (0x0F00, 0x1000), (0xA800, 0xA900))
    for character in map(chr, range(first, last))
    if unicodedata.category(character) in ("Mn", "Mc")
)
_WORD = re.compile(
    rf"[{UNSPACED}]|\d+(?:[.,]\d+)*"
    rf"|[^\W\d_{UNSPACED}](?:[^\W_{UNSPACED}]|[{_VOWELS}])*(?:'(?:[^\W\d_{UNSPACED}]|[{_VOWELS}])+)?"
)
# What `fold` and `_WORD` do, for text that is ASCII; tables for `bytes.translate`, which is much faster than `str`'s.
_ASCII_HYPHEN = re.compile(r"(?<=[A-Za-z])-(?:[ \t\r]*\n[ \t\r\n]*)?(?=[A-Za-z])")
_APART = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(128)).ljust(256, b" ")
_SHAPE = bytes(48 if chr(code).isdecimal() else 97 if chr(code).isalpha() else code for code in range(128))
_SHAPE = _SHAPE.replace(b",", b".").ljust(256, b" ")
_QUOTE, _BACKQUOTE, _POINT, _ZERO = b"'`.0"
_ASCII_WORD = re.compile(r"\d+(?:[.,]\d+)*|[a-z][a-z0-9]*(?:'[a-z]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded `text`; character `i` of it came from `source[starts[i]:ends[i]]`."""

    text: str
    starts: array[int]
    ends: array[int]


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    fixed = _FIXED.get(character)
    if fixed is not None:
        return fixed
    if character.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(_FIXED.get(piece, piece) for piece in unicodedata.normalize("NFKD", plain))


@lru_cache(maxsize=256)  # a task's chunks are asked about many times in a row; 256 chunks of 2,000 characters are 6 MB
def fold(text: str) -> Folded:
    """Folds `text`. Deterministic, one pass, no locale."""
    pieces: list[str] = []
    starts, ends = array("I"), array("I")
    length = len(text)
    for index, character in enumerate(text):
        folded = _fold_character(character)
        if folded == " ":
            if pieces and pieces[-1] == " ":
                ends[-1] = index + 1
                continue
        elif folded == "-" and pieces and _ends_letter(pieces[-1]) and _hyphen_joins(text, index, length):
            continue
        elif pieces and pieces[-1] == " " and _is_broken_word(text, starts[-1]):
            pieces.pop(), starts.pop(), ends.pop()
        for piece in folded:
            pieces.append(piece)
            starts.append(index)
            ends.append(index + 1)
    return Folded("".join(pieces), starts, ends)


def _hyphen_joins(text: str, index: int, length: int) -> bool:
    """True for a hyphen between two letters, or at a line's end before a letter."""
    after = index + 1
    while after < length and text[after] in " \t\r\n":
        after += 1
    gap = text[index + 1 : after]
    return after < length and text[after].isalpha() and (not gap or "\n" in gap)


def _is_broken_word(text: str, space: int) -> bool:
    """True when the white space at `space` follows a hyphen that `_hyphen_joins` dropped at a line's end."""
    return (
        space >= 2
        and _fold_character(text[space - 1]) == "-"
        and text[space - 2].isalpha()
        and _hyphen_joins(text, space - 1, len(text))
    )


def words(text: str) -> list[str]:
    """Splits folded `text` into words and numbers, without punctuation; in unspaced scripts each character is one.

    Accents and vowel points do not count (`café` is `cafe`); the vowel signs of Indic scripts are part of their words.
    """
    if not text.isascii():  # the same words as `located_words` has, without going through each character
        text = _DASH.sub(_hyphen_left, text)
        plain = _RUN.sub(_folded_run, text)
        if not plain.isascii():
            return _WORD.findall(_ACCENTS.sub("", text.translate(_FOLDED)))
        text = plain
    elif "-" in text:
        text = _ASCII_HYPHEN.sub("", text)
    raw = text.encode("ascii")
    if _QUOTE not in raw and _BACKQUOTE not in raw and not _mixed(raw.translate(_SHAPE)):
        return raw.translate(_APART).decode("ascii").split()  # in a fraction of the time
    return _ASCII_WORD.findall(text.lower().replace("`", "'"))


def _mixed(shape: bytes) -> bool:
    """True where a run of letters and digits, or what signs part, is not just one word or one number."""
    if _ZERO not in shape:  # looked for by number, as that takes no time
        return False
    return (_POINT in shape and b"0.0" in shape) or shape.rfind(b"0a") >= 0  # from the end: digits are rare


class _Folds(dict[int, str]):
    """What each character folds to, by its number, worked out when one is first met."""

    def __missing__(self, number: int) -> str:
        folded = _fold_character(chr(number))
        if len(self) < MET:
            self[number] = folded
        return folded


MET = 100_000  # characters that are remembered: all that any text is written in, 10 MB at most
_FOLDED = _Folds()
_RUN = re.compile(r"[^\x00-\x7f]+")


def _folded_run(found: re.Match[str]) -> str:
    return _ACCENTS.sub("", found[0].translate(_FOLDED))


def _hyphen_left(found: re.Match[str]) -> str:
    """What is left of a hyphen and the white space after it, where `fold` joins two letters."""
    text, place = found.string, found.start()
    before = place - 1
    while before >= 0 and not _fold_character(text[before]):
        before -= 1
    if before < 0 or not _ends_letter(_fold_character(text[before])) or not _hyphen_joins(text, place, len(text)):
        return found[0]
    return "" if text[place - 1].isalpha() else found[0][1:]


def _ends_letter(folded: str) -> bool:
    return folded[-1].isalpha() or bool(_ACCENTS.match(folded[-1]))


def located_words(text: str) -> list[tuple[str, int, int]]:
    """Returns the words of `text` as `words` does, each with where it stands: `text[start:end]` folds to it."""
    folded = _without_accents(fold(text))
    return [
        (found[0], folded.starts[found.start()], folded.ends[found.end() - 1]) for found in _WORD.finditer(folded.text)
    ]


def _without_accents(folded: Folded) -> Folded:
    if not _ACCENTS.search(folded.text):
        return folded
    kept: list[str] = []
    starts, ends = array("I"), array("I")
    for character, start, end in zip(folded.text, folded.starts, folded.ends, strict=True):
        if not _ACCENTS.match(character):
            kept.append(character)
            starts.append(start)
            ends.append(end)
        elif ends:  # an accent that stands by itself belongs to the letter before it
            ends[-1] = end
    return Folded("".join(kept), starts, ends)


def joined(before: str, after: str) -> bool:
    """True when two neighbouring characters belong to one word, so that a match must not begin or end between them."""
    return before.isalnum() and after.isalnum() and _spaced(before) and _spaced(after)


def _spaced(character: str) -> bool:
    # Latin, Greek, Cyrillic, Armenian and their extensions; other scripts attach particles or use no spaces.
    code = ord(character)
    return code < 0x0590 or 0x1E00 <= code < 0x2000 or 0xFB00 <= code < 0xFB18
