"""Proposes dimensions, values and personas by short lists and by what a passage names: a baseline without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ...prompts.schemas import Dimension, Dimensions, Personas, Values
from .reading import read

KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "audience": ("who asks", ("a curious beginner", "a school class", "a student of the field", "a practitioner",
                              "a policy maker", "a journalist")),
    "depth": ("how deep the answer goes", ("one plain fact", "a fact with its reason", "a comparison of two views",
                                           "a worked example")),
    "style": ("how it is worded", ("plain words", "formal language", "the tone of a lesson", "a short note")),
    "setting": ("where the knowledge is needed", ("in the field", "in a classroom", "in a meeting", "in an examination",
                                                  "at home")),
}  # fmt: skip
READERS = (
    "A {0} who has to explain {1} to people who have never heard of it.",
    "A {0} who works with {1} every day and doubts what is written about it.",
    "A {0} who wants to know what {1} costs and whom it serves.",
    "A {0} who meets {1} for the first time and needs to decide something by it.",
)
ROLES = ("teacher", "engineer", "student", "planner", "reporter", "technician", "researcher", "guide")
RELATIVES = (
    "A colleague of someone like this: {0}",
    "A customer who depends on someone like this: {0}",
    "A critic who disagrees with someone like this: {0}",
    "A student who learns from someone like this: {0}",
)
One = TypeVar("One")


def dimensions(variables: Mapping[str, Any]) -> Dimensions:
    """Answers `propose-dimensions`."""
    chosen = list(KNOWN.items())[: _count(variables)]
    return Dimensions(dimensions=[Dimension(name=name, description=told) for name, (told, _) in chosen])


def values(variables: Mapping[str, Any], seed: int) -> Values:
    """Answers `propose-values`: those of a known dimension, else what the passages speak of."""
    wanted = str(variables["dimension"]).lower()
    for name, (_, known) in KNOWN.items():
        if name in wanted:
            return Values(values=list(known[: _count(variables)]))
    topics = _topics(str(variables["passage"]))
    return Values(values=_turned(topics, wanted, seed)[: _count(variables)])


def shared(variables: Mapping[str, Any]) -> Values:
    """Answers `shared-values`: values that name no word of their class and one of another class."""
    own = _words(str(variables["class_name"]))
    others = {word for other in variables["others"] for word in _words(str(other))} - own
    return Values(
        values=[one for one in map(str, variables["values"]) if _words(one) & others and not _words(one) & own]
    )


def personas(variables: Mapping[str, Any], seed: int) -> Personas:
    """Answers `propose-personas`: readers of what the passage speaks of."""
    passage = str(variables["passage"])
    topics = _topics(passage) or ["this text"]
    roles, forms = _turned(ROLES, passage, seed), _turned(READERS, passage, seed)
    count = _count(variables)
    found = [
        forms[number % len(forms)].format(roles[number % len(roles)], topics[number % len(topics)])
        for number in range(count)
    ]
    return Personas(personas=list(dict.fromkeys(found)))


def relatives(variables: Mapping[str, Any], seed: int) -> Personas:
    """Answers `relate-persona`."""
    persona = str(variables["persona"])
    return Personas(personas=[one.format(persona) for one in _turned(RELATIVES, persona, seed)[: _count(variables)]])


def _count(variables: Mapping[str, Any]) -> int:
    return max(1, int(variables["count"]))


def _topics(passage: str) -> list[str]:
    reading = read(passage)
    found = (reading.topic(sentence.index) for sentence in reading.sentences[:40])
    return list(dict.fromkeys(topic for topic in found if topic))


def _turned(some: Sequence[One], *parts: object) -> list[One]:
    """A sequence from another beginning, which depends on `parts` alone."""
    if not some:
        return []
    start = int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=4).digest(), "big") % len(some)
    return [*some[start:], *some[:start]]


def _words(text: str) -> set[str]:
    return {word.strip(".,;:()").lower() for word in text.replace("-", " ").split() if len(word) > 3}
