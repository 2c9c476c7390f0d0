"""Without the extras: every module of the package is imported, and what needs one says which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXTRAS = ("numpy", "scipy", "graspologic_native", "pyarrow", "rdflib", "redis", "psycopg", "litellm", "vllm")
PROGRAM = f"""
import pkgutil, sys
from importlib import import_module

for name in {EXTRAS}:
    sys.modules[name] = None  # an import of it fails, as where it is not installed

import gristmill

folders = [one for one in pkgutil.walk_packages(gristmill.__path__, "gristmill.") if ".tests" not in one.name]
for one in folders:
    if one.name.split(".")[1] in {{"graphs", "storage", "agents", "campaigns", "evals", "models", "review", "cli"}}:
        import_module(one.name)
print(len(folders))

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.splice import Splice

try:
    Splice(1, (), ())
except ConfigError as error:
    print(error)
"""


def test_every_module_is_imported_without_the_extras(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    imported, told = done.stdout.splitlines()
    assert int(imported) > 300
    assert "pip install 'gristmill[graph]'" in told


MEASURES = """
import sys

for name in ("sklearn", "scipy", "usearch", "rapidfuzz", "choix", "threadpoolctl"):
    sys.modules[name] = None

import numpy as np

from gristmill.errors import ConfigError
from gristmill.evals.diversity.clusters import cluster_entropy
from gristmill.evals.diversity.measure import measure
from gristmill.evals.duplicates.near import near_duplicates
from gristmill.evals.duplicates.semantic_index import SemanticIndex
from gristmill.evals.selection.catalogue import selector
from gristmill.evals.selection.pool import Pool
from gristmill.evals.vectors.hashed import HashedEmbedder

texts = [f"The mill of the year {number} ground oats for {number} villages." for number in range(30)]
rows = np.eye(30, dtype=np.float32)
for work in (
    lambda: measure(texts),
    lambda: cluster_entropy(rows),
    lambda: SemanticIndex().add(0, rows[0]),
    lambda: selector("k-means-quality", clusters=4).select(Pool.of(vectors=rows, scores=[1.0] * 30), 5),
    HashedEmbedder,
):
    try:
        work()
    except ConfigError as error:
        print(error)
    else:
        print("nothing said")
print(len(near_duplicates(texts)))
"""


def test_measures_without_their_libraries_say_which_extra_has_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURES], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    *told, near = done.stdout.splitlines()
    assert [line.partition("pip install ")[2] for line in told] == ["'gristmill[evals]'"] * 5, told
    assert near.isdigit()
