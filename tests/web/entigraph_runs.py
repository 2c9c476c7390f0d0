"""A run of `entigraph` whose graph is worth a look."""

from __future__ import annotations

import shutil
from pathlib import Path

from in_process import typed
from served import ROOT


def run_entigraph(folder: Path) -> Path:
    """A run of the example documents with a graph; returns its folder."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    campaign = folder / "examples" / "graph.toml"
    demo = (folder / "examples" / "demo.toml").read_text()
    changed = {
        '"demo"': '"graph"',
        "grounded-qa": "entigraph",
        "target = 40": "target = 20",
        "nontrivial = 0.45": "grounded = 0.0",
    }
    for old, new in changed.items():
        assert old in demo
        demo = demo.replace(old, new)
    campaign.write_text(demo)
    ran = typed("run", campaign, "--plain", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "runs" / "graph"
