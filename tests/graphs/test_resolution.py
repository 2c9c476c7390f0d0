"""Resolution: what is put together and what never, in any order, piece by piece as at once, and reversibly."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from stated import chunk, entity, found, ruling

from gristmill.agents.extraction.records import Extraction, FoundEntity, FoundRelation
from gristmill.agents.names import aliases_after
from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.merge import Merged, merge_resolved
from gristmill.graphs.resolution import blocking
from gristmill.graphs.resolution.blocking import Blocks
from gristmill.graphs.resolution.references import Reference, gather, reference_id
from gristmill.graphs.resolution.resolve import Resolver, resolve
from gristmill.graphs.resolution.settings import Resolution, ResolutionSettings
from gristmill.storage.records import Claim, Span
from gristmill.storage.rulings import Ruled, Ruling, in_force


def names_of(merged: Merged) -> list[set[str]]:
    """The surface forms of each entity."""
    groups = merged.resolution.members().values()
    return [{merged.references[id].name for id in group if id in merged.references} for group in groups]


def together(left: FoundEntity, right: FoundEntity) -> bool:
    """Whether two entities of two documents without any context are put together."""
    return len(merge_resolved([chunk("c1", left), chunk("c2", right)]).graph.entities) == 1


APART = [
    ("Apollo 11", "Apollo 12", "event"),
    ("Apollo", "Apollo 11", "event"),
    ("GPT-3", "GPT-4", "product"),
    ("World War I", "World War II", "event"),
    ("2016 Olympics", "2020 Olympics", "event"),
    ("Henry VII", "Henry VIII", "person"),
    ("Type A", "Type B", "concept"),
    ("vitamin A", "vitamin B", "substance"),
    ("North Korea", "South Korea", "place"),
    ("Korea", "North Korea", "place"),
    ("York", "New York", "place"),
    ("Lower Saxony", "Upper Saxony", "place"),
    ("nitrate", "nitrite", "substance"),
    ("hyperthyroidism", "hypothyroidism", "concept"),
    ("adenosine triphosphate", "adenosine diphosphate", "substance"),
    ("supervised learning", "unsupervised learning", "method"),
    ("symmetric encryption", "asymmetric encryption", "method"),
    ("Iran", "Iraq", "place"),
    ("Austria", "Australia", "place"),
    ("Gambia", "Zambia", "place"),
    ("Niger", "Nigeria", "place"),
    ("Slovakia", "Slovenia", "place"),
    ("Adam", "Adams", "person"),
    ("John Smith", "Jane Smith", "person"),
    ("J. Smith", "K. Smith", "person"),
    ("Michelle Obama", "Barack Obama", "person"),
    ("University of Washington", "Washington University", "organization"),
    ("Mercury (planet)", "Mercury (element)", "concept"),
    ("C", "C++", "product"),
    ("C++", "C#", "product"),
    ("US", "UN", "organization"),
    ("ML", "machine learning", "method"),
    ("WHO", "Wildlife Habitat Office", "organization"),
    ("Strangford", "Strangford Lough", "place"),
    ("wave energy", "tidal energy", "concept"),
    ("Boeing 737", "Boeing 747", "product"),
    ("Monday", "Sunday", "time"),
    ("राम कुमार", "रमा कुमारी", "person"),  # vowels that are marks behind the letter
    ("काल", "कुल", "concept"),
    ("เสือ", "เสื้อ", "concept"),  # tiger, shirt
    ("タイガー", "ダイガー", "organization"),
    ("김민수", "김민서", "person"),
]
TOGETHER = [
    ("SeaGen", "Sea-Gen", "product"),
    ("São Paulo", "Sao Paulo", "place"),
    ("World Health Organisation", "World Health Organization", "organization"),
    ("Apple Inc.", "Apple", "organization"),
    ("World War I", "First World War", "event"),
    ("Second World War", "World War II", "event"),
    ("Obama, Barack", "Barack Obama", "person"),
    ("brent geese", "brent goose", "organism"),
    ("e-mail", "email", "product"),
    ("convolutional neural netwroks", "convolutional neural networks", "method"),
    ("U.S.", "US", "place"),
    ("tidal stream turbines", "Tidal Stream Turbine", "product"),
    ("data set", "dataset", "product"),
    ("Enzymes", "enzyme", "substance"),
    ("5th Symphony", "Fifth Symphony", "work"),
    ("مدرسة", "مدرّسة", "place"),  # marks that are seldom written
]


@pytest.mark.parametrize(("left", "right", "type"), APART)
def test_what_no_rule_may_put_together(left: str, right: str, type: str) -> None:
    assert not together(entity(left, type), entity(right, type, "c2"))
    assert not together(entity(left, type, typed=False), entity(right, type, "c2", typed=False))


@pytest.mark.parametrize(("left", "right", "type"), APART)
def test_not_even_with_all_context_in_common(left: str, right: str, type: str) -> None:
    """Neighbours, documents and descriptions alike; only the acronyms and short forms may then be one."""
    if {left, right} & {"ML", "WHO", "Strangford", "University of Washington"}:
        return
    more = {"descriptions": ("A well known thing that people of the north describe at length.",)}
    made = [
        chunk(
            f"c{index}",
            entity(name, type, f"c{index}", **more),
            *((word, "concept") for word in ["abc", "defg", "hijk"]),
        )
        for index, name in enumerate((left, right, left, right))
    ]
    merged = merge_resolved(made, documents=dict.fromkeys(("c0", "c1", "c2", "c3"), "doc"))
    assert not any({left, right} <= names for names in names_of(merged))


@pytest.mark.parametrize(("left", "right", "type"), TOGETHER)
def test_what_rules_put_together(left: str, right: str, type: str) -> None:
    assert together(entity(left, type), entity(right, type, "c2"))


def test_an_alias_without_a_letter_says_nothing_of_other_names_without_one() -> None:
    assert not together(entity("Gala", aliases=("\U0001f389",)), entity("\U0001f38a", "concept", "c2"))
    assert together(entity("Gala", aliases=("\U0001f389",)), entity("\U0001f389", "concept", "c2"))


def test_one_title_with_two_types_loses_neither() -> None:
    planet = entity("Mercury", "place", descriptions=("The planet nearest to the sun.",))
    element = entity("Mercury", "substance", "c2", descriptions=("A metal that is liquid.",))
    merged = merge_resolved([chunk("c1", planet, ("sun", "place")), chunk("c2", element, ("metal", "substance"))])
    found = [one for one in merged.graph.entities.values() if one.name == "Mercury"]
    assert sorted((one.type, one.description) for one in found) == [
        ("place", "The planet nearest to the sun."),
        ("substance", "A metal that is liquid."),
    ]
    assert [(one.reason, one.why) for one in merged.resolution.refused] == [("same name", "types")]


def test_an_untyped_name_joins_the_only_one_of_its_name_and_stays_alone_between_two() -> None:
    one = merge_resolved([chunk("c1", ("Mercury", "place")), chunk("c2", entity("Mercury", "x", "c2", typed=False))])
    assert len(one.graph.entities) == 1
    three = [("c1", "place"), ("c2", "substance"), ("c3", "concept")]
    merged = merge_resolved([chunk(id, ("Mercury", type)) for id, type in three])
    assert len(merged.graph.entities) == 3
    assert "ambiguous" in {refusal.why for refusal in merged.resolution.refused}


def test_context_decides_between_two_claims() -> None:
    made = [
        chunk("c1", ("Mercury", "place"), ("orbit", "concept"), ("sun", "place"), ("Venus", "place")),
        chunk("c2", ("Mercury", "substance"), ("thermometer", "product"), ("metal", "substance")),
        chunk("c3", ("Mercury", "concept"), ("orbit", "concept"), ("sun", "place"), ("Venus", "place")),
    ]
    merged = merge_resolved(made)
    home = merged.resolution.membership
    assert home[reference_id("mercury", "concept")] == home[reference_id("mercury", "place")]
    assert home[reference_id("mercury", "concept")] != home[reference_id("mercury", "substance")]


def test_a_chain_of_near_names_does_not_become_one() -> None:
    """Each is a letter from the next, and the ends have little in common."""
    names = ["transformation a", "transformatio", "transformati", "transformat", "transforma", "transform"]
    made = [chunk(f"c{index}", (name, "method")) for index, name in enumerate(names)]
    settings = ResolutionSettings(same=0.6, different=0.5, floor=0.6)
    merged = merge_resolved(made, settings=settings)
    assert len(merged.graph.entities) > 1
    assert {one.why for one in merged.resolution.refused} == {"chain"}


def test_everything_of_merged_references_is_kept() -> None:
    claim = Claim(
        text="It is old.", qualifiers={"time": "2008"}, mentions=(Span(chunk="c1", start=3, end=9, quote="is old"),)
    )
    left = entity("SeaGen", "product", descriptions=("A.",), attributes={"power": ("1.2 MW",)}, claims=(claim,))
    right = entity("Sea-Gen", "product", "c2", descriptions=("B.",), attributes={"power": ("1 MW",)})
    other = entity("Strangford Lough", "place", "c2")
    relations = [
        FoundRelation(source="Sea-Gen", target="Strangford Lough", type="located in", qualifiers={"time": ("2008",)}),
        FoundRelation(source="SeaGen", target="Sea-Gen", type="is a"),
    ]
    merged = merge_resolved([chunk("c1", left), chunk("c2", right, other, relations=relations)])
    one = next(one for one in merged.graph.entities.values() if one.type == "product")
    assert (one.description, one.attributes, one.claims) == ("A.\nB.", {"power": ("1 MW", "1.2 MW")}, (claim,))
    assert {span.quote for span in one.mentions} == {"SeaGen", "Sea-Gen", "is old"}
    assert [(r.source, r.qualifiers, r.grounded) for r in merged.graph.relations.values()] == [
        (one.id, {"time": ("2008",)}, True)
    ]
    assert merged.books.relations.dropped == {"self_relation": 1}
    assert merged.books.balanced


# in any order, and piece by piece


@st.composite
def ruled(draw: st.DrawFn) -> list[Ruling]:
    ids = [
        reference_id(key, type)
        for key in ("who", "obama", "barack obama", "mercury")
        for type in ("", "place", "person")
    ]
    made: list[Ruling] = []
    for at in range(draw(st.integers(0, 5))):
        action = draw(st.sampled_from([Ruled.MERGE, Ruled.SPLIT, Ruled.UNSURE, Ruled.UNDO]))
        by = draw(st.sampled_from(["person:Ada", "model@1"]))
        if action is Ruled.UNDO:
            if made:
                made.append(ruling(action, at=at, by=by, undoes=draw(st.sampled_from(made)).id))
            continue
        left, right = draw(st.sampled_from(list(combinations(ids, 2))))
        made.append(ruling(action, left, right, at=at, by=by))
    return made


def resolution_of(extractions: list[Extraction], rulings: list[Ruling]) -> Resolution:
    return resolve(gather(extractions, None, in_force(rulings)).references, rulings)


@settings(max_examples=150, deadline=None)
@given(found(), ruled(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(made: list[Extraction], rulings: list[Ruling], rng) -> None:
    first = resolution_of(made, rulings)
    rng.shuffle(made)
    rng.shuffle(rulings)
    assert resolution_of(made, rulings) == first


@settings(max_examples=150, deadline=None)
@given(found(), found(), ruled(), ruled(), st.sampled_from([2, 40]))
def test_an_update_gives_the_same_as_starting_from_nothing(
    before: list[Extraction], after: list[Extraction], old: list[Ruling], new: list[Ruling], block: int
) -> None:
    """References come, change and go, rulings too, with blocks that overflow and with blocks that do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "MAX_BLOCK", block)
        patch.setattr(blocking, "WINDOW", 1)
        earlier = gather(before).references
        resolver = Resolver()
        resolver.update(earlier, old)
        later = gather(after).references
        changed: dict[str, Reference | None] = dict.fromkeys(earlier)
        changed.update(later)
        resolver.update(changed, new)
        assert resolver.resolution() == resolve(later, new)


@settings(max_examples=80, deadline=None)
@given(found(), st.integers(0, 6), st.sampled_from([2, 40]))
def test_one_more_document_gives_the_same_as_all_at_once(made: list[Extraction], cut: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "MAX_BLOCK", block)
        patch.setattr(blocking, "WINDOW", 1)
        resolver = Resolver()
        resolver.update(gather(made[:cut]).references, ())
        everything = gather(made).references
        touched = {id for one in made[cut:] for id in gather([one]).references}
        decided = resolver.update({id: everything[id] for id in touched})
        assert touched <= decided
        assert resolver.resolution() == resolve(everything)


def test_an_update_leaves_other_components_alone() -> None:
    made = [chunk(f"c{index}", (f"thing number {index}", "concept"), ("SeaGen", "product")) for index in range(50)]
    resolver = Resolver()
    resolver.update(gather(made).references, ())
    more = gather([*made, chunk("new", ("Sea-Gen", "product"))]).references
    id = reference_id("sea-gen", "product")
    assert resolver.update({id: more[id]}) == {id, reference_id("seagen", "product")}


@settings(max_examples=60, deadline=None)
@given(found(), st.sampled_from([2, 5, 40]))
def test_partners_are_the_pairs(made: list[Extraction], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "MAX_BLOCK", block)
        patch.setattr(blocking, "WINDOW", 1)
        references = gather(made).references
        blocks = Blocks()
        blocks.fill(references.values())
        pairs = set(blocks.pairs())
        assert pairs == {tuple(sorted((id, other))) for id in references for other in blocks.partners(id)}
        equals = {pair for pair in combinations(sorted(references), 2) if len({references[id].key for id in pair}) == 1}
        assert block < 40 or equals <= pairs


def test_a_block_of_thousands_is_not_compared_with_itself_and_finds_its_equals() -> None:
    rng = random.Random(3)
    made = [
        chunk(f"c{index}", (f"{''.join(rng.choices('bcdfglmnprst', k=9))} committee", "organization"))
        for index in range(3000)
    ]
    made.append(chunk("twin", (made[0].entities[0].name.upper().replace(" ", "-"), "organization")))
    references = gather(made).references
    resolver = Resolver()
    resolver.update(references, ())
    assert resolver.scored < 20 * len(references)
    assert len(resolver.resolution().joins) == 1


def test_off_merges_equal_names_alone() -> None:
    made = [
        chunk("c1", ("SeaGen", "product"), ("Mercury", "place")),
        chunk("c2", ("Sea-Gen", "product"), ("MERCURY", "concept")),
    ]
    assert len(merge_resolved(made, settings=ResolutionSettings(off=True)).graph.entities) == 3


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=4)), max_size=4), max_size=4), st.integers(0, 4)
)
def test_any_text_is_a_name_and_every_id_ever_used_leads_to_an_entity(
    given_names: list[list[tuple[str, str]]], cut: int
) -> None:
    made = [
        chunk(f"c{index}", *(entity(name, type, f"c{index}", aliases=(name[::-1],)) for name, type in names))
        for index, names in enumerate(given_names)
    ]
    early, late = merge_resolved(made[:cut]), merge_resolved(made)
    assert late.books.balanced
    assert set(late.resolution.membership.values()) == set(late.graph.entities)
    assert {late.resolution.membership[id] for id in early.graph.entities} <= set(late.graph.entities)


def test_embeddings_bring_up_pairs_that_no_letters_do_and_join_none() -> None:
    references = gather(
        [chunk("c1", ("Wien", "place")), chunk("c2", ("Vienna", "place"), ("Bern", "place"))]
    ).references
    ids = [reference_id(key, "place") for key in ("wien", "vienna", "bern")]
    vectors = dict(zip(ids, ([1.0, 0.1, 0.0, 0.2], [1.0, 0.1, 0.01, 0.2], [-1.0, 0.9, 0.0, 0.1]), strict=True))
    assert resolve(references).doubts == ()
    found = resolve(references, vectors=vectors)
    assert [(one.left, one.right, one.reason) for one in found.doubts] == [(*sorted(ids[:2]), "similar embedding")]
    assert found.joins == ()
    with pytest.raises(ConfigError, match="different lengths"):
        resolve(references, vectors={**vectors, ids[0]: [1.0]})


def test_a_name_in_parentheses_is_a_doubt() -> None:
    made = [chunk("c1", ("Wien (Vienna)", "place")), chunk("c2", ("Vienna", "place"))]
    merged = merge_resolved(made)
    assert [one.reason for one in merged.resolution.doubts] == ["name in parentheses"]
    assert len(merged.graph.entities) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Wien (English: Vienna) is old.", ("Vienna",)),
        ("Wien, also known as the City of Music, is old.", ()),
        ("Wien (also called Vienna) is old.", ("Vienna",)),
        ("Wien, formerly Vindobona, is old.", ("Vindobona",)),
        ("Wien (Vienna) is old.", ()),
        ("Wien (also known as everything that one may say) is old.", ()),
        ("Wien (" + "also known as " * 10_000, ()),
    ],
)
def test_what_a_text_says_to_be_another_name(text: str, found: tuple[str, ...]) -> None:
    assert aliases_after("Wien", text) == found


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"different 0\.9 must not be above same 0\.8"):
        ResolutionSettings(same=0.8, different=0.9)
