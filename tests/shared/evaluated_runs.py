"""`gristmill eval` typed, and the figures that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gristmill.cli import main


def typed(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["eval", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def figures(side: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for part in side["parts"] for figure in part["figures"]}
