"""`gristmill recipes`: all of them, one of them, as JSON, and a name that none has."""

from __future__ import annotations

import json

from click.testing import CliRunner

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
