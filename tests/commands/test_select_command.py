"""`gristmill select`: which items it takes of a run, what it writes and says, and what it refuses before it writes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_runs import made
from mock_server import MockServer
from review_items import item_of, put
from scored_runs import COUNT, scored, typed

from gristmill.campaigns.selecting.choosing import Choice, parse_options, select_runs
from gristmill.campaigns.selecting.reading import cell_of, read, read_examples, scores_of
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.review.desk import Desk
from gristmill.storage.records import Decision, Verdict
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    """A run with thirty accepted items and ten rejected ones."""
    folder = tmp_path / "run"
    store = await made(folder, range(0))
    await put(store, *((number, scored(number)) for number in range(COUNT)))
    await put(store, *((number, item_of(number)) for number in range(COUNT, COUNT + 10)))
    await store.close()
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_chosen_are_written_and_the_card_says_how(run: Path) -> None:
    done = typed(
        run, "--strategy", "k-means-quality", "--count", "9", "--option", "clusters=3", "--seed", "4",
        "--format", "chat", "--format", "huggingface", "--format", "rejects", "--license", "cc0-1.0",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    out = run / "selected" / "k-means-quality"
    record = json.loads((out / "selection.json").read_text())
    assert (record["strategy"], record["seed"], record["chosen"], record["of"]) == ("k-means-quality", 4, 9, COUNT)
    assert record["options"] == {"minimum": None, "clusters": 3, "budget": "equal", "temperature": 1.0}
    assert record["left_out"] == {"not_chosen": COUNT - 9}
    assert {row["id"] for row in rows(out / "chat" / "train.jsonl")} == set(record["items"])
    assert len(rows(out / "rejects" / "rejects.jsonl")) == 10  # those that were not chosen are no rejects
    card = (out / "huggingface" / "README.md").read_text()
    for line in (
        "## Selection",
        "| strategy | k-means-quality |",
        "| seed | 4 |",
        "| chosen | 9 of 30 accepted items |",
        "| score | 'mean' of the critics |",
        "| accepted | 9 |",
    ):
        assert line in card
    for name, pair in record["figures"].items():
        assert name.replace("_", "\\_") in card
        assert set(pair) == {"chosen", "random", "random_low", "random_high"}
    assert sorted(record["figures"]) == ["coverage_distance", "nearest_distance", "quality", "vendi"]
    assert "k-means-quality, seed 4: 9 of 30 accepted items" in done.output
    assert "wording only: hashed TF-IDF" in done.output
    again = typed(
        run, "--strategy", "k-means-quality", "--count", "9", "--option", "clusters=3", "--seed", "4", "--json"
    )
    assert json.loads(again.output)["figures"] == record["figures"]
    assert json.loads((out / "selection.json").read_text())["items"] == record["items"]


def test_quality_takes_what_the_named_score_says(run: Path) -> None:
    def best(*score: str) -> list[str]:
        assert typed(run, "--strategy", "quality", "--count", "3", *score).exit_code == 0
        return json.loads((run / "selected" / "quality" / "selection.json").read_text())["items"]

    assert best("--score", "grounded") == [item_of(number).id for number in (0, 1, 2)]
    assert best() == [item_of(number).id for number in (0, 3, 6)]  # the mean of both


def test_cells_are_balanced_by_attributes(run: Path) -> None:
    done = typed(run, "--strategy", "balance", "--count", "12", "--cell", "theme", "--cell", "level",
                 "--option", "within=random", "--option", 'weights={"pumps / 1" = 3}', "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    groups = {group["name"]: group["chosen"] for group in json.loads(done.output)["groups"]}
    assert groups == {
        "pumps / 1": 5, "pumps / 2": 2, "sheep / 1": 2, "sheep / 2": 1, "the / 1": 1, "the / 2": 1,
    }  # fmt: skip


def test_examples_are_read_and_compared_with(run: Path, tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("Sheep stand on the hill.\n\nThe sheep graze on a hill.\n")
    wanted = ("--examples", tmp_path / "wanted.txt", "--embedder", "none")
    done = typed(run, "--strategy", "zip-fit", "--count", "5", *wanted)
    assert done.exit_code == 0, done.output
    chosen = rows(run / "selected" / "zip-fit" / "chat" / "train.jsonl")
    assert all("sheep graze" in row["messages"][-1]["content"] for row in chosen)
    assert "vendi" not in done.output  # no vectors, no figures of them


async def test_vectors_come_from_an_embedding_server(run: Path) -> None:
    async with MockServer() as server:
        served = ("--embedder", "openai_api/bge", "--base-url", server.url)
        done = await asyncio.to_thread(typed, run, "--strategy", "k-center", "--count", "5", *served)
    assert done.exit_code == 0, done.output
    assert "vectors: openai_api/bge (meaning, as the model sees it)" in done.output


async def test_people_decide_who_can_be_chosen(run: Path) -> None:
    store = RunStore.open(run)
    desk = Desk(store)
    await desk.decide(item_of(COUNT).id, Action.ACCEPT, "ada")
    await desk.decide(item_of(0).id, Action.REJECT, "ada", reasons=("wrong",))
    await store.close()
    done = await asyncio.to_thread(typed, run, "--strategy", "random", "--count", "100", "--json")
    assert json.loads(done.output)["of"] == COUNT
    ids = json.loads((run / "selected" / "random" / "selection.json").read_text())["items"]
    assert item_of(COUNT).id in ids
    assert item_of(0).id not in ids


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strategy", "kmeans"), "did you mean 'k-means-quality'"),
        (("--strategy", "d4", "--option", "similarity"), "is not KEY=VALUE"),
        (("--strategy", "d4", "--option", "similarity=2"), "less than or equal to 1"),
        (("--strategy", "d4", "--option", "clusters=2", "--option", "clusters=3"), "given twice"),
        (("--strategy", "balance"), "--cell kind"),
        (("--strategy", "balance", "--cell", "thme"), "did you mean 'theme'"),
        (("--strategy", "zip-fit"), "give --examples FILE"),
        (("--strategy", "zip-fit", "--examples", "nowhere.txt"), "examples nowhere.txt cannot be read"),
        (("--strategy", "quality", "--score", "cler"), "did you mean 'clear'"),
        (("--strategy", "k-means-quality-iterative", "--feedback", "errors"), "gave a score called 'errors'"),
        (("--strategy", "k-center", "--embedder", "none"), "give another --embedder"),
        (("--strategy", "k-center", "--embedder", "hash"), "no embedder is called 'hash'"),
        (("--strategy", "random", "--format", "alpacca"), "did you mean 'alpaca'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(run: Path, arguments: tuple[str, ...], message: str) -> None:
    done = typed(run, "--count", "3", *arguments)
    assert done.exit_code == 1
    assert message in done.output
    assert not [path for path in run.rglob("*") if path.is_file() and "selected" in path.parts]


async def test_a_run_without_scores_or_items_says_so(tmp_path: Path) -> None:
    store = await made(tmp_path / "bare")  # four items that no critic scored
    await store.close()
    said = await asyncio.to_thread(typed, tmp_path / "bare", "--strategy", "quality", "--count", "2")
    assert "no critic of the run gave any" in said.output
    said = await asyncio.to_thread(typed, tmp_path / "bare", "--strategy", "d4", "--count", "2")
    assert said.exit_code == 0, said.output
    empty = await made(tmp_path / "empty", range(20, 22))
    await empty.close()
    said = await asyncio.to_thread(typed, tmp_path / "empty", "--strategy", "random", "--count", "2")
    assert "no accepted items yet" in said.output


def test_an_export_leaves_no_record_of_an_earlier_selection(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert typed(run, "--strategy", "random", "--count", "3", "--out", out).exit_code == 0
    assert (out / "selection.json").is_file()
    assert CliRunner().invoke(main, ["export", str(run), "--out", str(out)]).exit_code == 0
    assert not (out / "selection.json").exists()


def test_two_runs_are_chosen_from_as_one(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in run.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    chosen = select_runs([run, other], Choice("random", 100, embedder="none"), out=tmp_path / "out")
    assert chosen.selection.of == COUNT  # each text once
    with pytest.raises(ConfigError, match="needs a place of its own"):
        select_runs([run, other], Choice("random", 3, embedder="none"))


def test_options_are_read_as_toml() -> None:
    assert parse_options(["a=3", "b = 0.5", "c=true", "d=k-center", "e={x = 1}", 'f="3"', "g="]) == {
        "a": 3, "b": 0.5, "c": True, "d": "k-center", "e": {"x": 1}, "f": "3", "g": "",
    }  # fmt: skip


def test_scores_are_the_last_verdicts_without_novelty() -> None:
    item = scored(10)
    verdicts = (
        Verdict(by="critic", draft=0, decision=Decision.REVISE, scores={"clear": 0.0}),
        Verdict(by="critic", draft=0, decision=Decision.ACCEPT, scores={"clear": 0.6}),
        Verdict(by="second", draft=0, decision=Decision.ACCEPT, scores={"clear": 0.8, "grounded": 1.0}),
        Verdict(by="novelty", draft=0, decision=Decision.ACCEPT, scores={"novelty": 0.1}),
    )
    item = item.model_copy(update={"verdicts": verdicts})
    assert scores_of(item) == pytest.approx({"clear": 0.7, "grounded": 1.0, "novelty": 0.1})
    assert read([item]).scores == [pytest.approx(0.85)]
    assert read([item], score="novelty").scores == [pytest.approx(0.1)]


def test_cells_of_items_that_lack_an_attribute() -> None:
    item = scored(1)
    assert cell_of(item, ("theme",)) == "sheep"
    assert cell_of(item, ("kind", "none")) == f"{item.kind} / -"
    assert cell_of(item, ("none",)) == ""
    assert cell_of(item.model_copy(update={"attributes": {"kind": "cloze"}}), ("kind",)) == "cloze"


def test_examples_in_tables_and_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    (tmp_path / "set.csv").write_text('id,question,answer\n1,"Why, oh why?",So.\n2,Where?,There.\n')
    assert read_examples(tmp_path / "set.csv") == ("Why, oh why?\nSo.", "Where?\nThere.")
    assert read_examples(tmp_path / "set.csv:question") == ("Why, oh why?", "Where?")
    talk = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]]
    (tmp_path / "folder").mkdir()
    parquet.write_table(pa.table({"messages": talk}), tmp_path / "folder" / "train.parquet")
    assert read_examples(tmp_path / "folder") == ("Hi\nHo",)
    (tmp_path / "set.json").write_text('[{"q": "One?"}, {"q": ""}]')
    with pytest.raises(ConfigError, match="1 rows have no text; the first, #2"):
        read_examples(tmp_path / "set.json")
    with pytest.raises(ConfigError, match="no row has all of the columns 'other'"):
        read_examples(tmp_path / "set.csv:other")


def test_examples_in_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "wanted.jsonl"
    lines = [
        {"id": "a", "question": "Why?", "answer": "So.", "n": 3},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
        {"conversations": [{"from": "human", "value": "Hey"}]},
        "bare",
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    assert read_examples(path) == ("Why?\nSo.", "Hi\nHo", "Hey", "bare")
    for body, message in (("{", "line 1 is not JSON"), ("3", "is a int"), ("", "has no text"), ("{}", "has no text")):
        path.write_text(body)
        with pytest.raises(ConfigError, match=message):
            read_examples(path)


def test_help_loads_no_framework_and_no_numbers() -> None:
    code = (
        "import sys\nfrom gristmill import cli\n"
        "try: cli.main(['select', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'langgraph', 'aiohttp', 'networkx', 'pydantic', 'rich', 'numpy', 'sklearn', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--strategy" in done.stdout
