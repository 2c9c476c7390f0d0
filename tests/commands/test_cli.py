"""The command line, typed as a user types it: exit codes, messages, files, JSON.

Each command has a process of its own somewhere here or in the tests of what it is about; more cases of one are typed in
the test's process.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from command_line import gristmill
from in_process import typed
from places import ROOT
from redis_server import RedisServer
from rich.console import Console
from rich.text import Text

from gristmill.campaigns.progress import LiveTable
from gristmill.campaigns.report import print_skipped
from gristmill.cli import main
from gristmill.models.layers.meter import Meter
from gristmill.storage.store import RunStore


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a campaign that has been run on the example corpus."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "examples" / "corpus", folder / "documents")
    (folder / "documents" / "empty.txt").write_bytes(b"")
    assert gristmill("init", "first", cwd=folder).returncode == 0
    text = (folder / "first.toml").read_text().replace("target = 100", "target = 15")
    (folder / "first.toml").write_text(text)
    ran = gristmill("run", "first.toml", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "the target of 15 accepted items is reached" in ran.stdout
    assert "1 document skipped, empty: empty.txt" in ran.stdout
    assert "next: gristmill status runs/first" in ran.stdout
    return folder


def test_help_answers_without_loading_the_framework() -> None:
    code = (
        "import sys\nfrom gristmill import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'langgraph', 'aiohttp', 'networkx', 'pydantic', 'rich', 'litellm'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Examples:" in done.stdout


@pytest.mark.parametrize("command", ["status RUN", "show ITEM --run RUN", "graph RUN", "review list RUN"])
def test_commands_that_read_a_run_load_no_flows(command: str, home: Path) -> None:
    """langgraph costs more than a second of CPU at each start: who only looks shall not pay it."""
    item = json.loads(typed("status", "runs/first", "--json", cwd=home).stdout)["examples"]
    words = command.replace("RUN", "runs/first").replace("ITEM", next(iter(item.values()))).split()
    code = (
        f"import sys\nfrom gristmill import cli\ntry: cli.main({words!r})\nexcept SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'langgraph', 'langchain_core', 'litellm'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True, cwd=home
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(done.stdout.splitlines()) > 1 or "no knowledge graph" in done.stderr


def test_every_command_has_help(tmp_path: Path) -> None:
    usage, _, rest = gristmill("run", "--help", cwd=tmp_path).stdout.partition("[OPTIONS]")
    assert usage.startswith("Usage:")
    assert rest.split() == typed("run", "--help", cwd=tmp_path).stdout.partition("[OPTIONS]")[2].split()
    for command in main.commands:
        done = typed(command, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert f"Usage: gristmill {command}" in done.stdout


def test_init_refuses_to_replace_and_names_the_next_command(tmp_path: Path) -> None:
    first = typed("init", "mine", cwd=tmp_path)
    assert (
        "next: gristmill run mine.toml   # with the example; or put your documents into documents first" in first.stdout
    )
    again = gristmill("init", "mine", cwd=tmp_path)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert typed("init", "mine", "--force", cwd=tmp_path).returncode == 0
    assert "did you mean 'grounded-qa'" in typed("init", "x", "--recipe", "grounded-q", cwd=tmp_path).stderr
    assert "opneai" in typed("init", "x", "--model", "opneai/x", cwd=tmp_path).stderr
    assert typed("init", "../x", cwd=tmp_path).returncode == 1
    assert not (tmp_path.parent / "x.toml").exists()


def test_status_shows_books_that_balance(home: Path) -> None:
    for name in ("runs/first", "first", "first.toml"):
        assert "planned " in typed("status", name, cwd=home).stdout
    found = json.loads(gristmill("status", "first", "--json", cwd=home).stdout)
    books = found["books"]
    assert books["balanced"]
    assert books["planned"] == books["accepted"] + books["rejected"] + books["failed"] + books["pending"]
    assert books["accepted"] >= 15
    assert found["skipped"] == [{"name": "empty.txt", "reason": "empty", "detail": found["skipped"][0]["detail"]}]
    assert found["stop"]["code"] == "target"


def test_show_tells_an_items_story(home: Path) -> None:
    line = (home / "runs/first/export/jsonl/train.jsonl").read_text().splitlines()[0]
    item = json.loads(line)
    done = gristmill("show", item["id"], cwd=home)
    assert done.returncode == 0
    for word in ("source  ", "draft 1 by generator", "cites ", "critic: accept", "decision  accepted", "made by"):
        assert word in done.stdout
    story = json.loads(typed("show", item["id"][:14], "--run", "first", "--json", cwd=home).stdout)
    assert story["drafts"]
    assert story["verdicts"]
    missing = typed("show", "item-zzz", cwd=home)
    assert missing.returncode == 1
    assert "no item's id starts with" in missing.stderr


def test_exports_go_where_they_are_asked(home: Path, tmp_path: Path) -> None:
    formats = ("alpaca", "huggingface", "dpo", "rejects")
    chosen = [word for name in formats for word in ("--format", name)]
    done = gristmill("export", "first", *chosen, "--out", tmp_path / "out", "--license", "cc0-1.0", cwd=home)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out/alpaca/train.jsonl").read_text().splitlines()]
    assert rows
    assert all(row["instruction"] and row["output"] for row in rows)
    assert "license: cc0-1.0" in (tmp_path / "out/huggingface/README.md").read_text()
    wrong = typed("export", "first", "--format", "alpacca", cwd=home)
    assert wrong.returncode == 1
    assert "did you mean 'alpaca'" in wrong.stderr


def test_the_flow_is_checked_and_drawn(home: Path) -> None:
    drawn = typed("flow", "grounded-qa", cwd=home)
    assert "graph TD" in drawn.stdout
    assert "criticise" in drawn.stdout
    assert "graph TD" in typed("flow", "first.toml", cwd=home).stdout
    (home / "broken.py").write_text(
        "from langgraph.graph import START, StateGraph\n"
        "from gristmill import FlowContext, FlowState\n"
        "async def step(state, runtime): return {}\n"
        "flow = StateGraph(FlowState, context_schema=FlowContext)\n"
        "flow.add_node('a', step); flow.add_node('b', step)\n"
        "flow.add_edge(START, 'a'); flow.add_edge('a', 'a')\n"
    )
    broken = gristmill("flow", "broken:flow", cwd=home)
    assert broken.returncode == 1
    assert "no path leads" in broken.stderr
    assert "loop" in broken.stderr


def test_the_graph_of_a_run(home: Path) -> None:
    assert "no knowledge graph" in typed("graph", "first", cwd=home).stderr
    (home / "graph.toml").write_text(
        'name = "graph"\ndocuments = ["documents"]\nrecipe = "entigraph"\ntarget = 3\n'
        '[models.default]\nmodel = "offline"\n[export]\nformats = ["text"]\n'
    )
    assert typed("run", "graph.toml", cwd=home).returncode == 0
    assert "entities, " in typed("graph", "graph", cwd=home).stdout
    for name in ("graphml", "json"):
        assert typed("graph", "graph", "--format", name, cwd=home).returncode == 0
    tree = ElementTree.parse(home / "runs/graph/graph.graphml")  # written by us a moment ago
    assert len(list(tree.iter("{http://graphml.graphdrawing.org/xmlns}node"))) > 20
    assert json.loads((home / "runs/graph/graph.json").read_text())


def test_a_recipe_without_a_flow_gets_an_example_of_one(tmp_path: Path) -> None:
    assert typed("init", "mine", "--recipe", "rows", cwd=tmp_path).returncode == 0
    assert tomllib.loads((tmp_path / "mine.toml").read_text())["flow"] == "my_flow:build"
    assert "generate" in gristmill("flow", "mine.toml", cwd=tmp_path).stdout
    (tmp_path / "my_flow.py").unlink()
    assert "there is no module 'my_flow'" in gristmill("run", "mine.toml", cwd=tmp_path).stderr


def test_a_live_bar_has_a_line_of_its_own() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=90)
    live = LiveTable(console)
    live.close()
    live.start(Meter(), target=40, accepted=3)
    live.phase("running tasks")
    with console.capture() as captured:
        console.print(live._render())
    lines = [line.rstrip() for line in Text.from_ansi(captured.get()).plain.splitlines()]
    assert lines[0] == "running tasks: 0 done"
    assert lines[1].startswith("accepted 3 of 40")
    assert set(lines[2]) <= set("━╸╺ ")
    assert lines[3].startswith("0 calls (0/s, 0 cached)")
    assert lines[3].endswith("ETA -")


def test_a_document_that_needs_an_extra_is_named_with_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    need = "PDF needs pypdfium2; install it: pip install 'gristmill[pdf]'"
    print_skipped(Console(width=400), [(f"{n}.pdf", "missing_extra", need) for n in range(5)])
    assert capsys.readouterr().out.splitlines() == [
        "  5 documents skipped, missing_extra: 0.pdf, 1.pdf, 2.pdf and 2 more",
        f"    {need}; documents are read once a run: to have them in, run the campaign with --refresh",
    ]


async def test_a_run_that_is_not_there_is_met_with_those_that_are(tmp_path: Path) -> None:
    for name in ("harbours", "mills"):
        await RunStore.open(tmp_path / "runs" / name).close()
    assert "did you mean runs/harbours?" in typed("status", "harbuors", cwd=tmp_path).stderr
    assert "in ./runs there is harbours, mills; give a run's folder" in typed("status", "x", cwd=tmp_path).stderr


def test_other_documents_are_said_to_be_unread_until_a_refresh(tmp_path: Path) -> None:
    for folder, text in (("mills", "A sluice is a gate that holds water back."), ("ports", "A quay is a wall.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.txt").write_text(text)

    def run(documents: str, *arguments: str, cwd: Path = tmp_path) -> str:
        body = f'name = "moved"\nrecipe = "grounded-qa"\ndocuments = ["{documents}"]\n'
        (cwd / "moved.toml").write_text(body + '[models.default]\nmodel = "offline"\n')
        done = typed("run", "moved.toml", "--plain", "--max-tasks", "2", *arguments, cwd=cwd)
        return done.stdout + done.stderr

    told = "documents: ports is not read, the run goes on with what it read of mills; --refresh reads the files again"
    assert "is not read" not in run("mills") + run("mills")
    assert told in run("ports")
    assert told in run("ports"), "as long as it is so"
    assert "is not read" not in run("ports", "--refresh") + run("ports")
    (tmp_path / "elsewhere").mkdir()
    for name in ("mills", "ports", "runs"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert "is not read" not in run("ports", cwd=tmp_path / "elsewhere")


def test_errors_are_one_message_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "x"\ntargt = 5\ndocuments = "d"\n')
    (tmp_path / "broken.toml").write_text("name = ")
    cases: list[tuple[tuple[str, ...], str]] = [
        (("run", "nowhere.toml"), "no campaign file is at nowhere.toml"),
        (("run", "bad"), "did you mean bad.toml?"),
        (("run", "taken.toml"), "taken.toml is a folder"),
        (("run", "bad.toml"), "targt: no such key; did you mean 'target'"),
        (("run", "bad.toml"), "documents: must be a list"),
        (("run", "broken.toml"), "is not TOML"),
        (("status", "nothing"), "no run is at nothing"),
        (("show", "item-1"), "no run is in ./runs"),
        (("flow", "no.module:thing"), "no.module"),
        (("init", "x" * 300), "cannot name a campaign"),
        (("init", "taken", "--force"), "taken.toml"),
    ]
    (tmp_path / "taken.toml").mkdir()
    for arguments, message in cases:
        done = typed(*arguments, cwd=tmp_path)
        assert done.returncode == 1, arguments
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    arguments, _ = cases[3]
    ended = gristmill(*arguments, cwd=tmp_path)  # a process says it in the same words, and no warning beside them
    assert (ended.returncode, ended.stderr) == (1, typed(*arguments, cwd=tmp_path).stderr)


def test_a_dry_run_needs_a_pilot(home: Path) -> None:
    for count in ("0", "-1"):
        done = typed("run", "first.toml", "--dry-run", "--pilot", count, cwd=home)
        assert done.returncode == 2
        assert "--pilot" in done.stderr


def test_a_dry_run_forecasts(home: Path) -> None:
    done = typed("run", "first.toml", "--dry-run", "--pilot", "3", "--runs", home / "elsewhere", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "pilot: " in done.stdout
    assert "calls " in done.stdout


def test_doctor_looks_at_packages_models_and_a_real_redis(home: Path, shared_redis: RedisServer) -> None:
    done = gristmill("doctor", "first.toml", "--redis", shared_redis.url, "--json", cwd=home)
    found: dict[str, Any] = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert found["campaign"]["ok"]
    assert found["programs"]["ok"] in (True, None)
    assert found["redis"]["ok"]
    assert "version" in found["redis"]["detail"]
    assert found["redis eviction"]["ok"]
    told = typed("doctor", cwd=home).stdout
    absent = [entry["name"] for entry in found.values() if entry["detail"].startswith("not installed")]
    assert told.count("not installed") == bool(absent), "one line, however many are not there"
    gone = typed("doctor", "--redis", "redis://user:sk-secret-canary@127.0.0.1:9", cwd=home)
    assert gone.returncode == 1
    assert "does not answer" in gone.stdout
    assert "canary" not in gone.stdout + gone.stderr


def test_a_terminal_sees_a_live_table(home: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gristmill.cli", "run", "first.toml", "--target", "25"],
        cwd=home,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # the terminal is closed when its last process is gone
            break
        if not part:
            break
        seen += part
    os.close(controller)
    assert process.wait() == 0
    text = seen.decode()
    assert "accepted" in text
    assert "calls/s" in text or "calls (" in text
    assert "the target of 25 accepted items is reached" in text
