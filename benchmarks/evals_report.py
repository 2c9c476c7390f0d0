"""What a report takes: `gristmill eval` of a synthetic run of 100,000 items, no model; table, JSON and page written.

    python benchmarks/evals_report.py [--items 100000]

Items have about 60 words, two drafts, two verdicts and attributes; nine of ten are accepted. `report_s` are the clock's
seconds of the whole command without embeddings, in a process of its own; `report_cpu_s` those of all its CPUs,
`report_gb` the most memory it had. The names with `hashed` are the same with hashed vectors of a sample and the map,
which is what the command does by itself. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from gristmill.storage.records import (
    Chunk,
    Decision,
    Document,
    Draft,
    Item,
    Message,
    Status,
    Task,
    Usage,
    Verdict,
    content_id,
)  # fmt: skip
from gristmill.storage.store import RunStore

Row = tuple[str, float, str]
ITEMS, BLOCK, CHUNKS = 100_000, 2_000, 500


def made_item(task: Task, number: int, chance: random.Random, words: list[str]) -> Item:
    said = [" ".join(chance.choices(words, k=count)) for count in (15, 45)]
    messages = tuple(Message(role=role, content=text) for role, text in zip(("user", "assistant"), said, strict=True))
    rejected = number % 10 == 0
    drafts = tuple(Draft(index=at, by="generator", messages=messages) for at in range(1 + number % 2))
    scores = {"clear": chance.random(), "grounded": chance.random()}
    verdict = Verdict(
        by="critic", draft=len(drafts) - 1, decision=Decision.REJECT if rejected else Decision.ACCEPT,
        reasons=("unclear",) if rejected else (), scores=scores,
    )  # fmt: skip
    gate = Verdict(by="novelty", draft=0, decision=Decision.ACCEPT, scores={"novelty": chance.random()})
    return Item(
        id=content_id("item", task.id, 0), task=task.id, kind="qa",
        status=Status.REJECTED if rejected else Status.ACCEPTED,
        reasons=verdict.reasons, messages=messages, chunks=task.chunks, attributes=task.attributes, drafts=drafts,
        verdicts=(gate, verdict), usage=Usage(calls=3, input_tokens=900, output_tokens=120, usd=0.0004),
    )  # fmt: skip


async def make(folder: Path, count: int) -> None:
    chance = random.Random(0)
    words = [f"{chance.choice('bdfgklmnprst')}{chance.choice('aeiou')}{number:x}" for number in range(4_000)]
    document = Document(id="document-0", name="mill.md", text="mill")
    chunks = [
        Chunk(id=f"chunk-{at}", document=document.id, index=at, start=0, end=4, text="mill") for at in range(CHUNKS)
    ]
    store = RunStore.open(folder)
    await store.set_mark("campaign", {"name": "synthetic", "recipe": "grounded-qa"})
    await store.add_documents([(document, chunks)])
    for start in range(0, count, BLOCK):
        numbers = range(start, min(count, start + BLOCK))
        tasks = [
            Task.of("chunk", chunks=(f"chunk-{at % CHUNKS}",), attributes={"kind": f"kind {at % 12}", "n": at})
            for at in numbers
        ]
        items = [made_item(task, at, chance, words) for task, at in zip(tasks, numbers, strict=True)]
        await store.plan(tasks)
        ended = (store.finish(task.id, item.status, [item]) for task, item in zip(tasks, items, strict=True))
        await asyncio.gather(*ended)
    await store.close()


def measured(run: Path, out: Path, *options: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and gigabytes of one report, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = perf_counter()
    command = [sys.executable, __file__, "--report", str(run), "--out", str(out), *options]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    wall = perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, float(said.splitlines()[-1])


def report(arguments: list[str]) -> None:
    """Is the command; then says the most memory that it had."""
    from gristmill.cli import main

    main(["eval", *arguments], standalone_mode=False)


def rows(count: int = ITEMS) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="evals-report-") as folder:
        run, out = Path(folder) / "run", Path(folder) / "out"
        asyncio.run(make(run, count))
        wall, cpu, gb = measured(run, out, "--embedder", "none")
        hashed, hashed_cpu, hashed_gb = measured(run, out)
        page = (out / "report.html").stat().st_size / 1e6
    return [
        ("report_s", wall, "s"), ("report_cpu_s", cpu, "s CPU"), ("report_gb", gb, "GB"),
        ("report_hashed_s", hashed, "s"), ("report_hashed_cpu_s", hashed_cpu, "s CPU"),
        ("report_hashed_gb", hashed_gb, "GB"), ("report_page_mb", page, "MB"),
    ]  # fmt: skip


if __name__ == "__main__":
    if "--report" in sys.argv:
        try:
            report(sys.argv[2:])
        except SystemExit as ended:
            if ended.code:
                raise
        (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
        print(int(line.split()[1]) / 1e6)
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--items", type=int, default=ITEMS)
        found = rows(parser.parse_args().items)
        for name, value, unit in found:
            print(f"{name:<16} {value:>10,.2f} {unit}")
        print(json.dumps({name: round(value, 3) for name, value, _ in found}))
