"""What the pages on the knowledge graph show works as it stands, with the offline model."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from places import DOCS, ROOT, TESTS

from gristmill.agents.extraction.schema import GraphSchema
from gristmill.graphs.exchange.node_link import read_json
from gristmill.graphs.sampling.base import SamplerOptions
from gristmill.graphs.sampling.catalogue import samplers

PAGE = (DOCS / "knowledge-graph.md").read_text(encoding="utf-8")
EXTRACTION = (DOCS / "graph-extraction.md").read_text(encoding="utf-8")
SAMPLERS = (DOCS / "graph-samplers.md").read_text(encoding="utf-8")


def block(language: str, page: str = PAGE) -> str:
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_program_builds_samples_and_writes_a_graph(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block("python")], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    graph = read_json(tmp_path / "graph.json")
    names = {entity.name.casefold() for entity in graph.entities.values()}
    assert {"eelgrass", "strangford lough", "seagen"} <= names
    assert graph.relations
    assert " True {}" in done.stdout
    assert "Strangford Lough" in done.stdout
    assert sorted(one.name for one in tmp_path.iterdir()) == ["graph.graphml", "graph.json"]


def test_the_types_are_a_schema() -> None:
    schema = GraphSchema.model_validate(tomllib.loads(block("toml", EXTRACTION))["graph"])
    assert schema.entity_type("anything") == ("concept", False)
    assert schema.relation_type("ENCODES") == ("encodes", True)


def test_every_sampler_is_in_the_table_with_its_options() -> None:
    section = SAMPLERS.split("\n## Samplers\n")[1].split("\n## ")[0]
    told = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            cells = [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1]]
            told.update({name: set(cells[2]) for name in cells[0]})
    common = set(SamplerOptions.model_fields)
    assert told == {name: set(kind.options.model_fields) - common for name, kind in samplers().items()}


def test_every_test_that_the_page_names_is_there() -> None:
    there = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    table = PAGE[PAGE.index("## What users of other tools met") :]
    named = set(re.findall(r"`(test_\w+)`", table))
    assert len(named) > 15
    assert [name for name in sorted(named) if not re.search(rf"def {name}\b", there)] == []
    files = re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)`", table)
    assert [name for name in files if not (ROOT / name).is_file()] == []
