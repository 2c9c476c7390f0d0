"""What the commands of the command line do. Each returns its exit code and raises what the library raises."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from heapq import nsmallest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import ConfigError
from ..graphs.flows.check import require_flow
from ..graphs.flows.loading import load_flow
from ..graphs.flows.picture import mermaid
from ..graphs.knowledge.graph import KnowledgeGraph
from ..graphs.recipes.catalogue import recipe as recipe_by_name
from ..graphs.recipes.catalogue import recipes
from ..prompts.library import PromptLibrary
from ..storage.changed import told
from ..storage.records import Status
from ..storage.returns import remakes_of
from ..storage.reviews import Reviews
from ..storage.store import RunStore
from ..storage.whereabouts import store_of
from .campaign import Campaign
from .datasets import export_run, export_runs
from .doctor import diagnose, print_findings
from .endings import log_end, me, print_end, print_forecast
from .fleet.fleet import Fleet
from .fleet.joining import Place, join_here, join_redis
from .fleet.overseeing import give_order, look, print_fleet, requeue
from .folders import find_run, place_of
from .forecast import forecast
from .graph_files import require_graph, write_graph
from .graph_quality import print_quality, quality_dict, quality_of_run
from .ledger import ledger_dict, ledger_of, lines_of, print_ledger, print_lines, worst
from .progress import Logged, progress_for
from .recipe_list import all_recipes, print_recipe, print_recipes, recipe_dict
from .report import books_dict, print_books, print_item, print_status, status_of
from .spec import CampaignSpec, load_spec
from .starter import write_starter
from .steering.ends import print_curves
from .steering.opening import curves_of_run
from .telemetry.logs import LogFormat, Logs
from .telemetry.telemetry import Telemetry
from .terminal import open_console, print_json

EARLY = {"tokens", "usd", "time", "rejecting", "workers"}


def init(name: str, documents: str, recipe: str, model: str, force: bool) -> int:
    recipe_by_name(recipe)
    path = write_starter(name, documents=documents, recipe=recipe, model=model, force=force)
    console = open_console()
    console.print(f"wrote {path}")
    if not Path(documents).exists():
        console.print(f"next: put your documents into {documents}/, then: {me()} run {path}")
    else:
        console.print(f"next: {me()} run {path}")
    return 0


def list_recipes(name: str, as_json: bool) -> int:
    console = open_console()
    if as_json:
        print_json(recipe_dict(recipe_by_name(name)) if name else {"recipes": all_recipes()})
    elif name:
        print_recipe(console, name)
    else:
        print_recipes(console)
    return 0


def run(campaign: Path, *, log_format: LogFormat, log_level: str | None, **options: Any) -> int:
    with Logs(log_format, log_level) as logs:
        return logs.answer(lambda: _run(campaign, logs, **options))


def _run(
    campaign: Path,
    logs: Logs,
    *,
    dry_run: bool,
    pilot: int,
    retry_failed: bool,
    refresh: bool,
    plain: bool,
    workers: int,
    lease: float,
    redis: str,
    metrics_port: int,
    metrics_host: str,
    traces: bool,
    store: str,
    **overrides: Any,
) -> int:
    chosen = Campaign.load(campaign, **overrides)
    store = store_of(chosen.spec.folder, store)
    console = open_console()
    if dry_run:
        print_forecast(console, chosen, asyncio.run(forecast(chosen, pilot=pilot, store=store)))
        return 0
    chosen.prepare()  # what cannot run leaves no folder behind
    logs.follow(chosen.spec.name, chosen.spec.folder)
    progress = Logged() if logs.form == "json" else progress_for(sys.stderr, plain=plain)
    spread = Fleet(workers=workers, redis=redis, lease=lease) if workers or redis else None
    watched = Telemetry(
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        traces=traces,
        log_format=logs.form,
        log_level=logs.level.lower(),
    )
    try:
        report = asyncio.run(
            chosen.execute(
                progress, retry_failed=retry_failed, refresh=refresh, fleet=spread, telemetry=watched, store=store
            ),
        )
    finally:
        progress.close()
    files = export_run(report.folder, store=store).files if report.accepted > 0 else ()
    if logs.form == "json":
        log_end(report, files)
    else:
        typed = f"{campaign} --shard {chosen.spec.shard}" if overrides.get("shard") else str(campaign)
        print_end(console, report, files, typed, target=chosen.spec.target, store=store)
        if logs.warned:
            console.print(Text(f"warnings: {logs.file}", style="yellow"))
    if report.stop.code == "interrupted":
        return 130
    return 3 if report.stop.code in EARLY else 0


def worker(
    run: Path, *, log_format: LogFormat, log_level: str | None, redis: str, shard: str | None, **options: Any
) -> int:
    traces, port, host = options.pop("traces"), options.pop("metrics_port"), options.pop("metrics_host")
    place = Place(telemetry=Telemetry(metrics_port=port, metrics_host=host, traces=traces), **options)
    with Logs(log_format, log_level, worker=place.known_as) as logs:
        return logs.answer(lambda: _worker(run, logs, place, redis, shard))


def _worker(run: Path, logs: Logs, place: Place, redis: str, shard: str | None) -> int:
    if redis and run.suffix == ".toml":
        spec, folder, url = load_spec(run, shard=shard), None, ""
    else:
        if shard:
            raise ConfigError(f"--shard {shard} goes with --redis and a campaign file; {run} is a shard's run already")
        folder, url = find_run(run)
        with _reading(folder, url) as store:
            spec = CampaignSpec.model_validate(store.mark("campaign"))
    logs.follow(spec.name, folder)
    if redis or folder is None:
        problem = asyncio.run(join_redis(spec, redis, place))
    else:
        problem = asyncio.run(join_here(folder, place, url))
    return 1 if problem else 0


def fleet(run: Path, *, action: str, tasks: Sequence[str], redis: str, store: str, as_json: bool) -> int:
    folder, url = find_run(run, store)
    console = open_console()
    if action == "status":
        found = asyncio.run(look(folder, redis, url))
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            print_fleet(console, found)
    elif action == "requeue":
        count = asyncio.run(requeue(folder, redis, tasks, url))
        console.print(f"{count} tasks are pending again; `gristmill run` goes on with them")
    else:
        asyncio.run(give_order(folder, redis, {"resume": "run"}.get(action, action)))
        console.print(f"workers are told to {action}")
    return 0


def status(run: Path, *, store: str, as_json: bool, watch: bool = False, curves: bool = False) -> int:
    folder, url = find_run(run, store)
    console = open_console()
    while True:
        with _reading(folder, url) as opened:
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
    with _reading(*find_run(run, store)) as opened:
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
    with _reading(*find_run(run, store)) as opened:
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


def flow(source: str) -> int:
    if source.endswith(".toml"):
        chosen = Campaign.load(source).prepare().flow
        sys.stdout.write(mermaid(chosen) + "\n")
        return 0
    if ":" in source:
        chosen = load_flow(source)
    else:
        found = recipe_by_name(source)
        if found.flow is None:
            raise ConfigError(f"recipe '{source}' has no flow of its own; there are flows in {_with_flows()}")
        chosen = found.flow(found.options())
    sys.stdout.write(mermaid(chosen) + "\n")
    # Without a campaign nothing says which models there will be: every role counts as bound.
    require_flow(chosen, roles={"default"}, prompts=PromptLibrary.of(["prompts"] if Path("prompts").is_dir() else []))
    return 0


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


def doctor(campaign: Path | None, *, redis: str | None, as_json: bool) -> int:
    spec = None if campaign is None else Campaign.load(campaign).spec
    findings = asyncio.run(diagnose(spec, redis_url=redis))
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
    else:
        print_findings(open_console(), findings)
    return 0 if all(finding.ok is not False for finding in findings) else 1


@contextmanager
def _reading(folder: Path, url: str) -> Iterator[RunStore]:
    store = RunStore.read(folder, url)
    try:
        yield store
    finally:
        store.close_reading()


def _with_flows() -> str:
    return ", ".join(name for name, found in recipes().items() if found.flow is not None)
