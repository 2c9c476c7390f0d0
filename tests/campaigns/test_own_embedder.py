"""`gristmill eval` and `select` embed by the campaign's own embedder: where it is there, gone, unknown, or differs."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from evaluated_runs import figures
from evaluated_runs import typed as evaluated
from in_process import typed
from made_runs import made
from mock_server import MockServer
from review_items import put
from scored_runs import COUNT, scored
from scored_runs import typed as selected

from gristmill.campaigns.evaluation.evaluating import Settings, evaluate
from gristmill.campaigns.evaluation.sources import Run
from gristmill.errors import ConfigError
from gristmill.models.spec import ModelSpec
from gristmill.storage.store import RunStore


async def run_with(folder: Path, embedder: str = "", **models: dict[str, Any]) -> Path:
    """A run of thirty accepted items whose campaign names an embedder."""
    store = await made(folder, range(0))
    novelty = {"novelty": {"embedder": embedder}} if embedder else {}
    full = {name: ModelSpec.of(given).model_dump(mode="json") for name, given in models.items()}
    await store.set_mark("campaign", {"name": folder.name, "recipe": "grounded-qa", "models": full, **novelty})
    await put(store, *((number, scored(number)) for number in range(COUNT)))
    await store.close()
    return folder


def closed_port() -> str:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def report_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "report" / "report.json").read_text())


def flat(text: str) -> str:
    return " ".join(text.split())


async def test_a_report_embeds_by_the_campaign_s_own_server_and_says_so(tmp_path: Path) -> None:
    async with MockServer() as server:
        bge = {"model": "openai_api/bge", "base_url": server.url}
        run = await run_with(tmp_path / "run", "vectors", vectors=bge)
        done = await asyncio.to_thread(evaluated, run)
        asked = len(server.log)
    assert done.exit_code == 0, done.output
    assert asked >= 1
    by = "openai_api/bge (meaning, as the model sees it), the embedder of the campaign 'run'"
    assert report_of(run)["set"]["vectors"]["made_by"] == by
    assert by in flat(done.output)
    assert figures(report_of(run)["set"])["vendi"]["value"] is not None


async def test_words_are_hashed_where_the_campaign_names_nothing_and_where_a_person_says_so(tmp_path: Path) -> None:
    plain = await run_with(tmp_path / "plain")
    gone = await run_with(tmp_path / "gone", "vectors", vectors={"model": "openai_api/bge", "base_url": closed_port()})
    for run, asked in ((plain, ()), (gone, ("--embedder", "hashed"))):
        done = await asyncio.to_thread(evaluated, run, *asked)
        assert done.exit_code == 0, done.output
        assert report_of(run)["set"]["vectors"]["made_by"].startswith("hashed-1024 (wording only")
        assert "embedder failed" not in flat(done.output)


@pytest.mark.parametrize("how", ["a dead server", "an object of Python", "no key", "no library"])
async def test_an_embedder_out_of_reach_leaves_figures_out_and_is_never_replaced(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOBODY_SET_THIS", raising=False)
    embedder, models = "vectors", {"vectors": {"model": "openai_api/bge", "base_url": closed_port()}}
    if how == "an object of Python":
        models = {}
    elif how == "no key":
        models["vectors"]["api_key_env"] = "NOBODY_SET_THIS"
    elif how == "no library":
        embedder = "sentence-transformers:nobody/has-this"
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    run = await run_with(tmp_path / "run", embedder, **models)
    done = await asyncio.to_thread(evaluated, run)
    assert done.exit_code == 0, done.output
    found = report_of(run)
    by_name = figures(found["set"])
    assert by_name["vendi"]["value"] is None
    assert by_name["distinct_2"]["value"] is not None
    (note,) = [note for note in found["notes"] if "failed" in note]
    assert note.startswith("the embedder of the campaign 'run' failed: ")
    assert note.endswith("give --embedder hashed to compare wording only, or another embedder")
    assert note in flat(done.output)
    assert found["set"]["vectors"]["note"] == found["map"]["note"] == note

    done = await asyncio.to_thread(selected, run, "--strategy", "k-center", "--count", "5")
    assert done.exit_code == 1
    assert "the embedder of the campaign 'run' failed: " in flat(done.output)
    assert "--embedder hashed" in flat(done.output)
    assert not [path for path in run.rglob("*") if path.is_file() and "selected" in path.parts]
    done = await asyncio.to_thread(selected, run, "--strategy", "quality", "--count", "5")  # does without vectors
    assert done.exit_code == 0, done.output
    assert re.search(
        "the embedder of the campaign 'run' (failed: |is asked only where it is named: )", flat(done.output)
    )
    assert "vendi" not in done.output


async def test_a_choice_is_made_by_the_campaign_s_own_vectors(tmp_path: Path) -> None:
    async with MockServer() as server:
        run = await run_with(tmp_path / "run", "bge", bge={"model": "openai_api/bge", "base_url": server.url})
        done = await asyncio.to_thread(selected, run, "--strategy", "k-center", "--count", "5")
    assert done.exit_code == 0, done.output
    by = "vectors: openai_api/bge (meaning, as the model sees it), the embedder of the campaign 'run'"
    assert by in flat(done.output)


async def test_a_choice_that_needs_no_vectors_asks_no_server(tmp_path: Path) -> None:
    async with MockServer() as server:
        given = {"model": "openai_api/bge", "base_url": server.url, "price_in": 1000.0}
        run = await run_with(tmp_path / "run", "bge", bge=given)
        done = await asyncio.to_thread(selected, run, "--strategy", "random", "--count", "5")
        assert done.exit_code == 0, done.output
        assert not server.log
        done = await asyncio.to_thread(selected, run, "--strategy", "k-center", "--count", "5", "--out", tmp_path / "b")
    assert re.search(r"it cost \$\d+\.\d{4}, which is in no run's books", flat(done.output)), done.output


async def test_both_sides_are_embedded_by_one_and_it_says_which(tmp_path: Path) -> None:
    async with MockServer() as server:
        one = await run_with(tmp_path / "one", "a", a={"model": "openai_api/bge", "base_url": server.url})
        same = await run_with(tmp_path / "same", "b", b={"model": "openai_api/bge", "base_url": server.url})
        other = await run_with(tmp_path / "other", "a", a={"model": "openai_api/e5", "base_url": server.url})

        async def beside(first: Path, second: Path) -> tuple[dict[str, Any], list[str]]:
            done = await asyncio.to_thread(evaluated, first, "--against", second)
            assert done.exit_code == 0, done.output
            found = report_of(first)
            return found, [note for note in found["notes"] if "embedders" in note]

        found, notes = await beside(one, same)  # one model, whatever the campaigns call it
        assert notes == []
        assert found["set"]["vectors"]["made_by"] == found["against"]["vectors"]["made_by"]
        found, notes = await beside(one, other)
        for side in ("set", "against"):
            assert found[side]["vectors"]["made_by"].startswith("openai_api/bge ")
        assert notes == [
            "campaigns have different embedders: all vectors are by 'openai_api/bge' (one), "
            "none by 'openai_api/e5' (other)"
        ]
        done = await asyncio.to_thread(
            selected, other, one, "--strategy", "k-center", "--count", "5", "--out", tmp_path / "out"
        )
        assert "all vectors are by 'openai_api/e5' (other), none by 'openai_api/bge' (one)" in flat(done.output)


async def test_a_dataset_is_embedded_as_the_run_beside_it(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "One mill."}\n{"text": "Two mills."}\n')
    async with MockServer() as server:
        run = await run_with(tmp_path / "run", "bge", bge={"model": "openai_api/bge", "base_url": server.url})
        done = await asyncio.to_thread(evaluated, rows, "--against", run, "--out", tmp_path / "run" / "report")
    assert done.exit_code == 0, done.output
    assert report_of(run)["set"]["vectors"]["made_by"].startswith("openai_api/bge ")


async def test_a_server_that_dies_between_the_sides_costs_both_comparisons_their_vectors(tmp_path: Path) -> None:
    async with MockServer() as server:
        run = await run_with(tmp_path / "run", "bge", bge={"model": "openai_api/bge", "base_url": server.url})
        found = await asyncio.to_thread(_evaluated_until_gone, run, server, asyncio.get_running_loop())
    assert any("the embedder of the campaign 'run' failed" in note for note in found.notes)
    assert all(row.here.name != "vendi" for row in found.beside)


def _evaluated_until_gone(run: Path, server: MockServer, loop: asyncio.AbstractEventLoop) -> Any:
    class Ending(Run):
        def __iter__(self) -> Any:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(30)
            return super().__iter__()

    first, second = Run(run), Ending(run)
    try:
        return evaluate(source=first, against=second, settings=Settings())
    finally:
        first.close()
        second.close()


def test_a_server_without_a_model_is_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "One mill."}\n')
    done = evaluated(rows, "--base-url", "http://localhost:1/v1")
    assert done.exit_code == 1
    assert "name it: --embedder openai_api/MODEL" in done.output
    with pytest.raises(ConfigError, match="no embedder is called 'hash'"):
        evaluate(["One."], settings=Settings(embedder="hash"))


async def test_a_real_campaign_leaves_behind_what_its_report_needs(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "mill.md").write_text("The mill was built in 1742 by Jakob Frei, of oak and brass.\n" * 3)
    async with MockServer() as server:
        (tmp_path / "mill.toml").write_text(
            f'name = "mill"\nrecipe = "grounded-qa"\ndocuments = ["documents"]\ntarget = 2\n\n'
            f'[models.default]\nmodel = "offline"\n\n'
            f'[models.bge]\nmodel = "openai_api/bge"\nbase_url = "{server.url}"\n\n'
            f'[novelty]\nembedder = "bge"\nsemantic = 0.97\n'
        )
        done = await asyncio.to_thread(typed, "run", "mill.toml", "--plain", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        done = await asyncio.to_thread(typed, "eval", "mill.toml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    found = report_of(tmp_path / "runs" / "mill")
    assert found["set"]["vectors"]["made_by"].endswith("the embedder of the campaign 'mill'")
    store = RunStore.read(tmp_path / "runs" / "mill")
    assert store.books().accepted >= 1
    store.close_reading()
