"""What is known of one entity, and of what joins two: the records with their passages, for whoever looks closely."""

from __future__ import annotations

from dataclasses import dataclass

from ...storage.records import Relation
from .passages import Passages, passages
from .room import GraphRoom, Node
from .view import Link, other

TIES = 25  # neighbours that an entity shows at first
RELATIONS = 20  # relations of one pair
SHOWN = 3  # passages of each relation


@dataclass(frozen=True, slots=True)
class Tie:
    """A neighbour and what joins it. `out` says whether the weightiest relation leads to the neighbour."""

    node: Node
    type: str
    out: bool
    relations: int
    weight: float


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """One entity: `ties` are its first neighbours, `more_ties` how many there are beyond them."""

    node: Node
    description: str
    aliases: tuple[str, ...]
    ties: tuple[Tie, ...]
    more_ties: int
    mentions: Passages


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """One relation of a pair; `out` says whether it leads from the first to the second."""

    id: str
    type: str
    description: str
    weight: float
    out: bool
    mentions: Passages


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What joins two entities, the weightiest relation first; `more` is how many are not shown."""

    left: Node
    right: Node
    relations: tuple[RelationFacts, ...]
    more: int


def entity_facts(room: GraphRoom, id: str, ties: int = TIES) -> EntityFacts:
    """Returns what is known of an entity; raises `NotStored` when there is none with this id."""
    place = room.place(id)
    entity = room.store.entity(room.view.ids[place])
    near = room.view.near(place)
    return EntityFacts(
        node=room.node(place),
        description=entity.description,
        aliases=entity.aliases,
        ties=tuple(_tie(room, place, link) for link in near[:ties]),
        more_ties=max(0, len(near) - ties),
        mentions=passages(room.store, entity.mentions),
    )


def mentions_of(room: GraphRoom, id: str, start: int) -> Passages:
    """Returns an entity's passages from number `start` on; raises `NotStored` when there is none with this id."""
    return passages(room.store, room.store.entity(id).mentions, start)


def link_facts(room: GraphRoom, left: str, right: str) -> LinkFacts:
    """Returns what joins two entities; raises `NotStored` when nothing does, or one is not there."""
    ends = room.place(left), room.place(right)
    link = room.view.link(*ends)
    shown = [room.store.relation(id) for id in link.relations[:RELATIONS]]
    return LinkFacts(
        left=room.node(ends[0]),
        right=room.node(ends[1]),
        relations=tuple(_relation(room, one, left) for one in shown),
        more=len(link.relations) - len(shown),
    )


def _relation(room: GraphRoom, one: Relation, left: str) -> RelationFacts:
    return RelationFacts(
        id=one.id,
        type=one.type,
        description=one.description,
        weight=one.weight,
        out=one.source == left,
        mentions=passages(room.store, one.mentions, limit=SHOWN),
    )


def _tie(room: GraphRoom, place: int, link: Link) -> Tie:
    heaviest = room.store.relation(link.relations[0])
    return Tie(
        node=room.node(other(link, place)),
        type=link.type,
        out=heaviest.source == room.view.ids[place],
        relations=len(link.relations),
        weight=link.weight,
    )
