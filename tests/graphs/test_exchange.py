"""What other tools read of a graph: each format is opened by a real reader, with texts that are out to break it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import duckdb
import networkx as nx
import pytest
from antlr4 import CommonTokenStream, InputStream
from antlr4.error.ErrorListener import ErrorListener
from antlr4_cypher import CypherLexer, CypherParser
from click.testing import CliRunner
from hostile import PAYLOADS
from hypothesis import given, settings
from hypothesis import strategies as st
from places import CORPUS
from pyarrow import parquet
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import PROV, RDF, SDO, Namespace

from gristmill import Campaign
from gristmill.cli import main
from gristmill.errors import ConfigError, StoreError
from gristmill.graphs.exchange import cypher
from gristmill.graphs.exchange.cypher import code_of, literal, write_cypher
from gristmill.graphs.exchange.facts import Place, StoredFacts
from gristmill.graphs.exchange.files import placed_folder
from gristmill.graphs.exchange.formats import FORMATS
from gristmill.graphs.exchange.graphml import write_graphml
from gristmill.graphs.exchange.json_ld import iri, write_json_ld
from gristmill.graphs.exchange.node_link import read_json, write_json
from gristmill.graphs.exchange.parquet import FILES, write_parquet
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.storage.records import Claim, Entity, Relation, Span
from gristmill.storage.store import RunStore

OA = Namespace("http://www.w3.org/ns/oa#")
# Quotes of each kind, code points, comments, ends of statements and of literals, halves of characters.
INJECTIONS = (
    "'}] AS row MATCH (n) DETACH DELETE n; //",
    "\\'}] AS row MATCH (n) DETACH DELETE n; //",
    "\\u0027}] AS row MATCH (n) DETACH DELETE n; //",
    "\\\\u0027 \\U00000027 \\\\\\u0027",
    "`) DETACH DELETE n //",
    '"; :exit\n:source /etc/passwd\r\n',
    "a */ DETACH DELETE /* b",
    "back\\",
    "$param {{row}} ${x}",
    "half \ud83d of a character \udc00",
    "]]></data></node><node id='evil'/>",
    '<!DOCTYPE x [<!ENTITY a "b">]>&a;',
)
HOSTILE = (*INJECTIONS, *PAYLOADS)
PLACES = {"c0": Place("doc-1", "tides'.md", 0), "c1": Place("doc-1", "tides'.md", 400)}


def hostile_graph() -> KnowledgeGraph:
    """Every payload in every field of a record."""
    mentions = (Span(chunk="c0", start=0, end=4, quote="Tide"), Span(chunk="c1", start=7, end=9, quote="\ud800'"))
    entities = [
        Entity(
            id=f"entity-{number}",
            name=text,
            type=text,
            description=text,
            aliases=(text, "other"),
            mentions=mentions,
            attributes={text: (text, "2 m")},
            claims=(Claim(text=text, qualifiers={text: text, "time": "2008"}, mentions=mentions[:1]),),
        )
        for number, text in enumerate(HOSTILE)
    ]
    relations = [
        Relation(
            id=f"relation-{number}",
            source=one.id,
            target=other.id,
            type=one.name,
            description=one.name,
            weight=2.5,
            mentions=mentions,
            qualifiers={one.name: (one.name,)},
            grounded=number % 2 == 0,
        )
        for number, (one, other) in enumerate(pairwise(entities))
    ]
    return KnowledgeGraph(entities, relations)


def sound(text: str) -> str:
    """Text as UTF-8 can hold it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_every_format_writes_hostile_texts_beside_and_puts_them_in_place(tmp_path: Path) -> None:
    for name, format_ in FORMATS.items():
        path = tmp_path / name / format_.name
        path.parent.mkdir()
        for _ in range(2):  # over what is there
            format_.write(hostile_graph(), path, PLACES)
            assert [one.name for one in path.parent.iterdir()] == [format_.name]


# JSON


def test_json_holds_claims_attributes_qualifiers_and_grounded(tmp_path: Path) -> None:
    graph = hostile_graph()
    write_json(graph, tmp_path / "graph.json")
    loaded = nx.node_link_graph(json.loads((tmp_path / "graph.json").read_bytes()), edges="edges")
    assert loaded.number_of_nodes() == len(HOSTILE)
    again = read_json(tmp_path / "graph.json")
    for id, entity in graph.entities.items():
        found = again.entities[id]
        assert found.name == found.type == found.claims[0].text == sound(entity.name)
        assert found.attributes == {sound(entity.name): (sound(entity.name), "2 m")}
        assert found.claims[0].qualifiers["time"] == "2008"
        assert found.claims[0].mentions == entity.claims[0].mentions
    assert [one.grounded for one in again.relations.values()] == [one.grounded for one in graph.relations.values()]
    assert all(list(one.qualifiers.values()) == [(one.type,)] for one in again.relations.values())


# GraphML


def test_graphml_is_read_by_networkx_with_typed_values(tmp_path: Path) -> None:
    write_graphml(hostile_graph(), tmp_path / "graph.graphml")
    loaded = nx.read_graphml(tmp_path / "graph.graphml", force_multigraph=True)
    assert loaded.number_of_nodes() == len(HOSTILE)
    assert loaded.number_of_edges() == len(HOSTILE) - 1
    for number, text in enumerate(HOSTILE):
        node = loaded.nodes[f"entity-{number}"]
        legal = "".join(one for one in sound(text) if one in "\t\n\r" or (ord(one) >= 32 and one not in "\ufffe\uffff"))
        assert node["name"] == legal
        assert json.loads(node["aliases"])[1] == "other"
        assert json.loads(node["claims"])[0]["qualifiers"]["time"] == "2008"
        assert node["mentions"] == 2
        assert node["chunks"] == "c0 c1"
    edge = loaded["entity-0"]["entity-1"]["relation-0"]
    assert (edge["weight"], edge["grounded"], edge["mentions"]) == (2.5, True, 2)
    assert loaded["entity-1"]["entity-2"]["relation-1"]["grounded"] is False


# JSON-LD


def read_linked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """Parsed by rdflib, which may not ask any other machine for the context."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    with monkeypatch.context() as patch:
        patch.setattr("socket.socket.connect", refuse)
        patch.setattr("socket.create_connection", refuse)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of rdflib's own parser
            return Graph().parse(path, format="json-ld")


def test_json_ld_is_triples_with_their_provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = hostile_graph()
    write_json_ld(graph, tmp_path / "graph.jsonld", PLACES)
    triples = read_linked(tmp_path / "graph.jsonld", monkeypatch)
    count, links = len(HOSTILE), len(HOSTILE) - 1
    statements = set(triples.subjects(RDF.type, RDF.Statement))
    assert len(statements) == links
    assert len(set(triples.subjects(RDF.type, SDO.Thing))) == count
    assert len(set(triples.subjects(RDF.type, SDO.Claim))) == count
    spans = count * 3 + links * 2  # two of each entity, one of its claim, two of each relation
    assert len(set(triples.subjects(RDF.type, OA.SpecificResource))) == spans
    assert len(list(triples.triples((None, OA.exact, None)))) == spans
    for number, one in enumerate(graph.relations.values()):
        ends = URIRef(iri(one.source)), URIRef(iri("relation", one.type)), URIRef(iri(one.target))
        assert ends in triples, number
    entity = URIRef("urn:gristmill:entity-3")
    assert triples.value(entity, SDO.name) == Literal(HOSTILE[3])
    starts = [
        int(triples.value(selector, OA.start))
        for mention in triples.objects(entity, PROV.wasDerivedFrom)
        for selector in triples.objects(mention, OA.hasSelector)
        if (selector, RDF.type, OA.TextPositionSelector) in triples
    ]
    assert sorted(starts) == [0, 7]
    document = triples.value(URIRef("urn:gristmill:c1"), SDO.isPartOf)
    assert triples.value(document, SDO.name) == Literal("tides'.md")
    assert int(triples.value(URIRef("urn:gristmill:c1"), OA.start)) == 400


def test_the_triples_of_a_small_graph_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mention = (Span(chunk="c0", start=0, end=3, quote="Sea"),)
    graph = KnowledgeGraph(
        [Entity(id="a", name="Sea", type="place", mentions=mention), Entity(id="b", name="Salt", type="substance")],
        [Relation(id="r", source="a", target="b", type="contains")],
    )
    write_json_ld(graph, tmp_path / "g.jsonld")
    # a: 3 types, name: 4; its mention: 1 + 2 types + source + 2 selectors, of 3 and 2 triples
    # b: 3 types, name: 4; the triple: 1; the statement: 2 types, 3 ends, name, weight, grounded: 8
    triples = read_linked(tmp_path / "g.jsonld", monkeypatch)
    assert len(triples) == 4 + (1 + 2 + 1 + 2 + 3 + 2) + 4 + 1 + 8


# Parquet


def test_parquet_is_read_by_duckdb_and_pyarrow(tmp_path: Path) -> None:
    graph, folder = hostile_graph(), tmp_path / "graph"
    write_parquet(graph, folder, PLACES)
    count, links = len(HOSTILE), len(HOSTILE) - 1
    names = duckdb.sql(f"SELECT id, name FROM '{folder}/entities.parquet'").fetchall()
    assert dict(names) == {f"entity-{number}": sound(text) for number, text in enumerate(HOSTILE)}
    joined = duckdb.sql(
        f"""SELECT count(*), sum(r.weight), count(*) FILTER (r.grounded)
        FROM '{folder}/relations.parquet' r JOIN '{folder}/entities.parquet' s ON s.id = r.source
        JOIN '{folder}/entities.parquet' t ON t.id = r.target"""
    ).fetchall()
    assert joined == [(links, 2.5 * links, (links + 1) // 2)]
    kinds = duckdb.sql(f"SELECT kind, count(*) FROM '{folder}/mentions.parquet' GROUP BY 1").fetchall()
    assert dict(kinds) == {"entity": 2 * count, "claim": count, "relation": 2 * links}
    place = duckdb.sql(
        f"""SELECT document_name, document_start, document_end FROM '{folder}/mentions.parquet'
        WHERE id = 'entity-0' AND chunk = 'c1'"""
    ).fetchall()
    assert place == [("tides'.md", 407, 409)]
    rows = parquet.read_table(folder / "entities.parquet").to_pylist()
    assert rows[0]["claims"][0]["text"] == rows[0]["name"]
    assert dict(rows[0]["attributes"])[rows[0]["name"]] == [rows[0]["name"], "2 m"]


def test_an_empty_graph_is_tables_without_rows(tmp_path: Path) -> None:
    write_parquet(KnowledgeGraph(), tmp_path / "graph")
    for name in ("entities", "relations", "mentions"):
        assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/graph/{name}.parquet'").fetchall() == [(0,)]


def test_a_folder_with_something_else_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "graph"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds 'thesis\.tex', which would be lost"):
        write_parquet(KnowledgeGraph(), folder)
    with pytest.raises(StoreError, match="is a file"):
        write_parquet(KnowledgeGraph(), folder / "thesis.tex")
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert [one.name for one in tmp_path.iterdir()] == ["graph"]


@pytest.mark.parametrize("moment", ["within", "at the end"])
def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    folder = tmp_path / "graph"
    write_parquet(hostile_graph(), folder)
    before = (folder / "entities.parquet").read_bytes()
    rename = Path.rename

    def full(path: Path, target: Path) -> Path:
        if moment == "at the end" and Path(target) == folder and path.name == "new":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)

    def write() -> None:
        with placed_folder(folder, FILES) as new:
            if moment == "within":
                raise OSError(28, "No space left on device")
            for name in FILES:
                (new / name).write_bytes(b"new")

    with pytest.raises(StoreError, match="No space left"):
        write()
    assert (folder / "entities.parquet").read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["graph"]


# Cypher


class Strict(ErrorListener):
    def syntaxError(self, recognizer, symbol, line, column, message, error) -> None:  # noqa: N802
        raise AssertionError(f"{line}:{column} {message}")


def tokens_of(statement: str) -> CommonTokenStream:
    """The tokens of a statement as openCypher's grammar has them; anything that is no token is an error."""
    lexer = CypherLexer(InputStream(statement))
    lexer.removeErrorListeners()
    lexer.addErrorListener(Strict())
    return CommonTokenStream(lexer)


def parse(statement: str) -> None:
    parser = CypherParser(tokens_of(statement))
    parser.removeErrorListeners()
    parser.addErrorListener(Strict())
    parser.script()


def statements_of(script: str) -> list[str]:
    """The statements as a shell cuts them: at a semicolon that stands in no literal."""
    body = "\n".join(line for line in script.split("\n") if not line.startswith("//"))
    found, start, quoted, place = [], 0, False, 0
    while place < len(body):
        letter = body[place]
        if quoted and letter == "\\":
            place += 1
        elif letter == "'":
            quoted = not quoted
        elif letter == ";" and not quoted:
            found.append(body[start : place + 1].strip())
            start = place + 1
        place += 1
    assert not quoted
    assert not body[start:].strip()
    return found


def unquoted(text: str) -> str:
    """Reads a literal back by the rules of openCypher 9, code points first as Neo4j 4 has them."""
    assert "\\u" not in text
    assert "\\U" not in text
    read, place = [], 0
    for part in text[1:-1].split("' + '"):
        place = 0
        while place < len(part):
            if part[place] == "\\":
                place += 1
                read.append({"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(part[place], part[place]))
            else:
                assert part[place] not in "'\n\r"
                read.append(part[place])
            place += 1
    return "".join(read)


def test_the_script_is_openCypher_and_no_text_leaves_its_literal(tmp_path: Path) -> None:  # noqa: N802
    write_cypher(hostile_graph(), tmp_path / "graph.cypher", PLACES)
    script = (tmp_path / "graph.cypher").read_text(encoding="utf-8")
    statements = statements_of(script)
    assert len(statements) > 10
    for statement in statements:
        parse(statement)
        lexer = tokens_of(statement)
        lexer.fill()
        words = {token.text.upper() for token in lexer.tokens}
        assert not words & {"DELETE", "DETACH", "CALL", "LOAD", "REMOVE", "DROP", "/*"}
        assert statement.startswith("UNWIND [\n")


def test_a_script_of_many_entities_is_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cypher, "WAITING", 700)
    entities = [Entity(id=f"e{one}", name=f"n{one}", type=f"t{one % 3}") for one in range(2000)]
    write_cypher(KnowledgeGraph(entities), tmp_path / "graph.cypher")
    statements = statements_of((tmp_path / "graph.cypher").read_text())
    assert all(statement.count("{id: 'e") <= cypher.BATCH for statement in statements)
    assert sum(statement.count("{id: 'e") for statement in statements) == 2000


def test_labels_and_types_are_bounded_and_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cypher, "CODES", 3)
    entities = [Entity(id=f"e{one}", name="n", type=f"kind {one}") for one in range(6)]
    write_cypher(KnowledgeGraph(entities), tmp_path / "graph.cypher")
    script = (tmp_path / "graph.cypher").read_text()
    assert script.count("SET n:Entity, n:Other") == 1
    assert "SET n:Entity, n:Kind2" in script
    assert code_of("programming language", upper=False) == "ProgrammingLanguage"
    assert code_of("is part of", upper=True) == "IS_PART_OF"
    assert code_of("3D model", upper=False) == "_3DModel"
    for text in HOSTILE:
        for upper in (False, True):
            assert code_of(text, upper=upper).replace("_", "a").isalnum() or not code_of(text, upper=upper)


@settings(max_examples=300)
@given(st.text(alphabet=st.one_of(st.sampled_from("\\'\"uU0027`;/\n\r+ "), st.characters()), max_size=40))
def test_any_text_comes_back_out_of_its_literal(text: str) -> None:
    read = unquoted(literal(text))
    assert read == cypher._CONTROL.sub("\ufffd", sound(text))
    lexer = tokens_of(f"RETURN {literal(text)}")
    lexer.fill()
    parse(f"RETURN {literal(text)};")


# from a run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four documents, of both kinds that have a title of their own and of two that have none."""
    home = tmp_path_factory.mktemp("exchange")
    corpus = CORPUS
    documents = [corpus / name for name in ("tides.md", "salt-marsh.md", "sihwa-lake.html", "mudflats.txt")]
    campaign = Campaign("tides", documents, recipe="entigraph", models={"default": "offline"}, runs=str(home),
                        max_tasks=2)  # fmt: skip
    return campaign.run().folder


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_command_writes_each_format_from_the_store(run: Path, name: str) -> None:
    done = CliRunner().invoke(main, ["graph", str(run), "--format", name])
    assert done.exit_code == 0, done.output
    path = run / FORMATS[name].name
    assert path.exists()
    assert not [one for one in run.iterdir() if one.name.startswith(f".{path.name}")]


def test_what_is_written_of_a_run_is_all_of_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore.read(run)
    try:
        graph, facts = KnowledgeGraph(*store.graph()), StoredFacts(store)
        places = facts.places()
        assert len(places) == store.count("chunks")
        write_json(facts, tmp_path / "graph.json")
        write_json_ld(facts, tmp_path / "graph.jsonld", places)
        write_parquet(facts, tmp_path / "graph", places)
        write_cypher(facts, tmp_path / "graph.cypher", places)
        again = read_json(tmp_path / "graph.json")
        assert dict(again.entities) == dict(graph.entities)
        assert dict(again.relations) == dict(graph.relations)
        triples = read_linked(tmp_path / "graph.jsonld", monkeypatch)
        assert len(set(triples.subjects(RDF.type, SDO.Thing))) == len(graph.entities)
        for statement in statements_of((tmp_path / "graph.cypher").read_text()):
            parse(statement)
        # A mention's characters of the document are the quote.
        rows = duckdb.sql(
            f"SELECT document, document_start, document_end, quote FROM '{tmp_path}/graph/mentions.parquet'"
        ).fetchall()
        assert len(rows) > 100
        texts = {document: store.document(document).text for document, *_ in rows}
        assert all(texts[document][start:end] == quote for document, start, end, quote in rows)
    finally:
        store.close_reading()


def test_a_run_without_a_graph_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Salt is a mineral. The sea is salty.")
    campaign = Campaign("plain", [tmp_path / "a.txt"], recipe="grounded-qa", models={"default": "offline"},
                        runs=str(tmp_path), max_tasks=1)  # fmt: skip
    folder = campaign.run().folder
    done = CliRunner().invoke(main, ["graph", str(folder), "--format", "cypher"])
    assert done.exit_code == 1
    assert "has no knowledge graph" in done.output


def test_without_the_extra_parquet_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"gristmill\[parquet\]"):
        write_parquet(KnowledgeGraph(), tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []


def test_a_large_graph_is_written_without_being_held(tmp_path: Path) -> None:
    """Records that come one by one are gone once they are written: what stays is small beside all of them."""
    program = """
import re
from pathlib import Path
from gristmill.graphs.exchange.formats import FORMATS
from gristmill.storage.records import Entity, Relation, Span
class Many:
    def __init__(self, one): self.one = one
    def values(self): return map(self.one, range(40_000))
class Facts:
    entities = Many(lambda n: Entity(id=f"e{n:09}", name="n" * 300, type="t", description="d" * 3000,
                                     mentions=(Span(chunk=f"c{n}", start=0, end=3, quote="abc"),)))
    relations = Many(lambda n: Relation(id=f"r{n}", source="e000000000", target=f"e{n:09}", type="t"))
FORMATS["NAME"].write(Facts(), Path("out"), {})
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""
    for name in FORMATS:
        home = tmp_path / name
        home.mkdir()
        done = subprocess.run([sys.executable, "-c", program.replace("NAME", name)],
                              cwd=home, capture_output=True, text=True, env=os.environ)  # fmt: skip
        assert done.returncode == 0, done.stderr
        # 40,000 records hold 132 MB of text alone, in memory at once; an interpreter with pyarrow takes some 150 MB.
        assert int(done.stdout) < (330 if name in {"parquet", "cypher"} else 170), name
