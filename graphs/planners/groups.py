"""Turns what samplers draw into tasks that are the same whenever the same group is drawn.

A sampler comes to a group by chance, in any order. A resumed campaign draws again, and a group that was planned before
must then be known again: so a task's order and chunks are those of the group alone.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ...errors import ConfigError
from ...storage.records import Task, content_id
from ..knowledge.graph import KnowledgeGraph, Link
from ..sampling.catalogue import sampler, samplers
from ..sampling.draws import Draw
from ..sampling.engine import Draws, Refuse
from ..sampling.sampler import Sampler
from ..sampling.weights import Weight, by_degree, by_inverse_coverage, uniform
from .base import PlanView
from .room import Room

WeightName = Literal["coverage", "degree", "uniform"]
NOT_HERE = {
    "repeats": "no recipe can use: a group that was drawn before gives no other task, and the plan would never end",
    "label": "is the name of the draw itself",
}
MOST_RELATIONS = 12  # of a task; more would fill the prompt with lines and not with source text


def graph_of(view: PlanView, recipe: str) -> KnowledgeGraph:
    """Returns the view's graph; raises `ConfigError` when the campaign built none, or an empty one."""
    if view.graph is None:
        raise ConfigError(
            f"'{recipe}' draws from a knowledge graph, and this campaign builds none, as its recipe reads none; "
            f'beside a planner of your own name one that does: recipe = "entigraph" or "graph-reasoning"'
        )
    if not len(view.graph.ids):
        raise ConfigError(
            f"recipe '{recipe}' draws from the knowledge graph, which is empty: no entity was found in the documents; "
            f"see `gristmill graph`, or change the entity types"
        )
    return view.graph


def weight_of(name: WeightName, view: PlanView) -> Weight:
    """Returns the sampler weight called `name`; `coverage` prefers entities that few tasks touch."""
    return {"coverage": by_inverse_coverage(view.coverage), "degree": by_degree, "uniform": uniform}[name]


def group_rng(*parts: object) -> random.Random:
    """Returns a random source that depends on `parts` (JSON values) alone, equal in every process."""
    return random.Random(content_id("rng", *parts))  # noqa: S311  # reproducible draws, nothing secret hangs on them


def task_of(
    draw: Draw,
    *,
    max_chunks: int,
    room: Room | None = None,
    attributes: Mapping[str, Any] | None = None,
    seed: int = 0,
    kind: str = "",
) -> Task | None:
    """Makes the task of a draw, or None when fewer than all entities are mentioned in `max_chunks` chunks.

    With `room` it says whether a prompt has room for what shows the draw, in however many chunks.

    An ordered draw (a path) keeps its order up to reversal; else entities are sorted. What stands between two that are
    drawn together belongs to the task. Relations are those that most chunks state. Chunks that most entities are
    mentioned in stand first: more tasks show them, and prompts that begin alike are read once by a server.
    """
    members = draw.bridged
    members = min(members, members[::-1]) if draw.ordered else tuple(sorted(members))
    chunks = draw.evidence(seed)
    if not shows(draw, chunks, max_chunks, room):
        return None
    crowd = {chunk: len(draw.graph.members[number]) for chunk, number in numbers_of(draw, chunks)}
    return Task.of(
        kind or draw.kind,
        chunks=tuple(sorted(chunks, key=lambda chunk: (-crowd[chunk], chunk))),
        entities=members,
        relations=strongest(draw),
        attributes=dict(attributes or {}),
        seed=seed,
    )


def numbers_of(draw: Draw, chunks: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yields chunks of a draw with their numbers in the graph."""
    ids = draw.graph.chunk_ids
    for chunk in chunks:
        yield chunk, bisect_left(ids, chunk)


def strongest(draw: Draw) -> tuple[str, ...]:
    """Returns the relations of a draw that most chunks state."""
    stated = draw.graph.stated
    numbers = sorted(draw.relation_numbers, key=lambda one: (-stated.size(one), one))[:MOST_RELATIONS]
    return tuple(draw.graph.relation_ids[one] for one in numbers)


def shows(draw: Draw, chunks: tuple[str, ...], max_chunks: int, room: Room | None = None) -> bool:
    """Tells whether these chunks mention every entity of a draw, and are few enough or what they say of it has room."""
    mentioned = draw.graph.chunks
    if not chunks or not all(mentioned.size(number) for number in draw.through):
        return False
    if room is None:
        return len(chunks) <= max_chunks
    return room.holds(draw.bridged, strongest(draw), chunks, few=len(chunks) <= max_chunks)


def within(max_chunks: int, room: Room | None = None) -> Refuse:
    """Refuses the draws that no task can be made of."""

    def refuse(draw: Draw) -> str:
        if not all(draw.graph.chunks.size(number) for number in draw.through):
            return "no mention"
        if shows(draw, draw.chunks, max_chunks, room):
            return ""
        return "too many chunks" if len(draw.chunks) > max_chunks else "too long"

    return refuse


def samplers_of(
    shares: Mapping[str, float],
    given: Mapping[str, Mapping[str, Any]],
    built_in: Mapping[str, Mapping[str, Any]],
    link: Link,
) -> dict[str, Sampler]:
    """Returns the sampler of each draw that has a share above 0, in the order of the shares.

    A draw is a table of `given` or of the recipe's own `built_in`, `{"sampler": NAME, option: value, ...}`, else the
    sampler that has its name. `link` stands where a table says none.

    Raises:
        ConfigError: a share names no draw, or a table no sampler, or one without that option, or one of `NOT_HERE`.
    """
    tables = {**built_in, **given}
    for name in shares:
        if name not in tables and name not in samplers():
            known = ", ".join(dict.fromkeys((*tables, *samplers())))
            raise ConfigError(f"shares names {name}, which is not drawn; drawn are {known}, and what draws defines")
    found: dict[str, Sampler] = {}
    for name, table in given.items():
        if name not in shares:
            raise ConfigError(f"draws defines '{name}', which has no share; add it to shares")
        if "sampler" not in table:
            raise ConfigError(
                f'draws.{name} names no sampler; add sampler = "path" or another of: {", ".join(samplers())}'
            )
        for option, why in NOT_HERE.items():
            if option in table:
                raise ConfigError(f"draws.{name} has {option}, which {why}; leave it out")
    for name in (name for name, share in shares.items() if share > 0):
        table = dict(tables.get(name, {}))
        kind = str(table.pop("sampler", name))
        if kind in samplers() and "link" in samplers()[kind].options.model_fields:
            table.setdefault("link", link)
        found[name] = sampler(kind, **{**table, "label": name})
    return found


def opened(
    view: PlanView,
    graph: KnowledgeGraph,
    rng: random.Random,
    chosen: Mapping[str, Sampler],
    *,
    weight: Weight,
    refuse: Refuse,
) -> dict[str, Draws]:
    """Opens samplers, each with a random source of its own, so that none disturbs the others; enters their books.

    One for which the graph lacks something, such as any entity of an anchor's types, gives nothing and says why: what
    the others draw is not lost for it.
    """
    draws = {}
    for name, one in chosen.items():
        seed = random.Random(rng.getrandbits(64))  # noqa: S311  # reproducible draws
        try:
            draws[name] = one.draws(graph, seed, weight=weight, sources=view.sources, refuse=refuse)
        except ConfigError as error:
            draws[name] = Draws.none(name, str(error))
        view.yields[name] = draws[name].books
    return draws


def require_some(recipe: str, draws: Mapping[str, Draws]) -> None:
    """Raises `ConfigError` with every sampler's reason when none of them drew anything."""
    if all(one.end and not one.books.drawn for one in draws.values()):
        raise ConfigError(f"recipe '{recipe}' finds nothing to draw. " + ". ".join(one.end for one in draws.values()))
