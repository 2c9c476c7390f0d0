"""The quality report of a graph: its numbers against hand-made graphs, networkx, powerlaw 2.0 and gold annotations."""

from __future__ import annotations

import json
import math
import re
import shutil
from itertools import combinations
from pathlib import Path

import labelled
import networkx as nx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from gristmill.agents.extraction.records import Extraction, FoundEntity
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.merge import merge_resolved
from gristmill.graphs.quality.annotation import GoldDocument, read_gold
from gristmill.graphs.quality.degrees import degree_law, hurwitz_zeta
from gristmill.graphs.quality.gold import Score, score_gold
from gristmill.graphs.quality.limits import LIMITS, Limit
from gristmill.graphs.quality.report import Corpus, places, quality_of
from gristmill.graphs.quality.suspects import homonyms_of, suspects_of
from gristmill.graphs.quality.votes import type_votes, votes_of
from gristmill.graphs.resolution.references import Reference
from gristmill.graphs.resolution.scoring import Score as Score_
from gristmill.graphs.resolution.scoring import Scorer
from gristmill.storage.records import Claim, Entity, Relation, Span

PAGE = ROOT / "docs" / "graph-quality.md"


def law(exponent: float, count: int, start: int = 1) -> list[int]:
    """Quantiles of a discrete power law."""
    return [int((start - 0.5) * (1 - (i + 0.5) / count) ** (-1 / (exponent - 1)) + 0.5) for i in range(count)]


@pytest.mark.parametrize(
    ("degrees", "exponent", "start", "distance"),
    [  # powerlaw.Fit(degrees, discrete=True, estimate_discrete=False) of powerlaw 2.0.0
        (law(2.5, 2000), 2.52202, 3, 0.003523),
        (law(2.2, 3000, 2), 2.20389, 6, 0.001099),
        (law(2.8, 1500, 5) + [1] * 400 + [2] * 300 + [3] * 100, 2.80671, 6, 0.000796),
        (law(1.8, 800), 1.80697, 3, 0.003752),
    ],
)
def test_the_degree_law_is_that_of_powerlaw(degrees: list[int], exponent: float, start: int, distance: float) -> None:
    found = degree_law([0, 0, *degrees])
    assert found.exponent == pytest.approx(exponent, abs=2e-4)
    assert found.start == start
    assert found.tail == sum(1 for degree in degrees if degree >= start)
    assert found.distance == pytest.approx(distance, abs=2e-4)


def test_the_zeta_function_has_its_known_values() -> None:
    assert hurwitz_zeta(2, 1) == pytest.approx(math.pi**2 / 6, rel=1e-10)
    assert hurwitz_zeta(4, 1) == pytest.approx(math.pi**4 / 90, rel=1e-10)
    assert hurwitz_zeta(2, 3) == pytest.approx(math.pi**2 / 6 - 1.25, rel=1e-10)


def test_where_no_law_can_be_told_the_reason_is() -> None:
    assert degree_law([1] * 99).reason == "99 linked entities are too few; an exponent needs 100"
    assert degree_law([4] * 500).reason == "all linked entities have equally many neighbours"
    assert "faster than any power law" in degree_law([5] * 900 + [6] * 90 + [7] * 3).reason


def entity(name: str, *chunks: str, type: str = "thing", aliases: tuple[str, ...] = (), **more: object) -> Entity:
    spans = tuple(Span(chunk=chunk, start=0, end=len(name), quote=name) for chunk in chunks)
    return Entity(
        id=f"e-{name}-{type}", name=name, type=type, aliases=aliases, mentions=spans, **more  # type: ignore[arg-type]
    )  # fmt: skip


def joined(left: Entity, right: Entity, *chunks: str, type: str = "near", grounded: bool = True) -> Relation:
    spans = tuple(Span(chunk=chunk, start=0, end=9) for chunk in chunks)
    return Relation(
        id=f"r-{left.id}-{right.id}-{type}",
        source=left.id,
        target=right.id,
        type=type,
        mentions=spans,
        grounded=grounded,
    )


def test_shares_of_a_graph_that_can_be_counted_by_hand() -> None:
    claim = Claim(text="It is old.")
    a = entity("A", "c1", "c2", claims=(claim, claim), attributes={"age": ("old",)})
    b, c, d, alone = entity("B", "c1"), entity("C", "c2"), entity("D", "c2"), entity("Alone", "c3")
    graph = KnowledgeGraph([a, b, c, d, alone], [joined(a, b, "c1"), joined(c, d, "c2", grounded=False)])
    documents = {"c1": "d1", "c2": "d1", "c3": "d2", "c4": "d2", "c5": "d3"}
    report = quality_of(graph, Corpus(documents, {"d1": "one.md", "d2": "two.md", "d3": "three.md"}), votes={})
    assert report.component_sizes == (2, 2)
    assert report.max_degree == 1
    assert (report.claims, report.entities_with_claims, report.entities_with_attributes) == (2, 1, 1)
    assert report.shares == {
        "isolated": 0.2, "fragments": 0.5, "hub": 0.0, "ungrounded": 0.5, "single_mention": 0.8, "duplicates": 0.0,
        "homonyms": 0.0, "confused_types": 0.0, "documents_without": round(1 / 3, 4), "chunks_without": 0.4,
    }  # fmt: skip
    assert report.worries == ("ungrounded", "single_mention", "documents_without", "chunks_without")
    assert report.coverage is not None
    assert report.coverage.bare == ("three.md",)


def test_an_empty_graph_has_a_report() -> None:
    report = quality_of(KnowledgeGraph())
    assert not report.worries
    assert report.coverage is None is report.types
    assert "0 linked entities are too few" in report.degrees.reason


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=30))
def test_shape_agrees_with_networkx(pairs: set[tuple[int, int]]) -> None:
    entities = [entity(f"N{number}", f"c{number}") for number in range(16)]
    relations = [joined(entities[a], entities[b], "c0") for a, b in pairs if a != b]
    graph = KnowledgeGraph(entities, relations)
    plain = nx.Graph(graph.to_networkx())
    report = quality_of(graph)
    linked = [len(one) for one in nx.connected_components(plain) if len(one) > 1]
    assert report.component_sizes == tuple(sorted(linked, reverse=True))
    assert report.shares["isolated"] == round(nx.number_of_isolates(plain) / 16, 4)
    assert report.max_degree == max(dict(plain.degree()).values())
    outside = 1 - max(linked) / sum(linked) if linked else 0.0
    assert report.shares["fragments"] == pytest.approx(outside, abs=1e-4)


def test_a_quote_around_a_name_is_no_second_place() -> None:
    def spans(*ends: tuple[int, int], chunk: str = "c") -> list[Span]:
        return [Span(chunk=chunk, start=start, end=end) for start, end in ends]

    assert places([]) == 0
    assert places(spans((10, 15), (0, 40))) == 1
    assert places(spans((0, 5), (0, 40), (20, 25))) == 2
    assert places(spans((0, 5), (0, 5)) + spans((0, 5), chunk="d")) == 2


def test_names_that_are_alike_are_suspects_and_others_are_not() -> None:
    names = ("Strangford Lough", "Strangford Louhg", "Apollo 11", "Apollo 12", "Eling Tide Mill", "tide mill")
    people = [entity(name, "c1", type="person") for name in ("Guglielmo Marconi", "Marconi")]
    graph = KnowledgeGraph([*(entity(name, f"c-{name}") for name in names), *people])
    found = suspects_of(graph)
    assert found is not None
    assert {one.names for one in found} == {
        ("Strangford Lough", "Strangford Louhg"),
        ("Guglielmo Marconi", "Marconi"),
    }
    report = quality_of(graph)
    assert report.shares["duplicates"] == 0.25
    assert "duplicates" in report.worries


def test_of_a_group_that_may_be_one_all_but_one_are_too_many() -> None:
    group = [entity(name, f"c-{name}") for name in ("Strangford Lough", "Strangford Loughe", "Strangford Louhg")]
    report = quality_of(KnowledgeGraph([*group, entity("Quoile", "c1")]))
    assert report.duplicate_pairs is not None
    assert report.duplicate_pairs >= 2
    assert report.shares["duplicates"] == 0.5


def test_what_resolution_left_open_is_taken_from_what_it_stored() -> None:
    a, b, c = entity("Loch Ness", "c1"), entity("L. Ness", "c2"), entity("Ness", "c3", type="person")
    graph = KnowledgeGraph([a, b, c])
    doubt = {"left": "old-id-of-a", "right": b.id, "score": 0.7, "reason": "initials"}
    guarded = {"left": b.id, "right": c.id, "score": 0.9, "reason": "part of the name", "why": "chain"}
    never = {"left": a.id, "right": c.id, "score": 0.9, "reason": "same name", "why": "types"}
    gone = {"left": a.id, "right": "nowhere", "score": 0.9, "reason": "same name"}
    stored = {"membership": {"old-id-of-a": a.id}, "joins": [], "doubts": [doubt, gone], "refused": [guarded, never]}
    found = suspects_of(graph, stored)
    assert found is not None
    assert [(one.names, one.score) for one in found] == [(("L. Ness", "Ness"), 0.9), (("L. Ness", "Loch Ness"), 0.7)]
    merged = {**stored, "membership": {"old-id-of-a": b.id}, "refused": []}
    assert suspects_of(graph, merged) == []


def test_names_of_several_things_and_contexts_with_nothing_in_common_are_homonyms() -> None:
    planet, metal = entity("Mercury", "c1", type="place"), entity("mercury", "c2", type="substance")
    ford = entity("Ford", "c3", "c4")
    cars = [entity(name, "c3") for name in ("car", "Detroit", "assembly line")]
    rivers = [entity(name, "c4") for name in ("stream", "horse", "crossing")]
    documents = {"c1": "d1", "c2": "d2", "c3": "d3", "c4": "d4"}
    graph = KnowledgeGraph([planet, metal, ford, *cars, *rivers])
    found = homonyms_of(graph, documents)
    assert [(one.name, one.contexts, sorted(one.types)) for one in found] == [
        ("Mercury", 1, ["place", "substance"]),
        ("Ford", 2, ["thing"]),
    ]
    assert quality_of(graph, Corpus(documents)).shares["homonyms"] == round(2 / 9, 4), "a context is only listed"
    common = entity("water", "c3", "c4")
    assert [one.name for one in homonyms_of(KnowledgeGraph([common, *cars, *rivers]), documents)] == []
    both = entity("wheel", "c3", "c4")
    assert [one.name for one in homonyms_of(KnowledgeGraph([ford, *cars, *rivers, both]), documents)] == []
    assert [one.name for one in homonyms_of(graph, {})] == ["Mercury"]


def votes(**given: dict[str, int]) -> list[Extraction]:
    found = []
    for name, types in given.items():
        for number, type in enumerate(type for type, count in types.items() for _ in range(count)):
            one = FoundEntity(name=name, type=type)
            found.append(Extraction(chunk=f"{name}-{number}", entities=(one,)))
    return found


def test_a_name_is_confused_when_its_first_type_has_less_than_four_fifths_of_its_votes() -> None:
    extractions = votes(Rance={"place": 4, "work": 1}, mill={"place": 3, "product": 2}, eel={"organism": 1}, dam={
        "place": 1, "product": 1, "work": 1})  # fmt: skip
    extractions.append(Extraction(chunk="x", entities=(FoundEntity(name="mill", type="other", typed=False),)))
    found = type_votes(votes_of(extractions))
    assert (found.names, found.confused) == (3, 2)
    assert found.share == pytest.approx(2 / 3)
    assert found.pairs == (("place", "product", 2),)
    assert [(one.name, one.votes) for one in found.worst] == [
        ("mill", {"place": 3, "product": 2}),
        ("dam", {"place": 1, "product": 1, "work": 1}),
    ]


def gold(
    document: str, *mentions: tuple[object, ...], relations: tuple[tuple[str, str, str], ...] = ()
) -> GoldDocument:
    names = ("text", "entity", "type", "start", "end")
    return GoldDocument.model_validate(
        {
            "document": document,
            "mentions": [dict(zip(names, one, strict=False)) for one in mentions],
            "relations": [dict(zip(("source", "target", "type"), one, strict=True)) for one in relations],
        }
    )


def test_scores_against_a_gold_annotation_by_hand() -> None:
    seagen, lough = entity("SeaGen", "c1", type="product"), entity("Strangford Lough", "c1", type="concept")
    eel, turbine = entity("eelgrass", "c1", type="organism"), entity("tidal stream turbine", "c1", type="product")
    graph = KnowledgeGraph(
        [seagen, lough, eel, turbine],
        [joined(seagen, lough, "c1", type="located in"), joined(turbine, seagen, "c1", type="is a"),
         joined(eel, lough, "elsewhere", type="located in"), joined(eel, seagen, "c1", type="near")],
    )  # fmt: skip
    annotation = gold(
        "notes.md",
        ("SeaGen", "seagen", "product"),
        ("Strangford Lough", "lough", "place"),
        ("turbine", "turbine", "product"),
        ("Northern Ireland", "ni", "place"),
        relations=(("seagen", "lough", "Located_In"), ("seagen", "turbine", "is a"), ("lough", "ni", "part of")),
    )
    scores = score_gold(graph, [annotation], {"c1": "d1", "elsewhere": "d2"}, {"d1": "notes.md", "d2": "b.md"})
    assert scores.entities == Score(found=4, gold=4, matched=1), "another type, a part of the name"
    assert scores.entities_lenient == Score(found=4, gold=4, matched=3)
    assert scores.relations == Score(found=3, gold=3, matched=1), "the other direction is another relation"
    assert scores.relations_lenient == Score(found=3, gold=3, matched=2)
    assert scores.missed == ("Northern Ireland",)
    assert scores.extra == ("eelgrass",)
    assert scores.unseen == 2
    assert scores.shares["entity_f1_lenient"] == 0.75
    assert (scores.relations.precision, scores.relations.recall) == (1 / 3, 1 / 3)


def test_what_stands_twice_costs_precision_and_what_is_merged_wrongly_costs_b_cubed() -> None:
    twice = [entity("La Rance", "c1", type="place"), entity("Rance", "c1", type="place")]
    merged = entity("Mercury", "c1", "c2", type="thing")
    graph = KnowledgeGraph([*twice, merged])
    annotation = [
        gold("a", ("La Rance", "rance", "place"), ("Rance", "rance", "place"), ("Mercury", "planet", "thing")),
        gold("b", ("Mercury", "metal", "thing")),
    ]
    scores = score_gold(graph, annotation, {"c1": "d1", "c2": "d2"}, {"d1": "a", "d2": "b"})
    assert scores.entities == Score(found=4, gold=3, matched=3)
    assert scores.relations is None
    assert scores.b_cubed is not None
    assert (scores.b_cubed.precision, scores.b_cubed.recall) == (0.75, 0.75)
    assert "relation_f1" not in scores.shares


def test_places_tell_two_things_of_one_name_in_one_document_apart() -> None:
    def at(start: int, type: str) -> Entity:
        span = Span(chunk="c1", start=start, end=start + 7, quote="Mercury")
        return Entity(id=f"e-{type}", name="Mercury", type=type, mentions=(span,))

    graph = KnowledgeGraph([at(0, "place"), at(50, "substance")])
    annotation = [gold("a", ("Mercury", "planet", "place", 100, 107), ("Mercury", "metal", "substance", 150, 157))]
    scores = score_gold(graph, annotation, {"c1": "d1"}, {"d1": "a"}, {"c1": 100})
    assert scores.b_cubed is not None
    assert scores.b_cubed.f1 == 1.0
    assert scores.entities == Score(found=2, gold=2, matched=2)


def test_b_cubed_of_the_labelled_documents_is_that_of_their_references() -> None:
    found = labelled.read("tuned.txt", "held_out.txt")
    merged = merge_resolved(found.extractions)
    mentions: dict[str, list[tuple[object, ...]]] = {}
    quotes = {(one.chunk, one.start): one.quote for each in merged.graph.entities.values() for one in each.mentions}
    for element, true in found.truth.items():
        chunk, _, start = element.rpartition(":")
        text = quotes[chunk, int(start)]
        mentions.setdefault(chunk, []).append((text, true, "", int(start), int(start) + len(text)))
    annotation = [gold(chunk, *given) for chunk, given in mentions.items()]
    names = {chunk: chunk for chunk in mentions}
    scores = score_gold(merged.graph, annotation, names, names)
    expected = found.compare(merged.resolution.membership)
    assert scores.unseen == 0
    assert scores.b_cubed is not None
    assert scores.b_cubed.elements == expected.elements == 325
    assert scores.b_cubed.f1 == pytest.approx(expected.f1, abs=0.01), "a name of two types in one place is one mention"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line"),
        ("{", r"line 1: no JSON"),
        ('\n{"mentions": []}', r"line 2: document: Field required"),
        ('{"document": "a", "sentences": 1}', r"line 1: sentences: Extra inputs"),
        ('{"document": "a", "mentions": [{"text": "x", "entity": "x", "start": 5}]}', r"mentions\.0: .*give both"),
        ('{"document": "a", "relations": [{"source": "x", "target": "y"}]}', "names the entity 'x', which no mention"),
        ('{"document": "a"}\n{"document": "a"}', r"line 2: document 'a' stands twice"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_gold(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_gold(tmp_path / "none.jsonl")


def test_every_number_has_its_limit_in_the_docs() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (above|below) ([\d.]+)(%?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {
        name: Limit(means="", mend="", **{side: float(value) / (100 if percent else 1)})  # type: ignore[arg-type]
        for name, side, value, percent in rows
    }
    assert documented.keys() == LIMITS.keys()
    for name, limit in LIMITS.items():
        assert (documented[name].above, documented[name].below) == (limit.above, limit.below), name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the offline model over the example corpus."""
    folder = tmp_path_factory.mktemp("quality")
    shutil.copytree(ROOT / "examples" / "corpus", folder / "corpus")
    (folder / "c.toml").write_text(
        'name = "q"\ndocuments = ["corpus"]\nrecipe = "entigraph"\ntarget = 2\n[models.default]\nmodel = "offline"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(main, ["run", "c.toml", "--plain"])
    assert done.exit_code == 0, done.output
    return folder / "runs" / "q"


def test_the_command_reports_on_a_run(run: Path) -> None:
    shown = CliRunner().invoke(main, ["graph", str(run), "--quality", "--top", "2"])
    assert shown.exit_code == 0, shown.output
    for name in ("isolated", "duplicates", "confused_types", "documents_without"):
        assert re.search(rf"^{name} +[\d.]+% +above", shown.output, re.MULTILINE), shown.output
    report = json.loads(CliRunner().invoke(main, ["graph", str(run), "--quality", "--json"]).stdout)
    stats = json.loads(CliRunner().invoke(main, ["graph", str(run), "--json"]).stdout)
    assert report["stats"]["entities"] == stats["entities"] > 50
    assert report["coverage"]["documents"] == len(list((ROOT / "examples/corpus").iterdir()))
    assert report["gold"] is None
    assert set(report["worries"]) <= set(report["shares"]) == set(report["limits"])


def test_the_command_scores_a_gold_annotation(run: Path, tmp_path: Path) -> None:
    text = (ROOT / "examples/corpus/la-rance.md").read_text(encoding="utf-8")
    name = "La Rance tidal power station"
    starts = [one.start() for one in re.finditer(name, text)]
    mentions = [
        {"text": name, "entity": "rance", "type": "product", "start": at, "end": at + len(name)} for at in starts
    ]
    path = tmp_path / "gold.jsonl"
    path.write_text(json.dumps({"document": "la-rance.md", "mentions": mentions}) + "\n")
    shown = CliRunner().invoke(main, ["graph", str(run), "--quality", "--json", "--gold", str(path)])
    assert shown.exit_code == 0, shown.output
    scores = json.loads(shown.stdout)["gold"]
    assert scores["entities_lenient"]["recall"] == 1.0
    assert 0 < scores["entities_lenient"]["precision"] < 0.5
    assert scores["b_cubed"]["elements"] == len(starts)
    assert scores["b_cubed"]["f1"] == 1.0
    path.write_text('{"document": "la-rance.txt"}')
    wrong = CliRunner().invoke(main, ["graph", str(run), "--quality", "--gold", str(path)])
    assert wrong.exit_code != 0
    assert "did you mean 'la-rance.md'" in wrong.output
    alone = CliRunner().invoke(main, ["graph", str(run), "--gold", str(path)])
    assert "add --quality" in alone.output


def test_suspects_are_found_without_comparing_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    score = Scorer.score

    def counted(self: Scorer, left: Reference, right: Reference) -> Score_:
        nonlocal compared
        compared += 1
        return score(self, left, right)

    monkeypatch.setattr(Scorer, "score", counted)
    names = [f"{a}{b}{c} works" for a, b, c in combinations("abcdefghijklmnopqrstu", 3)]
    graph = KnowledgeGraph([entity(name, f"c{number}") for number, name in enumerate(names)])
    assert suspects_of(graph) is not None
    assert 0 < compared < len(names) * 80 < len(names) * (len(names) - 1) / 2
