"""The knowledge graph: a picture of a part of it, the list of all of it, and what is known of an entity or a link.

Each address answers a browser's page with a fragment and everybody else with JSON. The parts are chosen here, on the
server; a browser never gets the whole graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...storage.records import Record
from ..graph.facts import entity_facts, link_facts, mentions_of
from ..graph.room import GraphRoom, Node, Order, Sieve
from ..graph.view import By, Part
from ..queue.query import Filters, Sort, Stage
from .parameters import ID, from_query, id_of
from .rendering import is_fragment, render
from .security import reviewer_of
from .site import Site, site_of

OVERVIEW, NEIGHBOURS = 300, 60  # entities of a picture
LISTED = 50  # entities of a page of the list
ITEMS = 12  # items of an entity that its panel shows
LISTED_TYPES, LISTED_DOCUMENTS = 200, 500  # choices of the filters
IDS = f"(?:{ID.pattern})?"


class Choice(Sieve):
    """What the page's filters say, and the entity that it opens at."""

    by: By = By.DEGREE
    entity: str = Field("", pattern=f"^{IDS}$")


class Picture(Sieve):
    """Which part: an overview of what the sieve lets through, or what is around one entity, whatever it is."""

    around: str = Field("", pattern=f"^{IDS}$")
    depth: int = Field(1, ge=1, le=2)
    limit: int | None = Field(None, ge=1, le=500)
    by: By = By.DEGREE


class Listed(Sieve):
    """A stretch of the list."""

    order: Order = Order.DEGREE
    start: int = Field(0, ge=0, le=10**9)


class Asked(Record):
    """A name, or a part of it."""

    q: str = Field("", max_length=200)


class Since(Record):
    """A version of the coverage."""

    since: int = Field(0, ge=0, le=10**15)


class From(Record):
    """The number of a passage."""

    start: int = Field(0, ge=0, le=10**9)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A part of the graph for the picture. `links` are (place in `nodes`, another, type, number, weight)."""

    nodes: tuple[Node, ...]
    links: tuple[tuple[int, int, str, int, float], ...]
    among: int
    all_links: int
    entities: int
    version: int


async def graph(request: Request) -> Response:
    """The page, also for a run that has no graph, or not yet."""
    site = site_of(request)
    choice = from_query(Choice, request.query_params)

    def ask(room: GraphRoom) -> dict[str, Any]:
        if not room.exists:
            return {"missing": why_missing(site, room)}
        view = room.view
        return {
            "entities": len(view),
            "relations": view.relations,
            "types": dict(list(view.type_counts.items())[:LISTED_TYPES]),
            "documents": view.document_names[:LISTED_DOCUMENTS],
            "levels": room.levels(),
            "steps": room.steps,
            "rows": room.rows(sieve_of(choice), Order.DEGREE, 0, LISTED),
            "facts": entity_facts(room, choice.entity) if choice.entity else None,
        }

    found = await site.look_at_graph(ask)
    if "missing" in found:
        return render(request, "graph_none.html", why=found["missing"])
    if is_fragment(request):  # of the page that waited for the graph
        return Response(headers={"HX-Refresh": "true"})
    items = await items_of(site, choice.entity, reviewer_of(request)) if choice.entity else {}
    values: dict[str, Any] = {**found, **items, "asked": sieve_of(choice).model_dump(mode="json")}
    return render(request, "graph.html", choice=choice, order=Order.DEGREE.value, **values)


async def data(request: Request) -> Response:
    """The picture's part of the graph."""
    picture = from_query(Picture, request.query_params)

    def ask(room: GraphRoom) -> Drawn:
        if picture.around:
            centre = room.place(picture.around)
            part = room.view.neighbourhood(centre, picture.depth, picture.limit or NEIGHBOURS)
        else:
            part = room.overview(picture, picture.by, picture.limit or OVERVIEW)
        return drawn(room, part)

    return as_json(await site_of(request).look_at_graph(ask))


async def changes(request: Request) -> Response:
    """The entities whose coverage changed since the version that the page has."""
    since = from_query(Since, request.query_params).since

    def ask(room: GraphRoom) -> dict[str, Any]:
        version = room.coverage.version
        # A page that knows a later version than ours has it of a server that was stopped.
        nodes = room.changed(since if since <= version else 0)
        return {"version": version, "nodes": nodes, "levels": room.levels(), "steps": room.steps}

    return as_json(await site_of(request).look_at_graph(ask))


async def listed(request: Request) -> Response:
    """A stretch of the list of entities."""
    asked = from_query(Listed, request.query_params)
    rows = await site_of(request).look_at_graph(
        lambda room: room.rows(sieve_of(asked), asked.order, asked.start, LISTED)
    )
    if not is_fragment(request):
        return as_json(rows)
    sieve = sieve_of(asked).model_dump(mode="json")
    return render(request, "graph_list.html", rows=rows, order=asked.order.value, asked=sieve)


async def search(request: Request) -> Response:
    """Entities by a part of their names, the closest first."""
    asked = from_query(Asked, request.query_params)

    def ask(room: GraphRoom) -> dict[str, Any]:
        places, among = room.view.search(asked.q)
        return {"nodes": room.nodes(places), "among": among}

    return as_json(await site_of(request).look_at_graph(ask))


async def entity(request: Request) -> Response:
    """Everything about one entity, and its items."""
    site, id = site_of(request), id_of(request)
    facts = await site.look_at_graph(entity_facts, id)
    items = await items_of(site, id, reviewer_of(request))
    if is_fragment(request):
        return render(request, "graph_entity.html", facts=facts, **items)
    return as_json({**{name: getattr(facts, name) for name in facts.__slots__}, **items})


async def mentions(request: Request) -> Response:
    """More passages that mention an entity."""
    id, start = id_of(request), from_query(From, request.query_params).start
    found = await site_of(request).look_at_graph(mentions_of, id, start)
    if is_fragment(request):
        return render(request, "graph_mentions.html", found=found, id=id)
    return as_json(found)


async def link(request: Request) -> Response:
    """The relations that join two entities."""
    left, right = id_of(request, "left"), id_of(request, "right")
    facts = await site_of(request).look_at_graph(link_facts, left, right)
    return render(request, "graph_link.html", facts=facts) if is_fragment(request) else as_json(facts)


def sieve_of(asked: Sieve) -> Sieve:
    """Returns the filters alone."""
    return Sieve(type=asked.type, coverage=asked.coverage, document=asked.document)


def drawn(room: GraphRoom, part: Part) -> Drawn:
    """Returns a part with links by place in it, so that no id is sent more than once."""
    at = {place: number for number, place in enumerate(part.places)}
    return Drawn(
        nodes=room.nodes(part.places),
        links=tuple((at[one.left], at[one.right], one.type, len(one.relations), one.weight) for one in part.links),
        among=part.among,
        all_links=part.all_links,
        entities=len(room.view),
        version=room.coverage.version,
    )


async def items_of(site: Site, id: str, reviewer: str) -> dict[str, Any]:
    """Returns the newest items that use an entity, and how many there are by status."""
    filters = Filters.model_validate({"entity": id, "stage": Stage.ALL, "status": ()})
    page = await site.look(lambda index: index.page(filters, Sort.NEWEST, reviewer=reviewer, limit=ITEMS))
    counts = await site.look(lambda index: index.counts(filters, "status", reviewer=reviewer))
    return {"items": page.items, "item_counts": counts}


def why_missing(site: Site, room: GraphRoom) -> dict[str, Any]:
    """Returns what a template needs to say why there is no graph, and what to do."""
    chunks, read = room.store.count("chunks"), room.store.count("extractions")
    return {"recipe": str(site.campaign.get("recipe") or ""), "chunks": chunks, "read": read}


def as_json(value: Any) -> Response:
    """Returns records as JSON; names of the documents' making are escaped by its rules."""
    return Response(orjson.dumps(value), media_type="application/json")


routes = [
    Route("/graph", graph),
    Route("/graph/data", data),
    Route("/graph/changes", changes),
    Route("/graph/list", listed),
    Route("/graph/search", search),
    Route("/graph/entities/{id}", entity),
    Route("/graph/entities/{id}/mentions", mentions),
    Route("/graph/links/{left}/{right}", link),
]
