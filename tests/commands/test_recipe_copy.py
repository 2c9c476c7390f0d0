"""`gristmill init --recipe NAME`: a built-in recipe in a user's project, the same until it is changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from places import BENCHMARKS, HELPERS, ROOT

from gristmill.campaigns.commands.recipe_copy import absolute
from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.spec_file import load_spec
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.graphs.recipes.catalogue import recipe, recipes

SAME = ("bare", "wrap", "graph-reasoning", "targen")

RUN = """
import dataclasses, json, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from recipe_families import CASES
told = {}
for name, own in json.loads(sys.argv[3]).items():
    for which, called, more in (("built in", name, {}), ("copy", own, {"prompts": ["prompts"]})):
        folder = Path(name) / which
        folder.mkdir(parents=True)
        items = dataclasses.replace(CASES[name], recipe=called).run(folder, **more).items
        told.setdefault(name, {})[which] = sorted([item.task, item.status, str(item.messages)] for item in items)
print(json.dumps(told))
"""
LOAD = """
import json, sys
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.graphs.flows.check import require_flow
from gristmill.prompts.library import PromptLibrary
for name, own in json.loads(sys.argv[1]).items():
    built_in, copy = recipe(name), recipe(own)
    assert copy is not built_in and copy.planner is not built_in.planner, name
    assert copy.options.model_json_schema() == built_in.options.model_json_schema(), name
    if copy.flow is not None:
        require_flow(copy.flow(copy.options()), roles={"default"}, prompts=PromptLibrary.of(["prompts"]))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(name: str) -> str:
    """Copies a recipe into the working folder and returns what the campaign file calls it."""
    done = CliRunner().invoke(main, ["init", "--recipe", name])
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().splitlines()[-1].startswith("next: ")
    campaign = tomllib.loads(Path(f"{name}.toml").read_text())
    make_spec(campaign)
    return str(campaign["recipe"])


def python(program: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_makes_the_same_items_until_it_is_changed(project: Path) -> None:
    own = {name: copied(name) for name in SAME}
    told = json.loads(python(RUN, str(HELPERS), str(BENCHMARKS), json.dumps(own), folder=project))
    for name in SAME:
        assert told[name]["copy"] == told[name]["built in"]
        assert len(told[name]["copy"]) > 3


def test_every_recipe_can_be_copied_and_its_flow_is_sound(project: Path) -> None:
    """All into one project: prompts that two of them ask are kept, not replaced."""
    own = {name: copied(name) for name in recipes()}
    python(LOAD, json.dumps(own), folder=project)
    for path in (project / "recipes").glob("*.py"):
        assert "from ." not in path.read_text()


def test_a_copy_has_the_settings_that_the_built_in_name_brings(project: Path) -> None:
    for name in ("gsdp", "entigraph", "bare", "muffin", "persona-hub"):
        copied(name)
        copy, built_in = load_spec(f"{name}.toml"), make_spec({"name": name, "recipe": name})
        for part in ("chunks", "graph", "novelty"):
            assert getattr(copy, part) == getattr(built_in, part), name


def test_the_copied_campaign_runs_in_workers_from_another_folder(project: Path) -> None:
    shutil.copytree(ROOT / "examples" / "corpus", project / "documents")
    copied("grounded-qa")
    taxonomy = (project / "recipes" / "question_kinds.toml").read_text()
    assert tomllib.loads((project / "grounded-qa.toml").read_text())["options"] == {
        "taxonomy": "recipes/question_kinds.toml"
    }
    (project / "recipes" / "question_kinds.toml").write_text(taxonomy.replace("default = true", "default = false", 1))
    (project / "elsewhere").mkdir()
    command = [sys.executable, "-m", "gristmill.cli", "run", "../grounded-qa.toml", "--target", "3", "--workers", "1"]
    done = subprocess.run(command, cwd=project / "elsewhere", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "the target of 3 accepted items is reached" in done.stdout


def test_nothing_that_is_there_is_replaced(project: Path) -> None:
    copied("wrap")
    (project / "wrap.toml").unlink()
    (project / "recipes" / "wrap.py").write_text("# mine")
    again = CliRunner().invoke(main, ["init", "other", "--recipe", "wrap", "--copy", "--force"])
    assert again.exit_code == 1
    assert "recipes/wrap.py would be replaced" in again.output
    assert (project / "recipes" / "wrap.py").read_text() == "# mine"
    assert not (project / "other.toml").exists()
    (project / "prompts" / "judge-rewriting.md").write_text("mine")
    kept = CliRunner().invoke(main, ["init", "--recipe", "maga"])  # has the same judge
    assert "kept prompts/judge-rewriting.md, which was there" in kept.output.replace("\n", " ")
    assert (project / "prompts" / "judge-rewriting.md").read_text() == "mine"


def test_a_campaign_that_cannot_be_written_copies_nothing(project: Path) -> None:
    (project / "wrap.toml").write_text("mine")
    assert CliRunner().invoke(main, ["init", "--recipe", "wrap"]).exit_code == 1
    assert [path.name for path in project.iterdir()] == ["wrap.toml"]
    alone = CliRunner().invoke(main, ["init"])
    assert alone.exit_code == 1
    assert "give the campaign a name" in alone.output


def test_a_name_leads_to_a_recipe_or_is_refused(project: Path) -> None:
    (project / "named_here.py").write_text("BARE = 1\n")
    with pytest.raises(ConfigError, match="is a int; it has to be a Recipe"):
        recipe("named_here:BARE")
    with pytest.raises(ConfigError, match="has no attribute 'BARR'; did you mean 'BARE'"):
        recipe("named_here:BARR")
    with pytest.raises(ConfigError, match="there is no module 'nowhere'"):
        recipe("nowhere:BARE")


def test_a_recipe_of_ones_own_is_not_copied(project: Path) -> None:
    (project / "mine.py").write_text("from gristmill.graphs.recipes.bare import BARE as MINE\n")
    done = CliRunner().invoke(main, ["init", "--recipe", "mine:MINE"])
    assert done.exit_code == 1
    assert "gristmill init NAME --recipe mine:MINE" in done.output
    assert [path.name for path in project.glob("*.toml")] == []


def test_imports_are_made_absolute_and_nothing_else() -> None:
    source = (
        'from .base import A\nif A:\n    from ...agents.x import (\n        y,\n    )\nfrom .. import z\n"from .base"\n'
    )
    made = (
        "from gristmill.graphs.recipes.base import A\nif A:\n    from gristmill.agents.x import (\n        y,\n    )\n"
    )
    assert absolute(source) == f'{made}from gristmill.graphs import z\n"from .base"\n'
