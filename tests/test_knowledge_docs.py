"""What docs/knowledge-graph.md shows works as it stands, with the offline model."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from gristmill.agents.extraction_schema import GraphSchema
from gristmill.graphs.knowledge import samplers
from gristmill.graphs.knowledge.export import read_json

PAGE = (Path(__file__).parent.parent / "docs" / "knowledge-graph.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
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
    schema = GraphSchema.model_validate(tomllib.loads(block("toml"))["graph"])
    assert schema.entity_type("anything") == ("concept", False)
    assert schema.relation_type("ENCODES") == ("encodes", True)


def test_every_sampler_is_in_the_table() -> None:
    drawn = {name for name in samplers.__all__ if name.startswith("draw_")}
    assert drawn == set(re.findall(r"^\| `(draw_\w+)`", PAGE, re.MULTILINE))
