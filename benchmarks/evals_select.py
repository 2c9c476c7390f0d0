"""Selection: k-means-quality of a hundredth of the items; k-center, facility location and ZIP-FIT; scikit-learn beside.

    python benchmarks/evals_select.py [--items 1000000] [--dimensions 384]

Vectors are synthetic, 2,000 themes of uneven sizes, in a .npy file that is read as it lies (memory-mapped). Each
measure runs in a process of its own. `_s` are the clock's seconds, `_cpu_s` those of its CPU; `_gb` is the most memory
that the process had, pages of the mapped file among it, `_gb_own` what it has at the end without these. A table, and as
the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from gristmill.evals.selection.catalogue import selector
from gristmill.evals.selection.clusters import usual_clusters
from gristmill.evals.selection.pool import Pool

Figure = tuple[str, float, str]
THEMES = 2_000
SMALL = 100_000  # items of the strategies that look at every pair or pass over all items for each choice
BLOCK = 50_000


def write_vectors(path: Path, items: int, dimensions: int) -> None:
    """Writes (items, dimensions) float32 rows of length one, the same each time."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(THEMES, dimensions)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    shares = 1 / np.arange(1, THEMES + 1) ** 0.5
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(items, dimensions))
    for start in range(0, items, BLOCK):
        size = min(BLOCK, items - start)
        block = centres[rng.choice(THEMES, size=size, p=shares / shares.sum())]
        block = block + rng.normal(scale=0.7 / dimensions**0.5, size=block.shape).astype(np.float32)
        rows[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    rows.flush()


def memory() -> tuple[float, float]:
    """Gigabytes: the most that was resident, and of what is now resident that which is no page of a file."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) / 1e6, int(lines["RssAnon"].split()[0]) / 1e6


def timed(name: str, work: Callable[[], object]) -> list[Figure]:
    cpu, wall = process_time(), perf_counter()
    work()
    most, own = memory()
    return [
        (f"{name}_cpu_s", process_time() - cpu, "s CPU"),
        (f"{name}_s", perf_counter() - wall, "s"),
        (f"{name}_gb", most, "GB"),
        (f"{name}_gb_own", own, "GB"),
    ]


def scores_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).beta(5, 2, size=count)


def kmq(vectors: np.ndarray) -> Iterable[Figure]:
    """What `gristmill select --strategy k-means-quality` does once vectors and scores are there."""
    count = max(1, len(vectors) // 100)

    def work() -> None:
        pool = Pool.of(vectors=vectors, scores=scores_of(len(vectors)))
        found = selector("k-means-quality").select(pool, count)
        assert len(found.indices) == count

    return timed("kmq", work)


def sklearn_minibatch_tenth(vectors: np.ndarray) -> Iterable[Figure]:
    """The clustering alone, by the library's fast k-means, over a tenth of the vectors."""
    from sklearn.cluster import MiniBatchKMeans

    k = usual_clusters(len(vectors), len(vectors) // 100)
    model = MiniBatchKMeans(k, batch_size=4096, n_init=1, random_state=0)
    return timed("sklearn_minibatch_tenth", lambda: model.fit(np.array(vectors[: len(vectors) // 10])))


def sklearn_kmeans_tenth(vectors: np.ndarray) -> Iterable[Figure]:
    """The clustering alone, by the library's exact k-means, over a tenth of the vectors."""
    from sklearn.cluster import KMeans

    k = usual_clusters(len(vectors), len(vectors) // 100)
    model = KMeans(k, n_init=1, max_iter=20, random_state=0)
    return timed("sklearn_kmeans_tenth", lambda: model.fit(np.array(vectors[: len(vectors) // 10])))


def d4(vectors: np.ndarray) -> Iterable[Figure]:
    return timed("d4", lambda: selector("d4").select(Pool.of(vectors=vectors), max(1, len(vectors) // 100)))


def k_center(vectors: np.ndarray) -> Iterable[Figure]:
    pool = Pool.of(vectors=vectors[:SMALL])
    return timed("k_center_100k", lambda: selector("k-center").select(pool, 1000))


def facility(vectors: np.ndarray) -> Iterable[Figure]:
    pool = Pool.of(vectors=vectors[:SMALL])
    return timed("facility_100k", lambda: selector("facility-location").select(pool, 1000))


def zip_fit(vectors: np.ndarray) -> Iterable[Figure]:
    """10,000 texts of about 60 words against 32 examples."""
    rng = np.random.default_rng(2)
    words = [f"w{number:x}" for number in range(5000)]
    texts = [" ".join(words[one] for one in rng.integers(5000, size=60)) for _ in range(10_032)]
    pool = Pool.of(texts=texts[32:], examples=texts[:32])
    return timed("zip_fit_10k", lambda: selector("zip-fit").select(pool, 100))


PARTS: dict[str, Callable[[np.ndarray], Iterable[Figure]]] = {
    "kmq": kmq,
    "sklearn_minibatch_tenth": sklearn_minibatch_tenth,
    "sklearn_kmeans_tenth": sklearn_kmeans_tenth,
    "d4": d4,
    "k_center": k_center,
    "facility": facility,
    "zip_fit": zip_fit,
}


def measure(part: str, path: Path) -> list[Figure]:
    """Runs one measure in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--vectors", str(path)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(name, value, unit) for name, value, unit in json.loads(said.splitlines()[-1])]


def figures(items: int = 1_000_000, dimensions: int = 384, parts: Iterable[str] = PARTS) -> dict[str, float]:
    """Runs all measures, prints a table, and returns the values by name."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="evals-select-") as folder:
        path = Path(folder) / "vectors.npy"
        write_vectors(path, items, dimensions)
        print(f"selection of {items // 100:,} from {items:,} x {dimensions}", flush=True)
        for part in parts:
            for name, value, unit in measure(part, path):
                found[name] = round(value, 3)
                print(f"{name:<32} {value:>12,.2f} {unit}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(list(PARTS[given.part](np.load(given.vectors, mmap_mode="r")))))
    else:
        print(json.dumps(figures(given.items, given.dimensions, given.only)))
