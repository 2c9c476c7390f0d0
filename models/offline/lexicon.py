"""The closed word lists of the rules (lexicon.toml) and the verb forms made from them.

English only. Open-class knowledge, such as names of people and places, is deliberately absent: it would be wrong on
most corpora.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_LISTS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))


def word_list(name: str) -> frozenset[str]:
    """Returns the words of one list of lexicon.toml."""
    return frozenset(_LISTS[name].split())


def _table(name: str) -> dict[str, frozenset[str]]:
    return {kind: frozenset(text.split()) for kind, text in _LISTS[name].items()}


STOPWORDS = word_list("stopwords")
DETERMINERS = word_list("determiners")
PREPOSITIONS = word_list("prepositions")
PRONOUNS = word_list("pronouns")
SUBORDINATORS = word_list("subordinators")
RELATIVES = word_list("relatives")
COPULAS = word_list("copulas")
HAVE = word_list("have")
AUXILIARIES = COPULAS | HAVE | word_list("modals") | {"do", "does", "did"}
GENERIC = word_list("generic")
NOUN_VERBS = word_list("noun_verbs")

KIND_WORDS = _table("kind_words")
RELATION_VERBS = _table("relation_verbs")
TYPE_CUES: dict[str, list[str]] = _LISTS["type_cues"]
RELATION_CUES: dict[str, list[str]] = _LISTS["relation_cues"]
GENERAL_TYPES = ("concept", "other", "entity", "thing", "term", "topic", "misc", "general", "object")


def third_person(base: str) -> str:
    """`carry` gives `carries`."""
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def regular_past(base: str) -> str:
    """`carry` gives `carried`, `stop` gives `stopped`."""
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + base[-1] + "ed" if base in _DOUBLED else base + "ed"


_DOUBLED = word_list("doubled")
_IRREGULAR = [entry.split() for entry in _LISTS["irregular_verbs"].split(",")]


def _verb_forms() -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    finite: dict[str, tuple[str, str]] = {}
    participles: dict[str, str] = {"been": "be", "had": "have", "done": "do"}
    for base in sorted(word_list("regular_verbs")):
        past = regular_past(base)
        finite |= {base: (base, "do"), third_person(base): (base, "does"), past: (base, "did")}
        participles[past] = base
    for base, past, participle in _IRREGULAR:
        finite |= {base: (base, "do"), third_person(base): (base, "does")}
        if past != base:
            finite[past] = (base, "did")
        participles[participle] = base
    return finite, participles


IRREGULAR_BASES: dict[str, str] = {form: base for base, *forms in _IRREGULAR for form in forms}
"""Irregular form → base, so that "began" and "begin" meet when words are compared."""

VERBS, PARTICIPLES = _verb_forms()
"""Finite form → (base, the auxiliary of its question); participle → base."""
