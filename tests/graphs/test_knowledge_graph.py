"""Merging, summarising, building and writing: order does not matter, nothing is lost, the sums balance."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.agents.extraction.extractor import extractor
from gristmill.agents.extraction.records import Extraction, FoundEntity, FoundRelation
from gristmill.agents.state import FlowContext
from gristmill.errors import AccessDenied, BudgetExceeded, ConfigError, Overloaded, StoreError
from gristmill.graphs.exchange.graphml import write_graphml
from gristmill.graphs.exchange.node_link import read_json, write_json
from gristmill.graphs.knowledge.build import build
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.merge import merge, merge_resolved
from gristmill.graphs.knowledge.summarise import split, summarise, tokens
from gristmill.graphs.resolution.references import reference_id
from gristmill.models.contract import Request
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Chunk, Entity, Relation, Span

NAMES = [
    "Neural Networks",
    "neural network",
    "CNN",
    "Convolutional Neural Network (CNN)",
    "Adam",
    "Adams",
    "yeast",
    "—",
]


def span(chunk: str, start: int, quote: str) -> Span:
    return Span(chunk=chunk, start=start, end=start + len(quote), quote=quote)


def found(name: str, type: str = "concept", *descriptions: str, chunk: str = "c1", at: int = 0, **more) -> FoundEntity:
    return FoundEntity(name=name, type=type, descriptions=descriptions, mentions=(span(chunk, at, name),), **more)


def extraction(chunk: str, entities: list[FoundEntity], relations: list[FoundRelation] | None = None) -> Extraction:
    return Extraction(chunk=chunk, entities=tuple(entities), relations=tuple(relations or ()))


def records(graph: KnowledgeGraph) -> tuple[dict, dict]:
    return dict(graph.entities), dict(graph.relations)


def by_name(graph: KnowledgeGraph) -> dict[str, Entity]:
    return {entity.name: entity for entity in graph.entities.values()}


@st.composite
def extractions(draw: st.DrawFn) -> list[Extraction]:
    made = []
    for index in range(draw(st.integers(0, 6))):
        chunk = f"chunk-{index}"
        names = draw(st.lists(st.sampled_from(NAMES), max_size=6))
        entities = [
            FoundEntity(
                name=name,
                type=draw(st.sampled_from(["person", "method", "concept"])),
                typed=draw(st.booleans()),
                descriptions=tuple(draw(st.lists(st.sampled_from(["A.", "B.", "C."]), max_size=2, unique=True))),
                aliases=tuple(draw(st.lists(st.sampled_from(["CNN", "NN"]), max_size=1))),
                mentions=(span(chunk, draw(st.integers(0, 3)), name),),
            )
            for name in names
        ]
        relations = [
            FoundRelation(source=source, target=target, type=kind, mentions=(span(chunk, 0, source),))
            for source, target, kind in draw(
                st.lists(
                    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["uses", "is a"])),
                    max_size=4,
                )
            )
        ]
        made.append(extraction(chunk, entities, relations))
    return made


@settings(max_examples=80, deadline=None)
@given(extractions(), st.randoms(use_true_random=False))
def test_the_order_of_extractions_does_not_matter_and_the_books_balance(made: list[Extraction], rng) -> None:
    merged = merge_resolved(made)
    graph, books = merged.graph, merged.books
    shuffled = list(made)
    rng.shuffle(shuffled)
    other = merge_resolved(iter(shuffled))
    again, books_again = other.graph, other.books
    assert records(graph) == records(again)
    assert books == books_again
    assert books.balanced
    assert books.entities.found == sum(len(one.entities) for one in made)
    assert books.relations.found == sum(len(one.relations) for one in made)
    assert (books.entities.kept, books.relations.kept) == (len(graph.entities), len(graph.relations))
    # Every mention and every description of what was not dropped is still there.
    kept = {(s.chunk, s.start, s.end) for entity in graph.entities.values() for s in entity.mentions}
    assert kept == {
        (s.chunk, s.start, s.end) for one in made for e in one.entities if e.name != "—" for s in e.mentions
    }
    lines = {line for entity in graph.entities.values() for line in entity.description.splitlines()}
    assert lines == {line for one in made for e in one.entities if e.name != "—" for line in e.descriptions}


def test_a_merged_entity_tells_what_most_chunks_say() -> None:
    graph = merge(
        [
            extraction("c1", [found("Neural Networks", "method", "Learn.", "Fit data.")]),
            extraction("c2", [found("neural network", "concept", "Fit data.", chunk="c2")]),
            extraction("c3", [found("neural network", "method", chunk="c3")]),
            extraction("c4", [found("neural network", "thing", chunk="c4", typed=False)]),
        ]
    )
    (entity,) = graph.entities.values()
    assert (entity.name, entity.type, entity.aliases) == ("neural network", "method", ("Neural Networks",))
    assert entity.description == "Fit data.\nLearn."
    assert graph.chunks_of(entity.id) == ("c1", "c2", "c3", "c4")


def test_a_tie_of_types_goes_by_alphabet() -> None:
    made = [extraction("c1", [found("yeast", "organism")]), extraction("c2", [found("yeast", "concept", chunk="c2")])]
    assert [one.type for one in merge(made).entities.values()] == ["concept"]


def test_an_acronym_joins_the_one_name_that_introduces_it() -> None:
    long = found("Convolutional Neural Network", "method", aliases=("CNN",))
    short = found("CNN", "method", "Sees images.", chunk="c2")
    other = found("pooling", chunk="c2", at=9)
    relations = [
        FoundRelation(source="CNN", target="pooling", type="uses", mentions=(span("c2", 0, "CNN pooling"),)),
        FoundRelation(source="CNN", target="Convolutional Neural Network", type="is a"),
    ]
    merged = merge_resolved([extraction("c1", [long]), extraction("c2", [short, short, other], relations)])
    graph, books = merged.graph, merged.books
    entity = by_name(graph)["Convolutional Neural Network"]
    assert entity.id == reference_id("cnn", "method")  # of the references with most chunks the first by key
    assert entity.aliases == ("CNN",)
    assert len(entity.mentions) == 2
    assert [(one.source, one.type) for one in graph.relations.values()] == [(entity.id, "uses")]
    assert books.relations.dropped == {"self_relation": 1}


def test_an_acronym_that_two_names_claim_stays_alone_and_is_counted() -> None:
    made = [
        extraction("c1", [found("Cable News Network", aliases=("CNN",))]),
        extraction("c2", [found("Convolutional Neural Network", aliases=("CNN",)), found("CNN", chunk="c2")]),
    ]
    merged = merge_resolved(made)
    graph, books = merged.graph, merged.books
    assert len(graph.entities) == 3
    assert books.entities.mended == {"ambiguous_alias": 1}


def test_weight_is_the_number_of_chunks_and_cooccurrence_too() -> None:
    def chunk(name: str) -> Extraction:
        pair = [found("yeast", chunk=name), found("sugar", chunk=name, at=9)]
        relation = FoundRelation(source="yeast", target="sugar", type="uses", mentions=(span(name, 0, "yeast"),))
        return extraction(name, pair, [relation, relation])

    graph = merge([chunk("c1"), chunk("c2"), chunk("c1"), extraction("c3", [found("yeast", chunk="c3")])])
    yeast, sugar = (by_name(graph)[name].id for name in ("yeast", "sugar"))
    (relation,) = graph.relations.values()
    assert relation.weight == 2.0
    assert graph.cooccurrence(yeast, sugar) == 2
    assert graph.cooccurring(yeast) == {sugar: 2}
    assert graph.neighbours(yeast) == graph.neighbours(yeast, link="cooccurrence") == (sugar,)
    assert graph.relations_between(sugar, yeast) == (relation.id,)
    assert graph.entities_in("c2") == tuple(sorted((yeast, sugar)))
    assert graph.entities_in("nowhere") == ()
    stats = graph.stats()
    assert (stats.entities, stats.relations, stats.links, stats.chunks, stats.components) == (2, 1, 1, 3, 1)
    assert stats.mentions == len(graph.entities[yeast].mentions) + len(graph.entities[sugar].mentions) == 5


def test_a_relation_to_nowhere_is_refused() -> None:
    with pytest.raises(ConfigError, match="entity 'b'"):
        KnowledgeGraph([Entity(id="a", name="a", type="t")], [Relation(id="r", source="a", target="b", type="t")])


def graph_of(descriptions: dict[str, str]) -> KnowledgeGraph:
    return KnowledgeGraph(
        Entity(id=name, name=name, type="concept", description=description)
        for name, description in descriptions.items()
    )


async def test_only_long_descriptions_are_summarised_and_all_of_them_is_given() -> None:
    lines = [f"Fact number {index} about the long one." for index in range(400)]
    graph = graph_of({"short": "One.\nTwo.", "long": "\n".join(lines)})
    model = Scripted(lambda request: {"summary": f"{len(request.variables['descriptions'])} facts."})
    summarised, books = await summarise(
        graph, FlowContext(models={"default": model}), max_tokens=100, context_tokens=1000
    )
    asked = [request.variables for request in model.requests]
    assert all(set(one) == {"name", "type", "descriptions", "max_words"} for one in asked)
    assert len(asked) == 5  # four batches and one call over their summaries
    assert [line for one in asked[:-1] for line in one["descriptions"]] == lines
    assert asked[-1]["descriptions"] == [f"{len(one['descriptions'])} facts." for one in asked[:-1]]
    assert all(tokens("".join(one["descriptions"])) <= 1000 for one in asked)
    assert summarised.entities["long"].description == "4 facts."
    assert summarised.entities["short"].description == "One.\nTwo."
    assert (books.short, books.summarised, books.failed, books.calls) == (1, 1, {}, 5)
    assert books.usage.calls == 5
    assert books.balanced


async def test_a_failed_summary_keeps_the_text_and_is_counted_alone() -> None:
    text = {name: "\n".join(f"{name} {index}" for index in range(100)) for name in ("bad", "good", "wordy")}

    def answer(request: Request) -> object:
        name = request.variables["name"]
        return {"bad": Overloaded("busy"), "good": {"summary": "Good."}, "wordy": {"summary": text["wordy"]}}[name]

    context = FlowContext(models={"default": Scripted(answer)})
    graph, books = await summarise(graph_of(text), context, max_tokens=50)
    assert {name: graph.entities[name].description for name in text} == text | {"good": "Good."}
    assert books.failed == {"longer": 1, "overloaded": 1}
    assert books.balanced


@pytest.mark.parametrize("error", [AccessDenied("wrong key"), BudgetExceeded("usd", "spent")])
async def test_what_would_fail_every_call_ends_the_summaries(error: Exception) -> None:
    context = FlowContext(models={"default": Scripted(lambda _: error)})
    with pytest.raises(type(error)):
        await summarise(graph_of({"long": "word " * 1000}), context)


@given(st.lists(st.text(alphabet="ab é京", max_size=60), max_size=8), st.integers(1, 12))
def test_batches_hold_everything(lines: list[str], limit: int) -> None:
    batches = split(lines, limit)
    assert "".join("".join("".join(batches_ for batches_ in batch) for batch in batches).split()) == "".join(
        "".join(lines).split()
    )
    assert all(sum(map(tokens, batch)) <= limit for batch in batches)


async def test_build_lets_a_chunk_fail_alone() -> None:
    chunks = [Chunk.of("doc", index, index, index + 5, "yeast") for index in range(6)]
    asked = 0

    def answer(_: Request) -> object:
        nonlocal asked
        asked += 1
        return Overloaded("busy") if asked == 2 else {"entities": [{"name": "yeast", "type": "x"}], "relations": []}

    results: list[str] = []
    built = await build(
        chunks,
        extractor(max_gleanings=0),
        FlowContext(models={"default": Scripted(answer)}),
        concurrency=1,
        on_result=lambda chunk, result: results.append(type(result).__name__),
    )
    assert list(built.failed) == [chunks[1].id]
    assert len(built.extractions) == 5
    assert results == ["Extraction", "Overloaded", *["Extraction"] * 4]
    (entity,) = built.graph.entities.values()
    assert len(entity.mentions) == 5
    with pytest.raises(ConfigError, match="concurrency is 0"):
        await build(chunks, extractor(), FlowContext(models={}), concurrency=0)


def odd_graph() -> KnowledgeGraph:
    entities = [
        Entity(id="a", name="Café <&>", type="place", description="One.\nTwo \x00\x0b\ufffe.", aliases=("x; y", "z")),
        Entity(id="b", name='"quoted"', type="concept", mentions=(span("c1", 3, "日本"), span("c2", 0, "b"))),
    ]
    relations = [
        Relation(id=f"r{index}", source="a", target="b", type="uses", weight=1.5, mentions=(span("c1", 0, "a b"),))
        for index in range(2)
    ]
    return KnowledgeGraph(entities, [*relations, Relation(id="loop", source="b", target="b", type="is a")])


def test_json_comes_back_whole_and_is_networkx_node_link(tmp_path) -> None:
    graph, path = odd_graph(), tmp_path / "graph.json"
    write_json(graph, path)
    assert records(read_json(path)) == records(graph)
    loaded = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    assert loaded.number_of_edges("a", "b") == 2
    assert loaded.nodes["a"]["name"] == "Café <&>"
    first = path.read_bytes()
    write_json(read_json(path), path)
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == ["graph.json"]


def test_graphml_is_legal_xml(tmp_path) -> None:
    path = tmp_path / "graph.graphml"
    write_graphml(odd_graph(), path)
    root = ElementTree.parse(path).getroot()
    types = {key.get("attr.type") for key in root.iter("{http://graphml.graphdrawing.org/xmlns}key")}
    assert types == {"string", "int", "double", "boolean"}
    loaded = nx.read_graphml(path, force_multigraph=True)
    assert loaded.nodes["a"]["description"] == "One.\nTwo ."
    assert loaded.nodes["a"]["name"] == "Café <&>"
    assert loaded.nodes["b"]["chunks"] == "c1 c2"
    assert sorted(loaded["a"]["b"]) == ["r0", "r1"]
    assert loaded["a"]["b"]["r0"]["weight"] == 1.5


@pytest.mark.parametrize("text", ["{", "[]", '{"graph": {"format": "other"}}', None])
def test_a_file_that_is_no_graph_is_named(tmp_path, text: str | None) -> None:
    path = tmp_path / "graph.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"graph\.json"):
        read_json(path)


def test_a_node_that_is_not_whole_is_named(tmp_path) -> None:
    path = tmp_path / "graph.json"
    write_json(odd_graph(), path)
    data = json.loads(path.read_text())
    del data["nodes"][0]["mentions"]
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="not whole"):
        read_json(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "graph.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_json(odd_graph(), path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["graph.json"]
    with pytest.raises(StoreError, match="nowhere"):
        write_graphml(odd_graph(), tmp_path / "nowhere" / "graph.graphml")


def test_a_random_graph_survives_the_round_trip(tmp_path) -> None:
    rng = random.Random(7)
    entities = [
        Entity(id=f"e{index:03}", name=f"n{index}", type="t", mentions=(span(f"c{rng.randrange(20)}", 0, "n"),))
        for index in range(100)
    ]
    relations = [
        Relation(id=f"r{index}", source=f"e{rng.randrange(100):03}", target=f"e{rng.randrange(100):03}", type="t")
        for index in range(300)
    ]
    graph = KnowledgeGraph(entities, relations)
    write_json(graph, tmp_path / "graph.json")
    again = read_json(tmp_path / "graph.json")
    assert records(again) == records(graph)
    assert again.entities_by_chunk == graph.entities_by_chunk
    assert again.stats() == graph.stats()
