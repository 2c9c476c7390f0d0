"""Reading without a model: terms with their spans, pairs that share a sentence, and how their relations are weighed."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gristmill.agents.extraction.records import Extraction
from gristmill.agents.extraction.schema import GraphSchema
from gristmill.agents.extraction.terms import COOCCURS, MOST_TERMS, confirmed, language_of, read_terms, terms_extractor
from gristmill.agents.state import FlowContext
from gristmill.graphs.knowledge.cooccurrence import LEAST_WEIGHT, associations, npmi, weigh_cooccurrence
from gristmill.graphs.knowledge.merge import merge
from gristmill.storage.records import Chunk

TIDES = (
    "# Tidal power\n\n"
    "The Rance Tidal Power Station stands in Brittany. Robert Gibrat designed the Rance Tidal Power Station.\n"
    "The University of Rennes studied its bulb turbines. A bulb turbine (BT) turns slowly: bulb turbines are quiet.\n"
    "Silt fills the basin, e.g. in 1966. However, the basin is kept."
)


def chunk_of(text: str, number: int = 0) -> Chunk:
    return Chunk.of("doc", number, number * 1000, number * 1000 + len(text), text, tokens=len(text) // 4)


def assert_sound(found: Extraction, text: str) -> None:
    assert all(books.balanced for books in found.books.values())
    assert (found.entity_books.kept, found.relation_books.kept) == (len(found.entities), len(found.relations))
    names = {one.name for one in found.entities}
    assert all({one.source, one.target} <= names for one in found.relations)
    for record in (*found.entities, *found.relations):
        assert record.mentions
        assert all(text[span.start : span.end] == span.quote != "" for span in record.mentions)


def test_names_phrases_and_acronyms_are_found_where_they_stand() -> None:
    found = read_terms(chunk_of(TIDES))
    assert_sound(found, TIDES)
    names = {one.name: one for one in found.entities}
    assert {"Rance Tidal Power Station", "Brittany", "Robert Gibrat", "University of Rennes", "bulb turbines"} <= set(
        names
    )
    assert [span.quote for span in names["basin"].mentions] == ["basin", "basin"]
    assert {span.quote for span in names["bulb turbines"].mentions} == {"bulb turbine", "bulb turbines"}
    assert names["bulb turbines"].aliases in ((), ("BT",))
    assert not {"Robert Gibrat designed", "However", "e.g", "1966", "The", "Power Station", "Station"} & set(names)
    assert all((one.type, one.typed) == ("concept", False) for one in found.entities)
    assert (found.by, found.stopped, found.usage.calls) == ("terms", "rules", 0)


def test_two_terms_are_joined_by_the_sentences_that_they_share() -> None:
    found = read_terms(chunk_of(TIDES))
    pairs = {frozenset((one.source, one.target)): one for one in found.relations}
    joined = pairs[frozenset(("Robert Gibrat", "Rance Tidal Power Station"))]
    assert joined.type == COOCCURS
    assert [span.quote for span in joined.mentions] == ["Robert Gibrat designed the Rance Tidal Power Station."]
    assert frozenset(("Robert Gibrat", "Brittany")) not in pairs


async def test_it_is_an_extractor_that_needs_no_model() -> None:
    schema = GraphSchema.model_validate(
        {"entity_types": {"thing": "", "x": ""}, "relation_types": {"r": ""}, "entity_fallback": "thing"}
    )
    found = await terms_extractor(schema=schema)(chunk_of(TIDES), FlowContext(models={}))
    assert {one.type for one in found.entities} == {"thing"}


GERMAN = "Das Gezeitenkraftwerk liegt in der Bretagne. Die Universität Rennes hat das Gezeitenkraftwerk oft untersucht."
RUSSIAN = "Приливная электростанция стоит в устье реки Ранс. Она была построена во Франции, и на ней есть турбины."
CHINESE = "潮汐发电站位于朗斯河口。它由法国电力公司建造。"
JAPANESE = "潮力発電所はランス川の河口にある。フランス電力が建設した。"
THAI = "โรงไฟฟ้าพลังน้ำขึ้นน้ำลงตั้งอยู่ที่ปากแม่น้ำ"


@pytest.mark.parametrize(
    ("text", "language", "names"),
    [
        (TIDES, "english", {"Brittany"}),
        (GERMAN, "german", {"Gezeitenkraftwerk", "Bretagne"}),
        (RUSSIAN, "russian", {"Ранс"}),
        (CHINESE, None, set()),
        (JAPANESE, None, set()),
        (THAI, None, set()),
        ("17 18 19", None, set()),
        ("", None, set()),
    ],
)
def test_it_reads_what_it_has_stop_words_for_and_says_so_of_the_rest(
    text: str, language: str | None, names: set[str]
) -> None:
    assert language_of(text) == language
    found = read_terms(chunk_of(text))
    assert_sound(found, text)
    assert names <= {one.name for one in found.entities}
    if language is None:
        assert (found.stopped, found.entities, found.relations) == ("unknown_language", (), ())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(TIDES.split(" ")), max_size=120).map(" ".join)))
def test_any_text_gives_sound_spans_and_balanced_books(text: str) -> None:
    found = read_terms(chunk_of(text))
    assert_sound(found, text)
    assert len(found.entities) <= MOST_TERMS
    assert read_terms(chunk_of(text)) == found


def test_a_list_of_names_makes_no_pair_of_each_with_each() -> None:
    names = ", ".join(f"Name{chr(65 + number % 26)}{chr(97 + number // 26)} Smith" for number in range(60))
    found = read_terms(chunk_of(f"The members of it were {names}. This is a list of the names that it had."))
    assert len(found.relations) <= 28


def test_a_term_stays_when_another_chunk_confirms_it_or_a_model_found_it() -> None:
    texts = [
        "The Rance Barrage stands in Brittany. It is a barrage of the French.",
        "They say that the Rance Barrage was built by Albert Caquot.",
        "The engineer was Albert Caquot, and he was from Vouziers.",
    ]
    found = [read_terms(chunk_of(text, number)) for number, text in enumerate(texts)]
    model = found[2].model_copy(update={"by": "model"})
    asked: list[int] = []

    def read() -> list[Extraction]:
        asked.append(1)
        return [found[0], found[1], model]

    kept = list(confirmed(read))
    assert len(asked) == 2
    assert {one.name for one in kept[0].entities} == {"Rance Barrage"}
    assert {one.name for one in kept[1].entities} == {"Rance Barrage", "Albert Caquot"}
    assert kept[2] == model  # Vouziers too: what a model found is not pruned
    assert all(books.balanced for one in kept for books in one.books.values())
    strict = list(confirmed(read, min_chunks=3))
    assert [one.name for one in strict[1].entities] == ["Albert Caquot"]  # in two chunks, and a model found it in one
    assert kept[0].entity_books.dropped["rare"] == len(found[0].entities) - 1
    assert list(confirmed(lambda: found, min_chunks=1)) == [
        one.model_copy(
            update={
                "entity_books": one.entity_books.model_copy(
                    update={"dropped": {**one.entity_books.dropped, "rare": 0}}
                ),
                "relation_books": one.relation_books.model_copy(update={"dropped": {"rare_end": 0}}),
            }
        )
        for one in found
    ]


def test_npmi_is_the_published_measure() -> None:
    assert npmi(5, 5, 5, 100) == pytest.approx(1.0)
    assert npmi(10, 20, 50, 100) == pytest.approx(0.0)
    assert npmi(0, 5, 5, 100) == -1.0
    assert npmi(100, 100, 100, 100) == 0.0
    assert npmi(2, 20, 50, 100) == pytest.approx(math.log(0.02 / (0.2 * 0.5)) / -math.log(0.02))


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.integers(1, 300))
def test_npmi_lies_between_minus_one_and_one(together: int, more: int, others: int, chunks: int) -> None:
    assert -1.0 <= npmi(together, together + more, together + others, chunks) <= 1.0


def test_the_weight_is_npmi_and_the_count_keeps_its_rank() -> None:
    common = ["The Rance Barrage is in Brittany, and it is old."] * 6
    alone = ["The Rance Barrage was new then.", "They were in Brittany for it."] * 3
    rare = ["The Caquot Dam is by Port Eynon, as it was."] * 2
    other = ["It was so that the Severn Bore came."] * 6
    chunks = [chunk_of(text, number) for number, text in enumerate([*common, *alone, *rare, *other])]
    graph = merge([read_terms(chunk) for chunk in chunks])
    read = {chunk.id for chunk in chunks}
    found = {one.relation: one for one in associations(graph, read)}
    names = {
        key: frozenset(graph.entities[end].name for end in (relation.source, relation.target))
        for key, relation in graph.relations.items()
    }
    by_names = {names[key]: one for key, one in found.items()}
    often = by_names[frozenset(("Rance Barrage", "Brittany"))]
    seldom = by_names[frozenset(("Caquot Dam", "Port Eynon"))]
    assert (often.chunks, seldom.chunks) == (6, 2)
    # graphrag's fast mode overwrote the count before it was ranked: here the two orders differ, as they must.
    assert often.rank_by_count < seldom.rank_by_count
    assert often.rank_by_npmi > seldom.rank_by_npmi
    weighed = weigh_cooccurrence(graph, read)
    for key, one in found.items():
        assert weighed.relations[key].weight == max(LEAST_WEIGHT, one.npmi) <= 1
        assert len({span.chunk for span in weighed.relations[key].mentions}) == one.chunks
    assert list(weighed.relations) == list(graph.relations)
    backwards = merge([read_terms(chunk) for chunk in reversed(chunks)])
    assert associations(backwards, read) == associations(graph, read)
