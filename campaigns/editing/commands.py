"""What `gristmill graph merges`, `merge`, `split` and `undo` do. Options and help stand in cli.py."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from ...errors import ConfigError
from ...storage.rulings import Ruling
from ...storage.store import RunStore
from ..folders import find_run
from ..outcome import storable
from ..reviewer import reviewer_name
from ..terminal import open_console, print_json
from .applying import Asked, Desk, Edited, at_desk, require_built
from .asking import Pen, require_chunks, require_documents, split_name, split_places
from .asking import merge as merged
from .asking import undo as undone
from .finding import Chosen
from .finding import chosen as found_by
from .listing import SORTS, decisions_of, print_decisions

LONGEST_NOTE = 2000


def merges(run: Path, *, entity: str, by: str | None, doubts: bool, refused: bool, as_json: bool, store: str) -> int:
    """Lists what was decided on names."""
    opened = RunStore.read(*find_run(run, store))
    try:
        require_built(opened)
        found = decisions_of(opened, entity=_chosen(opened, entity) if entity else None, by=by or "")
    finally:
        opened.close_reading()
    if as_json:
        print_json(asdict(found))
        return 0
    asked = [sort for sort, wanted in (("refused", refused), ("doubts", doubts)) if wanted]
    print_decisions(open_console(), found, asked or list(SORTS)[:1])
    return 0


def merge(run: Path, *, left: str, right: str, **options: Any) -> int:
    """Makes two entities one."""
    return _edit(run, lambda desk, pen: merged(pen, _chosen(desk.store, left), _chosen(desk.store, right)), **options)


def split(
    run: Path, *, entity: str, name: str, documents: tuple[str, ...], chunks: tuple[str, ...], **options: Any
) -> int:
    """Makes two entities of one: a name apart, or what stands in some documents or chunks."""
    if documents and chunks:
        raise ConfigError("--document and --chunk are given; a split is by one of them, make two of it")
    if not (name or documents or chunks):
        raise ConfigError("nothing says what is another thing; give --name NAME, --document NAME or --chunk ID")

    def asked(desk: Desk, pen: Pen) -> list[Ruling]:
        found = _chosen(desk.store, entity)
        if not (documents or chunks):
            return split_name(pen, found, storable(name))
        places = desk.material.documents
        return split_places(
            pen,
            found,
            desk.references,
            name=storable(name),
            documents=require_documents(desk.store, map(storable, documents)),
            chunks=require_chunks(chunks, places),
            places=places,
        )

    return _edit(run, asked, **options)


def undo(run: Path, *, rulings: tuple[str, ...], **options: Any) -> int:
    """Takes rulings back."""
    return _edit(run, lambda desk, pen: undone(pen, rulings), **options)


def _edit(run: Path, asked: Asked, *, note: str, reviewer: str, as_json: bool, store: str) -> int:
    folder, url = find_run(run, store)
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"--note has {len(note)} characters; {LONGEST_NOTE} are kept at most")
    edited = asyncio.run(_edited(folder, url, storable(reviewer_name(reviewer)), storable(note), asked))
    if as_json:
        print_json(
            {
                "rulings": [one.model_dump(mode="json") for one in edited.rulings],
                "entities": [_entity(one) for one in edited.became],
                "touched": asdict(edited.touched),
                "unsummarised": edited.long,
            }
        )
    else:
        _say(edited)
    return 0


def _chosen(store: RunStore, typed: str) -> Chosen:
    return found_by(store, storable(typed))


async def _edited(folder: Path, url: str, who: str, note: str, asked: Asked) -> Edited:
    async with at_desk(folder, url) as desk:
        return await desk.edit(who, note, asked)


def _entity(one: Any) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "type": one.type, "aliases": one.aliases, "mentions": len(one.mentions)}


def _say(edited: Edited) -> None:
    console = open_console()
    for one in edited.became:
        also = f", also {', '.join(one.aliases[:6])}" if one.aliases else ""
        console.print(Text(f"{one.id}  {one.name} ({one.type}), {len(one.mentions)} mentions{also}"))
    console.print(Text(edited.touched.described))
    if edited.long:
        entities = "description is long" if edited.long == 1 else "descriptions are long"
        console.print(Text(f"{edited.long} {entities}: the next start of the campaign summarises", style="dim"))
    ids = " ".join(one.id for one in edited.rulings)
    console.print(Text(f"to take it back: gristmill graph undo RUN {ids}", style="dim"))
