"""What a person may get wrong, and what gristmill says before it spends anything: the value and the mend."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from places import CORPUS

from gristmill.cli import main
from gristmill.storage.store import RunStore

MODEL = '[models.default]\nmodel = "offline"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with two documents, and the current folder."""
    (tmp_path / "documents").mkdir()
    for name in ("eelgrass.txt", "tides.md"):
        shutil.copy(CORPUS / name, tmp_path / "documents")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*lines: str, name: str = "bad", recipe: str = "grounded-qa") -> str:
    head = [f'name = "{name}"', 'documents = ["documents"]', f'recipe = "{recipe}"']
    Path(f"{name}.toml").write_text("\n".join([*head, *lines, MODEL if "[models" not in "".join(lines) else ""]))
    return f"{name}.toml"


def typed(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("target = 0", "target: must be greater than 0, not 0"),
        ("target = -3", "target: must be greater than 0, not -3"),
        ("concurrency = 0", "concurrency: must be greater than or equal to 1, not 0"),
        ("[budget]\ntokns = 5", "budget.tokns: no such key; did you mean 'tokens'?"),
        ("[budget]\nusd = 0", "budget.usd: must be greater than 0, not 0"),
        ('planner = "no_planner:plan"', "planner 'no_planner:plan': there is no module 'no_planner'"),
        ('planner = "os:name"', "planner 'os:name' is a str; it has to be a function"),
        ('planner = "os.name"', "planner 'os.name' is not of the form module:attribute"),
        ("[budget]\nusd = 5", "give a model price_in and price_out"),
        ('[options]\nkind = ["cause"]', "options.kind: no such option; did you mean 'kinds'?"),
        ("[options]\nmax_rounds = -1", "options.max_rounds: must be greater than or equal to 0, not -1"),
        ('[roles]\ncritc = "default"', "roles.critc: no node asks the role 'critc'; did you mean 'critic'?"),
        ('[roles]\nextractor = "default"', "(roles of this campaign: critic, generator, proposer, refiner)"),
        ('[roles]\ncritic = "judge"', "name one of them, or add [models.judge]"),
        ('[export]\nformats = ["alpacca"]', "there is no export format 'alpacca'; did you mean 'alpaca'?"),
        ('[models.default]\nmodel = "opneai/x"', "unknown model prefix 'opneai' in 'opneai/x'; did you mean"),
        ('[models.default]\nmodel = "offline"\napi_key = "sk-1"', "no such key; did you mean 'api_key_env'?"),
    ],
)
def test_a_wrong_value_is_named_with_the_mend_before_spending(home: Path, line: str, said: str) -> None:
    code, output = typed("run", write(line))
    assert code == 1
    assert said in output
    assert "sk-1" not in output
    assert not (home / "runs").exists(), "something was begun"


def test_a_role_of_a_flow_that_tells_nothing_is_not_refused(home: Path) -> None:
    (home / "silent_flow.py").write_text(
        "from langgraph.graph import END, START, StateGraph\n"
        "from gristmill import FlowContext, FlowState\n"
        "async def work(state, runtime): return {'decision': 'reject', 'reasons': ('tried',)}\n"
        "flow = StateGraph(FlowState, context_schema=FlowContext)\n"
        "flow.add_node('work', work); flow.add_edge(START, 'work'); flow.add_edge('work', END)\n"
    )
    path = write('flow = "silent_flow:flow"', '[roles]\nwriter = "default"', recipe="rows")
    code, output = typed("run", path)
    assert code == 3, output
    assert "rejected tried" in output


def test_a_planner_is_found_in_the_current_folder(home: Path) -> None:
    (home / "one_planner.py").write_text(
        "from gristmill import Task\n"
        "from gristmill.graphs.planners.base import lazily\n"
        "@lazily\n"
        "def plan(view, rng, options):\n"
        "    yield Task.of('chunk', chunks=(view.chunks[0].id,), attributes={'kind': 'definition'})\n"
    )
    code, output = typed("run", write('planner = "one_planner:plan"'))
    assert code == 0, output
    assert "planned 1 = " in output


@pytest.mark.parametrize("place", ["/proc/nowhere", "taken"])
def test_a_folder_for_runs_that_cannot_be_made_is_one_message(home: Path, place: str) -> None:
    (home / "taken").write_text("a file")
    code, output = typed("run", write(), "--runs", place)
    assert code == 1
    assert f"the run's folder {place}/bad cannot be made" in output
    assert "--runs FOLDER" in output


def test_documents_that_were_mended_are_read_anew(home: Path) -> None:
    shutil.rmtree(home / "documents")
    (home / "documents").mkdir()
    bad = home / "documents" / "notes.txt"
    bad.write_bytes(b"caf\xe9 \xb1")
    code, output = typed("run", write("max_tasks = 1"))
    assert code == 1
    assert "notes.txt: " in output
    shutil.copy(CORPUS / "eelgrass.txt", bad)
    code, output = typed("run", "bad.toml")
    assert code == 0, output
    store = RunStore.read(home / "runs" / "bad")
    assert store.skipped() == []
    assert store.mark("ingested")["documents"] == store.count("documents") == 1
    store.close_reading()


def test_the_end_of_an_earlier_start_is_not_told_of_a_later_one(home: Path) -> None:
    assert typed("run", write("max_tasks = 3"))[0] == 0
    assert "stopped: all 3 tasks are done that max_tasks allows; raise it to go on" in typed("status", "bad")[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gristmill.campaigns.loop.Loop.run", _killed)
        CliRunner().invoke(main, ["run", "bad.toml", "--max-tasks", "5"])
    assert "not running, and not finished" in typed("status", "bad")[1]


async def _killed(self: object) -> None:
    raise KeyboardInterrupt  # as near to a kill as one process can come: nothing after this line runs
