"""Cuts a passage into sentences with exact spans, and words out of sentences.

Boundaries come from `sentencex` (rules in Rust, linear time). Headings, tables and fenced code are no sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import sentencex  # type: ignore[import-untyped]  # the package ships no types

from .lexicon import IRREGULAR_BASES, STOPWORDS

MAX_PASSAGE = 200_000  # characters that are read of one passage; a chunk has about 2,000
MAX_SENTENCES = 600
MAX_BLOCK = 4_000  # characters of a paragraph that are cut into sentences at once
MAX_SENTENCE = 600  # characters; longer ones are lists, tables or noise
MIN_WORDS, MAX_WORDS = 4, 60

WORD = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?![^\W_])|[^\W_]+(?:[-'’.][^\W_]+)*")
NUMBER = re.compile(
    r"(?<![\w.])(?<!\w[-–])[-−]?\d+(?:,\d{3})*(?:\.\d+)?"
    r"(?:\s?%|\s(?:percent|per cent|million|billion|trillion)\b|(?![^\W_]))"
)
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_LIST_ITEM = re.compile(r"[ \t]{0,8}(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_ENDING = re.compile(r"[.!?][\"'”’)\]]{0,3}\Z")
_SPACE = re.compile(r"\s+")
_FENCE = ("```", "~~~")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence. `quote` is `passage[start:end]`; `text` is the same on one line; `block` counts paragraphs.

    `complete` tells a whole statement (a capital, a full stop, neither too short nor too long) from a fragment.
    """

    index: int
    start: int
    end: int
    quote: str
    text: str
    block: int
    complete: bool


def one_line(text: str) -> str:
    """Returns `text` with every run of white space as one space."""
    return _SPACE.sub(" ", text).strip()


def find_name(name: str, text: str, start: int = 0, *, plural: bool = False) -> tuple[int, int] | None:
    """Returns where `name` first stands in `text` as whole words (with `plural`, also with an `s` or `es`), or None.

    A plain search: a pattern made for each name would cost more to compile than to run.
    """
    at = text.find(name, start) if name else -1
    while at >= 0:
        end = at + len(name)
        if at == 0 or not text[at - 1].isalnum():
            for ending in ("", "s", "es") if plural else ("",):
                stop = end + len(ending)
                if text.startswith(ending, end) and not text[stop : stop + 1].isalnum():
                    return at, stop
        at = text.find(name, at + 1)
    return None


def words(text: str) -> list[str]:
    """Returns the words of `text` as they stand."""
    return WORD.findall(text)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Returns a rough stem, for matching alone: `turbines` and `turbine`, `opened` and `opens` meet."""
    word = word.lower().replace("’", "'").removesuffix("'s").replace(",", "")
    word = IRREGULAR_BASES.get(word, word)
    if len(word) < 4 or word[0].isdigit():
        return word
    for suffix, mend, least in (
        ("ies", "i", 5), ("ing", "", 6), ("ied", "i", 5), ("ed", "", 5), ("es", "", 5), ("ly", "", 6), ("s", "", 4),
    ):  # fmt: skip
        if word.endswith(suffix) and len(word) >= least and not word.endswith("ss"):
            word = word[: -len(suffix)] + mend
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    word = word[:-1] + "i" if word.endswith("y") else word
    return word.removesuffix("e")


@lru_cache(maxsize=8_192)
def content_stems(text: str) -> frozenset[str]:
    """Returns the stems of the words that carry meaning: no stop words, numbers kept."""
    return frozenset(
        stem(word) for word in words(text) if word.lower() not in STOPWORDS and (len(word) > 1 or word.isdigit())
    )


def numbers(text: str) -> set[str]:
    """Returns the numbers of `text` without thousands separators."""
    return {found.replace(",", "") for found in _DIGITS.findall(text)}


def _blocks(passage: str) -> list[tuple[int, int]]:
    """Returns the spans of paragraphs and list items, leaving out headings, tables and fenced code."""
    lines: list[tuple[int, str]] = []
    offset = 0
    for line in passage.splitlines(keepends=True):
        lines.append((offset, line))
        offset += len(line)
    # a text with very long lines is not hard-wrapped: each of its lines is a paragraph
    wrapped = all(len(line) <= 200 for _, line in lines)
    blocks: list[tuple[int, int]] = []
    opened: int | None = None
    fenced = False

    def close(end: int) -> None:
        nonlocal opened
        if opened is not None:
            blocks.append((opened, end))
            opened = None

    for start, line in lines:
        bare = line.strip()
        if bare.startswith(_FENCE):
            fenced = not fenced
            close(start)
        elif fenced or not bare or bare[0] in "#|=<" or set(bare) <= set("-=_* "):
            close(start)
        elif item := _LIST_ITEM.match(line):
            close(start)
            opened = start + item.end()
        elif opened is None or not wrapped:
            close(start)
            opened = start
    close(len(passage))
    return [piece for start, end in blocks for piece in _pieces(passage, start, end)]


def _pieces(passage: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cuts a very long paragraph after white space: the splitter's time grows with the square of quotation marks."""
    pieces: list[tuple[int, int]] = []
    while end - start > MAX_BLOCK:
        at = max(passage.rfind(". ", start, start + MAX_BLOCK), passage.rfind("\n", start, start + MAX_BLOCK))
        cut = at + 2 if at > start else start + MAX_BLOCK
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]


def split(passage: str, language: str = "en") -> tuple[Sentence, ...]:
    """Cuts `passage` (its first 200,000 characters) into at most 600 sentences of `language` (ISO 639-1)."""
    passage = passage[:MAX_PASSAGE]
    found: list[Sentence] = []
    for number, (start, end) in enumerate(_blocks(passage)):
        for boundary in sentencex.get_sentence_boundaries(language, passage[start:end]):
            raw = passage[start + boundary["start_index"] : start + boundary["end_index"]]
            quote = raw.strip()
            if not quote:
                continue
            begin = start + boundary["start_index"] + raw.index(quote[0])
            text = one_line(quote) if len(quote) <= MAX_SENTENCE else quote
            count = text.count(" ") + 1
            complete = (
                len(quote) <= MAX_SENTENCE
                and MIN_WORDS <= count <= MAX_WORDS
                and (text[0].isupper() or text[0].isdigit() or text[0] in "\"'“‘(")
                and text[-1] != "?"
                and _ENDING.search(text[-5:]) is not None
            )
            found.append(Sentence(len(found), begin, begin + len(quote), quote, text, number, complete))
            if len(found) == MAX_SENTENCES:
                return tuple(found)
    return tuple(found)
