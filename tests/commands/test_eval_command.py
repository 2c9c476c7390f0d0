"""`gristmill eval`: what it measures of real runs, datasets and texts, what it writes and says, what it refuses."""

from __future__ import annotations

import json
import math
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evaluated_runs import figures, typed
from made_runs import made
from review_items import item_of, put
from scored_runs import COUNT, scored

from gristmill.campaigns.evaluation.evaluating import Report, Settings, evaluate
from gristmill.campaigns.evaluation.sources import Dataset, Run
from gristmill.campaigns.evaluation.told import as_dict
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.review.desk import Desk
from gristmill.storage.records import Draft, Item, Usage
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore


def spent(number: int) -> Item:
    """An accepted item with a draft or two, and a cost."""
    item = scored(number)
    drafts = tuple(Draft(index=at, by="generator", messages=item.messages) for at in range(1 + number % 2))
    verdicts = tuple(one.model_copy(update={"draft": len(drafts) - 1}) for one in item.verdicts)
    usage = Usage(calls=2, input_tokens=100 + number, output_tokens=10, usd=0.001)
    return item.model_copy(update={"drafts": drafts, "verdicts": verdicts, "usage": usage})


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    """A run with thirty accepted items and ten rejected ones."""
    folder = tmp_path / "run"
    store = await made(folder, range(0))
    await put(store, *((number, spent(number)) for number in range(COUNT)))
    await put(store, *((number, item_of(number)) for number in range(COUNT, COUNT + 10)))
    await store.close()
    return folder


def told(*arguments: str | Path) -> dict[str, Any]:
    done = typed(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


def sound(report: Report) -> dict[str, Any]:
    """The report as JSON values: no number that is none, and no figure without a value or a reason."""
    found = as_dict(report)
    assert all(math.isfinite(one) for one in numbers(found))
    for figure in figures(found["set"]).values():
        assert figure["value"] is not None or figure["note"], figure
        assert (figure["low"] is None) == (figure["high"] is None)
        if figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"], figure
    return found


# a run


def test_a_run_is_measured_written_and_printed(run: Path) -> None:
    done = typed(run)
    assert done.exit_code == 0, done.output
    found = json.loads((run / "report" / "report.json").read_text())
    assert found["set"]["status"] == {"accepted": COUNT, "rejected": 10, "failed": 0}
    by_name = figures(found["set"])
    assert by_name["accepted_share"]["value"] == COUNT / 40
    assert by_name["accepted_share"]["low"] == pytest.approx(0.5981, abs=1e-4)  # Wilson's, of 30 in 40
    assert by_name["first_draft_share"]["value"] == 0.5
    assert by_name["drafts"]["value"] == 1.5
    paid = sum(110 + number for number in range(COUNT))
    assert by_name["tokens_per_accepted"]["value"] == pytest.approx(paid / COUNT)
    assert by_name["usd_per_accepted"]["value"] == pytest.approx(0.001)
    assert by_name["score_clear"]["value"] == pytest.approx(0.7)
    assert by_name["chunk_coverage"]["value"] == 1.0
    assert "wording only" in by_name["vendi"]["note"]
    for name, figure in by_name.items():
        assert name in done.output, name
        assert name in found["footnotes"], name
        assert figure["note"] or figure["n"]
    assert f"{COUNT + 10} items, {COUNT} accepted, 10 rejected" in done.output
    assert {row["reason"] for row in found["set"]["reasons"]} >= {"", item_of(30).reasons[0]}
    assert {point["status"] for point in found["map"]["points"]} == {"accepted", "rejected"}
    assert all(-1 <= point["x"] <= 1 and -1 <= point["y"] <= 1 for point in found["map"]["points"])
    assert found["novelty"][0]["cell"] == "all"
    assert found["set"]["distributions"]["words"]["n"] == COUNT
    assert told(run)["set"] == found["set"]  # the same run and seed: the same report


async def test_what_people_decided_counts(run: Path) -> None:
    store = RunStore.open(run)
    await Desk(store).decide(item_of(31).id, Action.ACCEPT, "ada")
    await store.close()
    assert told(run)["set"]["status"]["accepted"] == COUNT + 1


def test_two_runs_stand_side_by_side_with_intervals(run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"messages": [{"role": "user", "content": "Why? " * 9}]}) for _ in range(30)))
    same = {row["name"]: row for row in told(run, "--against", run)["beside"]}
    for name in ("accepted_share", "tokens_per_accepted", "words", "score_clear"):
        change = same[name]["difference"]
        assert change["value"] == 0
        assert change["low"] < 0 < change["high"], name
        assert not same[name]["differs"]
    assert "needs 200 accepted texts" in same["diversity"]["difference"]["note"]
    other = told(run, "--against", rows)
    assert other["against"]["items"] == 30
    assert "accepted_share" not in {row["name"] for row in other["beside"]}  # nobody knows what a dataset left out
    words = {row["name"]: row for row in other["beside"]}["words"]
    assert words["there"]["value"] == 9
    assert "beside rows.jsonl: 30 rows" in typed(run, "--against", rows).output


def test_diversity_is_compared_on_groups_of_one_size() -> None:
    many = [
        f"the {word} {at} of {at * 7 % 31} turns {word} number {at}" for at in range(300) for word in ("mill", "wheel")
    ]
    alike = ["the mill turns"] * 250
    rows = {row.here.name: row for row in evaluate(many, against=alike).beside}
    change = rows["distinct_2"].difference
    assert change.low is not None
    assert change.low > 0
    assert rows["vendi"].there.value == pytest.approx(1.0)
    assert "10 groups of 25 texts" in rows["vendi"].here.note
    level = {row.here.name: row for row in evaluate(many, against=many).beside}
    assert level["distinct_2"].difference.value == 0


def test_contamination_names_item_set_row_and_span(run: Path, tmp_path: Path) -> None:
    question = "How many turns does the great wheel make before the stone has ground one whole sack of wheat?"
    sets = tmp_path / "exam.jsonl"
    sets.write_text(json.dumps({"question": question}))
    rows = tmp_path / "ours.jsonl"
    rows.write_text(json.dumps({"text": f"Please say. {question}"}) + "\n" + json.dumps({"text": "Nothing of it."}))
    found = told(rows, "--contamination", sets, "--out", tmp_path / "out")["contamination"]
    (match,) = found["matches"]
    assert (match["item"], match["set"], match["row"], match["column"]) == ("#1", "exam.jsonl", "#1", "question")
    assert match["end"] - match["start"] == len(question) - 1
    assert figures({"parts": [{"figures": found["figures"]}]})["contaminated"]["value"] == 0.5
    assert "#1 messages.0[12:" in typed(rows, "--contamination", sets, "--out", tmp_path / "out").output


def test_selections_stand_beside_chance(run: Path) -> None:
    done = CliRunner().invoke(main, ["select", str(run), "--strategy", "quality", "--count", "5"])
    assert done.exit_code == 0, done.output
    (run / "selected" / "broken").mkdir()
    (run / "selected" / "broken" / "selection.json").write_text("{")
    (one,) = told(run)["selections"]
    assert (one["strategy"], one["chosen"], one["of"]) == ("quality", 5, COUNT)
    assert all({"name", "chosen", "random", "random_low", "random_high"} == set(row) for row in one["figures"])


# what is odd


@pytest.mark.parametrize(
    "texts",
    [[], ["One."], [""], ["", "  ", "!?"], ["The same."] * 60, ["\x00\ud7ff\u202e</script><script>"] * 3, ["a b"] * 3],
    ids=["none", "one", "empty", "blank", "identical", "hostile", "few"],
)
def test_every_figure_has_a_value_or_a_reason(texts: list[str]) -> None:
    found = sound(evaluate(texts, against=texts, settings=Settings()))
    assert found["set"]["items"] == len(texts)
    if not texts:
        assert "nothing to measure" in found["notes"][0]


async def test_an_empty_run_is_reported(tmp_path: Path) -> None:
    store = await made(tmp_path / "run", range(0))
    await store.close()
    done = typed(tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "has no item yet" in done.output


async def test_a_run_without_an_accepted_item_is_reported(tmp_path: Path) -> None:
    store = await made(tmp_path / "run", range(0))
    await put(store, (40, item_of(40)))
    await store.close()
    opened = Run(tmp_path / "run")
    found = sound(evaluate(source=opened))
    opened.close()
    assert "no item of run was accepted" in found["notes"][0]
    assert figures(found["set"])["accepted_share"]["value"] == 0


def test_what_is_neither_is_refused(tmp_path: Path, run: Path) -> None:
    assert "is no run and no dataset" in typed(tmp_path / "nothing").output
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"quux": "a text", "id": "1"}))
    done = typed(run, "--against", rows)
    assert done.exit_code == 1
    assert "its columns are 'quux', 'id'" in done.output
    assert f"{rows}:COLUMN" in done.output
    assert told(run, "--against", f"{rows}:quux")["against"]["items"] == 1
    done = typed(run, "--against", f"{rows}:nope")
    assert done.exit_code == 1
    assert "its columns are 'quux', 'id'" in done.output
    done = typed(run, "--embedder", "quux")
    assert done.exit_code == 1
    assert "no embedder is called 'quux'" in done.output
    assert not (run / "report").exists() or "quux" not in (run / "report" / "report.json").read_text()
    with pytest.raises(ConfigError, match="either texts or a source"):
        evaluate()
    with pytest.raises(ConfigError, match="give a list of texts"):
        evaluate("one text")


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "One."}\n{broken\n{"text": ""}\n')
    found = sound(evaluate(source=Dataset(rows)))
    assert any("2 rows were not read" in note for note in found["notes"])


def test_a_server_that_is_gone_costs_its_figures_only(run: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    done = subprocess.run(
        [sys.executable, "-m", "gristmill.cli", "eval", run, "--embedder", "openai_api/gone", "--base-url", url],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the embedder failed" in done.stdout
    by_name = figures(json.loads((run / "report" / "report.json").read_text())["set"])
    assert by_name["vendi"]["value"] is None
    assert by_name["distinct_2"]["value"] is not None


PROGRAM = """
import sys
for name in ("numpy", "scipy", "sklearn", "rapidfuzz", "pyarrow"):
    sys.modules[name] = None
from gristmill.cli import main
main()
"""


@pytest.mark.parametrize("asked", [(), ("--contamination", "set.jsonl"), ("--embedder", "hashed")], ids=str)
def test_without_extras_it_says_what_is_missing(run: Path, asked: tuple[str, ...]) -> None:
    (run / "set.jsonl").write_text('{"text": "one"}')
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "eval", run, *asked], cwd=run, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == bool(asked), done.stderr
    said = done.stderr if asked else done.stdout
    assert re.search(r"needs numpy, .*pip install 'gristmill\[evals\]'", " ".join(said.split()))
    if not asked:
        by_name = figures(json.loads((run / "report" / "report.json").read_text())["set"])
        assert by_name["accepted_share"]["value"] == 0.75
        assert by_name["distinct_2"]["value"] is None


def test_a_notebook_may_ask_too() -> None:
    program = "import asyncio\nfrom gristmill.campaigns.evaluation.evaluating import evaluate\n" + (
        "async def cell(): return evaluate(['One mill.', 'Two mills.']).side.seen.name\nprint(asyncio.run(cell()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert "hashed" in done.stdout


def test_dialogues_without_an_assistant_are_measured(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    turns = [{"from": "human", "value": "How far?"}, {"from": "gpt", "value": "Two miles. Then one."}]
    rows.write_text(json.dumps({"conversations": turns, "id": "x"}))
    found = sound(evaluate(source=Dataset(rows)))
    assert figures(found["set"])["words"]["value"] == 6
    assert figures(found["set"])["steps"]["value"] == 2
