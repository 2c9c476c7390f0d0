"""Edits the graph of a run that nobody works on: rulings and the graph that follows from them, in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...errors import ConfigError
from ...graphs.knowledge.summarise import tokens
from ...graphs.resolution.kept import cards
from ...graphs.resolution.references import Reference
from ...storage.kept import KEPT, KeptRows
from ...storage.records import Entity
from ...storage.rulings import ADD, Ruled, Ruling, Rulings
from ...storage.schema import Statement
from ...storage.store import RunStore
from ..knowledge.merging import Made, Material
from ..knowledge.regraph import SUMMARIES, Change, Touched, change_to, known_summaries
from ..spec import GraphSpec
from .asking import Pen


@dataclass(frozen=True)
class Edited:
    """What an edit did: its rulings, the entities that came of those it was about, and what was written."""

    rulings: Sequence[Ruling]
    became: Sequence[Entity]
    touched: Touched
    long: int


Asked = Callable[["Desk", Pen], list[Ruling]]


class Desk:
    """A run's graph under somebody's hand: no campaign works on it meanwhile."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.rulings = list(Rulings(store).all())
        self.spec = GraphSpec.model_validate((store.mark("campaign") or {}).get("graph", {}))
        self.material = Material(self.spec, store)

    @cached_property
    def references(self) -> Mapping[str, Reference]:
        """The references with their chunks, as they are now."""
        if self.store.mark(KEPT) is not None:
            return cards(KeptRows(self.store))
        return self.material.gathered(self.rulings).gathering.references

    async def edit(self, who: str, note: str, asked: Asked) -> Edited:
        """Makes the rulings, and all that follows from them, durable together.

        Raises:
            ConfigError: what is asked cannot be, or something else than what was asked would come of it.
        """
        made = asked(self, Pen(who, note, self.rulings))
        rulings = [*self.rulings, *made]
        graph = self.material.brought_up(rulings)
        _require(made, graph)
        change, long = self._change(graph, made)
        await self.store.write(_logged(made), *change.statements)
        self.rulings = rulings
        vars(self).pop("references", None)
        about = dict.fromkeys(_about(made, self.rulings))
        became = list(dict.fromkeys(there for id in about if (there := change.regrouping.leads(id))))
        return Edited(made, [self.store.entity(id) for id in became], change.touched, long)

    def _change(self, made: Made, rulings: Sequence[Ruling]) -> tuple[Change, int]:
        known = known_summaries(self.store, made.graph)
        graph = made.graph.updated(
            entities=[
                made.graph.entities[id].model_copy(update={"description": text}) for id, text in sorted(known.items())
            ]
        )
        long = [one for one in graph.entities.values() if one.id not in known and tokens(one.description) > self._most]
        before = self.store.mark("graph") or {}
        unsummarised = len(long)
        if made.scope is not None:
            wanted = self.store.mark(SUMMARIES) or {}
            unsummarised += sum(1 for id, digest in wanted.items() if not digest and id not in made.scope.entities)
        ledger = {
            **before,
            **made.books,
            "unsummarised": unsummarised,
            "edits": before.get("edits", 0) + 1,  # who keeps the graph in memory sees by the ledger that it is another
        }
        undone = [ruling.undoes for ruling in rulings if ruling.action is Ruled.UNDO]
        change = change_to(
            self.store,
            made,
            graph,
            ledger,
            causes=[ruling.id for ruling in rulings],
            taken_back=undone,
            unsummarised=[one.id for one in long],
        )
        return change, unsummarised

    @property
    def _most(self) -> int:
        return self.spec.summary_tokens


@asynccontextmanager
async def at_desk(folder: Path, url: str) -> AsyncIterator[Desk]:
    """Opens a run's graph for editing.

    Raises:
        RunLocked: a campaign, or another editor, works on the run; the message says who.
        ConfigError: the run has no graph.
    """
    store = RunStore.open(folder, url)
    try:
        require_built(store)
        yield Desk(store)
    finally:
        await store.close()


def require_built(store: RunStore) -> None:
    """Raises `ConfigError` where a run has no graph, or one that waits to be made again."""
    if store.mark("graph") is None:
        raise ConfigError(
            f"the run in {store.shown} has no knowledge graph: its recipe needs none, or the next start of the "
            f"campaign makes it; edit it then"
        )


def _logged(rulings: Sequence[Ruling]) -> Statement:
    return ADD, [(one.id, one.model_dump_json(exclude_defaults=True)) for one in rulings]


def _about(made: Sequence[Ruling], rulings: Sequence[Ruling]) -> list[str]:
    """The references that an edit is about; of an undo those of the ruling that it takes back."""
    by_id = {ruling.id: ruling for ruling in rulings}
    found: list[str] = []
    for ruling in made:
        seen: set[str] = set()
        while ruling.action is Ruled.UNDO and ruling.undoes in by_id and ruling.id not in seen:
            seen.add(ruling.id)
            ruling = by_id[ruling.undoes]
        found += [
            *([ruling.part] if ruling.divides else []),
            ruling.left,
            *filter(None, [ruling.right]),
            *ruling.others,
        ]
    return list(dict.fromkeys(found))


def _require(made: Sequence[Ruling], graph: Made) -> None:
    """Checks that what was asked comes of it. Rules may stand in the way by what they hold of other names."""
    membership = graph.resolution.membership
    for ruling in made:
        if ruling.action is Ruled.UNDO:
            continue
        for left, right in ruling.pairs:
            joined = membership.get(left) is not None and membership.get(left) == membership.get(right)
            if joined is not (ruling.action is Ruled.MERGE):
                names = " and ".join(_name(graph, id) for id in (left, right))
                done = "together" if ruling.action is Ruled.MERGE else "apart"
                raise ConfigError(
                    f"{names} would not come {done}: an older ruling stands against it by way of a third name; "
                    f"`gristmill graph merges RUN --by person` lists them, `gristmill graph undo` takes one back"
                )


def _name(graph: Made, id: str) -> str:
    one = graph.references.get(id)
    return f"'{one.name}'" if one is not None else id
