"""Decides whether two entries of a graph are one thing: `same-entity`.

By words alone: what the names share, and what is said of the two. It knows no other names for a thing (Wien and Vienna
are `unsure` to it) and settles few pairs; what it cannot tell it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...prompts.schemas import SameEntity
from .judging import texts
from .sentences import content_stems, numbers

ALIKE, APART = 0.3, 0.02  # shares of the words said of the shorter side that the two have in common
FEW = 4  # words said of an entry, besides names; fewer settle nothing
READ = 4000  # characters of each side that are read


def same(variables: Mapping[str, Any]) -> SameEntity:
    """Answers `same-entity`."""
    entries = [one if isinstance(one, Mapping) else {"name": str(one)} for one in variables["entries"]][:2]
    if len(entries) < 2:
        return SameEntity(decision="unsure", reason="there are not two entries", confidence=0.0)
    names = [str(entry.get("name", ""))[:READ] for entry in entries]
    if numbers(names[0]) != numbers(names[1]):
        return SameEntity(decision="different", reason="the numbers in the names differ", confidence=0.9)
    stems = [content_stems(name) for name in names]
    said = [_said(entry) - stems[0] - stems[1] for entry in entries]
    least = min(map(len, said))
    share = len(said[0] & said[1]) / least if least else 0.0
    shorts = {_initials(names[0]), _initials(names[1])} - {""}
    related = bool(stems[0] & stems[1]) or bool(shorts & {name.casefold() for name in names})
    shown = "a word or initials" if related else "nothing"
    told = f"the names share {shown}, and what is said of them {share:.0%} of its words"
    if least < FEW:
        return SameEntity(decision="unsure", reason=f"too little is said of one; {told}", confidence=0.0)
    if related and share >= ALIKE:
        return SameEntity(decision="same", reason=told, confidence=min(1.0, 0.5 + share))
    if share <= APART:
        return SameEntity(decision="different", reason=told, confidence=0.6)
    return SameEntity(decision="unsure", reason=told, confidence=0.0)


def _said(entry: Mapping[str, Any]) -> frozenset[str]:
    parts = [text for key in ("descriptions", "evidence", "neighbours") for text in texts(entry.get(key))]
    return content_stems(" ".join(parts)[:READ])


def _initials(name: str) -> str:
    words = name.split()
    return "".join(word[0] for word in words).casefold() if len(words) > 1 else ""
