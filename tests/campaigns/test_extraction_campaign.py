"""Extraction in a campaign: who reads which chunk, one bad chunk alone, the ledger in the store and on the screen."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from mock_server import MockServer
from places import CORPUS

from gristmill import Campaign, CampaignReport, ModelSpec
from gristmill.agents.extraction.terms import COOCCURS
from gristmill.campaigns.knowledge.building import is_of_share
from gristmill.campaigns.knowledge.ledger import Ledger, ledger_of, lines_of, worst
from gristmill.campaigns.spec import GraphSpec, make_spec
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.storage.records import Chunk, Entity, Relation
from gristmill.storage.store import RunStore

BAD_GATEWAY = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


async def built(
    folder: Path, documents: Sequence[Path], reader: ModelSpec | None = None, **graph: Any
) -> CampaignReport:
    """Runs a campaign of one task: its graph phase is what counts here."""
    models: dict[str, ModelSpec] = {"default": ModelSpec(model="offline")}
    roles = {}
    if reader is not None:
        models["reader"], roles["extractor"] = reader, "reader"
    campaign = Campaign(
        "graph", documents, recipe="entigraph", models=models, roles=roles, graph=graph, max_tasks=1, runs=str(folder)
    )
    return await campaign.execute()


def stored(report: CampaignReport) -> tuple[list[Entity], list[Relation], Ledger]:
    store = RunStore.read(report.folder)
    try:
        entities, relations = store.graph()
        return list(entities), list(relations), ledger_of(store)
    finally:
        store.close_reading()


def passage_in(body: dict[str, Any]) -> str:
    """What the prompt handed over as the passage."""
    found = re.search(r"The passage:\n<data-(\w+)>\n(.*?)\n</data-\1>", body["messages"][-1]["content"], re.DOTALL)
    assert found is not None
    return found[2]


def books(folder: Path, texts: Sequence[str]) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def reads(body: dict[str, Any]) -> str | bytes:
    """A server that answers well, badly, or not at all, by what the passage is about."""
    passage = passage_in(body)
    if "gateway" in passage:
        return BAD_GATEWAY
    if "cut" in passage:
        return '{"entities": [{"name": "Rance", "type": "pla'
    if "nothing" in passage:
        return '{"entities": [], "relations": []}'
    entities = [{"name": name, "type": "place"} for name in ("Rance", "Brittany", "Atlantis")]
    good = {"source": "Rance", "target": "Brittany", "type": "located in", "quote": passage[:40]}
    made_up = {**good, "type": "part of", "quote": "The Rance was sold to Brittany."}
    claim = {"entity": "Rance", "quote": "It is 100 km long", "qualifiers": ["amount: 100 km"]}
    return json.dumps({"entities": entities, "relations": [good, made_up], "claims": [claim]})


TEXTS = (
    "The Rance flows through Brittany to the sea. It is 100 km long.",
    "A gateway to the Rance and to Brittany stands at the mouth, where the water of the Rance is wide.",
    "The Rance was cut in two by a dam of the state of Brittany, and the Rance is now a lake for half of the day.",
    "There is nothing about it here.",
)


async def test_one_bad_chunk_fails_alone_and_is_said(tmp_path: Path) -> None:
    documents = books(tmp_path / "texts", TEXTS)
    async with MockServer(answer=reads) as server:
        model = ModelSpec(model="openai_api/mock", base_url=server.url, retries=0, repairs=0)
        report = await built(tmp_path, documents, model, max_gleanings=0)
    entities, relations, ledger = stored(report)
    assert ledger.balanced
    assert (ledger.chunks, ledger.by_model, ledger.empty) == (4, 2, 1)
    assert ledger.failed == {"bad_reply": 1, "schema_mismatch": 1}
    assert {one.name for one in entities} == {"Rance", "Brittany"}
    assert ledger.books["entities"].dropped == {"ungrounded": 1}
    assert {one.type: one.grounded for one in relations} == {"located in": True, "part of": False}
    (rance,) = [one for one in entities if one.name == "Rance"]
    assert [claim.qualifiers for claim in rance.claims] == [{"amount": "100 km"}]
    assert ledger.measured == 2
    assert ledger.per_source_token is not None
    assert ledger.per_source_token > 1
    store = RunStore.read(report.folder)
    lines = worst(lines_of(store))
    assert [bool(line.failed) for line in lines] == [True, True, False, False]
    assert [line.empty for line in lines] == [False, False, True, False]
    assert "HTML" in " ".join(line.error for line in lines)
    raw = {reason: orjson.loads(body).get("raw") for _, reason, body in store.extractions() if reason}
    assert "502 Bad Gateway" in raw["bad_reply"]
    assert '"pla' in raw["schema_mismatch"]


async def test_chunks_that_failed_are_read_again_when_asked_to(tmp_path: Path) -> None:
    documents = books(tmp_path / "texts", TEXTS)
    asked: list[str] = []
    mended = False

    def answer(body: dict[str, Any]) -> str | bytes:
        asked.append(passage_in(body))
        return reads(body) if not mended or "gateway" not in asked[-1] else '{"entities": [["Rance", "place"]]}'

    async def execute(**how: Any) -> CampaignReport:
        reader = ModelSpec(model="openai_api/mock", base_url=server.url, retries=0, repairs=0)
        campaign = Campaign(
            "graph", documents, recipe="entigraph", models={"default": ModelSpec(model="offline"), "reader": reader},
            roles={"extractor": "reader"}, graph={"max_gleanings": 0}, max_tasks=1, runs=str(tmp_path),
        )  # fmt: skip
        return await campaign.execute(**how)

    async with MockServer(answer=answer) as server:
        report = await execute()
        assert stored(report)[2].failed == {"bad_reply": 1, "schema_mismatch": 1}
        before, mended = len(asked), True
        await execute()
        assert len(asked) == before  # a run that goes on does not try again by itself
        report = await execute(retry_failed=True)
    entities, _, ledger = stored(report)
    assert ledger.failed == {"schema_mismatch": 1}  # that answer came, and is in the cache of calls
    assert ledger.balanced
    assert (ledger.chunks, ledger.by_model) == (4, 3)
    assert [passage for passage in asked[before:] if "gateway" not in passage] == []
    (rance,) = [one for one in entities if one.name == "Rance"]
    assert len({span.chunk for span in rance.mentions}) == 2


async def test_the_commands_show_the_ledger(tmp_path: Path) -> None:
    documents = books(tmp_path / "texts", TEXTS)
    async with MockServer(answer=reads) as server:
        model = ModelSpec(model="openai_api/mock", base_url=server.url, retries=0, repairs=0)
        report = await built(tmp_path, documents, model, max_gleanings=0)

    def said(*arguments: str, columns: str = "200") -> str:
        result = CliRunner().invoke(main, [*arguments], catch_exceptions=False, env={"COLUMNS": columns})
        assert result.exit_code == 0, result.output
        return result.output

    run = str(report.folder)
    summary = said("graph", run)
    assert "4 chunks = 2 read by a model + 0 by rules + 2 failed" in summary
    assert "failed: bad_reply 1, schema_mismatch 1" in summary
    assert "read, and gave nothing: 1" in summary
    assert "entities: 3 found = 2 kept + 0 merged + 1 dropped; dropped: ungrounded 1" in summary
    listed = said("graph", run, "--ledger", "--top", "2")
    assert listed.count("chunk-") == 2
    assert "HTML" in listed
    both = json.loads(said("graph", run, "--json"))
    assert both["entities"] == 2
    assert both["extraction"]["failed"] == {"bad_reply": 1, "schema_mismatch": 1}
    narrow = said("graph", run, "--ledger", columns="80").splitlines()
    lines = [line for line in narrow if line.startswith("chunk-") or line.startswith("    ")]
    assert len(lines) >= 8
    assert [line.split()[-1] for line in lines if line.startswith("chunk-")][:2] == ["failed", "failed"]
    for arguments, mend in (
        (("--ledger", "--format", "json"), "--format json and --ledger are different outputs"),
        (("--ledger", "--quality"), "--ledger and --quality are different outputs"),
        (("--json", "--format", "json"), "leave it out beside --format json"),
        (("--out", "x"), "add --format or --html"),
        (("--top", "0"), "0 is not in the range"),
        (("--top", "-3"), "-3 is not in the range"),
        (("--html", "--ledger", "--json"), "leave --ledger and --json out"),
    ):
        refused = CliRunner().invoke(main, ["graph", run, *arguments], env={"COLUMNS": "200"})
        assert refused.exit_code in (1, 2), refused.output
        assert mend in refused.output
    chunks = json.loads(said("graph", run, "--ledger", "--json"))["chunks"]
    assert [line["failed"] for line in chunks[2:]] == ["", ""]
    assert chunks[3]["books"]["claims"]["kept"] == 1
    assert "tokens for each of the source" in said("status", run)


async def test_rules_read_what_a_model_failed_on_and_say_so(tmp_path: Path) -> None:
    documents = books(tmp_path / "texts", TEXTS)
    async with MockServer(answer=reads) as server:
        model = ModelSpec(model="openai_api/mock", base_url=server.url, retries=0, repairs=0)
        report = await built(tmp_path, documents, model, max_gleanings=0, rescue=True)
    entities, relations, ledger = stored(report)
    assert ledger.balanced
    assert (ledger.by_model, ledger.by_terms, ledger.failed) == (2, 2, {})
    assert ledger.rescued == {"bad_reply": 1, "schema_mismatch": 1}
    assert {"Rance", "Brittany"} <= {one.name for one in entities}
    (rance,) = [one for one in entities if one.name == "Rance"]
    assert len({span.chunk for span in rance.mentions}) == 3
    assert rance.type == "place"  # what a model said wins over the rules' fallback
    assert any(one.type == COOCCURS and 0 < one.weight <= 1 for one in relations)


async def test_a_graph_without_a_model_asks_nobody(tmp_path: Path) -> None:
    documents = sorted(CORPUS.iterdir())
    report = await built(tmp_path, documents, extractor="terms")
    entities, relations, ledger = stored(report)
    assert ledger.balanced
    assert (ledger.by_model, ledger.by_terms, ledger.measured, ledger.per_source_token) == (0, 13, 0, None)
    assert ledger.books["entities"].dropped["rare"] > 0
    assert {"Severn Estuary", "La Rance", "Strangford Lough"} <= {one.name for one in entities}
    assert {one.type for one in relations} == {COOCCURS}
    assert all(0 < one.weight <= 1 for one in relations)
    for record in (*entities, *relations):
        store = RunStore.read(report.folder)
        assert all(store.chunk(span.chunk).text[span.start : span.end] == span.quote for span in record.mentions[:2])
        store.close_reading()
    assert not any(entity.description for entity in entities)


async def test_a_mixed_graph_lets_the_model_read_its_share(tmp_path: Path) -> None:
    documents = sorted(CORPUS.iterdir())
    report = await built(tmp_path, documents, extractor="mixed", model_share=0.5)
    entities, relations, ledger = stored(report)
    assert ledger.balanced
    store = RunStore.read(report.folder)
    chunks = list(store.chunks())
    spec = GraphSpec(extractor="mixed", model_share=0.5)
    expected = {chunk.id: "model" if is_of_share(spec, chunk) else "terms" for chunk in chunks}
    assert {line.chunk: line.by for line in lines_of(store)} == expected
    assert ledger.by_model > 0
    assert ledger.by_terms > 0
    assert {COOCCURS} < {one.type for one in relations}
    assert any(entity.claims for entity in entities)


def test_the_share_is_a_share_and_the_same_in_any_order() -> None:
    chunks = [Chunk.of(f"doc-{number // 5}", number % 5, 0, 1, "x") for number in range(5_000)]
    by_chunks = GraphSpec(extractor="mixed", model_share=0.3, share_of="chunks")
    assert 0.27 < sum(is_of_share(by_chunks, chunk) for chunk in chunks) / len(chunks) < 0.33
    by_documents = GraphSpec(extractor="mixed", model_share=0.3)
    chosen = {chunk.document for chunk in chunks if is_of_share(by_documents, chunk)}
    assert all(is_of_share(by_documents, chunk) == (chunk.document in chosen) for chunk in chunks)
    assert 0.24 < len(chosen) / 1_000 < 0.36
    assert all(is_of_share(GraphSpec(model_share=1.0), chunk) for chunk in chunks)


async def test_a_campaign_shows_the_context_before_a_chunk(tmp_path: Path) -> None:
    text = "# Rivers\n\n" + "\n\n".join(
        f"Part {number}. The Rance is {number} km from Brittany." for number in range(40)
    )
    (document,) = books(tmp_path / "texts", [text])
    bodies: list[str] = []

    def answer(body: dict[str, Any]) -> str:
        bodies.append(body["messages"][-1]["content"])
        ends = {"source": "Rance", "target": "Brittany", "type": "located in"}
        return json.dumps({"entities": [{"name": "Rance", "type": "place"}], "relations": [ends]})

    async with MockServer(answer=answer) as server:
        model = ModelSpec(model="openai_api/mock", base_url=server.url)
        campaign = Campaign(
            "graph",
            [document],
            recipe="entigraph",
            models={"default": ModelSpec(model="offline"), "reader": model},
            roles={"extractor": "reader"},
            graph={"context_tokens": 40, "max_gleanings": 0, "call_tokens": 0},
            chunks={"max_tokens": 100},
            max_tasks=1,
            runs=str(tmp_path),
        )
        await campaign.execute()
    with_context = [body for body in bodies if "km from Brittany" in body.split("The passage:")[0]]
    assert len(bodies) > 3
    assert len(with_context) == len(bodies) - 1  # the first chunk has none before it


@pytest.mark.parametrize("call_tokens", [0, 250, 1024])
async def test_chunks_read_together_give_what_they_give_alone(tmp_path: Path, call_tokens: int) -> None:
    parts = [f"Part {n}. The Rance lies {n} km from Brittany. Dinan has {n + 500} boats." for n in range(60)]
    (document,) = books(tmp_path / "texts", ["\n\n".join(parts)])
    calls: list[str] = []

    def answer(body: dict[str, Any]) -> str | bytes:
        passage = passage_in(body)
        calls.append(passage)
        here = [(n, part) for n, part in enumerate(parts) if part in passage]
        if any(n == 30 for n, _ in here) and len(here) > 4:
            return '{"entities": [["Rance", "pla'  # too much for it together, and fine alone
        relations = [
            ["Rance", "Brittany", "located in", " ".join(part.split()[:6]), f"far: {n} km"] for n, part in here
        ]
        claims = [["Dinan", f"Dinan has {n + 500} boats.", f"amount: {n + 500} boats"] for n, _ in here]
        return json.dumps(
            {"entities": [["Rance", "place"], ["Dinan", "place"]], "relations": relations, "claims": claims}
        )

    async with MockServer(answer=answer) as server:
        model = ModelSpec(model="openai_api/mock", base_url=server.url, repairs=0)
        campaign = Campaign(
            "graph", [document], recipe="entigraph",
            models={"default": ModelSpec(model="offline"), "reader": model}, roles={"extractor": "reader"},
            graph={"max_gleanings": 0, "call_tokens": call_tokens}, chunks={"max_tokens": 60}, max_tasks=1,
            runs=str(tmp_path),
        )  # fmt: skip
        report = await campaign.execute()
    _, relations, ledger = stored(report)
    (relation,) = [one for one in relations if one.type == "located in"]
    quotes = {span.quote for span in relation.mentions}
    assert len(quotes) == len(parts)  # each in the chunk that has it
    assert ledger.balanced
    assert not ledger.failed
    assert ledger.books["relations"].found == ledger.books["claims"].found == len(parts)
    assert not ledger.books["relations"].dropped
    assert not ledger.books["claims"].dropped
    if call_tokens == 0:
        assert len(calls) == ledger.chunks
    else:
        assert len(calls) < ledger.chunks
    assert ledger.source_tokens == sum(line.source_tokens for line in lines_read(report))


def lines_read(report: CampaignReport) -> list[Any]:
    store = RunStore.read(report.folder)
    try:
        return list(lines_of(store))
    finally:
        store.close_reading()


def test_keys_of_types_that_are_wrong_are_named_with_their_mend() -> None:
    base = {"name": "part", "documents": ["documents"]}
    with pytest.raises(ConfigError, match="did you mean 'attributes'"):
        make_spec({**base, "graph": {"entity_types": {"gene": {"attribute": ["symbol"]}}}})
    with pytest.raises(ConfigError, match="extractor: must be 'model', 'terms', 'mixed' or 'points', not 'rules'"):
        make_spec({**base, "graph": {"extractor": "rules"}})
    spec = make_spec({**base, "graph": {"relation_types": {"in": {"pairs": [["gene", "*"]]}}}})
    with pytest.raises(ConfigError, match="names 'gene', not one of entity_types"):
        spec.graph.types.check()
