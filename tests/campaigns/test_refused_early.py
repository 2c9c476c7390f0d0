"""What can be known to be wrong is refused before anything is paid, with the value and the mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from langgraph.graph import END, START, StateGraph

from gristmill import Campaign, FlowContext, FlowState, Scripted
from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.agents.messages import instruction_response
from gristmill.agents.panel import panel
from gristmill.agents.teachable import teachable
from gristmill.agents.variables import gather
from gristmill.errors import ConfigError, FlowError
from gristmill.graphs.flows.check import builder_of, check_flow, infos_of
from gristmill.graphs.flows.routing import settle
from gristmill.graphs.recipes.catalogue import recipe, recipes
from gristmill.graphs.recipes.examples import example_of
from gristmill.models.spec import ModelSpec
from gristmill.prompts.library import BUILT_IN, PromptLibrary, read_prompt
from gristmill.storage.records import Draft, Task

SCORED = [
    (name, option)
    for name, one in recipes().items()
    for option, told in one.options.model_fields.items()
    if get_origin(told.annotation) is dict and get_args(told.annotation)[1] is float and option != "shares"
]
"""Every option that is a table from the name of a score to a number, of every recipe."""


def prepared(name: str, folder: Path, **values: Any) -> None:
    """Checks a campaign of a recipe whose models are all different servers."""
    (folder / "rows.jsonl").write_text('{"text": "one", "label": "a"}\n')
    told = recipe(name)
    groups = {role for group in told.apart for role in group}
    models = {"default": "openai_api/one", **{role: f"openai_api/{role}" for role in groups}}
    options = {**example_of(told).asked, **values.pop("options", {})}
    Campaign("t", [folder / "rows.jsonl"], recipe=name, options=options, **{"models": models, **values}).prepare()


@pytest.mark.parametrize(("name", "option"), SCORED)
def test_a_mistyped_score_is_refused_by_every_recipe(name: str, option: str, tmp_path: Path) -> None:
    right = next(iter(recipe(name).options().model_dump()[option]), "")
    wrong = f"{right}x" if right else "groundedx"
    judge = {"judge": True} if "judge" in recipe(name).options.model_fields else {}
    prepared(name, tmp_path, options={option: {right: 0.5}} if right else {})
    with pytest.raises(ConfigError, match=f"'{wrong}'") as told:
        prepared(name, tmp_path, options={option: {wrong: 0.5}, **judge})
    if right:
        assert f"did you mean '{right}'?" in str(told.value)


def test_there_are_tables_of_scores_to_check() -> None:
    assert {("grounded-qa", "minimum"), ("scale-quest", "worth"), ("graph-reasoning", "minimum")} <= set(SCORED)
    assert len(SCORED) > 15


@pytest.mark.parametrize("least", [-0.1, 1.5])
@pytest.mark.parametrize(("name", "score"), [("wrap", "style"), ("graph-reasoning", "relevance"), ("toa", "reward")])
def test_a_least_score_that_no_score_can_be_is_refused(name: str, score: str, least: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"minimum['{score}'] is {least}; ")):
        prepared(name, tmp_path, options={"minimum": {score: least}})


def test_a_score_that_this_recipe_does_not_ask_for_is_refused(tmp_path: Path) -> None:
    said = "minimum names 'contrast', which nothing is scored for here"
    with pytest.raises(ConfigError, match=said):
        prepared("swim-ir", tmp_path, options={"minimum": {"contrast": 0.5}})
    with pytest.raises(ConfigError, match=said):
        prepared("duqgen", tmp_path, options={"minimum": {"contrast": 0.5}, "negatives": 0})
    prepared("duqgen", tmp_path, options={"minimum": {"contrast": 0.5}})


@pytest.mark.parametrize("name", ["magpie", "persona-hub"])
def test_a_least_score_where_nothing_is_scored_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="minimum is set, and judge is false"):
        prepared(name, tmp_path, options={"judge": False, "minimum": {"quality": 0.5}})
    prepared(name, tmp_path, options={"judge": False})
    prepared(name, tmp_path, options={"judge": True, "minimum": {"quality": 0.5}})


def test_a_score_of_a_panel_is_that_of_a_judge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="minimum names 'relevanc', which is none of the judges; did you mean 'relev"):
        panel({"relevance": "judge"}, minimum={"relevanc": 0.5})
    with pytest.raises(ConfigError, match="which is none of the judges"):
        prepared("graph-reasoning", tmp_path, options={"judges": {"depth": "judge"}, "minimum": {"relevance": 0.5}})
    prepared("graph-reasoning", tmp_path, options={"judges": {"depth": "judge"}, "minimum": {"depth": 0.5}})


# prompts of a user's own


def judged(prompt: str, folder: Path, minimum: Mapping[str, float]) -> list[str]:
    """What is wrong with a flow whose critic has the prompt `judge-it`, by code and text."""
    (folder / "judge-it.md").write_text(prompt)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("critic", critic(prompt="judge-it", variables=("text",), minimum=minimum))
    graph.add_node("settle", settle)
    graph.add_edge(START, "critic")
    graph.add_edge("critic", "settle")
    graph.add_edge("settle", END)
    found = check_flow(graph, roles=["critic"], prompts=PromptLibrary.of([folder]))
    return [f"{one.code}: {one.message}" for one in found]


HEAD = "---\ndescription: x\nschema: Judgement\n"
ASKS = "---\n## user\n{{ text | data }}\nScore its Tone-of-Voice and its depth.\n"


def test_scores_of_a_users_prompt_are_those_that_it_lists_or_speaks_of(tmp_path: Path) -> None:
    assert judged(HEAD + ASKS, tmp_path, {"depth": 0.5, "tone_of_voice": 0.5}) == []
    (found,) = judged(HEAD + ASKS, tmp_path, {"dept": 0.5})
    assert found.startswith("unknown_score: a least score of 'dept' is asked for, and prompt 'judge-it' (")
    assert found.endswith("says nothing of it; correct the name, or list what the prompt scores in its front matter: "
                          "scores: [dept]")  # fmt: skip
    listing = f"{HEAD}scores: [depth, tone]\n{ASKS}"
    assert judged(listing, tmp_path, {"depth": 0.5, "tone": 0.5}) == []
    (found,) = judged(listing, tmp_path, {"tones": 0.5})
    assert found.endswith("gives no such score; did you mean 'tone'? (there are: depth, tone)")
    assert judged(listing, tmp_path, {"voice": 0.5}), "a list is all that there is"


def test_a_prompt_that_is_answered_otherwise_is_refused(tmp_path: Path) -> None:
    without = "---\ndescription: x\n" + ASKS
    (found,) = judged(without, tmp_path, {})
    assert found.endswith("is answered by no schema, and role 'critic' needs Judgement; put 'schema: Judgement' into "
                          "its front matter, or a class of yours derived from it")  # fmt: skip
    (found,) = judged(without.replace("x\n", "x\nschema: Proposal\n", 1), tmp_path, {})
    assert "answered by schema Proposal without 'decision', and role 'critic' needs Judgement" in found


@pytest.mark.parametrize("scores", ["depth", "[Depth]", "[1]", "{depth: 1}"])
def test_scores_in_front_matter_are_a_list_of_names(scores: str, tmp_path: Path) -> None:
    (tmp_path / "judge-it.md").write_text(f"{HEAD}scores: {scores}\n{ASKS}")
    with pytest.raises(ConfigError, match=r"has scores: .*; give a list of names in lower case"):
        PromptLibrary.of([tmp_path]).get("judge-it")


def test_every_judging_prompt_lists_the_scores_that_its_example_shows() -> None:
    listed = 0
    for path in BUILT_IN.glob("judge-*.md"):
        prompt = read_prompt(path)
        shown = set(re.findall(r'"name": "(\w+)"', path.read_text()))
        assert set(prompt.scores) == shown, path.name
        listed += bool(shown)
    assert listed >= 9


def test_a_prompt_of_ones_own_in_place_of_a_built_in_one_may_score_otherwise(tmp_path: Path) -> None:
    text = (BUILT_IN / "judge-question-answer.md").read_text().replace("nontrivial", "worthwhile")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "judge-question-answer.md").write_text(text)
    mine = [tmp_path / "prompts"]
    prepared("grounded-qa", tmp_path, options={"minimum": {"worthwhile": 0.5}}, prompts=[str(one) for one in mine])
    with pytest.raises(FlowError, match="'nontrivial'"):
        prepared("grounded-qa", tmp_path, options={"minimum": {"nontrivial": 0.5}}, prompts=[str(one) for one in mine])


# roles that need two models


PAIRS = [(name, group) for name, one in recipes().items() for group in one.apart]


def test_the_recipes_that_compare_models_say_so() -> None:
    assert {name for name, _ in PAIRS} == {"codeclm", "reverse-gen", "sense", "toa"}


def test_what_a_recipe_says_is_what_its_nodes_need() -> None:
    for name, one in recipes().items():
        if one.flow is not None:
            nodes = builder_of(one.flow(one.options())).nodes.values()
            assert {group for node in nodes for info in infos_of(node) for group in info.apart} == set(one.apart), name


@pytest.mark.parametrize(("name", "group"), PAIRS)
def test_one_model_for_roles_that_need_two_is_refused(name: str, group: tuple[str, ...], tmp_path: Path) -> None:
    last = group[-1]
    lines = f'\n\n[models.{last}]\nmodel = "openai_api/..."'
    url = "http://localhost:8000/v1"
    big = ModelSpec(model="openai_api/big", base_url=url)
    with pytest.raises(ConfigError) as told:
        prepared(name, tmp_path, models={"default": big})
    assert str(told.value) == (
        f"the roles {', '.join(group)} are all answered by model 'openai_api/big' at {url} (models.default), and what "
        f"they answer is compared; give '{last}' another model:{lines}"
    )
    twin = ModelSpec(model="openai_api/big", base_url=f"{url}/", temperature=0.3)
    named = dict.fromkeys(group, twin)
    with pytest.raises(ConfigError, match=re.escape(lines)):
        prepared(name, tmp_path, models=named | {"default": big})
    prepared(name, tmp_path, models={"default": big, last: "openai_api/small"})
    prepared(name, tmp_path, models={"default": big, last: ModelSpec(model=big.model, base_url="http://b:8001/v1")})
    prepared(name, tmp_path, models={"default": big, last: big.model_copy(update={"extra": {"effort": "low"}})})


def test_the_lines_that_a_refusal_shows_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n')
    head = 'name = "c"\nrecipe = "codeclm"\ndocuments = ["rows.jsonl"]\n[models.default]\nmodel = "openai_api/big"\n'
    path.write_text(head)
    with pytest.raises(ConfigError) as told:
        Campaign.load(path).prepare()
    added = str(told.value).partition(":\n\n")[2].replace("...", "small")
    path.write_text(f"{head}\n{added}\n")
    Campaign.load(path).prepare()


def test_the_offline_model_is_two_where_it_is_asked_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'\n\n\[models.target\]\nmodel = "offline/weak"$'):
        prepared("codeclm", tmp_path, models={"default": "offline", "target": "offline"})
    prepared("codeclm", tmp_path, models={"default": "offline", "target": "offline/weak"})


def test_a_role_that_is_bound_by_name_is_mended_there(tmp_path: Path) -> None:
    models = {"default": "openai_api/big", "other": "openai_api/small"}
    with pytest.raises(ConfigError, match=r'\n\n\[roles\]\nweak = "..."  # in place of "default"'):
        prepared("sense", tmp_path, models=models, roles={"weak": "default"})
    prepared("sense", tmp_path, models=models, roles={"weak": "other"})
    with pytest.raises(ConfigError, match=r"generator, weak are all answered by model 'openai_api/small'"):
        prepared("sense", tmp_path, models=models, roles={"weak": "other", "generator": "other"})


def test_objects_are_told_apart_by_their_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"told apart by their name: Scripted\(..., name=\"target\"\)"):
        prepared("codeclm", tmp_path, models={"default": Scripted([]), "target": Scripted([])})
    with pytest.raises(ConfigError, match=r"models=\{..., 'target': Scripted\(..., name=\"target\"\)\}, or a string"):
        prepared("codeclm", tmp_path, models={"default": Scripted([])})
    prepared("codeclm", tmp_path, models={"default": Scripted([]), "target": Scripted([], name="target")})
    prepared("codeclm", tmp_path, models={"default": Scripted([]), "target": "openai_api/small"})


def test_teachers_and_writers_that_options_name_are_checked_too(tmp_path: Path) -> None:
    two = {"default": "openai_api/big", "b": "openai_api/b"}
    options = {"teachers": ["a", "b"]}
    prepared("active-inheritance", tmp_path, options=options, models=two)
    with pytest.raises(ConfigError, match="roles a, b are all"):
        prepared("active-inheritance", tmp_path, options=options, models={"default": "openai_api/big"})
    prepared("toa", tmp_path, options={"writers": ["a", "b", "c"]}, models=two)
    with pytest.raises(ConfigError, match="roles a, b, c are all"):
        prepared("toa", tmp_path, options={"writers": ["a", "b", "c"]}, models={"default": "openai_api/big"})


def test_a_flow_of_ones_own_is_held_to_what_its_nodes_compare(tmp_path: Path) -> None:
    def build() -> StateGraph[Any, Any, Any, Any]:
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
        graph.add_node(
            "write", generator(prompt="bare-refine", variables=("raw", "examples"), messages=instruction_response)
        )
        graph.add_node("compare", teachable(strong="teacher", target="pupil"))
        graph.add_edge(START, "write")
        graph.add_edge("write", "compare")
        graph.add_edge("compare", END)
        return graph

    with pytest.raises(ConfigError, match="roles teacher, pupil are all"):
        prepared("rows", tmp_path, flow=build)
    prepared("rows", tmp_path, flow=build, models={"default": "openai_api/a", "pupil": "openai_api/b"})


# attributes


@pytest.mark.parametrize("name", ["passage", "relations", "reviewer_note", "traits", "comment", "refines"])
def test_an_attribute_that_no_prompt_would_see_is_refused(name: str, tmp_path: Path) -> None:
    said = f"attributes: an attribute '{name}' would be seen by no prompt"
    for attributes in ({"values": {name: ["a", "b"]}}, {"propose": ["length", name]}):
        with pytest.raises(ConfigError, match=f"^{said}"):
            prepared("grounded-qa", tmp_path, attributes=attributes)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("settle", settle)
    graph.add_edge(START, "settle")
    graph.add_edge("settle", END)
    with pytest.raises(ConfigError, match=rf"^options.{said}.*such as '{name}_given'"):
        prepared("rows", tmp_path, flow=lambda: graph, options={"attributes": {name: "a"}})
    prepared("grounded-qa", tmp_path, attributes={"values": {"topic": ["a"], "kind": ["fact"], "tone": ["b"]}})


def test_what_was_proposed_or_drafted_comes_before_an_attribute_which_stands_where_nothing_was() -> None:
    names = ("topic", "question", "answer", "tone")
    attributes = {"topic": "mills", "question": "When?", "answer": "1742", "tone": "dry"}
    state: FlowState = {"task": Task.of("chunk", attributes=attributes)}
    assert gather(state, names) == attributes, "no proposer, no draft"
    state["values"] = {"angle": "when", "topic": "weirs"}
    assert gather(state, ("topic", "angle", "quote")) == {"topic": "mills", "angle": "when", "quote": ""}
    state["proposal"] = {"suitable": True, "topic": "oats", "angle": ""}
    assert gather(state, ("topic", "angle", "quote")) == {"topic": "oats", "angle": "", "quote": ""}
    state["drafts"] = [Draft(index=0, by="generator", messages=(), fields={"question": "Who?"})]
    assert gather(state, names) == {"topic": "oats", "question": "Who?", "answer": "", "tone": "dry"}


# names


def test_a_recipe_that_is_none_is_met_with_the_nearest_and_where_all_are() -> None:
    with pytest.raises(ConfigError) as told:
        recipe("grounded-qq")
    assert str(told.value) == (
        f"recipe: no recipe is called 'grounded-qq'; did you mean 'grounded-qa'? (all {len(recipes())}: "
        "`gristmill recipes`)"
    )
