"""What the commands do that read a run: its state, an item's story, its graph, its datasets. None loads a flow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from heapq import nsmallest
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ...errors import ConfigError
from ...graphs.knowledge.graph import KnowledgeGraph
from ...storage.changed import told
from ...storage.records import Status
from ...storage.returns import remakes_of
from ...storage.reviews import Reviews
from ...storage.store import RunStore
from ..datasets import export_runs
from ..folders import find_run, place_of, reading
from ..knowledge.ledger import ledger_dict, ledger_of, lines_of, print_ledger, print_lines, worst
from ..knowledge.quality import print_quality, quality_dict, quality_of_run
from ..report import books_dict, print_books, print_item, print_status, status_of
from ..steering.ends import print_curves
from ..steering.opening import curves_of_run
from ..terminal import me, open_console, print_json
from .graph_files import require_graph, write_graph


def status(run: Path, *, store: str, as_json: bool, watch: bool = False, curves: bool = False) -> int:
    folder, url = find_run(run, store)
    console = open_console()
    while True:
        with reading(folder, url) as opened:
            found = status_of(opened)
            if curves:
                found["curves"] = [asdict(one) for one in curves_of_run(opened)]
        if watch and console.is_terminal:
            console.clear()
        if as_json:
            print_json(found)
        else:
            print_status(console, found)
            print_curves(console, found.get("curves", ()))
            lost_first = sorted(found["reasons"], key=lambda row: row["status"] == Status.ACCEPTED)
            for row in lost_first[:1]:
                console.print(
                    f"look at one: {me()} show {found['examples'][row['reason']]} --run {place_of(folder, url)}"
                )
        if not watch or found["worked_on_by"] is None:
            return 0
        time.sleep(2)


def show(item: str, *, run: Path | None, store: str, as_json: bool, full: bool) -> int:
    with reading(*find_run(run, store)) as opened:
        found = opened.item(item)
        history = Reviews(opened).history(found.id)
        if as_json:
            made = remakes_of(found, history, opened)
            print_json(
                found.model_dump(mode="json")
                | {"reviews": [one.model_dump(mode="json") for one in history]}
                | {"made_again": [one.model_dump(mode="json") for one in made]}
                | {"changed": [one._asdict() for one in told(opened, found.task)]}
            )
        else:
            print_item(open_console(), found, opened, full=full, history=history)
    return 0


def graph(
    run: Path,
    *,
    store: str,
    format_: str,
    out: Path | None,
    top: int,
    ledger: bool = False,
    quality: bool = False,
    gold: Path | None = None,
    as_json: bool = False,
) -> int:
    _require_one_output(format_, out, ledger=ledger, quality=quality, as_json=as_json)
    if gold and not quality:
        raise ConfigError(f"--gold {gold} says what is right for the quality report; add --quality")
    console = open_console()
    with reading(*find_run(run, store)) as opened:
        require_graph(opened)
        if ledger:
            _print_chunks(opened, top, as_json)
            return 0
        if quality:
            report = quality_of_run(opened, gold)
            if as_json:
                print_json(quality_dict(report))
            else:
                print_quality(console, report, top)
            return 0
        if format_ != "summary":
            path = write_graph(opened, format_, out)
            console.print(f"wrote {path}")
            return 0
        found, extraction = KnowledgeGraph.load(opened), ledger_of(opened)
        if as_json:
            print_json({**found.stats().model_dump(mode="json"), "extraction": ledger_dict(extraction)})
            return 0
        _print_graph(console, found, top)
        print_ledger(console, extraction)
    return 0


def _require_one_output(format_: str, out: Path | None, *, ledger: bool, quality: bool, as_json: bool) -> None:
    """Raises `ConfigError` for options of which one would be passed over."""
    written = [] if format_ == "summary" else [f"--format {format_}"]
    asked = [*written, *(["--ledger"] if ledger else []), *(["--quality"] if quality else [])]
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} are different outputs; give one of them")
    if written and as_json:
        raise ConfigError(f"--json prints the summary, the ledger or the quality; leave it out beside {written[0]}")
    if out is not None and not written:
        raise ConfigError(f"--out {out} is where a file is written; add --format or --html")


def _print_chunks(store: RunStore, top: int, as_json: bool) -> None:
    if as_json:
        print_json({"chunks": [line.model_dump(mode="json") for line in worst(lines_of(store))]})
        return
    console = open_console()
    print_ledger(console, ledger_of(store))
    print_lines(console, store, lines_of(store), top)


def _print_graph(console: Console, found: KnowledgeGraph, top: int) -> None:
    stats = found.stats()
    console.print(
        f"{stats.entities} entities, {stats.relations} relations, {stats.mentions} mentions "
        f"in {stats.chunks} chunks; {stats.components} components, the largest holds {stats.largest_component:.0%}"
    )
    counts = found.mention_counts
    for number in nsmallest(top, range(len(found.ids)), key=lambda one: (-counts[one], one)):
        near = ", ".join(found.names[one] for one in found.links[number][:5])
        line = f"  {found.names[number]} ({found.types[found.type_codes[number]]})  {counts[number]} mentions"
        console.print(Text(line + (f"  - {near}" if near else "")))


def export(
    runs: Sequence[Path],
    *,
    formats: Sequence[str],
    out: str | None,
    validation: float | None,
    license_: str | None,
    part_mb: int | None,
    store: str,
) -> int:
    found = [find_run(run, store) for run in runs]
    folders = [folder for folder, _ in found]
    exported = export_runs(
        folders,
        store=next((url for _, url in found if url), ""),
        formats=formats,
        out=out,
        validation=validation,
        license_=license_,
        part_mb=part_mb,
    )
    report = exported.report
    console = open_console()
    if len(folders) > 1:
        console.print(f"{len(folders)} runs")
        print_books(console, books_dict(exported.books))
    for name, sides in report.counts.items():
        console.print(f"{name}: " + ", ".join(f"{side} {count}" for side, count in sides.items()))
        for reason, count in report.left_out[name].items():
            console.print(Text(f"  left out, {reason}: {count}", style="dim"))
    for path in exported.uploaded or report.files:
        console.print(f"  {path}")
    for note in report.notes:
        console.print(Text(note, style="dim"))
    return 0
