"""A knowledge graph of the user's own as a campaign's seed: every format, every bad file, and where its facts lead."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hostile import PAYLOADS
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill import Campaign
from gristmill.agents.extraction.schema import DEFAULT
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.graphs.exchange import seed as seed_module
from gristmill.graphs.exchange import seed_rows
from gristmill.graphs.exchange.graphml import write_graphml
from gristmill.graphs.exchange.node_link import write_json
from gristmill.graphs.exchange.seed import Edge, Seed, local_name, words
from gristmill.graphs.exchange.seed_text import parts_of
from gristmill.graphs.exchange.seeds import read_seed
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.merge import merge_resolved
from gristmill.storage.records import Claim, Entity, Relation
from gristmill.storage.store import RunStore

FILES = {
    "kg.csv": "subject,predicate,object,subject_type\nBrent goose,feedsOn,eelgrass,bird\nEelgrass,is a,plant,\n"
    '"Bay, of Fundy",lies in,Canada,place\n',
    "kg.tsv": 'Brent goose\tfeeds_on\teelgrass\nEelgrass\tis a\tplant\n"Bay" of Fundy\tlies in\tCanada\n',
    "kg.jsonl": '{"subject":"Brent goose","predicate":"feeds on","object":"eelgrass","subject_type":"bird"}\n\n'
    '{"subject":"Eelgrass","predicate":"is a","object":"plant"}\n'
    '{"subject":"Bay of Fundy","predicate":"lies in","object":"Canada"}\n',
    "kg.nt": '<http://x.org/goose> <http://www.w3.org/2000/01/rdf-schema#label> "Brent goose"@en .\n'
    '<http://x.org/goose> <http://www.w3.org/2000/01/rdf-schema#label> "Ringelgans"@de .\n'
    "<http://x.org/goose> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://x.org/Bird> .\n"
    "# a comment\n"
    "<http://x.org/goose> <http://x.org/feedsOn> <http://x.org/eelgrass> .\n"
    '<http://x.org/goose> <http://x.org/mass> "1.3 kg" .\n'
    "<http://x.org/eelgrass> <http://x.org/isA> <http://x.org/plant> .\n"
    "<http://x.org/Bay_of_Fundy> <http://x.org/liesIn> <http://x.org/Canada> .\n",
    "kg.ttl": "@prefix x: <http://x.org/> . @prefix s: <http://www.w3.org/2004/02/skos/core#> .\n"
    'x:goose a x:Bird ; s:prefLabel "Brent goose" ; s:altLabel "Ringelgans"@de .\n'
    'x:goose x:feedsOn x:eelgrass ; x:mass "1.3 kg" .\n'
    "x:eelgrass x:isA x:plant . x:Bay_of_Fundy x:liesIn x:Canada . x:goose x:p [ x:q x:r ] .\n",
    "kg.graphml": '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    '<key id="d0" for="node" attr.name="label"/><key id="d1" for="edge" attr.name="relation"/>'
    '<key id="d2" for="node" attr.name="type"/><graph edgedefault="directed">'
    '<node id="n0"><data key="d0">Brent goose</data><data key="d2">bird</data></node>'
    '<node id="n1"><data key="d0">eelgrass</data></node><node id="n2"><data key="d0">plant</data></node>'
    '<node id="Bay of Fundy"/><node id="Canada"/>'
    '<edge source="n0" target="n1"><data key="d1">feedsOn</data></edge>'
    '<edge source="n1" target="n2"><data key="d1">is a</data></edge>'
    '<edge source="Bay of Fundy" target="Canada"/></graph></graphml>',
}


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket connects: a seed that would have something fetched fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def graph_of(seed: Seed, max_tokens: int = 512) -> KnowledgeGraph:
    extractions = [one for part in parts_of(seed, DEFAULT, max_tokens=max_tokens) for one in part.extractions]
    merged = merge_resolved(extractions)
    assert merged.books.balanced
    return merged.graph


# formats


@pytest.mark.parametrize("name", FILES)
def test_each_format_gives_the_same_facts(tmp_path: Path, offline: None, name: str) -> None:
    seed = read_seed(put(tmp_path, name, FILES[name]))
    graph = graph_of(seed)
    names = {one.id: one.name for one in graph.entities.values()}
    facts = {(names[one.source].casefold(), names[one.target].casefold()) for one in graph.relations.values()}
    assert {("brent goose", "eelgrass"), ("eelgrass", "plant")} <= facts
    assert len(facts) == 3
    types = {one.type for one in graph.relations.values()}
    assert {"feeds on", "is a"} <= types
    goose = next(one for one in graph.entities.values() if one.name == "Brent goose")
    assert name == "kg.tsv" or goose.type.casefold() == "bird"
    if name in {"kg.nt", "kg.ttl"}:
        assert goose.aliases == ("Ringelgans",)
        assert goose.attributes == {"mass": ("1.3 kg",)}


def test_what_we_write_comes_in_again(tmp_path: Path, offline: None) -> None:
    entities = [
        Entity(id="a", name="Brent goose", type="bird", description="A goose.\nIt is small.", aliases=("brant; goose",),
               attributes={"mass": ("1.3 kg", "1.4 kg")},
               claims=(Claim(text="It winters by the sea.", qualifiers={"time": "winter"}),)),
        Entity(id="b", name="eelgrass", type="plant"),
    ]  # fmt: skip
    relations = [Relation(id="r", source="a", target="b", type="feeds on", qualifiers={"time": ("in winter",)})]
    written = KnowledgeGraph(entities, relations)
    write_graphml(written, tmp_path / "kg.graphml")
    write_json(written, tmp_path / "kg.json")
    for name in ("kg.graphml", "kg.json"):
        graph = graph_of(read_seed(tmp_path / name))
        goose = next(one for one in graph.entities.values() if one.name == "Brent goose")
        assert (goose.type, goose.aliases) == ("bird", ("brant; goose",))
        assert goose.attributes == {"mass": ("1.3 kg", "1.4 kg")}
        assert [(one.text, one.qualifiers) for one in goose.claims] == [("It winters by the sea.", {"time": "winter"})]
        assert set(goose.description.split("\n")) == {"A goose.", "It is small."}
        (feeds,) = graph.relations.values()
        assert (feeds.type, feeds.qualifiers, feeds.grounded) == ("feeds on", {"time": ("in winter",)}, True)


def test_a_picture_of_yed_has_its_labels(tmp_path: Path) -> None:
    text = (
        '<graphml xmlns="g" xmlns:y="y"><key for="node" id="d5" yfiles.type="nodegraphics"/><graph>'
        '<node id="n0"><data key="d5"><y:ShapeNode><y:NodeLabel>Sea</y:NodeLabel></y:ShapeNode></data></node>'
        '<node id="n1"><data key="d5"><y:ShapeNode><y:NodeLabel>Salt</y:NodeLabel></y:ShapeNode></data></node>'
        '<edge source="n0" target="n1"><data key="d9"><y:EdgeLabel>holds</y:EdgeLabel></data></edge></graph></graphml>'
    )
    seed = read_seed(put(tmp_path, "kg.graphml", text))
    assert [node.name for node in seed.nodes.values()] == ["Sea", "Salt"]
    assert [edge.predicate for edge in seed.edges.values()] == ["holds"]


# bad files

BOMB = '<!DOCTYPE g [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><graphml><graph><node id="&b;"/></graph></graphml>'
FETCH = '<!DOCTYPE g SYSTEM "http://evil.invalid/x.dtd">\n<graphml/>'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("kg.csv", "subject,predicate,object\na,b\n", "line 2: it has 2 columns, and the first line has 3; mend"),
        ("kg.csv", "subject,predicate,object\na,,c\n", "line 2: it has no predicate; give subject, predicate"),
        ("kg.csv", "from,to\na,b\n", "line 1: the columns are from, to; name them subject, predicate, object"),
        ("kg.csv", 'subject,predicate,object\na,"b,c\nd', "it is no CSV"),
        ("kg.csv", b"subject,predicate,object\na,b,\xff\xfe\n", "it is not UTF-8"),
        ("kg.csv", "", "it has no entity; check that it is the file that you meant"),
        ("kg.tsv", "a\tb\tc\n" + "x" * 300 + "\tb\tc\n", "has more than 200 characters; shorten it"),
        ("kg.tsv", "a\tb\tc\n...\tb\tc\n", "line 2: '...' is no name; give every entity one"),
        ("kg.jsonl", '{"subject": "a"\n', "line 1: it is not JSON"),
        ("kg.jsonl", '{"subject":"a","predicate":"b","object":"c"}\n["a"]\n', "line 2: it is no object of texts"),
        ("kg.jsonl", '{"subject":"a","predicate":"b","object":7}\n', "line 1: it is no object of texts"),
        ("kg.jsonl", "[" * 200_000, "line 1: it is not JSON"),
        ("kg.nt", "<http://x/a> <http://x/b> <http://x/c> .\n<http://x/a> nonsense\n", "line 2: it is no N-Triples"),
        ("kg.nt", b"<http://x/\xff> <b> <c> .\n", "line 1: it is not UTF-8"),
        ("kg.ttl", "@prefix x: <http://x.org/> .\nx:a x:b x:c .\nx:a x:b .\n", "line 3: it is no Turtle"),
        ("kg.ttl", "<http://x/a> <http://x/b> " + "[ <http://x/p> " * 50_000, "seed graph"),
        ("kg.graphml", "<graphml><graph><node/></graph></graphml>", "line 1: a node has no id; give every node one"),
        ("kg.graphml", "<graphml>\n<graph>\n<edge source='a'/>", "line 3: an edge has no source or no target"),
        ("kg.graphml", "<graphml>\n<graph>", "line 2: it is no XML"),
        ("kg.graphml", "<html></html>", "it has no <graph>; give a GraphML file"),
        ("kg.graphml", "<graphml><graph><hyperedge/></graph></graphml>", "it has a hyperedge; give edges"),
        ("kg.graphml", BOMB, "it has a document type, which can make entities; take the line <!DOCTYPE ...> out"),
        ("kg.graphml", FETCH, "line 1: it has a document type"),
        ("kg.graphml", "<graph>" + "<node id='a'>" * 5_000, "graphs are nested too deeply"),
        ("kg.graphml", "<graph><node id='a'><data key='k'>" + "x" * 1_100_000, "a value has more than 1,000,000"),
        ("kg.json", '{"nodes": []}', "is not a gristmill-knowledge-graph"),
        ("kg.owl", "x", "has .owl; formats are .csv, .graphml"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_with_its_line_and_the_mend(
    tmp_path: Path, offline: None, name: str, text: str | bytes, said: str
) -> None:
    path = put(tmp_path, name, text)
    with pytest.raises(ConfigError) as told:
        read_seed(path)
    assert said in str(told.value)
    assert str(path) in str(told.value)


def test_no_file_grows_beyond_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"a{n}\tis\tb{n}\n" for n in range(50))
    monkeypatch.setattr(seed_module, "MAX_NODES", 60)
    with pytest.raises(ConfigError, match="line 31: there are more than 60 entities; give a part of the graph"):
        read_seed(put(tmp_path, "kg.tsv", rows))
    monkeypatch.setattr(seed_module, "MAX_NODES", 100)
    monkeypatch.setattr(seed_module, "MAX_EDGES", 40)
    with pytest.raises(ConfigError, match="line 41: there are more than 40 relations"):
        read_seed(put(tmp_path, "kg.tsv", rows))
    monkeypatch.setattr(seed_rows, "MAX_LINE", 1000)
    with pytest.raises(ConfigError, match="line 1: it has more than 1,000 characters"):
        read_seed(put(tmp_path, "long.csv", "x" * 5000))


def test_rdf_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(ConfigError, match=r"gristmill\[rdf\]"):
        read_seed(put(tmp_path, "kg.nt", FILES["kg.nt"]))


@settings(max_examples=150)
@given(name=st.sampled_from(["kg.csv", "kg.tsv", "kg.jsonl", "kg.nt", "kg.ttl", "kg.graphml"]), data=st.data())
def test_any_bytes_are_a_seed_or_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, name: str, data) -> None:
    good = FILES[name].encode()
    place = data.draw(st.integers(0, len(good)))
    noise = data.draw(st.binary(max_size=20))
    path = put(tmp_path_factory.mktemp("any"), name, good[:place] + noise + good[place + len(noise) // 2 :])
    with suppress(ConfigError):
        graph_of(read_seed(path))


# words


def test_a_predicate_is_told_in_words() -> None:
    told = [words(one) for one in ("livesIn", "lives_in", "lives in", "/people/person/born", "NATO", "P31")]
    assert told == ["lives in", "lives in", "lives in", "/people/person/born", "NATO", "P31"]
    assert local_name("http://x.org/e/Brent_goose") == "Brent goose"
    assert local_name("urn:x:y#part") == "part"
    assert local_name("Ratio 1:2") == "Ratio 1:2"


# documents


def test_every_fact_leads_to_its_statement(tmp_path: Path) -> None:
    seed = read_seed(put(tmp_path, "kg.ttl", FILES["kg.ttl"]))
    parts = list(parts_of(seed, DEFAULT, max_tokens=512))
    goose = next(part for part in parts if part.document.title == "Brent goose")
    assert goose.document.name == "kg.ttl#Brent goose"
    assert goose.document.text.split("\n") == [
        "Brent goose (bird)",
        "Brent goose is also called Ringelgans.",
        "Brent goose: mass: 1.3 kg",
        "Brent goose feeds on eelgrass.",
    ]
    assert_spans(parts)


def assert_spans(parts) -> None:
    for part in parts:
        for chunk, extraction in zip(part.chunks, part.extractions, strict=True):
            assert part.document.text[chunk.start : chunk.end] == chunk.text
            assert extraction.chunk == chunk.id
            assert all(books.balanced for books in extraction.books.values())
            names = {one.name for one in extraction.entities}
            assert all({one.source, one.target} <= names for one in extraction.relations)
            spans = [span for one in (*extraction.entities, *extraction.relations) for span in one.mentions]
            assert spans
            assert all(one.mentions for one in extraction.entities)
            assert all(chunk.text[span.start : span.end] == span.quote for span in spans)


def test_an_entity_with_many_statements_has_several_chunks(tmp_path: Path) -> None:
    rows = "".join(f"Bay of Fundy\thas the tide number\tnumber {n}\n" for n in range(200))
    seed = read_seed(put(tmp_path, "kg.tsv", rows))
    seed.nodes["Bay of Fundy"].descriptions["word " * 400] = None
    (part,) = parts_of(seed, DEFAULT, max_tokens=64)
    assert len(part.chunks) > 30
    assert all(chunk.tokens <= 64 for chunk in part.chunks)
    assert_spans([part])
    assert len(graph_of(seed, 64).relations) == 200


def test_hostile_names_stay_texts(tmp_path: Path) -> None:
    seed = Seed(tmp_path / "kg.tsv")
    for number, payload in enumerate(PAYLOADS):
        if (name := payload.strip()[:150]) and any(letter.isalnum() for letter in name):
            ends = seed.named(name, name), seed.named(f"other {number}")
            seed.add(Edge(ends[0], words(name), ends[1]))
    assert len(seed.edges) > 15
    assert_spans(list(parts_of(seed.finished(), DEFAULT, max_tokens=128)))


def test_two_of_one_name_have_two_documents(tmp_path: Path) -> None:
    text = "<graph>" + "".join(f'<node id="{n}"><data key="name">Mercury</data></node>' for n in range(2)) + "</graph>"
    parts = list(parts_of(read_seed(put(tmp_path, "kg.graphml", text)), DEFAULT, max_tokens=64))
    assert [part.document.name for part in parts] == ["kg.graphml#Mercury", "kg.graphml#Mercury (2)"]
    assert parts[0].document.id != parts[1].document.id


# campaigns


def campaign(folder: Path, name: str, documents: list[Path], **more) -> Campaign:
    return Campaign(name, documents, recipe="entigraph", models={"default": "offline"}, runs=str(folder / "runs"),
                    max_tasks=12, **more)  # fmt: skip


def test_a_campaign_works_from_a_seed_alone(tmp_path: Path) -> None:
    path = put(tmp_path, "kg.csv", FILES["kg.csv"])
    report = campaign(tmp_path, "alone", [], graph={"seed": str(path)}).run()
    assert report.books.balanced
    assert report.books.planned
    store = RunStore.read(report.folder)
    try:
        graph = KnowledgeGraph(*store.graph())
        assert {one.name.casefold() for one in graph.entities.values()} >= {"brent goose", "eelgrass", "canada"}
        spans = [span for one in (*graph.entities.values(), *graph.relations.values()) for span in one.mentions]
        for span in spans:
            chunk = store.chunk(span.chunk)
            assert chunk.text[span.start : span.end] == span.quote
            assert store.document_name(chunk.document).startswith("kg.csv#")
        assert store.count("calls") == len({key for (key,) in store.rows("SELECT key FROM calls")})
        said = [json.loads(body) for (body,) in store.rows("SELECT body FROM extractions")]
        assert {one["by"] for one in said} == {"seed"}  # and no model was asked
        for (body,) in store.rows("SELECT body FROM items"):
            assert all(store.chunk(one) for one in json.loads(body)["chunks"])
    finally:
        store.close_reading()
    assert campaign(tmp_path, "alone", [], graph={"seed": str(path)}).run().books == report.books


def test_a_seed_is_merged_with_what_documents_say(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", "Eelgrass is a flowering plant that lives in the sea. Brent geese feed on eelgrass "
        "in Strangford Lough. Strangford Lough is a sea inlet in Northern Ireland.")  # fmt: skip
    path = put(tmp_path, "kg.csv", "subject,predicate,object\nBrent goose,breeds in,Siberia\neelgrass,is a,plant\n")
    report = campaign(tmp_path, "both", [tmp_path / "notes.txt"], graph={"seed": str(path)}).run()
    store = RunStore.read(report.folder)
    try:
        graph = KnowledgeGraph(*store.graph())
        eelgrass = [one for one in graph.entities.values() if one.name.casefold() == "eelgrass"]
        assert len(eelgrass) == 1
        documents = {store.document_name(store.chunk(span.chunk).document) for span in eelgrass[0].mentions}
        assert {"notes.txt", "kg.csv#eelgrass"} <= documents
    finally:
        store.close_reading()


def test_a_seed_that_changed_is_read_again_by_refresh(tmp_path: Path) -> None:
    path = put(tmp_path, "kg.tsv", "Salt\tis in\tsea\nSea\tlies by\tland\n")
    first = campaign(tmp_path, "again", [], graph={"seed": str(path)})
    first.run()
    path.write_text("Salt\tis in\tsea\nSea\tlies by\tice\n")
    report = asyncio.run(campaign(tmp_path, "again", [], graph={"seed": str(path)}).execute(refresh=True))
    store = RunStore.read(report.folder)
    try:
        names = {one.name for one in KnowledgeGraph(*store.graph()).entities.values()}
        assert "ice" in names
        assert "land" not in names
    finally:
        store.close_reading()


def test_the_file_of_a_campaign_names_its_seed_from_its_own_folder(tmp_path: Path) -> None:
    put(tmp_path, "kg.tsv", "Salt\tis in\tsea\n")
    text = (
        'name = "t"\nrecipe = "entigraph"\nmax_tasks = 1\n[graph]\nseed = "{}"\n[models.default]\nmodel = "offline"\n'
    )
    done = CliRunner().invoke(main, ["run", str(put(tmp_path, "t.toml", text.format("kg.tsv")))])
    assert done.exit_code == 3, done.output  # it ran, and its one text was too short
    done = CliRunner().invoke(main, ["run", str(put(tmp_path, "u.toml", text.format("none.tsv")))])
    assert done.exit_code == 1
    assert "none.tsv' is not there" in done.output
    done = CliRunner().invoke(main, ["run", str(put(tmp_path, "v.toml", text.replace("seed", "#")))])
    assert done.exit_code == 1
    assert "there is nothing to work from" in done.output
