"""What roles read of answers: each says it, and a user's own prompt without it is refused before anything is paid."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from places import ROOT
from pydantic import BaseModel, ConfigDict, RootModel, computed_field

from gristmill import Campaign
from gristmill.agents.attributes import attributes
from gristmill.agents.extraction import extractor, points
from gristmill.agents.state import NodeInfo
from gristmill.cli import main
from gristmill.errors import ConfigError, FlowError
from gristmill.graphs.flows.check import builder_of, infos_of, require_flow
from gristmill.graphs.flows.reference import Flow
from gristmill.graphs.knowledge import summarise
from gristmill.graphs.recipes.catalogue import recipe, recipes
from gristmill.graphs.recipes.examples import example_of
from gristmill.graphs.resolution import judging
from gristmill.prompts.json_schema import answer_by
from gristmill.prompts.library import BUILT_IN, PromptLibrary, read_prompt
from gristmill.prompts.wanted import Fields, Text, unfit

TURNED_ON = ("judge", "check", "check_language", "pseudocode", "propose")  # options that add a role
NEEDED_BY_NOBODY = {
    ("entigraph", "write-entity-passage"): {"questions", "title"},
    ("entigraph", "revise-entity-passage"): {"questions", "title"},
    ("graph-reasoning", "write-problem"): {"needs"},
    ("swim-ir", "summarise-then-ask"): {"summary"},  # it is written to think, and read by nobody
    ("craft", "write-from-shots"): {"suitable"},
    ("datatune", "datatune-columns"): {"suitable"},
    ("datatune", "datatune-plan"): {"suitable"},
    ("plan-search", "plansearch-mend"): {"critique"},
    ("sense", "sense-write"): {"rows"},
}
"""Fields of built-in answers that an item can be made without."""


@cache
def flow_of(name: str) -> Flow:
    """A recipe's flow with all the roles that it can have."""
    told = recipe(name)
    assert told.flow is not None
    on = {option: True for option in TURNED_ON if option in told.options.model_fields}
    return told.flow(told.options.model_validate({**on, **example_of(told).asked}))


def infos(name: str) -> list[NodeInfo]:
    """What the nodes of a recipe's flow tell that ask a prompt."""
    return [info for node in builder_of(flow_of(name)).nodes.values() for info in infos_of(node) if info.prompt]


FLOWS = [name for name, one in recipes().items() if one.flow is not None]


def campaign(name: str, folder: Path, **values: Any) -> Campaign:
    """A campaign of a recipe with the prompts of `folder/prompts`."""
    (folder / "rows.jsonl").write_text('{"text": "one", "label": "a"}\n')
    values = {"models": {"default": "openai_api/one"}, "runs": str(folder / "runs"), **values}
    return Campaign("t", [folder / "rows.jsonl"], recipe=name, prompts=[str(folder / "prompts")], **values)


def own(folder: Path, name: str, schema: object) -> Path:
    """Writes a prompt of a user's own, answered by `schema`; an empty one is a text."""
    (folder / "prompts").mkdir(exist_ok=True)
    path = folder / "prompts" / f"{name}.md"
    said = f"schema: {json.dumps(schema)}\n" if schema else ""
    path.write_text(f"---\ndescription: mine\n{said}---\n## user\nWrite it.\n")
    return path


def shape(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("name", FLOWS)
def test_every_prompt_of_every_recipe_is_refused_with_another_answer(name: str, tmp_path: Path) -> None:
    paths = {str(info.prompt): own(tmp_path, str(info.prompt), shape(other={})) for info in infos(name)}
    with pytest.raises(FlowError) as caught:
        require_flow(flow_of(name), roles={"default"}, prompts=PromptLibrary.of([tmp_path / "prompts"]))
    said = {line for line in str(caught.value).splitlines() if "is answered by" in line}
    mended = [
        line for line in said if re.search("add it to the schema|put 'schema: \\w+' into|take 'schema' out", line)
    ]
    for info in infos(name):
        begins = f"prompt '{info.prompt}' ({paths[str(info.prompt)]}) is answered by schema {info.prompt}"
        assert any(begins in line and f"role '{info.role}' " in line for line in mended), (info, said)


@pytest.mark.parametrize("name", FLOWS)
def test_a_field_that_is_lost_is_refused_by_name(name: str) -> None:
    """Of answers that may be of any schema: one field after the other is taken out of the built-in one."""
    for info in infos(name):
        prompt = PromptLibrary().get(str(info.prompt))
        if prompt.schema is None or not isinstance(info.answer, Fields):
            continue
        whole = prompt.schema.model_json_schema()
        lost = set()
        for field in whole["properties"]:
            rest = {key: value for key, value in whole["properties"].items() if key != field}
            left = answer_by({**whole, "properties": {**rest, "z": {}}, "required": []}, prompt.name)
            told = unfit(replace(prompt, schema=left), info.answer, str(info.role))
            lost |= {field} if f"reads '{field}', which it does not have" in told else set()
        assert whole["properties"].keys() - lost == NEEDED_BY_NOBODY.get((name, prompt.name), set())


def test_there_are_prompts_to_check() -> None:
    asked = {(name, info.prompt) for name in FLOWS for info in infos(name)}
    assert len(asked) > 80
    assert {one for one in NEEDED_BY_NOBODY if one not in asked} == set()
    assert all(info.answer is not None for name in FLOWS for info in infos(name))


BESIDE = [*extractor.ASKS, *points.ASKS, *summarise.ASKS, *judging.ASKS, *attributes.ASKS]


@pytest.mark.parametrize("info", BESIDE, ids=lambda info: info.prompt)
def test_prompts_outside_of_the_flow_are_refused_alike(info: NodeInfo, tmp_path: Path) -> None:
    name = "gsdp" if info in points.ASKS else "entigraph"
    graph: dict[str, Any] = {"resolution": {"use_model": True}}
    if name == "gsdp":
        graph = {"extractor": "points"}
    steered = {"propose": ["tone"], "personas": 2}
    values = {"graph": graph, "attributes": steered} if info in attributes.ASKS else {"graph": graph}
    path = own(tmp_path, str(info.prompt), shape(other={}))
    with pytest.raises(ConfigError) as caught:
        campaign(name, tmp_path, **values).prepare()
    assert isinstance(info.answer, type)
    assert f"({path}) is answered by schema {info.prompt}" in str(caught.value)
    assert f"role '{info.role}' needs {info.answer.__name__}; put 'schema: {info.answer.__name__}'" in str(caught.value)
    built_in = (BUILT_IN / f"{info.prompt}.md").read_text()
    path.write_text(f"{built_in}\n{{{{ nobody_gives_this }}}}\n")
    with pytest.raises(ConfigError, match=f"asks for nobody_gives_this, which role '{info.role}' does not give"):
        campaign(name, tmp_path, **values).prepare()
    path.write_text(built_in)
    campaign(name, tmp_path, **values).prepare()


def test_dry_run_and_doctor_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own(tmp_path, "write-question-answer", shape(question={"type": "string"}, answr={"type": "string"}, evidence={}))
    (tmp_path / "doc.md").write_text("A sluice is a gate.")
    (tmp_path / "c.toml").write_text(
        'name = "c"\nrecipe = "grounded-qa"\ndocuments = ["doc.md"]\nprompts = ["prompts"]\n'
        '[models.default]\nmodel = "offline"\n'
    )
    said = "reads 'answer', which it does not have; did you mean 'answr'?"
    for command in (["run", "c.toml", "--dry-run"], ["run", "c.toml"], ["doctor", "c.toml"], ["flow", "c.toml"]):
        done = CliRunner().invoke(main, command, catch_exceptions=False)
        flat = " ".join(done.output.split())
        assert (done.exit_code, said in flat) == (1, True), (command, done.output)
        assert "(the built-in prompt of this name has 'schema: QuestionAnswer')" in flat
    assert not (tmp_path / "runs").exists()


# what fits


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Nested(BaseModel):
    one: str
    many: list[Nested] = []

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def length(self) -> int:
        return len(self.one)


def why(folder: Path, wanted: Any, schema: object) -> str:
    if not isinstance(schema, type):
        return unfit(read_prompt(own(folder, "mine", schema)), wanted, "writer")
    return unfit(replace(read_prompt(own(folder, "mine", "")), schema=schema), wanted, "writer")


LISTED = Fields(lists={"many": ("one",)})


@pytest.mark.parametrize(
    ("wanted", "schema", "said"),
    [
        (Fields.of(["one"]), shape(one={}), ""),
        (Fields.of(["one"]), Nested, ""),
        (Fields.of(["length"]), Nested, ""),
        (Fields.of(["one"]), Open, ""),
        (Fields.of(["one"]), {**shape(two={}), "additionalProperties": True}, ""),
        (Fields.of(["one"]), RootModel[dict[str, str]], ""),
        (Fields.of(["one"]), RootModel[Nested], ""),
        (Fields.of(["two"]), RootModel[Nested], "reads 'two', which it does not have"),
        (Fields.of(["two"]), Nested, "by schema Nested, and role 'writer' reads 'two', which it does not have"),
        (Fields.of(["one", "two"]), "", "by no schema, and role 'writer' reads 'one', 'two'; put a schema that"),
        (Fields.of(["text"]), "", ""),
        (Fields.of(["one"], text=True), "", ""),
        (LISTED, Nested, ""),
        (LISTED, shape(many={"type": "array"}), ""),
        (LISTED, shape(many={"type": ["array", "null"], "items": {"type": "object", "properties": {"one": {}}}}), ""),
        (LISTED, shape(many={"type": "string"}), "reads 'many' as a list, and it is a string; make it a list"),
        (LISTED, shape(many={"type": "array", "items": {"type": "string"}}), "reads 'one' of every entry of 'many'"),
        (LISTED, shape(many={"type": "array", "items": shape(two={})}), "reads 'one' of every entry of 'many'"),
        (Text(), "", ""),
        (Text(), shape(one={}), "answered by schema mine, and role 'writer' reads the text itself; take 'schema' out"),
        (Nested, shape(one={}), "answered by schema mine, and role 'writer' needs Nested; put 'schema: Nested'"),
        (Nested, shape(two={}), "answered by schema mine without 'one', and role 'writer' needs Nested"),
    ],
)  # fmt: skip
def test_what_fits_and_what_does_not(wanted: Any, schema: Any, said: str, tmp_path: Path) -> None:
    found = why(tmp_path, wanted, schema)
    assert (said in found) if said else found == "", found


# every role declares what it reads


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("agents", "graphs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == ROOT / "agents" / "state.py":  # where both are made
                continue
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def test_every_node_that_names_a_prompt_says_what_it_reads_of_the_answer() -> None:
    found = 0
    for path, tree in trees():
        for call in calls(tree, "describe", "NodeInfo"):
            keys = {keyword.arg for keyword in call.keywords}
            asks = "prompt" in keys or (
                isinstance(call.func, ast.Name) and call.func.id == "NodeInfo" and len(call.args) > 1
            )
            found += asks
            assert not asks or "answer" in keys, f"{path}:{call.lineno} names a prompt and no answer="
    assert found > 30


def test_every_schema_that_a_role_parses_is_one_that_it_declares() -> None:
    parsed = 0
    for path, tree in trees():
        declared = {
            ast.unparse(keyword.value)
            for call in calls(tree, "describe", "NodeInfo")
            for keyword in call.keywords
            if keyword.arg == "answer"
        }
        for call in calls(tree, "parsed_as", "isinstance"):
            if call.func.id == "isinstance" and "reply.parsed" not in ast.unparse(call.args[0]):  # type: ignore[attr-defined]
                continue
            wanted = ast.unparse(call.args[0 if call.func.id == "parsed_as" else 1])  # type: ignore[attr-defined]
            if wanted[0].isupper() and path.name != "critic.py":
                parsed += 1
                assert wanted in declared, f"{path}:{call.lineno} parses {wanted}, and no answer= declares it"
    assert parsed > 15
