"""Which engines read an export as it is: each in an environment of its own, each counts and groups the same rows.

    python benchmarks/engines.py [--items 20000] [--environments .cache/engines] [duckdb polars datasets ...]

An export of items with known duplicates is written in parts (Parquet, JSON Lines, text). Each engine then reads it,
counts rows, ids and rows by kind, and must come to the same numbers; datatrove, Ray and Spark do a piece of corpus-wide
work as well. Environments are made with pip where they are missing (Spark needs a Java on the PATH; NeMo Curator takes
6 GB). The last line is one JSON object: engine → `true`, or what went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.storage.datasets.export import export
from gristmill.storage.records import Item, Message, Span, Status

HERE = Path(__file__).parent
READERS = HERE / "readers"
KINDS = ("qa", "reasoning", "pretraining")
SYLLABLES = ("ba", "co", "du", "fe", "gi", "ho", "ju", "ka", "lo", "mi", "nu", "po", "ra", "se", "ti", "vo")
TIMEOUT = 900.0
PART = 500_000  # bytes of a file: small, so that there are several


@dataclass(frozen=True)
class Engine:
    """What to install, and what it does beside reading."""

    packages: tuple[str, ...]
    work: str


ENGINES = {
    "duckdb": Engine(("duckdb",), "SQL over all parts"),
    "polars": Engine(("polars",), "lazy scan of all parts"),
    "datasets": Engine(("datasets",), "load_dataset on Parquet and on the folder with its card"),
    "datatrove": Engine(("datatrove[io,processing]", "spacy", "pyarrow"), "MinHash deduplication"),
    "ray_data": Engine(("ray[data]", "pyarrow"), "group by kind, exact duplicates"),
    "spark": Engine(("pyspark", "pyarrow"), "group by kind, exact duplicates"),
    "nemo_curator": Engine(("nemo-curator",), "its readers for Parquet and JSON Lines, its word filter"),
}


def items(count: int) -> Iterator[Item]:
    """Items of three kinds. Each tenth has the text of the one before but for a word: a near duplicate."""
    text = ""
    for number in range(count):
        if number % 10 != 9:
            draw = random.Random(number)
            text = f"Item {number}: " + " ".join("".join(draw.choices(SYLLABLES, k=3)) for _ in range(80))
        else:
            text = text.replace("Item", "The item", 1)
        chunk = f"chunk-{number // 4}"
        evidence = (Span(chunk=chunk, start=0, end=4, quote="mill"),) if number > count // 2 else ()
        yield Item(
            id=f"item-{number:06d}",
            task=f"task-{number:06d}",
            kind=KINDS[number % 3],
            status=Status.ACCEPTED,
            messages=(Message(role="user", content=f"What of {number}?"), Message(role="assistant", content=text)),
            chunks=(chunk,),
            evidence=evidence,
            fields={"question": f"What of {number}?"},
            models={"generator": "m"},
        )


def write(folder: Path, count: int) -> dict[str, Any]:
    """Writes the export; returns what every engine must find."""
    made = list(items(count))
    export(
        made,
        documents_of=lambda item: [f"doc-{int(item.id[5:]) // 100}"],
        out=folder,
        formats=["parquet", "jsonl", "text", "huggingface"],
        part_bytes=PART,
    )
    kinds = Counter(item.kind for item in made)
    return {"rows": count, "ids": count, "kinds": dict(sorted(kinds.items()))}


def python_of(environment: Path, packages: tuple[str, ...]) -> Path:
    """The Python of an environment that has `packages`, made when it is not there."""
    python = environment / "bin" / "python"
    mark = environment / ".installed"
    if not mark.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, timeout=1800)
        mark.touch()
    return python


def read(name: str, environments: Path, folder: Path, expected: dict[str, Any]) -> tuple[bool, str, float]:
    """Has one engine read the export: whether its numbers are right, what it said, and how long it took."""
    try:
        python = python_of(environments / name, ENGINES[name].packages)
    except (subprocess.SubprocessError, OSError) as error:
        return False, f"not installed: {error}", 0.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gristmill-engine-") as scratch:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": scratch, "PYTHONPATH": ""}
        environment["PATH"] = f"{python.parent}:{os.environ['PATH']}"  # NeMo Curator calls `ray`
        try:
            done = subprocess.run(
                [python, READERS / f"read_{name}.py", folder, scratch],
                capture_output=True, text=True, timeout=TIMEOUT, env=environment, cwd=scratch,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, f"no end after {TIMEOUT:.0f} s", TIMEOUT
    seconds = time.monotonic() - began
    if done.returncode:
        return False, done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else "failed", seconds
    found = json.loads(done.stdout.strip().splitlines()[-1])
    more = found.pop("more", "")
    wrong = {key: value for key, value in expected.items() if found.get(key) != value}
    return not wrong, f"expected {wrong}, found {found}" if wrong else more, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=", ".join(ENGINES))
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--environments", type=Path, default=Path(".cache/engines"))
    given = parser.parse_args()
    chosen = given.engines or list(ENGINES)
    if unknown := set(chosen) - set(ENGINES):
        parser.error(f"there is no engine {', '.join(sorted(unknown))}; there are {', '.join(ENGINES)}")
    verdicts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gristmill-engines-") as name:
        expected = write(Path(name), given.items)
        parts = len(list(Path(name, "parquet").glob("*.parquet")))
        print(f"{given.items:,} items in {parts} Parquet parts")
        for engine in chosen:
            right, said, seconds = read(engine, given.environments.resolve(), Path(name), expected)
            verdicts[engine] = True if right else said
            print(f"{engine:14}{'reads it' if right else 'WRONG':10}{seconds:6.1f} s  {said}", flush=True)
    print(json.dumps(verdicts))
    sys.exit(0 if all(one is True for one in verdicts.values()) else 1)


if __name__ == "__main__":
    main()
