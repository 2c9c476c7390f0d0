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

# Scripts written without spaces: each of their characters counts as a word of its own.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{UNSPACED}]|\d+(?:[.,]\d+)*|[^\W\d_{UNSPACED}][^\W_{UNSPACED}]*(?:'[^\W\d_{UNSPACED}]+)?")
# What `fold` and `_WORD` do, for text that is ASCII.
_ASCII_HYPHEN = re.compile(r"(?<=[a-z])-(?:[ \t\r]*\n[ \t\r\n]*)?(?=[a-z])")
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
        elif folded == "-" and pieces and pieces[-1].isalpha() and _hyphen_joins(text, index, length):
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
    """Splits folded `text` into words and numbers, without punctuation; in unspaced scripts each character is one."""
    if text.isascii():  # the same words by two expressions: the novelty gate asks this of every item
        text = text.lower().replace("`", "'")
        return _ASCII_WORD.findall(_ASCII_HYPHEN.sub("", text) if "-" in text else text)
    return _WORD.findall(fold(text).text)


def located_words(text: str) -> list[tuple[str, int, int]]:
    """Returns the words of `text` as `words` does, each with where it stands: `text[start:end]` folds to it."""
    folded = fold(text)
    return [
        (found[0], folded.starts[found.start()], folded.ends[found.end() - 1]) for found in _WORD.finditer(folded.text)
    ]


def joined(before: str, after: str) -> bool:
    """True when two neighbouring characters belong to one word, so that a match must not begin or end between them."""
    return before.isalnum() and after.isalnum() and _spaced(before) and _spaced(after)


def _spaced(character: str) -> bool:
    # Latin, Greek, Cyrillic, Armenian and their extensions; other scripts attach particles or use no spaces.
    code = ord(character)
    return code < 0x0590 or 0x1E00 <= code < 0x2000 or 0xFB00 <= code < 0xFB18
