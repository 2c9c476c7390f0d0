"""docs/own-recipe.md: its recipe has under 60 lines, runs as it stands, and passes the tests that the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from in_process import typed
from places import DOCS

from gristmill.cli import main

PAGE = DOCS / "own-recipe.md"
MOST = 60


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's recipe and its test, as a reader would save them."""
    module, test, two_models, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(module.splitlines()) < MOST
    (tmp_path / "proverbs.py").write_text(module)
    (tmp_path / "test_proverbs.py").write_text(f"{test}\n\n{two_models}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_recipe_of_the_page_passes_the_test_of_the_page(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_proverbs.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_it_is_described_and_drawn_like_the_built_in_ones(project: Path) -> None:
    done = typed("recipes", "proverbs:PROVERBS", "--markdown", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "generator: persona-write<br/>responder: respond-to-instruction<br/>new by instruction" in done.stdout
    assert "| `more` | `2` | texts that are made after accepted ones. |" in done.stdout


def test_the_copy_that_the_page_shows_is_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = PAGE.read_text(encoding="utf-8").split("$ gristmill init --recipe wrap\n")[1].split("```")[0]
    done = CliRunner().invoke(main, ["init", "--recipe", "wrap"])
    assert done.output.splitlines()[:-1] == shown.splitlines()[:-1]
