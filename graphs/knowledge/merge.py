"""Merges what chunks gave into one graph: references are resolved into entities, and relations join those.

The result does not depend on the order of the extractions, and equal names get equal ids in every campaign. Which
references are one entity is decided in `graphs/resolution`; here entities are made of them and every record is booked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...agents.extraction.point_settings import TOGETHER
from ...agents.extraction.records import Books, Extraction
from ...agents.extraction.schema import DEFAULT, GraphSchema
from ...agents.extraction.terms import COOCCURS
from ...storage.kept import Triple
from ...storage.records import Entity, Record, Relation, content_id
from ...storage.rulings import Ruling, in_force
from ..resolution.forms import form_of
from ..resolution.found import Found, ranked
from ..resolution.references import LOOSE, Gathering, Reference, gather
from ..resolution.resolve import resolve
from ..resolution.scoring import Kind
from ..resolution.settings import Resolution, ResolutionSettings
from ..resolution.types import Types
from .graph import KnowledgeGraph

UNDIRECTED = frozenset({COOCCURS, TOGETHER})
"""Types of relations that say the same either way: of two entities there is one of such a type."""

Placed = tuple[str, Triple | None]  # a relation's id with its ends and type; or a reason for dropping, and None


class MergeBooks(Record):
    """What became of the records of all extractions: `found = kept + merged + dropped`, for entities and relations.

    Reasons for dropping: `empty_name`; for relations also `missing_endpoint` and `self_relation` (both ends turned
    out to be one entity). `mended` of the entities counts `ambiguous_alias`: a short name that several claim, left as
    an entity of its own.
    """

    extractions: int = 0
    entities: Books = Books()
    relations: Books = Books()

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.entities.balanced and self.relations.balanced


@dataclass(frozen=True)
class Merged:
    """A graph with its books, the references it was made of, by id, and how they were resolved.

    `places` says of all that joins two references in one way which relation has it, or why none has.
    """

    graph: KnowledgeGraph
    books: MergeBooks
    references: Mapping[str, Reference]
    resolution: Resolution
    places: Mapping[Triple, str]


def merge(extractions: Iterable[Extraction]) -> KnowledgeGraph:
    """Merges extractions into a graph; see `merge_resolved`."""
    return merge_resolved(extractions).graph


def merge_resolved(
    extractions: Iterable[Extraction],
    *,
    documents: Mapping[str, str] | None = None,
    rulings: Iterable[Ruling] = (),
    settings: ResolutionSettings | None = None,
    schema: GraphSchema = DEFAULT,
) -> Merged:
    """Resolves and merges extractions into a graph and accounts for every record.

    An entity's id is that of its reference with most chunks (of equals the one with the first key), so every id that
    a graph of these documents ever had is a key of `resolution.membership`. Its name is its most frequent surface
    form, an acronym or a surname only where nothing longer is known; its type the one that most chunks give (ties go to
    the first by alphabet; a type that nobody gave counts only where no other was), its description all different
    descriptions, one a line, the most frequent first, none cut. A relation's weight is the number of chunks that
    state it. Every mention, claim and attribute is kept, once.

    `documents` maps chunk ids to document ids; `rulings` are all of them, undone ones too.
    """
    settings, rulings = settings or ResolutionSettings(), list(rulings)
    gathering = gather(extractions, documents, in_force(rulings))
    types = Types.of(schema, settings.near_types)
    resolution = resolve(gathering.references, rulings, settings, types=types)
    return assemble(gathering, resolution)


def assemble(gathering: Gathering, resolution: Resolution) -> Merged:
    """Makes the graph of gathered references as they were resolved."""
    groups: defaultdict[str, list[Reference]] = defaultdict(list)
    for id, reference in sorted(gathering.references.items()):
        groups[resolution.membership[id]].append(reference)
    entities = {id: entity_of(id, members) for id, members in groups.items()}
    places = {triple: place(gathering, triple, resolution.membership.get) for triple in gathering.relations}
    relations, relation_books = _relations(gathering, places)
    ambiguous = sum(1 for one in resolution.refused if one.why == "ambiguous" and one.reason == Kind.ALIAS)
    dropped = {"empty_name": gathering.nameless} if gathering.nameless else {}
    books = MergeBooks(
        extractions=gathering.extractions,
        entities=Books(
            found=gathering.found,
            kept=len(entities),
            merged=gathering.found - len(entities) - gathering.nameless,
            dropped=dropped,
            mended={"ambiguous_alias": ambiguous} if ambiguous else {},
        ),
        relations=relation_books,
    )
    graph = KnowledgeGraph(entities.values(), relations)
    return Merged(graph, books, gathering.references, resolution, {triple: id for triple, (id, _) in places.items()})


def entity_of(id: str, members: Sequence[Reference]) -> Entity:
    """Makes the entity of its references."""
    content, typed = Found(), Counter[str]()
    for reference in members:
        content.absorb(reference.content)
        if reference.type:
            typed.update(reference.content.types)
    name = _name(members)
    aliases = content.aliases + content.names
    del aliases[name]
    return Entity(
        id=id,
        name=name,
        type=ranked(typed or content.types)[0],
        description=_description(content),
        aliases=tuple(ranked(aliases)),
        mentions=content.spans(),
        attributes=content.attributes(),
        claims=content.all_claims(),
    )


def _name(members: Sequence[Reference]) -> str:
    """The most frequent surface form of those that are not short for another of them."""
    names: Counter[str] = Counter()
    for reference in members:
        names.update(reference.content.names)
    if len(members) == 1:
        return ranked(names)[0]
    bags = [form_of(reference.name).bag for reference in members if not form_of(reference.name).acronym]

    def whole(name: str) -> bool:
        form = form_of(name)
        return not form.acronym and (len(form.words) > 1 or not any(form.bag < bag for bag in bags))

    return ranked({name: count for name, count in names.items() if whole(name)} or names)[0]


def _description(found: Found) -> str:
    return "\n".join(ranked(found.descriptions))


def place(gathering: Gathering, triple: Triple, entity_of: Callable[[str], str | None]) -> Placed:
    """Returns which relation of the graph has what joins two references in one way: its id, its ends and its type.

    None has it where an end is no entity, or both ends are one: then the reason for dropping stands in place of the id.
    `entity_of` knows the entity of every reference.
    """
    source, target, kind = triple
    ends = [gathering.end(end) for end in (source, target)]
    if LOOSE in (source, target):
        return "empty_name", None
    if not all(ends):
        return "missing_endpoint", None
    key = relation_key(str(entity_of(ends[0])), str(entity_of(ends[1])), kind)
    return ("self_relation", None) if key[0] == key[1] else (content_id("relation", *key), key)


def relation_key(source: str, target: str, kind: str) -> Triple:
    """Returns what one relation is known by: its ends, sorted where it has no direction, and its type."""
    return (target, source, kind) if kind in UNDIRECTED and target < source else (source, target, kind)


def relation_of(id: str, key: Triple, parts: Iterable[Found]) -> Relation:
    """Makes the relation of all that states it."""
    found = Found()
    for part in parts:
        found.absorb(part)
    return Relation(
        id=id,
        source=key[0],
        target=key[1],
        type=key[2],
        description=_description(found),
        weight=float(len(found.chunks)),
        mentions=found.spans(),
        qualifiers=found.attributes(),
        grounded=bool(found.grounded),
    )


def _relations(
    gathering: Gathering, places: Mapping[Triple, tuple[str, Triple | None]]
) -> tuple[list[Relation], Books]:
    dropped: Counter[str] = Counter()
    kept: defaultdict[tuple[str, Triple], list[Found]] = defaultdict(list)
    for triple, found in gathering.relations.items():
        id, key = places[triple]
        if key is None:
            dropped[id] += found.found
        else:
            kept[id, key].append(found)
    total = sum(found.found for found in gathering.relations.values())
    relations = [relation_of(id, key, parts) for (id, key), parts in kept.items()]
    merged = total - len(relations) - dropped.total()
    return relations, Books(found=total, kept=len(relations), merged=merged, dropped=dict(sorted(dropped.items())))
