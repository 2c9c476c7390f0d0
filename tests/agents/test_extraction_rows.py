"""Rows on the wire: what sloppy models write is read, counted or asked for again, and quotes may be mere beginnings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.agents.extraction.batches import Batch, batches
from gristmill.agents.extraction.evidence import Witness
from gristmill.agents.extraction.extractor import batch_extractor, extractor, shared_headings
from gristmill.agents.extraction.records import Extraction
from gristmill.agents.extraction.schema import DEFAULT, GraphSchema
from gristmill.agents.state import FlowContext
from gristmill.models.schema import response_format
from gristmill.models.scripted import Scripted
from gristmill.prompts.schemas import ExtractedGraph
from gristmill.storage.records import Chunk, Usage

ROWS = {
    "entities": [["Rance", "place", "a river"], ["TP53", "organism", "", "symbol: TP53"]],
    "relations": [["Rance", "Brittany", "located in", "The Rance lies in Brittany", "time: since 1966"]],
    "claims": [["Rance", "It is 103 km long", "length: 103 km"]],
}
TEXT = (
    "The Rance lies in Brittany. The plant was built in 1966 at Dinard. The plant was built in steel by Alstom.\n"
    "It is 103 km long, and Dinan stands on it."
)


def chunk(text: str, index: int = 0, *, document: str = "doc-1", start: int = 0, **more: Any) -> Chunk:
    return Chunk.of(document, index, start, start + len(text), text, tokens=len(text) // 4, **more)


def test_a_server_is_asked_for_rows_strictly_and_rows_are_written() -> None:
    wanted = response_format(ExtractedGraph)["json_schema"]
    assert wanted["strict"]
    rows = {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    assert wanted["schema"]["properties"] == {"entities": rows, "relations": rows, "claims": rows}
    read = ExtractedGraph.model_validate(ROWS)
    assert read.model_dump() == ROWS | {
        "entities": [["Rance", "place", "a river"], ["TP53", "organism", "", "symbol: TP53"]]
    }
    assert ExtractedGraph.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([["Rance"]], ["Rance"]),
        (["Rance | place | a river", "| Dinan | place |"], ["Rance", "Dinan"]),
        ([["Rance", None, 103, {"a": 1}], 7, None, []], ["Rance", "", "", ""]),
        ([{"name": "Rance", "type": None, "attributes": {"length": 103}}, {"nom": "Dinan"}], ["Rance", ""]),
        ({"name": "Rance"}, ["Rance"]),
        ({}, []),
        (None, []),
    ],
)
def test_what_sloppy_models_write_is_read(given: Any, names: list[str]) -> None:
    read = ExtractedGraph.model_validate({"entities": given})
    assert [one.name for one in read.entities] == names
    chunk_ = chunk(TEXT)
    (found,) = finished(Batch([chunk_], DEFAULT), read)
    assert found.entity_books.dropped.get("empty_name", 0) == names.count("")


@pytest.mark.parametrize("given", ["Rance", 5, [{"entity": "Rance"}], [[""]], [[], None]])
def test_records_that_all_lack_their_first_field_are_asked_for_again(given: Any) -> None:
    with pytest.raises(ValidationError):
        ExtractedGraph.model_validate({"entities": given})


async def test_the_model_is_told_what_a_row_is() -> None:
    model = Scripted([{"entities": [{"entity": "Rance"}]}, {"entities": [["Rance", "place"]]}], repairs=1)
    found = await extractor(max_gleanings=0)(chunk(TEXT), FlowContext(models={"default": model}))
    assert [one.name for one in found.entities] == ["Rance"]
    assert found.usage.calls == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.sampled_from(["Rance", "Brittany", "place", "The Rance lies in", "time: 1966", "quote: It is", "a | b"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["name", "source", "x"]), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON, JSON)
def test_any_answer_is_refused_or_read_with_books_that_balance(entities: Any, relations: Any, claims: Any) -> None:
    try:
        read = ExtractedGraph.model_validate({"entities": entities, "relations": relations, "claims": claims})
    except ValidationError:
        return
    assert ExtractedGraph.model_validate(json.loads(read.model_dump_json())).model_dump() == read.model_dump()
    for found in finished(Batch([chunk(TEXT), chunk("Alstom stands in Brittany.", 1, start=900)], DEFAULT), read):
        assert all(books.balanced for books in found.books.values())


# quotes that are beginnings


@pytest.mark.parametrize(
    ("quote", "names", "span"),
    [
        ("The Rance lies", ["Rance"], "The Rance lies in Brittany."),
        ("the rance lies …", [], "The Rance lies in Brittany."),
        ("The plant was built", ["Alstom"], "The plant was built in steel by Alstom."),
        ("The plant was built", ["Dinard"], "The plant was built in 1966 at Dinard."),
        ("The plant was built", [], "The plant was built in 1966 at Dinard."),
        ("in steel by", ["Alstom"], "in steel by Alstom."),
        ("lies in Brittany", ["Rance", "Brittany"], "The Rance lies in Brittany."),
        ("It is 103 km long, and Dinan stands on it", [], "It is 103 km long, and Dinan stands on it"),
        ("Alstom", ["Alstom"], "Alstom"),
    ],
)
def test_a_short_quote_is_the_beginning_of_what_it_quotes(quote: str, names: list[str], span: str) -> None:
    witness = Witness(chunk(TEXT))
    found = witness.quote(quote, [witness.name(name) for name in names])
    assert found is not None
    assert found.span.quote == span
    assert not found.repaired


def test_the_beginning_of_what_is_not_there_is_not_found() -> None:
    witness = Witness(chunk(TEXT))
    assert witness.quote("The plant was sold") is None
    assert witness.quote("…") is None
    long = "The Rance " + "lies very " * 400 + "far."
    found = Witness(chunk(long)).quote("The Rance lies")
    assert found is not None
    assert found.span.quote == "The Rance lies"  # a sentence of pages is no evidence


# batches


def finished(batch: Batch, *answers: ExtractedGraph) -> tuple[Extraction, ...]:
    for answer in answers:
        batch.add(answer)
    usage = Usage(calls=1, input_tokens=101, output_tokens=53, usd=0.3, seconds=1.5)
    return batch.finish(rounds=1, stopped="limit", usage=usage, model="m")


def test_each_record_goes_to_the_chunk_that_states_it() -> None:
    first = chunk("Acme Corporation makes pumps. It has 40 plants.")
    second = chunk("The company was founded in 1998 by Ada Quill. Pumps move water.", 1, start=60)
    answer = ExtractedGraph.model_validate(
        {
            "entities": [
                ["Acme Corporation", "organization", "a maker of pumps with 40 plants"],
                ["pumps", "product", "device", "colour: red"],
                ["Nowhere", "place"],
                ["Ada Quill", "person"],
            ],
            "relations": [
                ["Acme Corporation", "pumps", "produces", "Acme Corporation makes pumps."],
                ["Acme Corporation", "Ada Quill", "created by", "The company was founded in", "time: 1998"],
                ["Ada Quill", "Nowhere", "located in", "in the middle of nowhere"],
            ],
            "claims": [["Acme Corporation", "It has 40 plants", "amount: 40 plants"], ["pumps", "Pumps move water."]],
        }
    )
    one, two = finished(Batch([first, second], DEFAULT), answer)
    assert {found.name for found in one.entities} == {"Acme Corporation", "pumps"}
    assert {found.name: found.type for found in two.entities} == {
        "pumps": "product",
        "Ada Quill": "person",
        "Acme Corporation": "organization",  # what the answer said of it, though only chunk 1 names it
    }
    assert [(found.source, found.target) for found in two.relations] == [("Acme Corporation", "Ada Quill")]
    assert two.relations[0].qualifiers == {"time": ("1998",)}
    assert two.relations[0].mentions[0].quote == "The company was founded in 1998 by Ada Quill."
    assert [claim.text for found in one.entities for claim in found.claims] == ["It has 40 plants."]
    assert [claim.text for found in two.entities for claim in found.claims] == ["Pumps move water."]
    assert one.entity_books.dropped == {"ungrounded": 1}
    assert one.relation_books.dropped | two.relation_books.dropped == {"missing_endpoint": 1}
    for extraction in (one, two):
        assert all(books.balanced for books in extraction.books.values())
        for record in (*extraction.entities, *extraction.relations):
            for span in record.mentions:
                text = {first.id: first.text, second.id: second.text}[span.chunk]
                assert span.chunk == extraction.chunk
                assert text[span.start : span.end] == span.quote
    assert one.usage.input_tokens + two.usage.input_tokens == 101
    assert one.usage.output_tokens + two.usage.output_tokens == 53
    assert one.usage.usd + two.usage.usd == pytest.approx(0.3)


def test_runs_of_a_document_are_cut_by_tokens_and_never_across_documents_or_gaps() -> None:
    def of(document: str, *tokens: int, first: int = 0) -> list[Chunk]:
        return [
            Chunk.of(document, first + n, 100 * n, 100 * n + 50, f"{document} {n}", tokens=size)
            for n, size in enumerate(tokens)
        ]

    def cut(chunks: Sequence[Chunk], tokens: int) -> list[list[int]]:
        return [[one.tokens for one in batch] for batch, _ in batches(chunks, tokens)]

    assert cut(of("a", 300, 300, 300, 500), 1000) == [[300, 300, 300], [500]]
    assert cut(of("a", 300, 300, 2000, 10), 1000) == [[300, 300], [2000], [10]]
    assert cut([*of("a", 10, 10), *of("b", 10), *of("b", 10, first=5)], 1000) == [[10, 10], [10], [10]]
    assert cut(of("a", 10, 10), 0) == [[10], [10]]
    assert cut([], 10) == []
    before = [last.text if last else None for _, last in batches(of("a", 600, 600, 600), 1000)]
    assert before == [None, "a 0", "a 1"]


async def test_overlapping_text_is_shown_once_under_the_headings_that_all_share() -> None:
    first = chunk("One two three.", headings=("Book", "Part 1"))
    second = Chunk.of("doc-1", 1, 8, 22, "three. Fo four", headings=("Book", "Part 2"), tokens=4)
    model = Scripted([{"entities": [["three", "concept"]]}])
    found = await batch_extractor(max_gleanings=0)([first, second], FlowContext(models={"default": model}))
    assert model.requests[0].variables["passage"] == "One two three.\n\n Fo four"
    assert model.requests[0].variables["headings"] == ["Book"] == shared_headings([first, second])
    assert [len(one.entities[0].mentions) for one in found] == [1, 1]


async def test_an_attribute_goes_to_the_chunk_that_has_its_value() -> None:
    schema = GraphSchema.model_validate(
        {"entity_types": {"gene": {"attributes": ["symbol", "locus"]}}, "relation_types": {"related to": ""}}
    )
    chunks = [chunk("The gene TP53 is known."), chunk("TP53 lies on 17p13.1.", 1, start=40)]
    read = ExtractedGraph.model_validate(
        {"entities": [["TP53", "gene", "", "symbol: TP53", "locus: 17p13.1", "locus: 9"]]}
    )
    one, two = finished(Batch(chunks, schema), read)
    assert one.entities[0].attributes == {"symbol": ("TP53",)}
    assert two.entities[0].attributes == {"locus": ("17p13.1",)}
    assert one.detail_books.dropped == {"ungrounded": 1}
    assert not two.detail_books.dropped
