"""Has a model propose what items may differ in: dimensions and their values, and personas.

After AttrPrompt (Yu et al. 2023, arXiv:2306.15895): values of a dimension are asked for each class, and those that fit
a class which is easily confused with it are dropped, by the model's own answer and where the words are nearly the same.
After Persona Hub (Ge et al. 2024, arXiv:2406.20094): personas from texts, then from personas by how people are related,
and of those that are nearly the same one stays.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from ...evals.folding import words
from ...prompts.schemas import Dimensions, Personas, Values
from ..asking import parsed_as, together
from ..state import FlowContext, NodeInfo

ROLE = "attributes"
ASKS = (
    NodeInfo(ROLE, "propose-dimensions", frozenset({"passage", "count"}), answer=Dimensions),
    NodeInfo(ROLE, "propose-values", frozenset({"passage", "dimension", "count", "class_name"}), answer=Values),
    NodeInfo(ROLE, "shared-values", frozenset({"dimension", "class_name", "values", "others"}), answer=Values),
    NodeInfo(ROLE, "propose-personas", frozenset({"passage", "count"}), answer=Personas),
    NodeInfo(ROLE, "relate-persona", frozenset({"persona", "count"}), answer=Personas),
)
LIKE = 0.8  # part of the words of two texts that they share, from which they are taken to say the same
LONGEST = 400  # characters of a value or a persona; a longer one is no attribute
PERSONAS_A_TEXT = 4
RELATED = 2
TOGETHER = 16  # asked at a time
Expected = TypeVar("Expected", bound=BaseModel)
Some = TypeVar("Some")


async def propose_dimensions(context: FlowContext, passage: str, count: int) -> list[str]:
    """Returns at most `count` names of dimensions, in which items on such passages should differ."""
    found = await _ask(context, Dimensions, "propose-dimensions", passage=passage, count=count)
    return distinct(_names(one.name for one in found.dimensions))[:count]


async def propose_values(
    context: FlowContext, passage: str, dimension: str, count: int, *, classes: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Returns at most `count` values of a dimension by class; under the empty name where there are no classes.

    What fits another class as well is dropped: see `filtered`. A dimension of which nothing is left hangs on no class:
    its values are those of all classes.
    """

    async def of(class_name: str) -> list[str]:
        found = await _ask(
            context, Values, "propose-values", passage=passage, dimension=dimension, count=count, class_name=class_name
        )
        return distinct(_clean(found.values))[:count]

    names = list(classes) or [""]
    values = dict(zip(names, await _gathered([of(name) for name in names]), strict=True))
    if len(names) < 2:
        return values
    kept = await filtered(context, dimension, values)
    if any(kept.values()):
        return kept
    return {"": distinct(one for some in values.values() for one in some)[:count]}


async def filtered(context: FlowContext, dimension: str, values: dict[str, list[str]]) -> dict[str, list[str]]:
    """Drops values that fit another class as well: those that nearly stand there too, and those that are named so."""

    async def shared(name: str) -> set[str]:
        others = [other for other in values if other != name]
        found = await _ask(
            context, Values, "shared-values", dimension=dimension, class_name=name, values=values[name], others=others
        )
        return {" ".join(words(one)) for one in found.values}

    asked = [name for name in values if values[name]]
    said = dict(zip(asked, await _gathered([shared(name) for name in asked]), strict=True))
    return {
        name: [
            one
            for one in some
            if " ".join(words(one)) not in said.get(name, ())
            and not any(alike(one, it) for other in values if other != name for it in values[other])
        ]
        for name, some in values.items()
    }


async def propose_personas(context: FlowContext, passages: Sequence[str], count: int) -> list[str]:
    """Returns at most `count` personas, none nearly another: of the passages first, then of those whom they know."""
    asked = [
        _ask(context, Personas, "propose-personas", passage=passage, count=PERSONAS_A_TEXT) for passage in passages
    ]
    found = distinct(_clean(one for answer in await _gathered(asked) for one in answer.personas))
    begun = 0
    while len(found) < count and begun < len(found):
        some = found[begun : begun + count - len(found)]
        begun += len(some)
        more = [_ask(context, Personas, "relate-persona", persona=one, count=RELATED) for one in some]
        found = distinct([*found, *_clean(one for answer in await _gathered(more) for one in answer.personas)])
    return found[:count]


def distinct(texts: Iterable[str]) -> list[str]:
    """Returns texts without those that nearly repeat an earlier one."""
    kept: list[str] = []
    for one in texts:
        if not any(alike(one, other) for other in kept):
            kept.append(one)
    return kept


def alike(one: str, other: str) -> bool:
    """Whether two texts have nearly the same words: Jaccard's index of them is `LIKE` or more."""
    mine, theirs = set(words(one)), set(words(other))
    return not mine or not theirs or len(mine & theirs) >= LIKE * len(mine | theirs)


def _clean(texts: Iterable[str]) -> list[str]:
    return [text for one in texts if 0 < len(text := " ".join(one.split())) <= LONGEST and words(text)]


def _names(texts: Iterable[str]) -> list[str]:
    return ["_".join(words(one))[:40] for one in texts if words(one)]


async def _ask(context: FlowContext, expected: type[Expected], prompt: str, **variables: object) -> Expected:
    reply = await context.ask(ROLE, prompt, variables)
    return parsed_as(expected, reply, ROLE, prompt)


async def _gathered(asked: Sequence[Coroutine[Any, Any, Some]]) -> list[Some]:
    found: list[Some] = []
    for start in range(0, len(asked), TOGETHER):
        found += await together(asked[start : start + TOGETHER])
    return found
