"""A benchmark in parts, each in a process of its own, so that the most memory it had is its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Row = tuple[str, float, str]
"""A measure: its name, its value, its unit."""
Parts = Mapping[str, Callable[[argparse.Namespace], Any]]


def rows_of(program: str, given: argparse.Namespace, names: Iterable[str], parts: Iterable[str]) -> list[Row]:
    """Runs the parts of `program` one after the other; each is told the arguments `names` as they were given."""
    told = [word for name in names for word in (f"--{name}", str(getattr(given, name)))]
    found: list[Row] = []
    for part in parts:
        command = [sys.executable, program, "--part", part, *told]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found += [(name, value, unit) for name, value, unit in json.loads(said.splitlines()[-1])]
    return found


def main(given: argparse.Namespace, parts: Parts, rows: Callable[[argparse.Namespace], list[Row]]) -> None:
    """Prints what one part measured, for the process that asked for it, or the table of all and a line of JSON."""
    if given.part:
        print(json.dumps(parts[given.part](given)))
        return
    table = rows(given)
    width = max((len(name) for name, _, _ in table), default=0)
    for name, value, unit in table:
        print(f"{name:<{width}} {value:>14,.3f} {unit}")
    print(json.dumps({name: round(value, 6) for name, value, _ in table}))
