"""Modules of a user's own are found beside the campaign file, from any folder, by workers too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gristmill.campaigns.campaign import Campaign
from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError, FlowError
from gristmill.prompts.named import load_named, look_in

FLOW = """
from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.graphs.flows.reference import reference_flow
from beside_{word} import KIND

WORD = "{word}"


def build():
    given = {{"kind": lambda state: KIND}}
    return reference_flow(proposer=None, generator=generator(given=given), critic=critic())
"""
WORKER = """
import sys
from pathlib import Path
from gristmill.campaigns.prepare import prepare
from gristmill.campaigns.commands.reading import reading
from gristmill.campaigns.spec import CampaignSpec

with reading(Path(sys.argv[1]), "") as store:
    print(sorted(prepare(CampaignSpec.model_validate(store.mark("campaign"))).roles))
"""
TEXT = "A tide mill is a water mill that is driven by the tide. A dam is built across a creek, so that a pond forms."


def project(folder: Path, word: str = "one") -> Path:
    """A campaign with a flow of its own, which imports another module beside it, and prompts of its own."""
    (folder / "prompts").mkdir(parents=True)
    (folder / f"beside_{word}.py").write_text('KIND = "definition"\n')
    (folder / "flow_beside.py").write_text(FLOW.format(word=word))
    (folder / "documents").mkdir()
    (folder / "documents" / "a.md").write_text(TEXT)
    (folder / "c.toml").write_text(
        'name = "c"\nrecipe = "rows"\ndocuments = ["documents"]\nprompts = ["prompts"]\nflow = "flow_beside:build"\n'
        'target = 1\n[models.default]\nmodel = "offline"\n'
    )
    return folder / "c.toml"


def gristmill(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gristmill.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_campaign_with_modules_beside_it_runs_from_anywhere(workers: str, tmp_path: Path) -> None:
    path, elsewhere = project(tmp_path / "project"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = gristmill("run", str(path), "--workers", workers, cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the target of 1 accepted items is reached" in done.stdout
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "project" / "runs" / "c").is_dir()


def test_a_relative_path_to_the_file_does_as_well(tmp_path: Path) -> None:
    project(tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    done = gristmill("flow", "../project/c.toml", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert "generate" in done.stdout


def test_what_a_worker_reads_of_a_run_is_enough_in_another_folder(tmp_path: Path) -> None:
    """A worker that is started anywhere on the machine is told by the run where modules and prompts are."""
    path, elsewhere = project(tmp_path / "project"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert gristmill("run", "project/c.toml", cwd=tmp_path).returncode == 0
    command = [sys.executable, "-c", WORKER, str(path.parent / "runs" / "c")]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['critic', 'generator']"


def test_a_module_that_is_nowhere_is_told_with_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, elsewhere = project(tmp_path / "project"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path.with_name("flow_beside.py").unlink()
    with pytest.raises(FlowError) as told:
        Campaign.load(path).prepare()
    assert f"neither installed nor in {path.parent} or {elsewhere}" in str(told.value)
    gone = Campaign.from_spec(load_spec(path).model_copy(update={"home": "/no/such/folder"}))
    with pytest.raises(FlowError, match=r"nor in /no/such/folder \(which is not there\) or "):
        gone.prepare()


def test_two_projects_with_modules_of_one_name_get_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = project(tmp_path / "a", "one"), project(tmp_path / "b", "two")
    for path, word in ((first, "one"), (second, "two"), (first, "one")):
        Campaign.load(path).prepare()
        assert load_named("flow_beside:WORD", "word") == word
    monkeypatch.chdir(second.parent)
    look_in("")
    assert load_named("flow_beside:WORD", "word") == "two"
    assert not any(str(tmp_path) in one for one in sys.path)


def test_a_campaign_of_python_names_its_folder_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(tmp_path / "project", "three")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "flow_beside", raising=False)
    values: dict[str, Any] = {"flow": "flow_beside:build", "models": {"default": "offline"}}
    with pytest.raises(FlowError, match="there is no module 'flow_beside'"):
        Campaign("c", [path.parent / "documents"], **values).prepare()
    Campaign("c", [path.parent / "documents"], home=str(path.parent), **values).prepare()


def test_paths_of_a_file_are_meant_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project(tmp_path / "project")
    path.write_text(
        'name = "c"\ndocuments = ["documents"]\nprompts = ["prompts"]\nrecipe = "grounded-qa"\n'
        '[options]\ntaxonomy = "kinds.toml"\n'
    )
    monkeypatch.chdir(tmp_path)
    spec = load_spec("project/c.toml")
    assert spec.home == str(path.parent)
    assert spec.prompts == (str(path.parent / "prompts"),)
    assert spec.options == {"taxonomy": str(path.parent / "kinds.toml")}
    assert spec.documents == ("project/documents",)
    assert spec.runs == "project/runs"
    taxonomy = {"taxonomy": "kinds.toml"}
    assert spec.identity == make_spec({"name": "c", "recipe": "grounded-qa", "options": taxonomy}).identity
    with pytest.raises(ConfigError, match=r"kinds\.toml' cannot be read"):
        Campaign.load(path, models={"default": {"model": "offline"}}).prepare()
