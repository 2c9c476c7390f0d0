"""`gristmill recipes`: all of them, one of them, as JSON, and a name that none has."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from click.testing import CliRunner
from rich.console import Console

from gristmill.campaigns.commands.recipe_list import print_recipes
from gristmill.cli import main
from gristmill.graphs.recipes.base import NEEDS
from gristmill.graphs.recipes.catalogue import recipes


def test_all_recipes_are_listed_with_what_they_need_and_give() -> None:
    done = CliRunner().invoke(main, ["recipes"])
    assert done.exit_code == 0
    lines = done.output.splitlines()
    for name, found in recipes().items():
        (line,) = (line for line in lines if line.split(" ")[0] == name)
        assert found.gives in line
        assert all(need in line for need in found.needs)


@pytest.mark.parametrize("width", [80, 160])
def test_for_people_the_list_is_a_screen_by_what_a_recipe_starts_from(width: int) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    with console.capture() as captured:
        print_recipes(console)
    lines = captured.get().splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= width
    for found in recipes().values():
        (line,) = (line for line in lines if line.startswith(f"  {found.name} "))
        assert found.gives in line
    assert lines.index("from nothing but options") < [line.split()[:1] for line in lines].index(["attrprompt"])
    assert lines.index("from rows with a label") < [line.split()[:1] for line in lines].index(["cotam"])


def test_one_recipe_tells_its_rows_its_exports_and_how_to_start() -> None:
    said = CliRunner().invoke(main, ["recipes", "reverse-gen"]).output
    assert "One task is a query of a topic" in said
    assert "rows with `text`, perhaps `topic`" in said
    assert '"topic": "cards"' in said.replace("\n", " ").replace("  ", "")
    assert "jsonl, chat, dpo" in said
    assert "reference and target are compared" in said
    assert "init mine --recipe reverse-gen" in said
    asked = CliRunner().invoke(main, ["recipes", "targen"]).output
    assert "task, which only you can give" in asked


def test_one_recipe_is_shown_with_its_options() -> None:
    done = CliRunner().invoke(main, ["recipes", "bare"])
    assert done.exit_code == 0
    assert "base model: a model that goes on with raw text" in done.output
    assert all(f"{option} = " in done.output for option in recipes()["bare"].options.model_fields)


def test_recipes_as_json_say_only_what_is_known() -> None:
    found = json.loads(CliRunner().invoke(main, ["recipes", "--json"]).output)["recipes"]
    assert [one["name"] for one in found] == list(recipes())
    assert all(set(one["needs"]) <= set(NEEDS) and one["summary"] and one["gives"] for one in found)


def test_a_name_that_no_recipe_has_is_told_with_the_nearest() -> None:
    done = CliRunner().invoke(main, ["recipes", "magpy"])
    assert done.exit_code == 1
    assert "did you mean 'magpie'?" in done.output
