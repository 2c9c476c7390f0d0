"""Where the project's own files lie, as tests read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "examples" / "corpus"
DOCS = ROOT / "docs"
BENCHMARKS = ROOT / "benchmarks"
TESTS = ROOT / "tests"
HELPERS = TESTS / "shared"
"""Modules that tests import by their plain names; processes that a test starts need it on their path."""
