"""Descriptions that want a summary get one, whichever way the graph came to them: edits, failed calls, refreshes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gristmill import Request, Scripted
from gristmill.agents.extraction.records import Extraction, FoundEntity
from gristmill.agents.state import FlowContext
from gristmill.campaigns.editing.applying import Desk
from gristmill.campaigns.editing.asking import Pen
from gristmill.campaigns.knowledge.building import build_graph
from gristmill.campaigns.spec import GraphSpec
from gristmill.errors import Overloaded
from gristmill.graphs.knowledge.summarise import SummaryBooks, tokens
from gristmill.graphs.resolution.references import reference_id
from gristmill.storage.records import Chunk, Document, Span
from gristmill.storage.rulings import Ruled
from gristmill.storage.store import RunStore
from gristmill.storage.versions import Versions, keep_documents, make_current

SPEC = GraphSpec(summary_tokens=50)
FACT = "stands by the sea, where the wind comes in over the marsh, and was seen there in the year"
NAMES = {  # what each chunk of a document tells a fact about
    "mill": ["Kelling Mill"] * 6,
    "pier": ["Cromer Pier"],
    "quay": ["Wells Quay"],
    "hall": ["Felbrigg Hall"] * 6,
    "piers": ["Cromer Pier"] * 2,
    "quays": ["Wells Quay"] * 2,
}


def reference(name: str) -> str:
    return reference_id(name.lower(), "place")


async def show(store: RunStore, documents: Sequence[str]) -> None:
    """Makes these the documents of the run; those that `NAMES` has give a fact a chunk, the others nothing."""
    known = {id for (id,) in store.rows("SELECT id FROM documents")}
    current = []
    for name in documents:
        document = Document.of(f"{name}.txt", f"the text of {name}")
        current.append((document.id, document.name))
        if document.id in known:
            continue
        told = NAMES.get(name, [""])
        chunks = [Chunk.of(document.id, at, at, at + 3, document.text[at : at + 3]) for at in range(len(told))]
        await keep_documents(store, [(document, chunks)])
        for chunk, what in zip(chunks, told, strict=True):
            span = Span(chunk=chunk.id, start=0, end=3, quote=chunk.text)
            entity = FoundEntity(
                name=what, type="place", mentions=(span,), descriptions=(f"{what} {FACT} {1800 + chunk.index}.",)
            )
            read = Extraction(chunk=chunk.id, entities=(entity,) if what else ())
            await store.add_extraction(chunk.id, read.model_dump_json())
    await make_current(store, Versions(documents=current, marks={"graph": None}))


async def start(store: RunStore, model: Scripted) -> None:
    """What a start of the campaign does for the graph."""
    await build_graph(
        SPEC,
        store,
        store.chunks(),
        FlowContext(models={"default": model}),
        concurrency=2,
        stopping=asyncio.Event(),
        on_chunk=lambda _: None,
    )


def summarises(request: Request) -> Any:
    return {"summary": f"{request.variables['name']} in short."}


def long_ones(store: RunStore) -> list[str]:
    return [one.name for one in store.stored_entities() if tokens(one.description) > SPEC.summary_tokens]


def books_of(store: RunStore) -> SummaryBooks:
    return SummaryBooks.model_validate(store.mark("graph")["summaries"])


async def run_of(folder: Path, documents: Sequence[str], model: Scripted) -> RunStore:
    store = RunStore.open(folder / "run")
    await store.set_mark("campaign", {"name": "run", "graph": SPEC.model_dump(mode="json")})
    await show(store, documents)
    await start(store, model)
    return store


MANY = [f"silent{number}" for number in range(20)]  # so that a change is a small part of all


async def test_what_an_edit_left_long_is_summarised_though_other_documents_are_read_before(tmp_path: Path) -> None:
    store = await run_of(tmp_path, ["piers", "quays", *MANY], Scripted(summarises))
    assert long_ones(store) == []

    def one(desk: Desk, pen: Pen) -> list[Any]:
        return [pen.rule(Ruled.MERGE, left=reference("Cromer Pier"), right=reference("Wells Quay"))]

    edited = await Desk(store).edit("ada", "", one)
    assert edited.long == 1
    (name,) = long_ones(store)
    await show(store, ["piers", "quays", "hall", *MANY])  # the graph waits to be made again, and so does the edit's
    model = Scripted(summarises)
    await start(store, model)
    assert sorted(request.variables["name"] for request in model.requests) == sorted([name, "Felbrigg Hall"])
    assert long_ones(store) == []
    assert (books_of(store).summarised, books_of(store).balanced) == (2, True)
    await store.close()


async def test_a_summary_that_failed_is_asked_for_again_when_the_documents_are_read_again(tmp_path: Path) -> None:
    busy = Scripted(lambda request: Overloaded("busy"))
    store = await run_of(tmp_path, ["mill", *MANY], busy)
    assert (long_ones(store), books_of(store).failed) == (["Kelling Mill"], {"overloaded": 1})
    asked = len(busy.requests)
    await start(store, busy)  # a start that reads nothing asks for nothing
    assert len(busy.requests) == asked

    await show(store, ["mill", "pier", *MANY])
    await start(store, busy)
    assert (len(busy.requests), books_of(store).failed) == (asked + 1, {"overloaded": 1})
    assert books_of(store).balanced
    await show(store, ["mill", *MANY])
    await start(store, Scripted(summarises))
    assert (long_ones(store), books_of(store).failed, books_of(store).summarised) == ([], {}, 1)
    nobody = Scripted(lambda request: AssertionError("it was summarised before"))
    await show(store, ["mill", "quay", *MANY])
    await start(store, nobody)
    assert nobody.requests == []
    assert store.entity(reference("Kelling Mill")).description == "Kelling Mill in short."
    await store.close()


async def test_an_edit_counts_what_waits_for_a_summary_and_no_less_than_none(tmp_path: Path) -> None:
    """A failed summary of an entity that an edit changes is counted once; when it is gone it is counted no more."""
    store = await run_of(tmp_path, ["mill", "pier", *MANY], Scripted(lambda request: Overloaded("busy")))

    def one(desk: Desk, pen: Pen) -> list[Any]:
        return [pen.rule(Ruled.MERGE, left=reference("Cromer Pier"), right=reference("Kelling Mill"))]

    def apart(desk: Desk, pen: Pen) -> list[Any]:
        return [pen.rule(Ruled.UNDO, undoes=desk.rulings[-1].id)]

    assert (await Desk(store).edit("ada", "", one)).long == 1
    assert (await Desk(store).edit("ada", "", apart)).long == 1
    await start(store, Scripted(summarises))
    assert (long_ones(store), store.mark("graph")["unsummarised"]) == ([], 0)
    assert (await Desk(store).edit("ada", "", one)).long == 1  # what it is now was never summarised
    await store.close()
