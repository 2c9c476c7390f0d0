"""The files of others that the pages use are what their packages ship: each has the hash that is written down."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import gristmill.review.web

VENDOR = Path(gristmill.review.web.__file__).parent / "static" / "vendor"


def test_every_vendored_file_is_unchanged_and_licensed() -> None:
    known = dict(
        re.findall(r"^\| ([\w.]+) \|.*\| ([0-9a-f]{64}) \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    )
    there = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}
    assert set(known) == there
    for name, expected in known.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected, name
        assert (VENDOR / f"{name.partition('.')[0]}.LICENSE").read_text().strip()
