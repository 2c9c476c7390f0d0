"""Cuts a text into sentences with exact spans; nothing but white space lies between them.

What is no sentence is cut by lines: headings, items of lists, rows of tables, fenced code. So every character that says
something stands in exactly one segment, and a text that is shown in part is never cut within a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import sentencex  # type: ignore[import-untyped]  # the package ships no types

LONGEST_BLOCK = 4_000  # characters that are cut at once: the splitter's time grows with the square of quotation marks
WRAPPED = 200  # characters; a paragraph with a longer line is not wrapped by hand, so each of its lines stands alone
_FENCE = ("```", "~~~")
_ITEM = re.compile(r"[ \t]{0,8}(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_END = re.compile(r"[.!?\u3002]['\"\u201d\u2019)\]]{0,3}\s|\n")

LONE = re.compile("[\ud800-\udfff]")  # half of a character, which no encoding has; a text of Python's may have it

Place = tuple[int, int]


@lru_cache(maxsize=1024)
def segments(text: str) -> tuple[Place, ...]:
    """Returns the spans `[start, end)` of the sentences of `text`, ascending, disjoint, without white space around."""
    found: list[Place] = []
    text = LONE.sub("\ufffd", text)  # of the same length, so every place stays
    for start, end, prose in _blocks(text):
        for low, high in _sentences(text, start, end) if prose else [(start, end)]:
            piece = text[low:high]
            bare = piece.strip()
            if bare:
                first = low + len(piece) - len(piece.lstrip())
                found.append((first, first + len(bare)))
    return tuple(found)


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yields paragraphs and items of lists, which are prose, and lines that are not."""
    opened: int | None = None
    fenced = wrapped = False
    at = 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        fence = bare.startswith(_FENCE)
        single = fenced or fence or bare[:1] in ("#", "|", "<") or set(bare) <= set("-=_* ")
        item = not single and _ITEM.match(line) is not None
        if opened is not None and (single or item or not wrapped or len(line) > WRAPPED):
            yield opened, at, True
            opened = None
        if single:
            yield at, at + len(line), False
        elif opened is None:
            opened = at
        wrapped = len(line) <= WRAPPED
        fenced ^= fence
        at += len(line)
    if opened is not None:
        yield opened, at, True


def _sentences(text: str, start: int, end: int) -> Iterator[Place]:
    while start < end:
        cut = end if end - start <= LONGEST_BLOCK else _cut(text, start)
        last = start
        for boundary in sentencex.get_sentence_boundaries("en", text[start:cut]):
            low, high = start + boundary["start_index"], start + boundary["end_index"]
            yield last, low
            yield low, high
            last = high
        yield last, cut
        start = cut


def _cut(text: str, start: int) -> int:
    """Where a very long paragraph is cut: behind its last end of a sentence that is near enough."""
    ends = [match.end() for match in _END.finditer(text, start, start + LONGEST_BLOCK)]
    return ends[-1] if ends else start + LONGEST_BLOCK
