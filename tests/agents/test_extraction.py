"""What an extraction keeps: attributes and pairs by the schema, claims, qualifiers, context; and hostile answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gristmill.agents.extraction.evidence import Witness
from gristmill.agents.extraction.extractor import end_of, extractor, with_before
from gristmill.agents.extraction.findings import LEAST_RECORDS, Findings
from gristmill.agents.extraction.records import Extraction
from gristmill.agents.extraction.schema import DEFAULT, GraphSchema
from gristmill.agents.state import FlowContext
from gristmill.errors import ConfigError, SchemaMismatch, Truncated
from gristmill.evals.grounding import locate_ends
from gristmill.models.factory import wrap
from gristmill.models.layers.meter import Meter
from gristmill.models.offline.model import Offline
from gristmill.models.scripted import Scripted
from gristmill.prompts.schemas import ExtractedGraph
from gristmill.storage.chunking import chunk as chunks_of
from gristmill.storage.chunking import count_tokens
from gristmill.storage.records import Chunk, Document, Usage

TEXT = (
    "The gene TP53 encodes the protein p53, which was described in 1979.\n"
    "TP53 lies on chromosome 17p13.1 and has 19,144 bases. Aspirin does not bind p53.\n"
    "It is mutated in about 50% of all tumours, as a study of 12 000 samples found."
)
CHUNK = Chunk.of("doc-1", 1, 500, 500 + len(TEXT), TEXT, headings=("Biology", "The guardian"), tokens=60)
GENES = GraphSchema.model_validate(
    {
        "entity_types": {
            "gene": {"description": "a gene", "attributes": ["symbol", "Locus"]},
            "protein": "a protein",
            "other": "",
        },
        "relation_types": {
            "encodes": {"description": "", "pairs": [["gene", "protein"]]},
            "binds": {"pairs": [["*", "protein"]]},
            "related to": "",
        },
    }
)
BOTH = [{"name": "TP53", "type": "gene"}, {"name": "p53", "type": "protein"}]


def read(*answers: dict[str, Any], schema: GraphSchema = GENES, before: str = "", claims: bool = True) -> Extraction:
    findings = Findings(CHUNK, schema, before=before, claims=claims)
    for answer in answers:
        findings.add(ExtractedGraph.model_validate({"entities": [], "relations": [], **answer}))
    found = findings.finish(rounds=len(answers), stopped="limit", usage=Usage(), model="scripted")
    assert_sound(found)
    return found


def assert_sound(found: Extraction) -> None:
    """The books balance, every span is the chunk's own text, and relations join entities that are there."""
    assert all(books.balanced for books in found.books.values()), found.books
    names = {entity.name for entity in found.entities}
    assert len(names) == len(found.entities) == found.entity_books.kept
    claims = [claim for entity in found.entities for claim in entity.claims]
    assert len(claims) == found.claim_books.kept
    assert len(found.relations) == found.relation_books.kept
    for record in (*found.entities, *found.relations, *claims):
        assert record.mentions
        for span in record.mentions:
            assert CHUNK.text[span.start : span.end] == span.quote != ""
    assert all({relation.source, relation.target} <= names for relation in found.relations)


def relation(source: str, target: str, type: str = "related to", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "type": type, **more}


# attributes and pairs


def test_attributes_are_those_of_the_type_in_the_chunks_own_characters() -> None:
    gene = {"name": "TP53", "type": "gene", "attributes": ["SYMBOL: tp53", "locus: 17p13.1", "colour: 17p13.1"]}
    odd = {"name": "p53", "type": "protein", "attributes": ["symbol: p53", "no colon", ":", "Locus: 18q", "a: "]}
    found = read({"entities": [gene, odd, gene | {"attributes": ["symbol: TP53", "locus: 9q99"]}]})
    assert found.entities[0].attributes == {"Locus": ("17p13.1",), "symbol": ("TP53",)}
    assert found.entities[1].attributes == {}
    assert found.detail_books.kept == 2
    assert found.detail_books.merged == 1
    assert found.detail_books.dropped == {"malformed": 3, "ungrounded": 1, "unknown_attribute": 3}


def test_a_type_that_comes_later_decides_on_the_attributes() -> None:
    made = {"relations": [relation("TP53", "p53")]}
    late = {"entities": [{"name": "TP53", "type": "gene", "attributes": ["symbol: TP53"]}]}
    assert read(made, late).entities[0].attributes == {"symbol": ("TP53",)}


@pytest.mark.parametrize(
    ("outside", "kept", "books"),
    [
        ("retype", [("p53", "TP53", "related to"), ("TP53", "p53", "encodes")], ({"outside_pairs": 1}, {})),
        ("drop", [("TP53", "p53", "encodes")], ({}, {"outside_pairs": 2})),
    ],
)
def test_a_relation_outside_its_pairs_is_retyped_or_dropped(outside: str, kept: Any, books: Any) -> None:
    wrong = relation("p53", "TP53", "encodes")
    answer = {"entities": BOTH, "relations": [wrong, relation("TP53", "p53", "Encodes"), wrong]}
    found = read(answer, schema=GENES.model_copy(update={"outside_pairs": outside}))
    assert sorted((one.source, one.target, one.type) for one in found.relations) == sorted(kept)
    mended = {key: value for key, value in found.relation_books.mended.items() if key == "outside_pairs"}
    assert (mended, found.relation_books.dropped) == books
    assert found.relation_books.found == 3


def test_a_retyped_relation_joins_the_one_that_is_there() -> None:
    answer = {"entities": BOTH, "relations": [relation("p53", "TP53", "encodes"), relation("p53", "TP53")]}
    found = read(answer)
    assert [(one.source, one.type) for one in found.relations] == [("p53", "related to")]
    assert (found.relation_books.kept, found.relation_books.merged) == (1, 1)


def test_a_fallback_with_pairs_of_its_own_drops_what_it_may_not_join() -> None:
    types = {"encodes": {"pairs": [["gene", "protein"]]}, "near": {"pairs": [["other", "*"]]}}
    schema = GraphSchema.model_validate(
        {"entity_types": {"gene": "", "protein": "", "other": ""}, "relation_types": types}
    )
    found = read({"entities": BOTH, "relations": [relation("p53", "TP53", "encodes")]}, schema=schema)
    assert found.relations == ()
    assert found.relation_books.dropped == {"outside_pairs": 1}


def test_an_endpoint_made_for_a_relation_that_goes_leaves_with_it() -> None:
    schema = GENES.model_copy(update={"outside_pairs": "drop"})
    found = read({"relations": [relation("Aspirin", "tumours", "encodes")]}, schema=schema)
    assert (found.entities, found.entity_books.created) == ((), 0)
    claim = {"entity": "Aspirin", "quote": "Aspirin does not bind p53"}
    found = read({"relations": [relation("Aspirin", "tumours", "encodes")], "claims": [claim]}, schema=schema)
    assert [one.name for one in found.entities] == ["Aspirin"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"relation_types": {"in": {"pairs": [["gene", "house"]]}}},
            "pairs names 'house', not one of entity_types: gene",
        ),
        (
            {"entity_types": {"gene": {"attributes": ["a b", "A_b"]}}},
            "entity_types.gene.attributes lists 'a b' and 'A_b'",
        ),
        ({"entity_types": {"gene": {"attributes": ["x", "x"]}}}, "attributes lists 'x' and 'x'"),
        ({"entity_types": {"gene": {"attributes": [""]}}}, "entity_types.gene.attributes has ''"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GraphSchema.model_validate({"entity_types": {"gene": ""}, "relation_types": {"in": ""}, **values})
    assert says in str(caught.value)


# claims and qualifiers


def test_a_claim_keeps_the_sources_figures_and_its_qualifiers() -> None:
    claims = [
        {
            "entity": "TP53",
            "text": "TP53 has 19144 bases.",
            "quote": "has 19,144 bases",
            "qualifiers": ["amount: 19,144 bases", "time: 1999", "  Amount : 19,144  bases"],
        },
        {"entity": "TP53", "text": "tp53 has 19,144 bases", "quote": "TP53 lies on … 19,144 bases", "qualifiers": []},
    ]
    found = read({"entities": BOTH, "claims": claims})
    (claim,) = found.entities[0].claims
    assert claim.text == "TP53 has 19,144 bases."
    assert claim.qualifiers == {"amount": "19,144 bases"}
    assert [span.quote for span in claim.mentions] == [
        "TP53 lies on chromosome 17p13.1 and has 19,144 bases",
        "TP53 lies on chromosome 17p13.1 and has 19,144 bases.",  # three words are the beginning of what they quote
    ]
    assert (found.claim_books.merged, found.detail_books.merged) == (1, 1)
    assert found.detail_books.dropped == {"ungrounded": 1}


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"entity": "TP53", "quote": "TP53 has 25,000 bases."}, "ungrounded"),
        (
            {"entity": "TP53", "text": "It has 25 exons.", "quote": "TP53 lies on chromosome 17p13.1"},
            "ungrounded_figure",
        ),
        ({"entity": "TP53", "text": "It has 19.144 bases.", "quote": "has 19,144 bases"}, "ungrounded_figure"),
        ({"entity": "TP53", "text": "It is a gene."}, "no_quote"),
        ({"entity": "BRCA1", "quote": "has 19,144 bases"}, "missing_subject"),
        ({"entity": "—", "quote": "has 19,144 bases"}, "empty_name"),
        ({"entity": "TP53", "text": "x " * 600, "quote": "has 19,144 bases"}, "long_text"),
    ],
)
def test_a_claim_that_the_chunk_does_not_bear_out_is_dropped(claim: dict[str, str], reason: str) -> None:
    found = read({"entities": BOTH, "claims": [claim]})
    assert found.claim_books.dropped == {reason: 1}
    assert all(not entity.claims for entity in found.entities)


def test_claims_that_nobody_asked_for_are_counted_and_left_out() -> None:
    found = read({"entities": BOTH, "claims": [{"entity": "TP53", "quote": "has 19,144 bases"}]}, claims=False)
    assert found.claim_books.dropped == {"not_asked": 1}


def test_numbers_are_compared_as_numbers() -> None:
    witness = Witness(CHUNK)
    assert witness.figures("12000 samples in 1979, 50%") == "12 000 samples in 1979, 50%"
    assert witness.figures("12,000 samples") == "12 000 samples"
    assert witness.figures("19 144 bases") == "19,144 bases"
    assert witness.figures("no number") == "no number"
    assert witness.figures("13") is None  # 17p13.1 has 13.1
    assert witness.figures("1979 50") == "1979 50"


def test_a_description_with_a_figure_from_elsewhere_gives_way_to_the_quote() -> None:
    made_up = {"name": "TP53", "type": "gene", "description": "A gene of 20,000 bases.", "quote": "has 19,144 bases"}
    found = read({"entities": [made_up]})
    assert found.entities[0].descriptions == ("TP53 lies on chromosome 17p13.1 and has 19,144 bases.",)
    assert found.entity_books.mended == {"ungrounded_figure": 1}


# evidence


def test_relations_say_whether_their_quote_was_found() -> None:
    quotes = {
        "The gene TP53 encodes the protein p53": (True, {}),
        "The gene TP53 encodes the protien p53, which was described in 1979": (True, {"repaired": 1}),
        "The gene TP53 … described in 1979": (True, {}),
        "The gene TP53 encodes the protein p53, which was described in 1985": (False, {"ungrounded": 1}),
        "Aspirin does bind p53.": (False, {"ungrounded": 1}),
        "": (False, {"no_quote": 1}),
        "a study of 12 000 samples": (True, {"names_neither": 1}),
    }
    for quote, (grounded, mended) in quotes.items():
        answer = {"entities": BOTH, "relations": [relation("TP53", "p53", quote=quote, qualifiers=["time: in 1979"])]}
        found = read(answer)
        (one,) = found.relations
        assert (one.grounded, found.relation_books.mended) == (grounded, mended), quote
        assert one.qualifiers == {"time": ("in 1979",)}
        if not grounded:
            assert one.mentions[0].quote == "TP53 encodes the protein p53"
    both = [relation("TP53", "p53", quote="nowhere"), relation("TP53", "p53", quote="The gene TP53 encodes")]
    assert read({"entities": BOTH, "relations": both}).relations[0].grounded


def test_a_quote_by_its_ends_is_the_shortest_span_between_them() -> None:
    text = "He went home. He went home and he slept. Then he slept."
    chunk = Chunk.of("d", 0, 0, len(text), text)
    found = locate_ends("He went", "he slept", chunk, most=1000)
    assert found is not None
    assert found.quote == "He went home and he slept"
    assert locate_ends("he slept", "He went", chunk, most=1000) is None
    assert locate_ends("He went", "he slept", chunk, most=10) is None
    assert locate_ends("", "he slept", chunk, most=1000) is None
    assert Witness(chunk).quote("He … slept") is None  # one word on a side names no place


# context


def test_a_name_that_only_the_context_has_is_kept_with_its_quote_and_counted() -> None:
    before = "Biology\nThe Basel Institute studied cancer."
    listed = {"name": "Basel Institute", "type": "other", "quote": "a study of 12 000 samples found"}
    found = read({"entities": [listed]}, before=before)
    assert [span.quote for span in found.entities[0].mentions] == ["a study of 12 000 samples found."]
    assert found.entity_books.mended == {"from_context": 1}
    # Without a quote in the chunk, context alone makes nothing.
    assert read({"entities": [listed | {"quote": ""}]}, before=before).entity_books.dropped == {"ungrounded": 1}
    quote = "The Basel Institute studied cancer."
    assert read({"entities": [listed | {"quote": quote}]}, before=before).entity_books.dropped == {"ungrounded": 1}
    related = relation("Basel Institute", "tumours", quote="It is mutated in about 50% of all tumours")
    found = read({"relations": [related]}, before=before)
    assert [one.name for one in found.entities] == ["Basel Institute", "tumours"]
    assert found.entity_books.created == 2
    assert read({"relations": [related]}).relation_books.dropped == {"missing_endpoint": 1}


async def test_the_end_of_the_chunk_before_stands_in_the_prompt_as_context() -> None:
    words = " ".join(f"Sentence number {number} says little." for number in range(60))
    text = f"{words}\n\nThe Basel Institute studied cancer.\n\n{TEXT}"
    start = text.index(TEXT)
    first = Chunk.of("doc-1", 0, 0, start, text[:start])
    second = Chunk.of("doc-1", 1, start, len(text), TEXT, headings=("Biology",))
    assert [before for _, before in with_before([first, second])] == [None, first]
    assert [before for _, before in with_before([first, CHUNK.model_copy(update={"index": 3})])] == [None, None]
    model = Scripted([{"entities": [], "relations": []}] * 2)
    context = FlowContext(models={"extractor": model})
    await extractor(context_tokens=30, max_gleanings=0)(second, context, first)
    shown = model.requests[0].variables["before"]
    assert shown.endswith("The Basel Institute studied cancer.")
    assert shown.startswith("Sentence number")
    assert count_tokens(shown) <= 30
    user = model.requests[0].messages[-1].content
    assert user.index("Basel Institute") < user.index("The passage:") < user.index(TEXT)
    await extractor(max_gleanings=0)(second, context, first)
    assert model.requests[1].variables["before"] == ""
    assert "Basel" not in model.requests[1].messages[-1].content


def test_the_end_of_a_chunk_leaves_out_what_the_next_one_repeats() -> None:
    text = "One two. Three four. Five six."
    first = Chunk.of("d", 0, 0, 20, text[:20])
    second = Chunk.of("d", 1, 9, len(text), text[9:])
    assert end_of(first, second, 50) == "One two."
    assert end_of(None, second, 50) == ""
    endless = "word " * 5_000
    chunk = Chunk.of("d", 0, 0, len(endless), endless)
    after = Chunk.of("d", 1, len(endless), len(endless) + 1, "x")
    assert 0 < count_tokens(end_of(chunk, after, 40)) <= 40


# gleaning


async def test_gleaning_stops_when_it_yields_little() -> None:
    names = ["gene", "protein", "chromosome", "bases", "Aspirin", "tumours", "study", "samples", "TP53", "p53"]
    first = {"entities": [{"name": name, "type": "other"} for name in names[:8]], "relations": []}
    second = {"entities": [{"name": names[8], "type": "other"}], "relations": []}
    third = {"entities": [{"name": names[9], "type": "other"}], "relations": []}

    async def run(min_yield: float) -> Extraction:
        context = FlowContext(models={"extractor": Scripted([first, second, third])})
        return await extractor(max_gleanings=2, min_yield=min_yield)(CHUNK, context)

    found = await run(0.2)
    assert (found.rounds, found.stopped, len(found.entities)) == (2, "low_yield", 9)  # what it brought is kept
    found = await run(0.1)
    assert (found.rounds, found.stopped) == (3, "limit")
    for wrong in ({"min_yield": 1.5}, {"context_tokens": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            extractor(**wrong)  # type: ignore[arg-type]


# hostile answers


def test_ten_thousand_records_are_cut_and_counted() -> None:
    entities = [{"name": f"TP53 {number}", "type": "gene", "quote": f"quote {number}"} for number in range(10_000)]
    relations = [relation("TP53", "p53", f"type {number}") for number in range(10_000)]
    claims = [{"entity": "TP53", "quote": f"made up {number}"} for number in range(10_000)]
    entity = {"name": "TP53", "type": "gene", "attributes": [f"symbol: {number}" for number in range(10_000)]}
    found = read({"entities": [entity, *entities], "relations": relations, "claims": claims})
    assert found.entity_books.dropped["too_many"] == 10_001 - LEAST_RECORDS
    assert found.relation_books.dropped == {"too_many": 10_000 - LEAST_RECORDS}
    assert found.claim_books.dropped == {"too_many": 10_000 - LEAST_RECORDS, "ungrounded": LEAST_RECORDS}
    assert found.detail_books.dropped["too_many"] == 10_000 - 20


def test_circles_and_loops_are_relations_like_others() -> None:
    ring = [relation("TP53", "p53"), relation("p53", "Aspirin"), relation("Aspirin", "TP53"), relation("p53", "p53")]
    found = read({"relations": ring})
    assert [(one.source, one.target) for one in found.relations] == [
        ("TP53", "p53"),
        ("p53", "Aspirin"),
        ("Aspirin", "TP53"),
    ]
    assert found.relation_books.dropped == {"self_relation": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>{nginx}</body></html>",
        json.dumps({"entities": BOTH, "relations": []})[:-20],
        '{"entities": "TP53", "relations": {}}',
        '{"entities": [{"name": ["TP53"], "type": null}], "relations": []}',
        "[" * 20_000,
    ],
)
async def test_what_is_no_answer_is_an_error_with_the_raw_text(answer: str) -> None:
    context = FlowContext(models={"extractor": Scripted([answer], repairs=0)})
    with pytest.raises((SchemaMismatch, Truncated)) as caught:
        await extractor()(CHUNK, context)
    assert caught.value.raw == answer


PIECES = st.one_of(
    st.sampled_from(
        [
            "TP53",
            "p53",
            "Aspirin",
            "the gene",
            "It",
            "tumours",
            "—",
            "",
            "TP53 (p53)",
            "x" * 300,
            "19,144",
            "\x00\ud7ff",
            "(a",
        ]
    ),
    st.text(max_size=30),
)
QUOTES = st.one_of(
    st.builds(lambda low, high: TEXT[low:high], st.integers(0, len(TEXT)), st.integers(0, len(TEXT))),
    st.builds(lambda low: f"{TEXT[low : low + 20]} … {TEXT[low + 60 : low + 90]}", st.integers(0, len(TEXT))),
    PIECES,
)
DETAILS = st.lists(st.one_of(st.builds("{}: {}".format, PIECES, QUOTES), PIECES), max_size=4)
ANSWERS = st.fixed_dictionaries(
    {
        "entities": st.lists(
            st.fixed_dictionaries(
                {
                    "name": PIECES.filter(bool),
                    "type": st.sampled_from(["gene", "PROTEIN", "?"]),
                    "description": QUOTES,
                    "quote": QUOTES,
                    "attributes": DETAILS,
                }
            ),
            max_size=6,
        ),
        "relations": st.lists(
            st.fixed_dictionaries(
                {
                    "source": PIECES.filter(bool),
                    "target": PIECES.filter(bool),
                    "type": st.sampled_from(["encodes", "binds", "related to", "?"]),
                    "description": QUOTES,
                    "quote": QUOTES,
                    "qualifiers": DETAILS,
                }
            ),
            max_size=6,
        ),
        "claims": st.lists(
            st.fixed_dictionaries(
                {"entity": PIECES.filter(bool), "text": QUOTES, "quote": QUOTES, "qualifiers": DETAILS}
            ),
            max_size=6,
        ),
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine's speed is not under test
@given(st.lists(ANSWERS, min_size=1, max_size=3), st.sampled_from(["retype", "drop"]), st.sampled_from(["", "TP53 It"]))
def test_whatever_is_answered_the_books_balance_and_spans_are_the_chunks(
    answers: Any, outside: str, before: str
) -> None:
    schema = GENES.model_copy(update={"outside_pairs": outside})
    found = read(*answers, schema=schema, before=before)
    types = {entity.name: entity.type for entity in found.entities}
    assert all(schema.allows(one.type, types[one.source], types[one.target]) for one in found.relations)
    assert Extraction.model_validate_json(found.model_dump_json()) == found


async def test_the_offline_model_answers_the_whole_schema() -> None:
    text = (
        "La Rance is a tidal power station in Brittany. La Rance has an installed capacity of 240 megawatts.\n"
        "EDF built La Rance in 1966. La Rance uses bulb turbines. Bulb turbines were designed by EDF."
    )
    types = {"entity_types": {"place": "", "organization": "", "concept": ""}}
    relations = {"located in": {"pairs": [["*", "place"]]}, "related to": {"pairs": [["concept", "concept"]]}}
    schema = GraphSchema.model_validate({**types, "relation_types": relations})
    context = FlowContext(models={"default": wrap(Offline(), calls=None, budget=None, meter=Meter())})
    for one in chunks_of(Document.of("tides.txt", text)):
        found = await extractor(schema=schema)(one, context)
        claims = [claim for entity in found.entities for claim in entity.claims]
        assert any(claim.qualifiers.get("amount") == "240 megawatts" for claim in claims)
        assert any(claim.qualifiers.get("time") == "1966" for claim in claims)
        assert "outside_pairs" not in {**found.relation_books.mended, **found.relation_books.dropped}
        assert found.relations
        quiet = await extractor(schema=DEFAULT, claims=False)(one, context)
        assert quiet.claim_books.found == 0
