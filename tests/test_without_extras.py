"""Without the extras: every module of the package is imported, and what needs one says which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
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
