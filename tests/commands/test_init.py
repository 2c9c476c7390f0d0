"""`gristmill init NAME --recipe RECIPE`: for every recipe a file that runs as it stands; nothing of yours replaced."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from places import DOCS

from gristmill.campaigns.campaign import Campaign
from gristmill.campaigns.commands.fitting import FITTING, PAIRED, formats_of
from gristmill.campaigns.commands.starter_text import LONGEST
from gristmill.cli import main
from gristmill.graphs.recipes.base import SOURCES
from gristmill.graphs.recipes.catalogue import recipes
from gristmill.graphs.recipes.examples import example_of
from gristmill.storage.datasets.export import FORMATS

FOUND = recipes()
ENDING = ("rows", "entigraph", "sense", "datatune")
SET = re.compile(r"^# ([a-z_]+ = (?!\.\.\.|\{ \.\.\.|\[\.\.\.).*)$", re.MULTILINE)

Init = Callable[..., Result]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["init", *arguments])


def read(path: str = "mine.toml") -> dict[str, Any]:
    return tomllib.loads(Path(path).read_text())


@pytest.mark.parametrize("model", ["offline", "openai_api/some/model"])
@pytest.mark.parametrize("name", FOUND)
def test_the_file_of_a_recipe_is_accepted_as_it_stands(name: str, model: str, init: Init) -> None:
    done = init("mine", "--recipe", name, "--model", model)
    assert done.exit_code == 0, done.output
    assert re.fullmatch(
        r"next: \S+ run mine\.toml( .*or put your (rows|documents) into .* first)?", done.output.splitlines()[-1]
    )
    assert ("or put your" in done.output) == bool(FOUND[name].needs & SOURCES)
    values = read()
    assert values["recipe"] == name
    assert all(Path(one).exists() for one in values.get("documents", ["."]))
    assert ("documents" in values) == bool(FOUND[name].needs & SOURCES)
    assert values["export"]["formats"] == list(formats_of(FOUND[name]))
    Campaign.load("mine.toml").prepare()


@pytest.mark.parametrize("name", FOUND)
def test_what_stands_in_comments_is_what_holds_without_them(name: str, init: Init) -> None:
    """Every option that is shown with its default may be uncommented, and changes nothing."""
    init("mine", "--recipe", name)
    text = Path("mine.toml").read_text()
    assert max(map(len, text.splitlines())) <= LONGEST + 60, "a line that one has to scroll for"
    begin, behind = text.partition("[options]\n")[::2]
    options, blank, rest = behind.partition("\n\n")
    before = FOUND[name].options.model_validate(read().get("options", {}))
    uncommented = SET.sub(r"\1", options)
    Path("mine.toml").write_text(f"{begin}[options]\n{uncommented}{blank}{rest}")
    after = read()["options"]
    assert FOUND[name].options.model_validate(after) == before
    shown = set(re.findall(r"^(?:# )?([a-z_]+) = ", options, re.MULTILINE))
    assert shown == set(FOUND[name].options.model_fields)
    assert set(after) >= shown - set(re.findall(r"^# ([a-z_]+) = ", SET.sub("", options), re.MULTILINE))


@pytest.mark.parametrize("name", [name for name, found in FOUND.items() if found.needs & {"seeds", "labels"}])
def test_rows_are_written_and_told(name: str, init: Init) -> None:
    done = init("mine", "--recipe", name)
    rows = [json.loads(line) for line in Path("seeds.jsonl").read_text().splitlines()]
    assert rows == list(example_of(FOUND[name]).rows)
    assert "wrote seeds.jsonl" in done.output
    assert read()["documents"] == ["seeds.jsonl"]
    said = next(line for line in Path("mine.toml").read_text().splitlines() if line.startswith("documents"))
    assert all(f"`{column}`" in said for column in set(rows[0]) - {"category", "price", "stars"})
    assert "max_tokens = " in Path("mine.toml").read_text(), "a row is taken whole, whatever else the recipe sets"


@pytest.mark.parametrize(("name", "there"), [("s3", "seeds.jsonl"), ("wrap", "documents/a.md"), ("rows", "my_flow.py")])
def test_nothing_of_yours_is_replaced(name: str, there: str, init: Init) -> None:
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine\n")
    Path("mine.toml").write_text("mine\n")
    assert "mine.toml is there already; --force replaces it" in init("mine", "--recipe", name).output
    assert sorted(path.name for path in Path().rglob("*") if path.is_file()) == sorted([Path(there).name, "mine.toml"])
    done = init("mine", "--recipe", name, "--force")
    assert done.exit_code == 0, done.output
    assert read()["recipe"] == name
    assert Path(there).read_text() == "mine\n"
    assert f"wrote {there}" not in done.output
    if there != "documents/a.md":  # a folder of documents is used as it is
        assert f"kept {there}, which was there" in done.output
    else:
        assert [path.name for path in Path("documents").iterdir()] == ["a.md"]


def test_the_rows_of_another_recipe_are_not_taken_for_ones_own(init: Init) -> None:
    init("first", "--recipe", "best-of-n")
    earlier = Path("seeds.jsonl").read_text()
    assert "wrote second.jsonl" in init("second", "--recipe", "s3").output
    assert read("second.toml")["documents"] == ["second.jsonl"]
    assert Path("seeds.jsonl").read_text() == earlier
    Path("seeds.jsonl").write_text(earlier + earlier)  # changed, so the user's
    assert "kept seeds.jsonl" in init("third", "--recipe", "s3").output


def test_documents_that_are_named_are_taken_and_told_when_they_are_not_there(init: Init, tmp_path: Path) -> None:
    done = init("mine", "--documents", "texts")
    assert done.output.splitlines()[-1].startswith("next: put your documents into texts, then: ")
    assert read()["documents"] == ["texts"]
    assert not Path("documents").exists()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("A mill grinds grain.")
    done = init("other", "--documents", "texts/*.md")
    assert done.output.splitlines()[-1].startswith("next: ")
    assert "put your" not in done.output
    done = init("rows", "--recipe", "cotam", "--documents", "reviews.csv")
    assert "put your rows into reviews.csv" in done.output
    assert not Path("seeds.jsonl").exists()


def test_a_quotation_mark_or_a_backslash_in_a_path_is_written_as_toml_wants_it(init: Init) -> None:
    assert init("mine", "--documents", 'a "b"\\c').exit_code == 0
    assert read()["documents"] == ['a "b"\\c']
    assert "cannot be typed" in init("other", "--documents", "a\nb").output


def test_a_recipe_of_ones_own_gets_a_file_too(init: Init) -> None:
    Path("own_start.py").write_text(
        "from dataclasses import replace\nfrom gristmill.graphs.recipes.refed import REFED\n"
        "OWN = replace(REFED, name='own')\n"
    )
    done = init("mine", "--recipe", "own_start:OWN")
    assert done.exit_code == 0, done.output
    assert "put your rows into seeds.jsonl" in done.output
    assert read()["recipe"] == "own_start:OWN"
    Path("seeds.jsonl").write_text('{"text": "Why?", "response": "So."}\n')
    Campaign.load("mine.toml").prepare()


def test_every_kind_of_item_has_formats_that_are_there() -> None:
    assert {found.gives for found in FOUND.values()} <= set(FITTING)
    assert all(set(some) < set(FORMATS) for some in FITTING.values())
    assert set(FOUND) > PAIRED


def test_the_page_of_datasets_names_the_formats_that_init_writes() -> None:
    page = (DOCS / "datasets.md").read_text()
    table = page.partition("| kind | fields of every item | formats | for |")[2].partition("\n\n")[0]
    for kind, formats in FITTING.items():
        (row,) = re.findall(rf"^\| `{kind}` \|[^|]*\|([^|]*)\|", table, re.MULTILINE)
        assert all(f"`{one}`" in row for one in formats if one != "jsonl"), "jsonl is for all kinds"


@pytest.mark.parametrize("name", ENDING)
def test_the_campaign_runs_to_its_end_as_it_stands(name: str, init: Init, tmp_path: Path) -> None:
    assert init("mine", "--recipe", name).exit_code == 0
    command = [sys.executable, "-m", "gristmill.cli", "run", "mine.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for form in formats_of(FOUND[name]):
        written = list((tmp_path / "runs" / "mine" / "export" / form).rglob("train*.jsonl"))
        assert any(path.stat().st_size for path in written), form
