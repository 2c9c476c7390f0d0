"""Schemas of a user's own, in a prompt's front matter, and docs/prompts.md, whose example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from places import DOCS

from gristmill.agents import variables
from gristmill.cli import main
from gristmill.errors import PromptError, SchemaMismatch
from gristmill.models.layers.repair import parse
from gristmill.models.schema import response_format, schema_key
from gristmill.prompts.library import Prompt, PromptLibrary, read_prompt

PAGE = (DOCS / "prompts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
(PROMPT,) = (body for language, body in BLOCKS if language == "markdown")
(SCHEMA,) = (body for language, body in BLOCKS if language == "yaml")
MODULE, TEST = (body for language, body in BLOCKS if language == "python")
STEPS = """schema:
  type: object
  properties:
    title: {type: string, minLength: 3}
    steps: {type: array, items: {$ref: "#/$defs/step"}}
  required: [title, steps]
  $defs:
    step: {type: object, properties: {do: {type: string}}, required: [do]}
"""


def prompt(folder: Path, header: str, name: str = "mine") -> Prompt:
    path = folder / f"{name}.md"
    path.write_text(f"---\n{header}\n---\n## user\nWrite.\n")
    return read_prompt(path)


@pytest.fixture(params=["class", "json schema"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page, with the prompt's schema as a class and written out."""
    written = PROMPT if request.param == "class" else PROMPT.replace("schema: glossary:Entry\n", SCHEMA)
    assert request.param == "class" or "schema: glossary:Entry" not in written
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "define-term.md").write_text(written)
    (tmp_path / "glossary.py").write_text(MODULE)
    (tmp_path / "test_glossary.py").write_text(TEST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "glossary", raising=False)
    return tmp_path


def test_the_example_of_the_page_passes_its_test(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_glossary.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_flow_of_the_page_is_checked_with_its_prompt(project: Path) -> None:
    assert CliRunner().invoke(main, ["flow", "glossary:build"], catch_exceptions=False).exit_code == 0
    path = project / "prompts" / "define-term.md"
    path.write_text(path.read_text().replace("{{ passage | data }}", "{{ pasage | data }}"))
    done = CliRunner().invoke(main, ["flow", "glossary:build"])
    assert done.exit_code == 1
    assert "asks for pasage, which the node does not give" in done.output


def test_a_class_of_ones_own_is_found_beside_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "verdicts_here.py").write_text(
        "from gristmill.prompts.schemas import Judgement\nclass Strict(Judgement):\n    tone: str\nLIST = [1]\n"
    )
    monkeypatch.chdir(tmp_path)
    schema = prompt(tmp_path, "schema: verdicts_here:Strict").schema
    assert schema is not None
    assert parse('{"decision": "accept", "tone": "dry"}', schema).model_dump()["tone"] == "dry"
    with pytest.raises(PromptError, match=r"mine\.md: schema 'verdicts_here:Strikt'.*did you mean 'Strict'"):
        prompt(tmp_path, "schema: verdicts_here:Strikt")
    with pytest.raises(PromptError, match=r"is \[1\]; it has to be a class derived from pydantic's BaseModel"):
        prompt(tmp_path, "schema: verdicts_here:LIST")


OPEN = """schema:
  title: "Prüfung 问题"
  type: object
  required: ["on"]
  properties:
    "on": {enum: [2024-01-01, 2025-01-01]}
    note: {type: string}
    7: {type: integer}
"""


def test_a_json_schema_in_yaml_is_what_json_can_say(tmp_path: Path) -> None:
    schema = prompt(tmp_path, OPEN, "dated").schema
    assert schema is not None
    assert parse('{"on": "2024-01-01"}', schema).model_dump(mode="json") == {"on": "2024-01-01"}
    asked = response_format(schema)["json_schema"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", asked["name"])
    assert (asked["strict"], asked["schema"]["required"]) == (False, ["on"]), "what may be left out is not asked for"
    assert schema_key(schema)
    with pytest.raises(PromptError, match=r"\$schema 5, which names no dialect"):
        prompt(tmp_path, OPEN.replace("  type: object", "  $schema: 5\n  type: object"), "odd")


def test_a_json_schema_is_asked_for_as_it_stands_and_held(tmp_path: Path) -> None:
    schema = prompt(tmp_path, STEPS, "how-to").schema
    assert schema is not None
    asked = response_format(schema)["json_schema"]
    assert (asked["name"], asked["strict"]) == ("how-to", True)
    assert asked["schema"]["$defs"]["step"]["additionalProperties"] is False
    fits: dict[str, Any] = {"title": "Tea", "steps": [{"do": "boil"}], "more": 1}
    assert parse(f"Sure: {fits}".replace("'", '"'), schema).model_dump(mode="json") == fits
    with pytest.raises(SchemaMismatch, match=r"\$\.title: 'T' is too short; \$\.steps\[0\]: 'do' is a required"):
        parse('{"title": "T", "steps": [{}]}', schema)
    with pytest.raises(SchemaMismatch, match="the object asked for has the fields title, steps"):
        parse("I cannot.", schema)
    with pytest.raises(SchemaMismatch, match="valid dictionary"):
        parse("[1]", schema)
    deep = '{"title": "Tea", "steps": ' + "[" * 3000 + "]" * 3000 + "}"
    with pytest.raises(SchemaMismatch):
        parse(deep, schema)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("schema: QuestionAnswr", "no schema is called 'QuestionAnswr'; did you mean 'QuestionAnswer'"),
        ("schema: 7", "no schema is called '7'. One of your own is named module:Class"),
        ("schema: nowhere_at_all:Entry", "there is no module 'nowhere_at_all'"),
        ("schema: {type: array, items: {type: string}}", "has type 'array'; an answer is an object"),
        ("schema: {type: object}", "an answer is an object whose fields are named"),
        ("schema: {type: obj, properties: {a: {}}}", "not a valid JSON schema at '$.type'"),
        ('schema: {type: object, properties: {a: {$ref: "http://x.invalid/y"}}}', "refers to 'http://x.invalid/y'"),
        ('schema: {type: object, properties: {a: {$ref: "#/$defs/b"}}}', "refers to '#/$defs/b', which it does not"),
        ("temperatur: 1", "unknown front matter temperatur; did you mean 'temperature'"),
        ("max_tokens: many", "max_tokens: 'many'; give a number of 1 or more"),
        ("max_tokens: true", "max_tokens: True; give a number"),
        ("temperature: .nan", "temperature: nan; give a number of 0 or more"),
    ],
)
def test_front_matter_that_cannot_work_says_what_and_which_is_the_nearest(
    tmp_path: Path, header: str, said: str
) -> None:
    with pytest.raises(PromptError, match=re.escape(said)) as caught:
        prompt(tmp_path, header)
    assert "mine.md" in str(caught.value)


def test_an_unknown_prompt_names_the_nearest_and_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "define-term.md").write_text(PROMPT)
    library = PromptLibrary.of([tmp_path])
    with pytest.raises(PromptError, match=r"no prompt is called 'define-terms'; did you mean 'define-term'") as caught:
        library.get("define-terms")
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(PromptError, match=r"write zzzz\.md"):
        library.get("zzzz")
    with pytest.raises(PromptError, match="`prompts` names none"):
        PromptLibrary().get("define-term")


def test_the_table_of_front_matter_is_the_code(tmp_path: Path) -> None:
    table = PAGE.partition("| front matter | |\n")[2].partition("\n\n")[0]
    told = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    with pytest.raises(PromptError, match="unknown front matter") as caught:
        prompt(tmp_path, "colour: red")
    known = str(caught.value).partition("(there are: ")[2].rstrip(")").split(", ")
    assert sorted(told) == sorted(known)


def test_the_table_of_variables_is_the_code() -> None:
    table = PAGE.partition("| built in | |\n")[2].partition("\n\n")[0]
    told = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(told) == sorted(variables._BUILDERS)
