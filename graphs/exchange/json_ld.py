"""JSON-LD 1.1 (https://www.w3.org/TR/json-ld11/): the graph as linked data, every fact with where it was found.

Names are schema.org's, provenance is PROV-O's, and a place in a text is a selector of the Web Annotation Vocabulary
(https://www.w3.org/TR/annotation-vocab/). The context stands in the file, so that nothing is fetched to read it. Ids
and types are URNs under `urn:gristmill:`; what a document called them is percent-encoded there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...storage.records import Claim, Entity, Relation, Span
from .facts import Facts, Place, Places, claim_id, whole
from .files import placed_file
from .node_link import dumped

ROOT = "urn:gristmill:"
CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "prov": "http://www.w3.org/ns/prov#",
    "oa": "http://www.w3.org/ns/oa#",
    "gristmill": ROOT,
    "name": "schema:name",
    "description": "schema:description",
    "text": "schema:text",
    "value": "schema:value",
    "aliases": {"@id": "schema:alternateName", "@container": "@set"},
    "properties": {"@id": "schema:additionalProperty", "@container": "@set"},
    "claims": {"@id": "gristmill:claim", "@container": "@set"},
    "mentions": {"@id": "prov:wasDerivedFrom", "@container": "@set"},
    "source": {"@id": "oa:hasSource", "@type": "@id"},
    "selector": {"@id": "oa:hasSelector", "@container": "@set"},
    "start": "oa:start",
    "end": "oa:end",
    "exact": "oa:exact",
    "part_of": {"@id": "schema:isPartOf", "@type": "@id"},
    "subject": {"@id": "rdf:subject", "@type": "@id"},
    "predicate": {"@id": "rdf:predicate", "@type": "@id"},
    "object": {"@id": "rdf:object", "@type": "@id"},
    "weight": {"@id": "gristmill:weight", "@type": "http://www.w3.org/2001/XMLSchema#double"},
    "grounded": "gristmill:grounded",
}


def write_json_ld(graph: Facts, path: str | Path, places: Places | None = None) -> None:
    """Writes entities, relations, and with `places` the chunks and documents that mentions lead to.

    A relation is a triple and an `rdf:Statement` about it, which carries description, weight, qualifiers and mentions.
    One node stands on each line. Raises `StoreError` when the file cannot be written; an old file at the path then
    stays as it was.
    """
    with placed_file(Path(path)) as file:
        file.write(b'{"@context":' + dumped(CONTEXT) + b',\n"@graph":[')
        for number, node in enumerate(_nodes(graph, places or {})):
            file.write((b",\n" if number else b"\n") + dumped(node))
        file.write(b"\n]}\n")


def _nodes(graph: Facts, places: Places) -> Iterator[dict[str, Any]]:
    for entity in graph.entities.values():
        yield _entity(entity)
    for relation in graph.relations.values():
        yield {"@id": iri(relation.source), iri("relation", relation.type): {"@id": iri(relation.target)}}
        yield _statement(relation)
    documents: dict[str, Place] = {}
    for chunk, place in places.items():
        documents.setdefault(place.document, place)
        yield {"@id": iri(chunk), "@type": "prov:Entity", "part_of": iri(place.document), "start": place.start}
    for document, place in documents.items():
        yield {"@id": iri(document), "@type": ["prov:Entity", "schema:CreativeWork"], "name": place.name}


def iri(*parts: str) -> str:
    """Returns a URN of parts, whatever characters they have."""
    return ROOT + ":".join(quote(whole(part), safe="") for part in parts)


def _entity(entity: Entity) -> dict[str, Any]:
    return _filled(
        {
            "@id": iri(entity.id),
            "@type": ["schema:Thing", "prov:Entity", iri("type", entity.type)],
            "name": entity.name,
            "description": entity.description,
            "aliases": list(entity.aliases),
            "properties": _properties(entity.attributes),
            "claims": [_claim(entity.id, claim) for claim in entity.claims],
            "mentions": _mentions(entity.mentions),
        }
    )


def _statement(relation: Relation) -> dict[str, Any]:
    return _filled(
        {
            "@id": iri(relation.id),
            "@type": ["rdf:Statement", "prov:Entity"],
            "subject": iri(relation.source),
            "predicate": iri("relation", relation.type),
            "object": iri(relation.target),
            "name": relation.type,
            "description": relation.description,
            "weight": relation.weight,
            "grounded": relation.grounded,
            "properties": _properties(relation.qualifiers),
            "mentions": _mentions(relation.mentions),
        }
    )


def _claim(entity: str, claim: Claim) -> dict[str, Any]:
    return _filled(
        {
            "@id": iri(claim_id(entity, claim)),
            "@type": ["schema:Claim", "prov:Entity"],
            "text": claim.text,
            "properties": _properties({name: (value,) for name, value in claim.qualifiers.items()}),
            "mentions": _mentions(claim.mentions),
        }
    )


def _properties(values: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    return [{"@type": "schema:PropertyValue", "name": name, "value": list(some)} for name, some in values.items()]


def _mentions(spans: Iterable[Span]) -> list[dict[str, Any]]:
    return [_mention(span) for span in spans]


def _mention(span: Span) -> dict[str, Any]:
    selectors: list[dict[str, Any]] = [{"@type": "oa:TextPositionSelector", "start": span.start, "end": span.end}]
    if span.quote:
        selectors.append({"@type": "oa:TextQuoteSelector", "exact": span.quote})
    return {"@type": ["prov:Entity", "oa:SpecificResource"], "source": iri(span.chunk), "selector": selectors}


def _filled(node: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what is empty; False and 0 are not."""
    return {key: value for key, value in node.items() if value not in ("", [])}
