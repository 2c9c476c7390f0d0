"""What a person asks for, as rulings: as few as it takes, each of which can be taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ...errors import ConfigError
from ...graphs.resolution.references import Reference
from ...graphs.resolution.resolve import standing
from ...storage.records import content_id
from ...storage.rulings import PERSON, Ruled, Ruling, ordered
from ...storage.store import RunStore
from ...storage.versions import current_documents, known_documents
from .finding import LONGEST, Chosen


@dataclass(frozen=True)
class Pen:
    """Who decides, with which note, and what was ruled before: a later ruling must not look older."""

    name: str
    note: str
    rulings: Sequence[Ruling]

    def rule(self, action: Ruled, number: int = 0, **values: Any) -> Ruling:
        """Writes a ruling; `number` tells those of one decision apart."""
        last = max((ruling.at for ruling in self.rulings), default=datetime.min.replace(tzinfo=UTC))
        at = max(datetime.now(UTC), last + timedelta(microseconds=1))
        by = f"{PERSON}{self.name}"
        id = content_id("ruling", action, at.isoformat(), number, by, sorted(map(str, values.values())))
        return Ruling(id=id, action=action, by=by, at=at, reason=self.note, **values)


def merge(pen: Pen, left: Chosen, right: Chosen) -> list[Ruling]:
    """Rules two entities to be one. What a model keeps apart is overruled with it; what a person does is not.

    Raises:
        ConfigError: they are one already, or a person's ruling keeps them apart.
    """
    if left.id == right.id:
        raise ConfigError(f"'{left.name}' and '{right.name}' are one entity already, {left.id}")
    ruled = standing(pen.rulings)
    by_id = {ruling.id: ruling for ruling in pen.rulings}
    crossing = sorted(
        pair
        for pair in ruled.splits
        if (pair[0] in left.ids and pair[1] in right.ids) or (pair[0] in right.ids and pair[1] in left.ids)
    )
    apart = [by_id[ruled.sources[pair]] for pair in crossing]
    if personal := {ruling.id: ruling for ruling in apart if ruling.personal}:
        who = ", ".join(sorted({one.by.removeprefix(PERSON) for one in personal.values()}))
        raise ConfigError(
            f"{who} keeps '{left.name}' and '{right.name}' apart; take that back first: "
            f"`gristmill graph undo RUN {' '.join(sorted(personal))}`"
        )
    pairs = dict.fromkeys([tuple(sorted((left.id, right.id))), *crossing])
    return [pen.rule(Ruled.MERGE, number, left=one, right=other) for number, (one, other) in enumerate(pairs)]


def split_name(pen: Pen, entity: Chosen, name: str) -> list[Ruling]:
    """Rules that what was found under a name is another thing than the rest of its entity."""
    apart = entity.called(name)
    rest = [one.id for one in entity.members if one not in apart]
    if not rest:
        raise ConfigError(
            f"'{entity.name}' has no other name than '{apart[0].name}'; where one name means two things, give the "
            f"documents of the other, --document NAME, or its chunks"
        )
    return [_apart(pen, number, one.id, rest) for number, one in enumerate(apart)]


def split_places(
    pen: Pen,
    entity: Chosen,
    references: Mapping[str, Reference],
    *,
    name: str,
    documents: Collection[str],
    chunks: Collection[str],
    places: Mapping[str, str],
) -> list[Ruling]:
    """Rules that what an entity's names mean in some documents, or chunks, is another thing than elsewhere.

    `documents` and `chunks` are ids, `places` maps the current chunks to documents. A name that stands nowhere else
    leaves its entity whole; of another, what is there becomes a part.

    Raises:
        ConfigError: none of it is there, or all of it.
    """
    asked = entity.called(name) if name else entity.members
    there = {chunk for chunk, document in places.items() if chunk in chunks or document in documents}
    whole, divided, left = [], [], [one.id for one in entity.members if one not in asked]
    for ref in asked:
        found = references[ref.id].content.chunks
        if found <= there:
            whole.append(ref.id)
        elif found & there:
            divided.append(ref.id)
            left.append(ref.id)
        else:
            left.append(ref.id)
    if not whole and not divided:
        raise ConfigError(f"'{name or entity.name}' is not in what you name; {_where(entity, references, places)}")
    if not left:
        raise ConfigError(f"all that '{entity.name}' has is in what you name: nothing would be left of it")
    made = [_apart(pen, number, one, left) for number, one in enumerate(whole)]
    for one in divided:
        place = {"documents": tuple(sorted(documents))} if documents else {"chunks": tuple(sorted(chunks))}
        others = tuple(other for other in left if other != one)
        made.append(pen.rule(Ruled.SPLIT, len(made), left=one, others=others, **place))
    return made


def undo(pen: Pen, keys: Iterable[str]) -> list[Ruling]:
    """Rules that some rulings, given by ids or their beginnings, no longer stand.

    Raises:
        ConfigError: one is not there, is not the only one that begins so, or was taken back before.
    """
    wanted = list(dict.fromkeys(_one(pen.rulings, key) for key in keys))
    standing_now = _standing(pen.rulings)
    taken = {
        ruling.undoes: ruling
        for ruling in ordered(pen.rulings)
        if ruling.action is Ruled.UNDO and ruling.id in standing_now
    }
    for id in wanted:
        if id in taken:
            other = taken[id]
            raise ConfigError(
                f"{id} was taken back by {other.by.removeprefix(PERSON)}; to have it again undo that: {other.id}"
            )
    return [pen.rule(Ruled.UNDO, number, undoes=id) for number, id in enumerate(wanted)]


def require_documents(store: RunStore, typed: Iterable[str]) -> tuple[str, ...]:
    """Returns the ids of current documents by name or id; raises `ConfigError` for one that is not there."""
    current, known = current_documents(store), known_documents(store)
    found = []
    for one in typed:
        id = current.get(one, one)
        if id not in current.values():
            gone = " any more" if id in known else ""
            raise ConfigError(f"no document of the run has the name or the id '{one[:LONGEST]}'{gone}")
        found.append(id)
    return tuple(dict.fromkeys(found))


def require_chunks(typed: Iterable[str], places: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the ids of current chunks by the beginnings of ids; raises `ConfigError` where one has no such id."""
    found = []
    for one in typed:
        some = [id for id in places if id.startswith(one)] if one else []
        if len(some) != 1:
            raise ConfigError(
                f"{len(some) or 'no'} current chunks have an id that begins with '{one[:LONGEST]}'; "
                f"`gristmill show ITEM --json` and `gristmill graph RUN --format json` have ids"
            )
        found.append(some[0])
    return tuple(dict.fromkeys(found))


def _apart(pen: Pen, number: int, one: str, rest: Sequence[str]) -> Ruling:
    return pen.rule(Ruled.SPLIT, number, left=one, right=rest[0], others=tuple(rest[1:]))


def _standing(rulings: Iterable[Ruling]) -> set[str]:
    """The ids of rulings that nothing takes back, undos among them."""
    undone: set[str] = set()
    kept: set[str] = set()
    for ruling in reversed(ordered(rulings)):
        if ruling.id not in undone:
            kept.add(ruling.id)
            if ruling.action is Ruled.UNDO:
                undone.add(ruling.undoes)
    return kept


def _one(rulings: Sequence[Ruling], key: str) -> str:
    found = sorted({ruling.id for ruling in rulings if key and ruling.id.startswith(key)})
    if key in found:
        return key
    if len(found) != 1:
        many = f"{len(found)} rulings have" if found else "no ruling has"
        raise ConfigError(
            f"{many} an id that begins with '{key[:LONGEST]}'; `gristmill graph merges RUN` lists them with their ids"
        )
    return found[0]


def _where(entity: Chosen, references: Mapping[str, Reference], places: Mapping[str, str]) -> str:
    chunks = {chunk for one in entity.members if one.id in references for chunk in references[one.id].content.chunks}
    return f"it is in {len(chunks)} chunks of {len({places[chunk] for chunk in chunks if chunk in places})} documents"
