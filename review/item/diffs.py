"""What changed between two texts, word by word: pieces that a page prints. Pure functions, in bounded time.

The algorithm is Myers, "An O(ND) Difference Algorithm and Its Variations", 1986. difflib was not taken: texts of models
may be made to be slow, and its time cannot be bounded while it runs; this one counts its steps and gives up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["same", "del", "ins"]

WORD = re.compile(r"\w+|\s+|[^\w\s]")
LINE = re.compile(r"[^\n]*\n|[^\n]+")
STEPS = 120_000  # less than a tenth of a second; enough for hundreds of changed words anywhere in a long text
ISLAND = 3  # characters of one unchanged word between two changes, which are read better as one change


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both (`same`), in the old one only (`del`), in the new one only (`ins`)."""

    kind: Kind
    text: str


def word_diff(old: str, new: str, steps: int = STEPS) -> tuple[Piece, ...]:
    """Returns the pieces that lead from `old` to `new`, in order: `same` and `del` joined are `old`, with `ins` `new`.

    Beyond `steps` of work whole lines are compared, and beyond that all that lies between the common ends counts as
    changed.
    """
    a, b = WORD.findall(old), WORD.findall(new)
    blocks = _blocks(a, b, steps)
    if blocks is None:
        lines = _blocks(LINE.findall(old), LINE.findall(new), steps)
        blocks = _ends(a, b) if lines is None else _finer(lines, steps)
    return tuple(_pieces(_without_islands(blocks)))


# A block is a text that stayed, or a pair of what went and what came.
Block = str | tuple[str, str]


def _blocks(a: Sequence[str], b: Sequence[str], steps: int) -> list[Block] | None:
    """The texts of units that stayed or changed, in order; None when it takes more than `steps`."""
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    inner = _script(a[head : len(a) - tail], b[head : len(b) - tail], steps)
    if inner is None:
        return None
    script: list[tuple[Kind, str]] = [("same", "".join(a[:head])), *inner, ("same", "".join(a[len(a) - tail :]))]
    found: list[Block] = []
    for kind, text in script:
        if not text:
            continue
        last = found[-1] if found else None
        if kind == "same":
            found[-1:] = [last + text] if isinstance(last, str) else [*found[-1:], text]
            continue
        went, came = (text, "") if kind == "del" else ("", text)
        if isinstance(last, tuple):
            found[-1] = (last[0] + went, last[1] + came)
        else:
            found.append((went, came))
    return found


def _ends(a: Sequence[str], b: Sequence[str]) -> list[Block]:
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    middle = ("".join(a[head : len(a) - tail]), "".join(b[head : len(b) - tail]))
    return [block for block in ("".join(a[:head]), middle, "".join(a[len(a) - tail :])) if block]


def _finer(blocks: list[Block], steps: int) -> list[Block]:
    """Looks into changed lines for the words that changed, as far as a second budget goes."""
    changed = sum(isinstance(block, tuple) for block in blocks) or 1
    found: list[Block] = []
    for block in blocks:
        inner = None
        if isinstance(block, tuple):
            inner = _blocks(WORD.findall(block[0]), WORD.findall(block[1]), steps // changed)
        found += [block] if inner is None else inner
    return found


def _script(a: Sequence[str], b: Sequence[str], steps: int) -> list[tuple[Kind, str]] | None:
    """The shortest edit script of two sequences of units; None when it takes more than `steps`.

    `rows[d][i]` is how far into `a` one gets with d edits on the diagonal 2i - d.
    """
    rows: list[list[int]] = []
    done = 0
    for d in range(len(a) + len(b) + 1):
        before = rows[-1] if rows else []
        row: list[int] = []
        rows.append(row)
        for i in range(d + 1):
            x = _entered(before, i, d)
            y = x - (2 * i - d)
            start = x
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            done += 1 + x - start
            row.append(x)
            if x == len(a) and y == len(b):
                return _walked(a, b, rows, i)
            if done > steps:
                return None
    raise AssertionError("two texts differ in more units than they have")


def _entered(before: Sequence[int], i: int, d: int) -> int:
    """Where the d-th edit lands on its diagonal: below what was reached above it, or right of what was reached left."""
    if d == 0:
        return 0
    if i == 0 or (i < d and before[i - 1] < before[i]):
        return before[i]
    return before[i - 1] + 1


def _walked(a: Sequence[str], b: Sequence[str], rows: Sequence[Sequence[int]], i: int) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    for d in range(len(rows) - 1, -1, -1):
        x, before = rows[d][i], rows[d - 1] if d else ()
        entered = _entered(before, i, d)
        found += [("same", a[place]) for place in range(x - 1, entered - 1, -1)]
        if d == 0:
            break
        if i == 0 or (i < d and before[i - 1] < before[i]):
            found.append(("ins", b[entered - (2 * i - d) - 1]))
        else:
            found.append(("del", a[entered - 1]))
            i -= 1
    return found[::-1]


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many units two sequences begin with alike."""
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return place
    return min(len(a), len(b))


def _without_islands(blocks: Sequence[Block]) -> list[Block]:
    """Joins changes that only a single short word divides: word salad becomes one change."""
    found: list[Block] = []
    for place, block in enumerate(blocks):
        last = found[-1] if found else None
        if isinstance(last, tuple) and isinstance(block, tuple):
            found[-1] = (last[0] + block[0], last[1] + block[1])
        elif isinstance(last, tuple) and isinstance(block, str) and place + 1 < len(blocks) and _is_island(block):
            found[-1] = (last[0] + block, last[1] + block)
        else:
            found.append(block)
    return found


def _is_island(text: str) -> bool:
    return "\n" not in text and len(text.strip()) <= ISLAND and len(text.split()) <= 1


def _pieces(blocks: Sequence[Block]) -> list[Piece]:
    found: list[Piece] = []
    for block in blocks:
        if isinstance(block, str):
            found.append(Piece("same", block))
            continue
        found += [Piece(kind, text) for kind, text in zip(("del", "ins"), block, strict=True) if text]  # type: ignore[arg-type]
    return found
