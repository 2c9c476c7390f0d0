"""What was decided on which names are one entity: every join, what was refused, what is doubtful, and the rulings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...graphs.resolution.resolve import standing
from ...graphs.resolution.settings import RULE
from ...storage.identities import Identities, Ref
from ...storage.rulings import PERSON, RESOLUTION, Ruled, Ruling, Rulings, in_force
from ...storage.store import RunStore
from .finding import Chosen

BY = ("rule", "model", "person")
SORTS = {"joins": "joined", "refused": "refused", "doubts": "doubtful"}


@dataclass(frozen=True)
class Decisions:
    """The decisions on a run's names as JSON values; `rulings` are newest last, with `taken_back_by` where one was."""

    joins: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[dict[str, Any]] = field(default_factory=list)
    rulings: list[dict[str, Any]] = field(default_factory=list)


def decisions_of(store: RunStore, *, entity: Chosen | None = None, by: str = "") -> Decisions:
    """Returns what was decided when the stored graph was made; of one entity, or by rules, models or people alone.

    What was refused or is doubtful concerns an entity when one of its names is in it. Rules alone refuse and doubt.
    """
    kept: Mapping[str, list[dict[str, Any]]] = store.mark(RESOLUTION) or {}
    rulings = list(Rulings(store).all())
    sources, by_id = standing(rulings).sources, {ruling.id: ruling for ruling in rulings}
    found = {
        sort: [one for one in kept.get(sort, []) if _concerns(one, entity) and by in ("", _sort(one.get("by", RULE)))]
        for sort in SORTS
    }
    chosen = [one for one in rulings if _concerns_ruling(one, entity, by_id) and by in ("", _sort(one.by))]
    ids = {id for rows in found.values() for one in rows for id in (one["left"], one["right"])}
    ids |= {id for one in chosen for id in (one.left, one.right, *one.others) if id}
    names = Identities(store).of(ids)
    for one in found["joins"]:
        ruling = by_id.get(sources.get((one["left"], one["right"]), ""))
        if ruling is not None and one["by"] == ruling.by:
            one |= {"ruling": ruling.id, "at": ruling.at.isoformat()}
    for rows in found.values():
        for one in rows:
            one |= {"names": [_name(names, one["left"]), _name(names, one["right"])]}
    return Decisions(**found, rulings=_rulings(chosen, rulings, names))


def print_decisions(console: Console, found: Decisions, sorts: Sequence[str]) -> None:
    """Prints decisions of some sorts, the surest first, then the rulings, then what was not shown."""
    for sort in sorts:
        rows = sorted(getattr(found, sort), key=lambda one: (-one["score"], one["names"]))
        if rows:
            console.print(_table(sort, rows))
        else:
            console.print(Text(f"nothing is {SORTS[sort]}", style="dim"))
    if found.rulings:
        console.print(Text("rulings, the oldest first:", style="bold"))
        for one in found.rulings:
            console.print(_words(one))
    rest = [
        f"{len(getattr(found, sort))} {SORTS[sort]} (--{sort})" for sort in ("refused", "doubts") if sort not in sorts
    ]
    if rest:
        console.print(Text(f"{len(found.joins)} joined, {', '.join(rest)}", style="dim"))


def _table(sort: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    last = {"joins": ("decided by", "when"), "refused": ("refused for",), "doubts": ()}[sort]
    for column in ("score", "one name", "other name", "reason", *last):
        table.add_column(column, justify="right" if column == "score" else "left", no_wrap=column in ("score", "when"))
    for one in rows:
        told = {"joins": (_who(one.get("by", RULE)), one.get("at", "")[:16].replace("T", " "))}.get(
            sort, (one.get("why", ""),) if sort == "refused" else ()
        )
        cells = (f"{one['score']:.2f}", *one["names"], one["reason"], *told)
        table.add_row(*[Text(str(cell)) for cell in cells])
    return table


def _words(one: Mapping[str, Any]) -> Text:
    style = "dim" if one["taken_back_by"] else ""
    line = Text(f"{one['at'][:16].replace('T', ' ')}  {one['id']}  {_who(one['by'])}: ", style=style)
    line.append(one["action"], style="" if style else "bold")
    line.append(f" {one['undoes']}" if one["undoes"] else f" '{one['names'][0]}'")
    if one["documents"] or one["chunks"]:
        line.append(f" in {len(one['documents'] or one['chunks'])} {'documents' if one['documents'] else 'chunks'}")
    if len(one["names"]) > 1:
        line.append(" and " if one["action"] != Ruled.SPLIT else " from ")
        line.append(", ".join(f"'{name}'" for name in dict.fromkeys(one["names"][1:])))
    line.append(f" “{one['reason']}”" if one["reason"] else "")
    line.append(f" (taken back by {one['taken_back_by']})" if one["taken_back_by"] else "")
    return line


def _rulings(chosen: Iterable[Ruling], everything: Sequence[Ruling], names: Mapping[str, Ref]) -> list[dict[str, Any]]:
    standing_now = {one.id for one in in_force(everything)}
    undos = {one.undoes: one.id for one in everything if one.action is Ruled.UNDO}
    found = []
    for one in chosen:
        sides = [_name(names, id) for id in (one.left, one.right, *one.others) if id]
        back = "" if one.id in standing_now or one.action is Ruled.UNDO else undos.get(one.id, "")
        found.append(one.model_dump(mode="json") | {"names": sides, "taken_back_by": back})
    return found


def _concerns(one: Mapping[str, Any], entity: Chosen | None) -> bool:
    return entity is None or one["left"] in entity.ids or one["right"] in entity.ids


def _concerns_ruling(one: Ruling, entity: Chosen | None, by_id: Mapping[str, Ruling]) -> bool:
    if entity is None:
        return True
    origin = by_id.get(one.undoes, one)
    ids = {origin.left, origin.right, *origin.others, *([origin.part] if origin.divides else [])}
    return not ids.isdisjoint(entity.ids)


def _sort(by: str) -> str:
    return "person" if by.startswith(PERSON) else "rule" if by == RULE else "model"


def _who(by: str) -> str:
    return by.removeprefix(PERSON)


def _name(names: Mapping[str, Ref], id: str) -> str:
    """The name of a reference; of one that the documents have no more its id."""
    return names[id].name if id in names else id
