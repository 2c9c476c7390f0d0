"""What `gristmill doctor` finds before a run does, by the same code; and how a run ends that has nothing to show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from in_process import typed

from gristmill import Campaign
from gristmill.errors import ConfigError, GristmillError
from gristmill.graphs.recipes.catalogue import recipes
from gristmill.graphs.recipes.examples import example_of

ASKED = sorted(name for name, found in recipes().items() if example_of(found).asked)
PASSAGE = "The mill at Wye is a tide mill. It was built in 1170. A tide mill is a mill that the tide drives.\n"
OWN_PROMPT = """---
description: A prompt of one's own.
---
## user
{{ passage | data }}
"""
OWN_FLOW = """
from gristmill.agents.generator import generator
from gristmill.agents.messages import plain
from gristmill.graphs.flows.reference import reference_flow


def build():
    saying = generator(prompt="say-again", text_as="text", messages=plain)
    return reference_flow(proposer=None, generator=saying, critic=None)
"""
SILENT_FLOW = """
from langgraph.graph import END, START, StateGraph
from gristmill.agents.asking import ask
from gristmill.agents.state import FlowContext, FlowState


async def silent(state, runtime):
    await ask(state, runtime, role="generator", prompt="say-again", variables=("passage",))


def build():
    graph = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("silent", silent)
    graph.add_edge(START, "silent")
    graph.add_edge("silent", END)
    return graph
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a document, a campaign of one's own prompt, and one of a recipe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "mill.md").write_text(PASSAGE)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "say-again.md").write_text(OWN_PROMPT)
    (tmp_path / "my_flow.py").write_text(OWN_FLOW)
    return tmp_path


def written(home: Path, *lines: str, model: str = "offline", documents: str = "documents") -> Path:
    path = home / "c.toml"
    head = ['name = "c"', f'documents = ["{documents}"]', 'prompts = ["prompts"]']
    path.write_text("\n".join((*head, *lines, "[models.default]", f'model = "{model}"', "")))
    return path


def found(home: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(typed("doctor", "c.toml", "--json", cwd=home).stdout)}


def test_a_prompt_that_the_offline_model_has_no_rule_for_is_refused_by_doctor_dry_run_and_run(home: Path) -> None:
    written(home, 'flow = "my_flow:build"')
    seen = found(home)["campaign"]
    assert not seen["ok"]
    assert "role 'generator' asks 'say-again', which the model 'offline' has no rule for" in seen["detail"]
    assert '[models.generator]\nmodel = "openai_api/..."' in seen["detail"]
    for options in ((), ("--dry-run",)):
        done = typed("run", "c.toml", *options, cwd=home)
        assert done.returncode == 1
        assert "'say-again'" in done.stderr
    assert not (home / "runs").exists(), "nothing was begun"


def test_a_model_that_is_bound_to_the_role_answers_for_it(home: Path) -> None:
    written(home, 'flow = "my_flow:build"', "[models.real]", 'model = "openai_api/x"', "[roles]", 'generator = "real"')
    assert typed("flow", "c.toml", cwd=home).returncode == 0


@pytest.mark.parametrize("name", ASKED)
def test_options_that_only_the_user_can_give_are_asked_for_before_anything_is_spent(name: str, home: Path) -> None:
    written(home, f'recipe = "{name}"')
    with pytest.raises(ConfigError) as raised:
        Campaign.load(home / "c.toml").prepare()
    assert all(option in str(raised.value) for option in example_of(recipes()[name]).asked)
    assert found(home)["campaign"]["detail"] == str(raised.value)
    given = Campaign(
        "c", ["documents"], recipe=name, options=example_of(recipes()[name]).filled, models={"default": "offline"}
    )
    given.prepare()


@pytest.mark.parametrize(
    ("documents", "said"),
    [("elsewhere", "'elsewhere' does not exist"), ("empty", "documents: nothing could be read from empty")],
)
def test_documents_that_cannot_be_read_are_found(documents: str, said: str, home: Path) -> None:
    (home / "empty").mkdir()
    written(home, 'recipe = "wrap"', documents=documents)
    seen = found(home)
    assert seen["campaign"]["ok"]
    assert (seen["documents"]["ok"], said in seen["documents"]["detail"]) == (False, True)


def test_rows_without_their_text_are_found(home: Path) -> None:
    (home / "rows.jsonl").write_text('{"question": "Why?"}\n' * 3)
    written(home, 'recipe = "bare"', documents="rows.jsonl")
    assert "has no 'text'; it has 'question'" in found(home)["documents"]["detail"]


def test_a_run_that_was_begun_with_other_settings_is_found(home: Path) -> None:
    written(home, 'recipe = "wrap"', "target = 1")
    assert typed("run", "c.toml", "--plain", cwd=home).returncode == 0
    seen = found(home)
    assert all(seen[name]["ok"] for name in ("campaign", "documents", "run"))
    assert "1 of " in seen["run"]["detail"]
    written(home, 'recipe = "maga"', "target = 1")
    seen = found(home)["run"]
    assert not seen["ok"]
    assert "recipe (was 'wrap', is 'maga')" in seen["detail"]
    with pytest.raises(GristmillError) as raised:
        Campaign.load("c.toml").run()
    assert str(raised.value) == seen["detail"]


def test_that_hashed_words_stand_in_for_meaning_is_said_by_doctor_and_run(home: Path) -> None:
    said = "novelty.embedder is 'hashed', which sees wording only: hashed TF-IDF of words, not meaning"
    written(home, 'recipe = "wrap"', "target = 1", "[novelty]", "near = 0.8")
    assert "novelty" not in found(home)
    written(home, 'recipe = "wrap"', "target = 1", "[novelty]", "semantic = 0.9")
    assert said in found(home)["novelty"]["detail"]
    ran = typed("run", "c.toml", "--plain", cwd=home)
    assert ran.returncode == 0
    assert said in ran.stdout + ran.stderr


# How a run ends


def rows_run(home: Path, rows: list[dict[str, str]], *options: str) -> Any:
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written(home, 'recipe = "dart"', "[options]", "max_trials = 4", documents="rows.jsonl")
    return typed("run", "c.toml", "--plain", *options, cwd=home)


HOPELESS = {"text": "Prove that there is no largest prime.", "answer": "7"}
SUM = {"text": "A mill grinds 31 sacks a day. How many sacks is that in 17 days?", "answer": "527"}


def test_a_run_of_which_nothing_is_accepted_ends_with_3_and_says_why(home: Path) -> None:
    done = rows_run(home, [HOPELESS])
    assert done.returncode == 3, done.stdout
    line = next(one for one in done.stdout.splitlines() if one.startswith("nothing was accepted"))
    assert "most tasks were rejected: incorrect (4 of 4); look at some with: gristmill review list" in line


def test_a_run_that_is_exhausted_with_some_accepted_ends_with_0(home: Path) -> None:
    done = rows_run(home, [HOPELESS, SUM])
    assert done.returncode == 0, done.stdout
    assert "nothing was accepted" not in done.stdout
    assert rows_run(home, [HOPELESS, SUM]).returncode == 0, "what is done already stays as it is"


@pytest.mark.parametrize("options", [(), ("--workers", "1")])
def test_a_run_of_which_all_tasks_failed_ends_with_3_in_one_process_and_in_a_fleet(
    home: Path, options: tuple[str, ...]
) -> None:
    """The node tells nothing of what it asks, so nothing can be refused before."""
    (home / "my_flow.py").write_text(SILENT_FLOW)
    written(home, 'flow = "my_flow:build"')
    done = typed("run", "c.toml", "--plain", *options, cwd=home)
    assert done.returncode == 3, done.stdout + done.stderr
    line = next(one for one in done.stdout.splitlines() if one.startswith("nothing was accepted"))
    assert "most tasks failed: request_refused (1 of 1): the offline model has no rule for prompt 'say-again'" in line
    assert line.endswith("gristmill doctor c.toml")
    assert "gristmill run c.toml --retry-failed" in done.stdout
