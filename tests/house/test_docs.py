"""The documentation is true: its campaigns validate, its tables are the models, its commands and links exist.

Its quick start is typed as it stands. (The programs of flows.md and knowledge-graph.md run in tests of their own.)
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import runpy
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from places import ROOT
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from recipe_families import CASES

from gristmill import CampaignReport, Telemetry, errors
from gristmill.agents.extraction.point_settings import PointSettings
from gristmill.campaigns import spec as specs
from gristmill.campaigns.commands.fitting import FITTING, PAIRED
from gristmill.campaigns.datasets import export_run
from gristmill.campaigns.gating.novelty import NoveltySpec
from gristmill.campaigns.spec import CampaignSpec, make_spec
from gristmill.campaigns.telemetry.metrics import METRICS
from gristmill.campaigns.training.spec import TrainSpec
from gristmill.cli import EXAMPLES, main
from gristmill.errors import GristmillError, ModelError
from gristmill.evals.contamination.scan import ScanSettings
from gristmill.evals.contamination.settings import ContaminationSettings
from gristmill.graphs.recipes.base import NEEDS
from gristmill.graphs.recipes.catalogue import recipes
from gristmill.graphs.resolution.settings import ResolutionSettings
from gristmill.models.spec import ModelSpec
from gristmill.storage.datasets.export import FORMATS

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]
CAMPAIGNS = ROOT / "docs" / "campaigns.md"
QUICK_START = ROOT / "docs" / "quick-start.md"
DATASETS = ROOT / "docs" / "datasets.md"
GUIDE = ROOT / "docs" / "recipe-guide.md"
README = ROOT / "README.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FOLDERS = {"agents", "campaigns", "evals", "graphs", "models", "prompts", "review", "storage"}


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text(page))


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text(page)) if language in languages]


def of_all_pages(*languages: str) -> list[Any]:
    return [
        pytest.param(body, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, body in enumerate(blocks(page, *languages))
    ]


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}.*?\n(.*?)(?=^#|\Z)", prose(page), re.DOTALL | re.MULTILINE)
    assert found, f"{page.name} has no heading {heading}"
    return found[1]


def rows(table: str) -> list[list[str]]:
    """The rows of the Markdown tables in a text, without heads and rules."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = {number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# campaigns in TOML


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the quick start: documents, one of them empty."""
    shutil.copytree(ROOT / "examples" / "corpus", tmp_path / "my-documents")
    (tmp_path / "my-documents" / "draft.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("body", of_all_pages("toml"))
def test_every_toml_block_is_a_campaign_or_a_part_of_one(body: str) -> None:
    data = tomllib.loads(body)
    if set(data) == {"kind"}:  # a taxonomy of question kinds
        assert all({"name", "group", "description"} <= set(kind) for kind in data["kind"])
        return
    # A block that names no model of its own leaves them to the rest of its campaign.
    spec = make_spec({"name": "part", "documents": ["documents"], **data})
    if "name" in data:
        assert spec.models
    if spec.options:
        named = [recipes()[spec.recipe]] if spec.recipe else list(recipes().values())
        assert any(set(spec.options) <= set(recipe.options.model_fields) for recipe in named)
        for recipe in named if spec.recipe else []:
            recipe.options.model_validate(spec.options)
    assert set(spec.export.formats) <= set(FORMATS)


def test_the_file_that_init_writes_is_what_the_quick_start_shows(home: Path) -> None:
    shown = tomllib.loads(blocks(QUICK_START, "toml")[0])
    CliRunner().invoke(main, ["init", "tides", "--documents", "my-documents"], catch_exceptions=False)
    written = tomllib.loads((home / "tides.toml").read_text())
    assert {**shown, "target": 100} == {key: written[key] for key in shown}


# tables of keys

PARTS: dict[str, type[BaseModel]] = {
    "Keys": CampaignSpec,
    "`[chunks]`": specs.ChunkSpec,
    "`[graph]`": specs.GraphSpec,
    "`[graph.points]`": PointSettings,
    "`[graph.resolution]`": ResolutionSettings,
    "`[budget]`": specs.BudgetSpec,
    "`[stop]`": specs.StopSpec,
    "`[export]`": specs.ExportSpec,
    "`[precedents]`": specs.PrecedentSpec,
    "`[steer]`": specs.SteerSpec,
    "`[contamination]`": ContaminationSettings,
    "`[pii]`": ScanSettings,
    "`[attributes]`": specs.AttributesSpec,
    "`[novelty]`": NoveltySpec,
    "`[train]`": TrainSpec,
}


@pytest.mark.parametrize("heading", PARTS)
def test_the_tables_of_keys_are_the_models(heading: str) -> None:
    model = PARTS[heading]
    table = rows(section(CAMPAIGNS, heading))
    assert sorted(name for row in table for name in names(row[0])) == sorted(model.model_fields)
    for row in table:
        for name in names(row[0]) if row[1] else []:
            assert said(row[1]) == default_of(model, name), f"the default of {name}"


def said(cell: str) -> Any:
    if cell in ("required", "none"):
        return {"required": PydanticUndefined, "none": None}[cell]
    return tomllib.loads(f"value = {cell.strip('`')}")["value"]


def default_of(model: type[BaseModel], name: str) -> Any:
    field = model.model_fields[name]
    default = field.get_default(call_default_factory=True)
    return list(default) if isinstance(default, tuple) else default


def test_the_table_of_a_models_keys_is_the_model() -> None:
    page = ROOT / "docs" / "models.md"
    table = rows(section(page, "Keys of a model"))
    assert sorted(name for row in table for name in names(row[0])) == sorted(ModelSpec.model_fields)
    for row in table:
        if row[2].isdigit():
            assert {float(row[2])} == {float(default_of(ModelSpec, name)) for name in names(row[0])}


def test_the_report_of_a_campaign_is_told_whole() -> None:
    table = rows(section(CAMPAIGNS, "In Python"))
    told = [name for row in table if "(" not in row[0] for name in names(row[0])]
    assert sorted(told) == sorted(field.name for field in fields(CampaignReport))


def test_the_tables_of_observability_are_the_code() -> None:
    page = ROOT / "docs" / "observability.md"
    table = {names(row[0])[0]: row for row in rows(section(page, "Metrics"))}
    assert sorted(table) == sorted(METRICS)
    for name, row in table.items():
        assert (row[1], tuple(names(row[2]))) == (METRICS[name].kind, METRICS[name].labels), name
    for word in re.findall(r"gristmill_[a-z_]+", text(page)):
        assert word in METRICS, f"{page.name} names {word}"
    options = {names(row[0])[0]: names(row[1])[0] for row in rows(section(page, "Watching a campaign"))}
    for command in ("run", "worker"):
        by_variable = {one.envvar: one.opts[0] for one in main.commands[command].params if one.envvar}
        by_variable.pop("GRISTMILL_REDIS")
        assert {option: variable for variable, option in by_variable.items()} == options
    assert {field.name for field in fields(Telemetry)} <= set(names(section(page, "In Python")))


# recipes


@pytest.mark.parametrize("heading", ["From what you have", "From what you want"])
def test_every_recipe_is_found_from_what_one_has_and_from_what_one_wants(heading: str) -> None:
    named = {name for row in rows(section(GUIDE, heading)) for cell in row[1:] for name in names(cell)}
    assert set(recipes()) <= named, set(recipes()) - named


def test_the_guide_says_which_recipes_give_preference_pairs() -> None:
    (pairs,) = (row[1] for row in rows(section(GUIDE, "From what you want")) if row[0].startswith("preference pairs"))
    assert set(names(pairs)) == PAIRED


def test_the_guide_says_what_each_recipe_needs() -> None:
    told: dict[str, set[str]] = {name: set() for name in recipes()}
    for row in rows(section(GUIDE, "From what you have")):
        needs = set(row[0].partition(":")[0].split(", ")) - {"nothing"}
        assert needs <= set(NEEDS), row[0]
        for name in names(row[-1]):
            told[name] |= needs
    assert told == {name: set(recipe.needs) for name, recipe in recipes().items()}


def test_the_number_of_recipes_is_told_as_it_is() -> None:
    (told,) = re.findall(r"^(\d+) recipes say what to make", text(README), re.MULTILINE)
    assert int(told) == len(recipes())


OF_KIND = {
    "qa": "grounded-qa",
    "sft": "bare",
    "reasoning": "rest",
    "code": "genetic-instruct",
    "classification": "attrprompt",
    "extraction": "synth-ie",
    "retrieval": "duqgen",
    "pretraining": "wrap",
}


def test_the_formats_of_each_kind_hold_its_items(tmp_path: Path) -> None:
    table = {names(row[0])[0]: row for row in rows(section(DATASETS, "Which format for which kind"))}
    assert set(table) == set(OF_KIND) == {recipe.gives for recipe in recipes().values()}
    for kind, name in OF_KIND.items():
        (tmp_path / name).mkdir()
        ran = CASES[name].run(tmp_path / name)
        told = set(names(table[kind][2]))
        made = export_run(tmp_path / name / "runs" / "t", formats=sorted(told | {"chat", "retrieval"}))
        whole = {one for one, sides in made.counts.items() if sum(sides.values()) == len(ran.accepted)}
        assert told - {"dpo"} <= whole, kind
        assert set(FITTING[kind]) - {"jsonl"} <= told, kind
        assert ("retrieval" in whole) == ("retrieval" in told), kind
        assert ("chat" in whole) == (kind != "pretraining"), kind
        for either in table[kind][1].split(" with "):
            assert all(set(names(either)) & set(item.fields) for item in ran.accepted), (kind, either)


# codes


def test_every_way_to_end_is_told() -> None:
    told = [name for row in rows(section(CAMPAIGNS, "How it ends")) for name in names(row[0])]
    codes = {"tokens", "usd", "time"}  # of BudgetExceeded
    for path in (ROOT / "campaigns").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Stop":
                first = node.args[0]
                codes |= {part.value for part in ast.walk(first) if isinstance(part, ast.Constant)}
    raised = {"denied", "error"}  # what the caller hears as an exception
    assert sorted(told) == sorted(codes - raised)


def test_every_reason_of_a_failure_is_told() -> None:
    page = section(CAMPAIGNS, "The books")
    told = {name for row in rows(page) for name in names(row[0])}
    kinds = [kind for kind in (ModelError, *subclasses(ModelError)) if kind.__module__ == errors.__name__]
    stopping = {kind.reason for kind in kinds if "Stops the campaign" in str(kind.__doc__)}
    reasons = {kind.reason for kind in kinds}
    assert reasons - stopping <= told
    for path in ("worker.py", "outcome.py"):
        source = (ROOT / "campaigns" / path).read_text()
        for reason in re.findall(r'failure\(task, (?:self\._)?kind, "(\w+)"', source):
            assert reason in told
    documents = re.findall(r"`(\w+)`", str(errors.DocumentError.__doc__).partition("code:")[2])
    assert documents
    assert set(documents) <= set(names(page))


def subclasses(of: type[Any]) -> Iterator[type[Any]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


# commands


def typed_lines(page: Path) -> Iterator[str]:
    for body in blocks(page, "console"):
        yield from (line[2:] for line in body.splitlines() if line.startswith("$ "))
    for body in blocks(page, "bash", "sh"):
        yield from body.replace("\\\n", " ").splitlines()


def commands_in(source: str) -> list[str]:
    """What stands in backticks and begins with gristmill and a word: `gristmill run FILE`."""
    return re.findall(r"`(gristmill [a-z][^`]*)`", source)


def check_command(line: str, *, whole: bool) -> None:
    """Parses a command line with click; one that is only mentioned may leave out its arguments."""
    words = shlex.split(re.sub(r"\{[^}]*\}", "x", line), comments=True)
    place = next((number for number, word in enumerate(words) if Path(word).name == "gristmill"), None)
    if place is None or len(words) == place + 1:
        return
    end = next((number for number, word in enumerate(words) if word in ("|", ";", "&&", ">")), len(words))
    name, arguments = words[place + 1], words[place + 2 : end]
    if name == "COMMAND" or name.startswith("-"):
        return
    assert name in main.commands, f"'{line}': there is no command {name}"
    command, arguments = main.commands[name], [word for word in arguments if word != "..."]
    parent = click.Context(main, **main.context_settings)  # a command keeps the first help option that it is asked for
    if isinstance(command, click.Group) and arguments:
        _, found, arguments = command.resolve_command(click.Context(command, parent), arguments)
        assert found is not None, line
        command = found
    try:
        command.make_context(name, arguments, parent)
    except click.exceptions.Exit:  # --help
        return
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
        assert not whole, f"'{line}' lacks an argument"
    except click.UsageError as error:
        pytest.fail(f"'{line}': {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_can_be_typed(page: Path) -> None:
    for line in typed_lines(page):
        check_command(line, whole=True)
    for line in commands_in(prose(page)):
        check_command(line, whole=False)


def test_commands_that_messages_name_can_be_typed() -> None:
    found = [
        line for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") for line in commands_in(path.read_text())
    ]
    assert len(found) > 10
    for line in found:
        check_command(line, whole=False)
    for line in EXAMPLES.splitlines():
        check_command(re.split(r"\s{3,}", line.strip())[0], whole=True)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        lines = [*names(prose(page)), *typed_lines(page)]
        for line in lines:
            words = shlex.split(line, comments=True) if line.startswith("make ") else []
            for word in words[1:]:
                assert "=" in word or word in targets, f"{page.name}: {line}"


# links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}, target


# programs


@pytest.mark.parametrize("body", of_all_pages("python"))
def test_every_program_compiles_and_imports_what_exists(body: str) -> None:
    for node in ast.walk(ast.parse(body)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gristmill":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


def test_the_program_of_the_campaigns_page_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "program.py").write_text(blocks(CAMPAIGNS, "python")[0])
    runpy.run_path(str(home / "program.py"))
    printed = capsys.readouterr().out
    assert printed.startswith("exhausted Books(planned=20, accepted=")
    assert printed.count(" -> ") >= 5


def test_the_example_in_python_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "in_python.py"))["main"](home / "runs")
    printed = capsys.readouterr().out
    assert "the target of 20 accepted items is reached" in printed
    assert "from: " in printed
    assert json.loads((home / "runs/in-python/export/chat/train.jsonl").read_text().splitlines()[0])


def shape(line: str) -> str:
    """A line without what differs from run to run: figures, ids, and reasons in brackets."""
    line = re.sub(r"(item|task)-[0-9a-f]+", r"\1", line.replace("\u2026", ""))
    line = re.sub(r"\([^)]*\)", "()", line)
    return " ".join(re.sub(r"[\d][\d,.]*", "0", line).split())


def test_the_quick_start_prints_what_it_shows(home: Path) -> None:
    """Types the page's commands in their order, but for Ctrl-C. Which items are listed hangs on what was in flight."""
    compared = []
    for body in blocks(QUICK_START, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            words = shlex.split(line, comments=True)
            if words[0] != "gristmill" or "^C" in shown:
                continue
            if words[1] == "run":
                toml = Path("tides.toml").read_text()
                Path("tides.toml").write_text(re.sub(r"target = \d+ ", "target = 60 ", toml))
            done = CliRunner().invoke(main, words[1:])
            assert done.exit_code == 0, done.output
            compared.append(words[1])
            if words[1] == "show":  # lines are cut short on the page: each is a part of a real one
                printed = " ".join(done.output.split())
                assert all(" ".join(one.split()) in printed for one in shown.splitlines() if one != "..."), printed
                continue
            real = {shape(one) for one in done.output.splitlines()}
            for one in shown.splitlines():
                told = one.strip() and one != "..." and "pip install" not in one and "not installed" not in one
                if told and not ("--list" in words and one.startswith("item-")):
                    assert shape(one) in real, f"`{line}` does not print: {one}\nbut: {done.output}"
    reviewed = ["review", "review", "status", "review"]
    assert compared == ["init", "doctor", "run", "run", "status", "show", *reviewed, "export"]
    (opened,) = re.findall(r'load_dataset\("([^"]+)"\)', blocks(QUICK_START, "python")[0])
    assert (Path(opened) / "README.md").is_file()
    first = (Path(opened) / "data" / "train.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["messages"]


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    """Counts of calls are compared by shape, what an item went through word by word: prompts are shown by version."""
    done = CliRunner().invoke(main, ["run", str(ROOT / "examples" / "demo.toml"), "--runs", str(tmp_path), "--plain"])
    assert done.exit_code == 0, done.output
    printed = {shape(line.replace(str(tmp_path), "runs")) for line in done.output.splitlines()}
    for line in blocks(README, "")[0].splitlines():
        assert line.startswith("next: ") or shape(line) in printed, f"{line}\nis not in\n{done.output}"
    (story,) = (body for body in blocks(README, "console") if " show item-" in body)
    command, _, told = story.partition("\n")
    item = command.split(" show ")[1].split()[0]
    shown = CliRunner().invoke(main, ["show", item, "--run", str(tmp_path / "demo")])
    assert shown.output.splitlines() == told.splitlines()


def test_errors_of_the_tree_are_the_errors_of_the_module() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", str(errors.__doc__)))
    assert drawn == {one.__name__ for one in subclasses(GristmillError) if one.__module__ == errors.__name__}
