"""What people rule on entities: it stands against rules and models, is taken back, and divides by documents."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from stated import NOON, chunk, ruling

from gristmill.agents.extraction.records import Extraction
from gristmill.graphs.knowledge.merge import merge_resolved
from gristmill.graphs.resolution.references import reference_id
from gristmill.storage.rulings import Ruled, Ruling

LEFT, RIGHT = reference_id("munich", "place"), reference_id("münchen", "place")


def cities() -> list[Extraction]:
    return [
        chunk("c1", ("Munich", "place"), ("Bavaria", "place")),
        chunk("c2", ("München", "place"), ("beer", "substance")),
    ]


def test_a_person_merges_splits_and_takes_it_back() -> None:
    merge = ruling(Ruled.MERGE, LEFT, RIGHT, reason="one city")
    undo = ruling(Ruled.UNDO, at=1, undoes=merge.id)
    again = ruling(Ruled.UNDO, at=2, undoes=undo.id)
    assert len(merge_resolved(cities()).graph.entities) == 4
    merged = merge_resolved(cities(), rulings=[merge])
    assert len(merged.graph.entities) == 3
    assert [(one.by, one.reason) for one in merged.resolution.joins] == [("person:Ada", "one city")]
    assert merge_resolved(cities(), rulings=[merge, undo]).graph.entities == merge_resolved(cities()).graph.entities
    assert len(merge_resolved(cities(), rulings=[again, merge, undo]).graph.entities) == 3
    split = ruling(Ruled.SPLIT, RIGHT, LEFT, at=3)
    assert len(merge_resolved(cities(), rulings=[merge, split]).graph.entities) == 4


def test_a_split_undoes_what_a_rule_did() -> None:
    made = [chunk("c1", ("SeaGen", "product")), chunk("c2", ("Sea-Gen", "product"))]
    ids = reference_id("seagen", "product"), reference_id("sea-gen", "product")
    merged = merge_resolved(made, rulings=[ruling(Ruled.SPLIT, *ids)])
    assert len(merged.graph.entities) == 2
    assert [one.why for one in merged.resolution.refused] == ["ruling"]


def test_a_person_beats_a_later_model_and_a_veto() -> None:
    ids = reference_id("mercury", "place"), reference_id("mercury", "substance")
    made = [chunk("c1", ("Mercury", "place")), chunk("c2", ("Mercury", "substance"))]
    person, model = ruling(Ruled.MERGE, *ids), ruling(Ruled.SPLIT, *ids, at=5, by="model@1")
    assert len(merge_resolved(made, rulings=[person, model]).graph.entities) == 1
    assert len(merge_resolved(made, rulings=[model]).graph.entities) == 2


def test_one_reference_is_divided_by_documents_and_every_old_id_still_leads_somewhere() -> None:
    made = [
        chunk("c1", ("John Smith", "person"), ("tea", "substance")),
        chunk("c2", ("John Smith", "person"), ("rugby", "concept")),
    ]
    id = reference_id("john smith", "person")
    division = ruling(Ruled.SPLIT, id, documents=("doc2",))
    documents = {"c1": "doc1", "c2": "doc2"}
    merged = merge_resolved(made, documents=documents, rulings=[division])
    smiths = [one for one in merged.graph.entities.values() if one.name == "John Smith"]
    assert sorted(one.id for one in smiths) == sorted([id, division.part])
    assert {one.mentions[0].chunk for one in smiths} == {"c1", "c2"}
    undone = merge_resolved(made, documents=documents, rulings=[division, ruling(Ruled.UNDO, at=1, undoes=division.id)])
    assert undone.resolution.membership[division.part] == id
    assert len(undone.graph.entities) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "merge", "left": "a"},
        {"action": "merge", "left": "a", "right": "a"},
        {"action": "split", "left": "a", "right": "b", "documents": ("d",)},
        {"action": "undo", "left": "a", "right": "b"},
        {"action": "undo"},
    ],
)
def test_a_ruling_that_says_nothing_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError, match="a ruling"):
        Ruling(id="r", by="person:Ada", at=NOON, **wrong)
