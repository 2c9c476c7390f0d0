"""How many model calls a campaign needs with steering on, over those with it off, to the same coverage and Vendi score.

    python benchmarks/evals_steering.py                                  # all cases, 8 seeds each
    python benchmarks/evals_steering.py --corpus ../shared/corpus --seeds 3 --case again even

Each case is run twice a seed, with `[steer]` off and on and nothing else different:

- `skewed`: a scripted model, and a planner that draws topics by Zipf's law. A topic has few different items of each
  kind, and one kind has the same item whenever it is asked, so most of what the head brings is a duplicate.
- `again`: the offline model and `grounded-qa` over the first 40,000 characters of the corpus, every chunk asked four
  times for every kind. What a chunk declined it declines again, and what it gave it often gives again.
- `uneven`: the same, asked once, over one long document and the short ones of the examples; the budget is less than the
  whole. Coverage is over pairs of document and kind.
- `even`: the same, asked once, over the corpus. Hardly anything repeats: there is nothing to save.
- `graph`: `entigraph` by the offline model over the knowledge graph of the examples, made by rules, steered by
  relation, entity, community and kind of draw. Coverage is over relations that an accepted item is about.

The goal is 95% of what the unsteered run has at its end: of its coverage (pairs of chunk and kind with an accepted
item) and of its Vendi score (hashed words, q = 1). The ratio is of the calls at which each first has both. A run that
was to be cut short (all but `again`) may plan half as many tasks more when it is steered; one that never has both
counts with the calls of the longer run and is marked. Printed: both curves of the first seed; the ratio of each seed,
to both, to coverage alone and to the Vendi score alone; geometric means with a 95% interval (Student's t of the
logarithms); and what steering takes of CPU time for each task. `steering_calls_ratio` is the worse of `skewed` and
`again`, the cases that have something to steer; every case has a name of its own beside it.

`oracle` is the same ratio for one who knows beforehand what each task of both runs gives: it pays for accepted items of
different texts alone, first those that cover something, farthest from each other first. No steering comes to that, for
what a passage declines is known when it was asked. `taken` is the part of what the oracle saves that steering saves.

The corpus is `../shared/corpus` where that is, else the documents of the examples, which are a twentieth of it and give
other figures: which it was is told first, and stands in the JSON as `steering_corpus`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from gristmill import Campaign, ModelSpec, Request, Scripted
from gristmill.campaigns.steering.cells import Cells
from gristmill.campaigns.steering.spec import SteerSpec
from gristmill.campaigns.steering.steering import Steering
from gristmill.evals.diversity.vendi import vendi
from gristmill.evals.vectors.hashed import HashedEmbedder
from gristmill.graphs.planners.base import PlanView, lazily
from gristmill.storage.records import Item, Status, Task
from gristmill.storage.store import RunStore

SEEDS = 8
STEPS = 40  # points of a curve
SHOWN = 8
TOPICS, DEPTH, EXPONENT = 120, 3, 1.1
KINDS = ("definition", "cause", "number", "echo")
LEVEL = 0.95  # of what the unsteered run has at its end
CASES = ("skewed", "again", "uneven", "even", "graph")
STEERED = ("skewed", "again")  # the cases that the headline is of
TASKS: dict[str, int | None] = {"skewed": 900, "again": None, "uneven": 450, "even": 700, "graph": 140}
AGAIN, CHARACTERS = 4, 40_000
DIMENSIONS = ("kind", "chunk", "document")
OF_GRAPH = ("relation", "entity", "community", "draw")
BESIDE = Path("../shared/corpus")
EXAMPLES = Path(__file__).parent.parent / "examples" / "corpus"


@dataclass(frozen=True)
class Point:
    """What a run has after so many calls."""

    calls: int
    coverage: float
    vendi: float


Cell = Callable[[Item, RunStore], Iterable[str]]


def most(case: str, on: bool) -> int | None:
    """How many tasks a run may plan; None for all that there are."""
    tasks = TASKS[case]
    return tasks * 3 // 2 if on and tasks is not None else tasks


@dataclass(frozen=True)
class Ended:
    """A task that ended: what it cost, and the cells and the text of what was accepted."""

    calls: int
    cells: tuple[str, ...] = ()
    text: str | None = None


def ended(folder: Path, cell: Cell) -> list[Ended]:
    """The tasks of a run in the order they ended."""
    store = RunStore.read(folder)
    found = []
    for item in store.items():
        if item.status is Status.ACCEPTED:
            text = " ".join(message.content for message in item.messages)
            found.append(Ended(item.usage.calls, tuple(cell(item, store)), text))
        else:
            found.append(Ended(item.usage.calls))
    store.close_reading()
    return found


def score(texts: Sequence[str]) -> float:
    """The Vendi score of texts."""
    return (vendi(HashedEmbedder(width=512).rows(texts)).value or 0.0) if texts else 0.0


def curve(tasks: Sequence[Ended], steps: int = STEPS) -> list[Point]:
    """The curve of a run; calls of items that were not accepted count too."""
    every = max(1, len(tasks) // steps)
    calls, covered, texts, points = 0, set(), [], []
    for number, one in enumerate(tasks, start=1):
        calls += one.calls
        if one.text is not None:
            covered.update(one.cells)
            texts.append(one.text)
        if number % every == 0 or number == len(tasks):
            points.append(Point(calls, len(covered), score(texts)))
    return points


def foreseen(tasks: Sequence[Ended]) -> list[Ended]:
    """What one runs who knows what each task gives, in that order."""
    given = list({one.text: one for one in tasks if one.text is not None}.values())
    vectors = HashedEmbedder(width=512).rows([one.text or "" for one in given])
    nearest, left = np.zeros(len(given)), np.ones(len(given), dtype=bool)
    covered: set[str] = set()
    covering, others = [], []
    for _ in given:
        place = int(np.where(left, nearest, np.inf).argmin())
        one, left[place] = given[place], False
        nearest = np.maximum(nearest, vectors @ vectors[place])
        (others if covered.issuperset(one.cells) else covering).append(one)
        covered.update(one.cells)
    return covering + others


def first(points: Sequence[Point], goal: Point) -> int | None:
    """The calls at which a curve first has the goal's coverage and Vendi score; None where it never does."""
    return next((one.calls for one in points if one.coverage >= goal.coverage and one.vendi >= goal.vendi), None)


# the skewed case


def words(*parts: object, count: int = 12) -> str:
    """Words that are the same for the same parts, and others for others."""
    rng = random.Random(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())
    return " ".join("".join(rng.choices("abcdefghiklmnoprstuvw", k=6)) for _ in range(count))


def answer(request: Request) -> Any:
    """A generator with few different questions for each topic and kind, and a critic that accepts all."""
    if request.role == "critic":
        return {"decision": "accept", "scores": [], "reasons": [], "comment": "", "evidence": []}
    passage, kind = str(request.variables["passage"]), str(request.variables["kind"])
    which = 0 if kind == "echo" else (request.sampling.seed or 0) % DEPTH
    topic = passage.split(":")[0]
    text = f"{words(topic)} {words(topic, kind, which)}"
    return {"question": f"{text}?", "answer": words("answer", text), "evidence": [passage[:40]]}


@lazily
def zipf(view: PlanView, rng: random.Random, options: Any) -> Iterator[Task]:
    """Topics by Zipf's law, kinds alike, without end for any purpose of this benchmark."""
    weights = [1 / (rank + 1) ** EXPONENT for rank in range(len(view.chunks))]
    order = list(view.chunks)
    for number in range(200_000):
        (chunk,) = rng.choices(order, weights)
        yield Task.of("chunk", chunks=(chunk.id,), attributes={"kind": rng.choice(KINDS)}, seed=number)


def skewed(folder: Path, seed: int, on: bool) -> Path:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"Topic {n}: {words(n, count=30)}."}) + "\n" for n in range(TOPICS)))
    campaign = Campaign("skewed", [rows], recipe="grounded-qa", options={"propose": False}, planner=zipf, seed=seed,
                        models={"default": Scripted(answer)}, max_tasks=most("skewed", on), concurrency=8,
                        runs=str(folder / str(on)), steer={"on": on, "dimensions": list(DIMENSIONS)},
                        stop={"saturation_ratio": 1.0})  # fmt: skip
    return campaign.run().folder


# the cases of the offline model


def documents(case: str, folder: Path, corpus: Path) -> list[Path]:
    """What a case reads."""
    if case == "even":
        return [corpus]
    files = sorted(corpus.iterdir()) if corpus.is_dir() else [corpus]
    if case == "uneven":
        return [files[0], EXAMPLES]
    part = folder / "part.txt"
    part.write_text("\n\n".join(one.read_text() for one in files)[:CHARACTERS])
    return [part]


def offline(case: str, folder: Path, seed: int, on: bool, corpus: Path) -> Path:
    options = {"max_rounds": 1, "per_kind": AGAIN if case == "again" else 1}
    campaign = Campaign("offline", documents(case, folder, corpus), recipe="grounded-qa", seed=seed, options=options,
                        models={"default": ModelSpec(model="offline")}, max_tasks=most(case, on), concurrency=8,
                        runs=str(folder / str(on)), steer={"on": on, "dimensions": list(DIMENSIONS)},
                        stop={"saturation_ratio": 1.0, "rejection_ratio": 1.0})  # fmt: skip
    return campaign.run().folder


def graph(folder: Path, seed: int, on: bool) -> Path:
    campaign = Campaign("graph", [EXAMPLES], recipe="entigraph", seed=seed, max_tasks=most("graph", on),
                        models={"default": ModelSpec(model="offline")}, concurrency=8, runs=str(folder / str(on)),
                        graph={"extractor": "terms"}, steer={"on": on, "dimensions": list(OF_GRAPH)},
                        stop={"saturation_ratio": 1.0, "rejection_ratio": 1.0})  # fmt: skip
    return campaign.run().folder


def by_chunk(item: Item, store: RunStore) -> list[str]:
    return [f"{item.chunks[0]} {item.attributes['kind']}"]


def by_document(item: Item, store: RunStore) -> list[str]:
    return [f"{store.document_of(item.chunks[0])} {item.attributes['kind']}"]


def by_relation(item: Item, store: RunStore) -> Sequence[str]:
    return store.task(item.task).relations


CELLS: dict[str, Cell] = {"uneven": by_document, "graph": by_relation}


@dataclass(frozen=True)
class Compared:
    """One seed: both curves, and the ratio of calls to both goals, to coverage alone and to the Vendi score alone.

    `met` says whether the steered run reached both; `oracle` is the ratio of `foreseen`.
    """

    off: list[Point]
    on: list[Point]
    calls: tuple[int, int]
    ratio: float
    coverage: float
    vendi: float
    met: bool
    oracle: float


def compare(case: str, seed: int, corpus: Path) -> Compared:
    """Runs a case off and on."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="gristmill-steering-") as name:
        for on in (False, True):
            folder = Path(name)
            made = {"skewed": skewed, "graph": graph}.get(case)
            run = offline(case, folder, seed, on, corpus) if made is None else made(folder, seed, on)
            runs.append(ended(run, CELLS.get(case, by_chunk)))
    off, on_ = map(curve, runs)
    coverage, diversity = LEVEL * off[-1].coverage, LEVEL * off[-1].vendi
    goals = (Point(0, coverage, diversity), Point(0, coverage, 0.0), Point(0, 0, diversity))
    spent = max(on_[-1].calls, off[-1].calls)  # of a run that never has it, which is no saving
    calls = [(first(on_, goal) or spent, first(off, goal) or off[-1].calls) for goal in goals]
    ratios = [mine / theirs for mine, theirs in calls]
    best = first(curve(foreseen([*runs[0], *runs[1]])), goals[0]) or spent
    met = first(on_, goals[0]) is not None
    return Compared(off, on_, calls[0], *ratios, met=met, oracle=best / calls[0][1])


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios, and the ends of its 95% interval."""
    logs = [math.log(one) for one in ratios]
    mean = statistics.fmean(logs)
    half = float(student.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def show(found: Compared) -> None:
    """Prints both curves, at the same numbers of calls."""
    print(f"{'calls':>8} {'coverage off':>13} {'on':>6} {'Vendi off':>10} {'on':>8}", file=sys.stderr)
    most = max(found.off[-1].calls, found.on[-1].calls)
    for step in range(1, SHOWN + 1):
        calls = most * step // SHOWN
        off, on = ([one for one in points if one.calls <= calls][-1:] for points in (found.off, found.on))
        if off and on:
            print(f"{calls:>8} {off[0].coverage:>13} {on[0].coverage:>6} {off[0].vendi:>10.1f} {on[0].vendi:>8.1f}",
                  file=sys.stderr)  # fmt: skip


class Endless:
    """A source of candidates for the measure of cost: a kind, a chunk and two entities each, by Zipf's law."""

    walks = True

    def __init__(self) -> None:
        rng = random.Random(1)
        weights = [1 / (rank + 1) for rank in range(2000)]
        entities = iter(rng.choices(range(2000), weights, k=400_000))
        self._tasks = (
            Task.of("pair", chunks=(f"chunk-{number % 5000}",), seed=number, attributes={"kind": KINDS[number % 4]},
                    entities=(f"entity-{next(entities)}", f"entity-{next(entities)}"))
            for number in range(150_000)
        )  # fmt: skip
        self.spent = 0.0

    async def candidates(self, count: int) -> list[Task]:
        began = time.process_time()
        drawn = [next(self._tasks) for _ in range(count)]
        self.spent += time.process_time() - began  # what the planner takes is not what steering takes
        return drawn

    def reopen(self) -> None: ...


async def cost(tasks: int = 20_000) -> float:
    """Microseconds of CPU that choosing a task and taking in its end take."""
    steering = Steering(SteerSpec(on=True), Cells(SteerSpec().dimensions, lru_cache(None)(lambda chunk: chunk[:8])))
    source, began = Endless(), time.process_time()
    done = 0
    while done < tasks:
        for one in await steering.draw(steering.spec.window, source):
            steering.ended(one, Status.ACCEPTED, 1.0 if done % 3 else 0.4)
            done += 1
    return (time.process_time() - began - source.spent) / done * 1e6


def measure(cases: Sequence[str], seeds: int, corpus: Path) -> list[tuple[str, float, str]]:
    """Runs the cases; returns (name, value, unit), the headline first where its cases were run."""
    import asyncio  # the campaigns have run their own loops

    told: list[tuple[str, float, str]] = []
    pooled: dict[str, float] = {}
    for case in cases:
        found = []
        for seed in range(seeds):
            found.append(one := compare(case, seed, corpus))
            mark = "" if one.met else "  (never reached)"
            text = (
                f"{case} seed {seed}: {one.calls[0]} of {one.calls[1]} calls, {one.ratio:.3f} (oracle {one.oracle:.3f})"
            )
            print(f"{text}; to coverage alone {one.coverage:.3f}, to Vendi alone {one.vendi:.3f}{mark}",
                  file=sys.stderr, flush=True)  # fmt: skip
        show(found[0])
        pooled[case], low, high = interval([one.ratio for one in found])
        oracle = interval([one.oracle for one in found])[0]
        name = f"steering_{case}"
        told += [(f"{name}_ratio", pooled[case], "times"),
                 (f"{name}_low", low, "times"), (f"{name}_high", high, "times"),
                 (f"{name}_coverage_ratio", interval([one.coverage for one in found])[0], "times"),
                 (f"{name}_vendi_ratio", interval([one.vendi for one in found])[0], "times"),
                 (f"{name}_oracle", oracle, "times"),
                 (f"{name}_taken", (1 - pooled[case]) / (1 - oracle) if oracle < 1 else 0.0, "of what could be saved"),
                 (f"{name}_unmet", sum(not one.met for one in found), "seeds")]  # fmt: skip
    told.append(("steering_corpus_characters", float(characters(corpus)), f"of {corpus}"))
    told.append(("steering_us_per_task", asyncio.run(cost()), "µs CPU"))
    if all(case in pooled for case in STEERED):
        told.insert(0, ("steering_calls_ratio", max(pooled[case] for case in STEERED), "times"))
    return told


def rows() -> list[tuple[str, float, str]]:
    """What benchmarks/evals.py prints."""
    return measure(CASES, SEEDS, corpus_of(BESIDE))


def corpus_of(path: Path) -> Path:
    """The corpus, or the documents of the examples where it is not there, which is said."""
    if path.exists():
        print(f"corpus: {path}", file=sys.stderr, flush=True)
        return path
    print(
        f"NO CORPUS AT {path}: these are figures of the examples, {EXAMPLES}; give --corpus",
        file=sys.stderr,
        flush=True,
    )
    return EXAMPLES


def characters(corpus: Path) -> int:
    """How much a corpus has."""
    return sum(len(one.read_text()) for one in (corpus.iterdir() if corpus.is_dir() else [corpus]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="one that is not there is an error")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="2 at least: one has no interval")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error(f"--seeds {given.seeds}: give 2 or more, one has no interval")
    if given.corpus is not None and not given.corpus.exists():
        parser.error(f"--corpus {given.corpus}: there is no such file or folder")
    corpus = corpus_of(given.corpus or BESIDE)
    measured = measure(given.case, given.seeds, corpus)
    for name, value, unit in measured:
        print(f"{name:<28} {value:>10.3f} {unit}")
    figures: dict[str, Any] = {name: round(value, 4) for name, value, _ in measured}
    print(json.dumps({**figures, "steering_corpus": str(corpus)}))
