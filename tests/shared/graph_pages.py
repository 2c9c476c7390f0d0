"""A small graph of a lough, and its page, which a client opens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gristmill.review.web.app import create_app
from gristmill.review.web.site import Access, Site
from gristmill.storage.records import Chunk, Document, Entity, Item, Relation, Span, Status, Task, content_id
from gristmill.storage.store import RunStore

TOKEN = "a-token-that-opens-the-page"
TEXT = "Brent geese feed on eelgrass in Strangford Lough. Eelgrass is a plant. SeaGen was a turbine in the lough."
DOCUMENT = Document.of("notes/lough.txt", TEXT)
CHUNK = Chunk.of(DOCUMENT.id, 0, 0, len(TEXT), TEXT, headings=("The lough",))
FRAGMENT = {"hx-request": "true"}


def span(quote: str, nth: int = 0) -> Span:
    start = [found.start() for found in re.finditer(quote, TEXT)][nth]
    return Span(chunk=CHUNK.id, start=start, end=start + len(quote), quote=quote)


def entity(name: str, type: str = "place", **fields: Any) -> Entity:
    return Entity(id=content_id("entity", name), name=name, type=type, **fields)


EELGRASS = entity("eelgrass", "organism", aliases=("Zostera",), mentions=(span("eelgrass"), span("Eelgrass")))
GEESE = entity("Brent goose", "organism", mentions=(span("Brent geese"),), description="A small goose.")
LOUGH = entity("Strangford Lough", mentions=(span("Strangford Lough"), span("lough")))
SEAGEN = entity("SeaGen", "product", mentions=(span("SeaGen"),))
ALONE = entity("turbine", "product", mentions=(span("turbine"),))
ENTITIES = (EELGRASS, GEESE, LOUGH, SEAGEN, ALONE)


def relation(source: Entity, target: Entity, type: str, **fields: Any) -> Relation:
    return Relation(
        id=content_id("relation", source.id, target.id, type), source=source.id, target=target.id, type=type, **fields
    )


FEEDS = relation(GEESE, EELGRASS, "feeds on", weight=3.0, mentions=(span("Brent geese feed on eelgrass"),))
RELATIONS = (
    FEEDS,
    relation(EELGRASS, GEESE, "is eaten by"),
    relation(EELGRASS, LOUGH, "grows in"),
    relation(SEAGEN, LOUGH, "stood in"),
)


def task_of(seed: int, *entities: Entity) -> Task:
    return Task.of("pair", entities=tuple(one.id for one in entities), chunks=(CHUNK.id,), seed=seed)


async def end(store: RunStore, task: Task, status: Status) -> Item:
    item = Item(
        id=content_id("item", task.id, 0),
        task=task.id,
        kind="qa",
        status=status,
        reasons=() if status is Status.ACCEPTED else ("trivial",),
        entities=task.entities,
        chunks=task.chunks,
    )
    await store.finish(task.id, status, [item])
    return item


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's session with the pages of a run."""
    site = Site(folder, "", Access("127.0.0.1", 80, TOKEN, "ada"))
    transport = httpx.ASGITransport(create_app(site))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            await client.get("/graph", params={"token": TOKEN})
            yield client
    finally:
        await site.aclose()


async def json_of(client: httpx.AsyncClient, address: str) -> Any:
    answer = await client.get(address, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(nodes: Sequence[dict[str, Any]]) -> list[str]:
    return [node["name"] for node in nodes]
