"""Small parts that the rules build texts of: what a text is about, its sentences, lists of plain words, judgements."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...prompts.schemas import Judgement, Score
from .lexicon import STOPWORDS, VERBS, word_list
from .passages import joined
from .reading import read
from .sentences import content_stems, one_line, split, words

_STOCK: Mapping[str, list[str]] = tomllib.loads((Path(__file__).parent / "stock.toml").read_text(encoding="utf-8"))
_ASKING = word_list("instructing")
_DROPPED = STOPWORDS - word_list("deciding")
__all__ = ["capital", "covered", "joined", "judged", "listed", "noted", "sentences", "stock", "topics"]


def stock(name: str) -> list[str]:
    """Returns a list of stock.toml."""
    return _STOCK[name]


def topics(text: str, most: int = 5) -> list[str]:
    """Returns what a text is about: its terms, best first, then its other words that carry meaning, in their order."""
    found = [one_line(term.name) for term in read(text).terms[:most]] if len(text) > 120 else []
    inside = {word.lower() for name in found for word in name.split()}
    for word in words(text):
        low = word.lower()
        if len(low) > 3 and low not in STOPWORDS | _ASKING | inside and low not in VERBS and not low[0].isdigit():
            inside.add(low)
            found.append(low if not word.isupper() else word)
    return found[:most]


def sentences(text: str) -> list[str]:
    """Returns the sentences of a text on one line each; a text without any is one."""
    found = [sentence.text for sentence in split(text)]
    return found or ([one_line(text)] if text.strip() else [])


def noted(sentence: str) -> str:
    """Returns a sentence as notes: its words without articles, auxiliaries and their like, the others as they are."""
    kept = [word for word in sentence.split() if word.strip(".,;:()\"'").lower() not in _DROPPED]
    return capital(" ".join(kept).rstrip(".!?;, ")) + "." if kept else ""


def capital(text: str) -> str:
    """Returns a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def listed(lines: Sequence[str]) -> str:
    """Returns lines as a list of Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def covered(text: str, by: str) -> float:
    """Returns the share of the words of `text` that `by` has, of those that carry meaning; 1 where it has none."""
    asked = content_stems(text)
    return len(asked & content_stems(by)) / len(asked) if asked else 1.0


def judged(scores: Mapping[str, float], faults: Mapping[str, bool], *, mendable: bool = False) -> Judgement:
    """Returns a judgement: `faults` are reason codes, each with whether it was found; none of them means `accept`."""
    found = [reason for reason, is_so in faults.items() if is_so]
    decision = "accept" if not found else "revise" if mendable else "reject"
    return Judgement(
        decision=decision,  # type: ignore[arg-type]  # one of the three
        scores=[Score(name=name, value=round(min(1.0, max(0.0, value)), 3)) for name, value in scores.items()],
        reasons=found,
        comment="by words and figures alone",
    )
