"""docs/recipes.md is what the code says; a recipe of a user's own is written the same way; the cost is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from langgraph.graph import END, START, StateGraph
from places import ROOT
from pydantic import Field

from gristmill import FlowContext, FlowState, describe
from gristmill.campaigns.commands.recipe_page import default, page, section, toml
from gristmill.cli import main
from gristmill.graphs.flows.sketch import sketch
from gristmill.graphs.planners.base import Options
from gristmill.graphs.recipes import documented
from gristmill.graphs.recipes.base import Recipe
from gristmill.graphs.recipes.catalogue import recipe, recipes
from gristmill.graphs.recipes.documented import calls_of, meanings, notes_of, options_of


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert written == page(recipes().values()), "make recipes-page writes it from the code"
    done = CliRunner().invoke(main, ["recipes", "--markdown"])
    assert (done.exit_code, done.output) == (0, written)


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_says_what_it_does_and_every_option_what_it_means(name: str) -> None:
    found = recipe(name)
    for option in options_of(found):
        assert option.meaning, f"{name}: the docstring of its options lacks a line `{option.name}: meaning`"
    assert set(meanings(found.options)) == set(found.options.model_fields)
    if found.flow is not None:
        assert any("One task is " in text for text in notes_of(found).course), "what a reader asks first"
    paper = " ".join(notes_of(found).paper)
    assert paper.startswith("After ")
    if found.paper:
        assert "Faithful: " in paper
        assert "Not faithful: " in paper
        assert found.paper.rpartition("arXiv:")[2] in paper, "the record and the docstring name one paper"


def test_a_number_of_calls_is_kept_for_each_recipe_with_a_flow_and_for_no_other() -> None:
    kept = tomllib.loads((Path(documented.__file__).parent / documented.MEASURED).read_text())
    assert set(kept) == {name for name, found in recipes().items() if found.flow is not None}
    assert calls_of("rows") is None
    assert calls_of("bare") == 2.0


def test_one_recipe_is_written_alone() -> None:
    done = CliRunner().invoke(main, ["recipes", "bare", "--markdown"])
    assert done.exit_code == 0
    assert done.output == section(recipe("bare"))
    assert done.output in page(recipes().values())
    both = CliRunner().invoke(main, ["recipes", "bare", "--markdown", "--json"])
    assert both.exit_code == 1
    assert "--json and --markdown are different outputs" in both.output


class OwnOptions(Options):
    """Options of one's own.

    first, second: two of
        one meaning | with a bar.
    third: a default that is long.

    Prose that is no option: nor is this.
    """

    first: int = 1
    second: str = 'say "so"\\'
    third: tuple[str, ...] = Field(default=tuple(f"value {number}" for number in range(40)))


@describe(role="writer", prompt='a "prompt" <b>', reads=("task",), writes=("drafts",))
async def write(state: FlowState, runtime: Any) -> dict[str, Any]:
    return {}


async def onward(state: FlowState) -> str:
    return END


def own_flow(options: OwnOptions) -> StateGraph[Any, Any, Any, Any]:
    flow: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    flow.add_node("end", write)  # a word of Mermaid's own
    flow.add_edge(START, "end")
    flow.add_conditional_edges("end", onward, ["end", END])
    return flow


OWN = Recipe("own", "A recipe.", "", "sft", frozenset(), ("writer",), OwnOptions, lambda *_: (), own_flow)


def test_a_recipe_of_ones_own_is_written_too() -> None:
    written = section(OWN)
    assert "| `first` | `1` | two of one meaning \\| with a bar. |" in written
    assert '| `second` | `"say \\"so\\"\\\\"` | two of one meaning \\| with a bar. |' in written
    assert '| `third` | 40 of them: `"value 0"`, ... | a default that is long. |' in written
    assert "docs/recipes.md is what the code says" not in written, "the first line of a module is its title"
    assert sketch(own_flow(OwnOptions())).splitlines() == [
        "flowchart TD",
        "    task([a task])",
        '    n1["end<br/>writer: a #34;prompt#34; #60;b#62;"]',
        "    done([accepted or rejected])",
        "    task --> n1",
        "    n1 -.-> n1",
        "    n1 --> done",
    ]


class DerivedOptions(OwnOptions):
    """Options of one's own, and those above.

    third:  told anew.
    fourth: one more.
    """

    fourth: int = 4


class SilentOptions(DerivedOptions):
    fifth: int = 5


def test_options_that_stand_in_a_base_class_are_told_by_its_docstring() -> None:
    told = meanings(SilentOptions)
    assert told == {**meanings(OwnOptions), "third": "told anew.", "fourth": "one more."}
    options = options_of(replace(OWN, options=SilentOptions))
    assert [(one.name, bool(one.meaning)) for one in options] == [
        ("first", True),
        ("second", True),
        ("third", True),
        ("fourth", True),
        ("fifth", False),
    ], "a class without a docstring tells nothing of its own, and does not hide the rest"


@pytest.mark.parametrize("value", [1, 0.5, True, "a\nb", ["a", 2], {"a": {"b c": [1.5]}}])
def test_defaults_are_worded_as_a_campaign_file_words_them(value: Any) -> None:
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value
    assert default(value) == f"`{toml(value)}`"
    assert default([]) == default({}) == default("") == default(None) == "none"


def test_the_benchmark_counts_what_an_item_takes() -> None:
    """Of two recipes: the table, and the last line for programs."""
    command = [sys.executable, str(ROOT / "benchmarks" / "recipes.py"), "bare", "rows", "--repeat", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    *table, last = done.stdout.splitlines()
    assert [line.split()[0] for line in table] == ["recipe", "bare", "rows"]
    assert table[1].split()[2] == "2.0"
    found = json.loads(last)
    assert list(found)[:3] == ["recipes", "median_lines", "max_lines"]
    assert found["recipes"] == 2
    assert all(value > 0 for value in found.values())
