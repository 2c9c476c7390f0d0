"""The contamination gate: items a second against 100,000 rows of 100 words, memory a million n-grams, the scan's rate.

    python benchmarks/evals_contamination.py [--rows 100000] [--items 20000]

Each part runs in a process of its own; memory is the growth of its VmHWM. The last line is one JSON object:
`contamination_items_per_s`, `contamination_build_s`, `contamination_mb_per_million`, `pii_texts_per_s`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

N, WORDS = 13, 100


def texts(count: int, seed: int) -> list[str]:
    """Texts of 100 words, drawn as words are in prose: the n-th most frequent in proportion to 1/n (Zipf)."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    spelling = random.Random(0)
    vocabulary = ["".join(spelling.choices(letters, k=spelling.randint(2, 10))) for _ in range(50_000)]
    total, weights = 0.0, []
    for place in range(len(vocabulary)):
        total += 1 / (place + 3)
        weights.append(total)
    return [" ".join(rng.choices(vocabulary, cum_weights=weights, k=WORDS)) for _ in range(count)]


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def gate(rows: int, items: int) -> dict[str, Any]:
    """Builds the index from a file and asks it; one item in a hundred holds a run of a row."""
    from gristmill.evals.contamination.loaded import index_of
    from gristmill.evals.contamination.texts import Cell

    index_of([write(["warm up " * 20])])
    made = [sys.executable, __file__, "--part", "write", "--rows", str(rows)]  # elsewhere, for it takes memory too
    path = Path(subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip())
    with path.open() as file:
        leaked = json.loads(file.readline())["question"].split()[20:40]
    before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
    index = index_of([path])
    build_wall, build_cpu = time.perf_counter() - wall, time.process_time() - cpu
    grown = peak_mb() - before
    asked = [Cell("", text) for text in texts(items, 2)]
    for place in range(0, items, 100):
        asked[place] = Cell("", f"{asked[place].text} {' '.join(leaked)}")
    wall, cpu = time.perf_counter(), time.process_time()
    found = sum(bool(index.matches(cell)) for cell in asked)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert found == len(range(0, items, 100)), found
    grams = rows * (WORDS - N + 1) / 1e6
    return {
        "contamination_build_s": round(build_wall, 1),
        "contamination_build_cpu_s": round(build_cpu, 1),
        "contamination_items_per_s": round(items / wall),
        "contamination_items_per_cpu_s": round(items / cpu),
        "contamination_mb_per_million": round(index.nbytes / 1e6 / grams, 2),
        "contamination_peak_mb_per_million": round(grown / grams, 2),
    }


def pii(items: int) -> dict[str, Any]:
    from gristmill.evals.contamination.scan import USUAL, Scanner, ScanSettings

    scanner = Scanner(ScanSettings(find=USUAL))
    asked = texts(items, 3)
    wall, cpu = time.perf_counter(), time.process_time()
    for text in asked:
        scanner.scan(text)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"pii_texts_per_s": round(items / wall), "pii_texts_per_cpu_s": round(items / cpu)}


def write(rows: list[str]) -> Path:
    path = Path(tempfile.mkdtemp(prefix="evals-contamination-")) / "set.jsonl"
    path.write_text("".join(json.dumps({"question": row, "answer": "four"}) + "\n" for row in rows))
    return path


def figures(rows: int = 100_000, items: int = 20_000) -> dict[str, Any]:
    """Returns every figure, each part from a process of its own."""
    found: dict[str, Any] = {}
    for part in ("gate", "pii"):
        command = [sys.executable, __file__, "--part", part, "--rows", str(rows), "--items", str(items)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--part", choices=["gate", "pii", "write"])
    given = parser.parse_args()
    if given.part == "write":
        print(write(texts(given.rows, 1)))
        return
    if given.part:
        print(json.dumps(gate(given.rows, given.items) if given.part == "gate" else pii(given.items)))
        return
    found = figures(given.rows, given.items)
    for name, value in found.items():
        print(f"{name:<36} {value:>12,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
