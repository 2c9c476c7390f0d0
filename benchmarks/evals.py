"""What diversity, selection, steering and the report cost: every `evals_PART.py` of this folder, one after the other.

    python benchmarks/evals.py [--only gate metrics ...] [--small]

A part is a file with a function `rows()` that returns (name, value, unit) for each measure, or `figures()` that
returns values by name; it runs in a process of its own, so that the most memory it had is its own. A table, and as the
last line one JSON object: first the names that the project is held to (`WANTED`; null where no part measured them),
then all others. `--small` takes a fiftieth of the items, to see that all parts work: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
WANTED = (
    "minhash_items_per_s",
    "minhash_gb",
    "vendi_s",
    "kmq_s",
    "semantic_s",
    "report_s",
    "steering_calls_ratio",
)

SMALL = {
    "contamination": "--rows 2000 --items 400",
    "gate": "--items 20000 --vectors 20000 --redis 1000",
    "gate_shared": "--vectors 4000 --claims 200 --items 400",
    "metrics": "--vectors 20000 --texts 1000",
    "report": "--items 2000",
    "select": "--items 20000",
    "steering": "--seeds 2 --case skewed again",
}


def there() -> list[str]:
    """The parts whose file is in this folder."""
    return sorted(path.stem.removeprefix("evals_") for path in FOLDER.glob("evals_*.py"))


def measured(part: str, *, small: bool = False) -> list[tuple[str, float, str]]:
    """Runs one part in a process of its own; what it prints of its own goes to stderr."""
    command = [sys.executable, __file__, "--part", part]
    if small:
        command = [sys.executable, str(FOLDER / f"evals_{part}.py"), *SMALL.get(part, "").split()]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    *shown, last = said.splitlines()
    if shown:
        print("\n".join(shown), file=sys.stderr)
    if small:
        return [(name, value, "") for name, value in json.loads(last).items()]
    return [(name, value, unit) for name, value, unit in json.loads(last)]


def rows_of(part: str) -> list[tuple[str, float, str]]:
    """What one part measures, in this process."""
    module = importlib.import_module(f"evals_{part}")
    if hasattr(module, "rows"):
        return list(module.rows())
    return [(name, value, "") for name, value in module.figures().items()]


def main(parts: list[str], *, small: bool = False) -> int:
    found: dict[str, float] = {}
    failed = []
    for part in parts:
        print(f"-- {part}", flush=True)
        try:
            rows = measured(part, small=small)
        except subprocess.CalledProcessError as error:
            failed.append(part)
            print(f"evals_{part}.py ended with {error.returncode}", flush=True)
            continue
        for name, value, unit in rows:
            found[name] = round(value, 6)
            print(f"{name:<36} {value:>14,.3f} {unit}", flush=True)
    wanted = {name: found.pop(name, None) for name in WANTED}
    print(json.dumps({**wanted, **found}))
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=there(), help="these parts; all that are there otherwise")
    parser.add_argument("--small", action="store_true", help="a fiftieth of the items: only to see that all parts work")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(rows_of(given.part)))
    else:
        sys.exit(main(given.only or there(), small=given.small))
