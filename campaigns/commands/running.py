"""What the commands do that run flows. Each returns its exit code and raises what the library raises."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from ...errors import ConfigError
from ...graphs.flows.check import require_flow
from ...graphs.flows.loading import load_flow
from ...graphs.flows.picture import mermaid
from ...graphs.recipes.catalogue import recipe as recipe_by_name
from ...graphs.recipes.catalogue import recipes
from ...prompts.library import PromptLibrary
from ...storage.whereabouts import store_of
from ..campaign import Campaign
from ..datasets import export_run
from ..fleet.fleet import Fleet
from ..forecast import forecast
from ..progress import Logged, progress_for
from ..telemetry.logs import LogFormat, Logs
from ..telemetry.telemetry import Telemetry
from ..terminal import me, open_console, print_json
from .doctor import diagnose, print_findings
from .endings import exit_code, log_end, print_end, print_forecast
from .recipe_copy import copy_of
from .recipe_list import all_recipes, print_recipe, print_recipes, recipe_dict
from .recipe_page import page, section
from .starter import write_starter


def init(name: str, documents: str, recipe: str, model: str, force: bool, copy: bool) -> int:
    if not name and not recipe:
        raise ConfigError("give the campaign a name: `gristmill init NAME`; or a recipe to copy: --recipe NAME")
    recipe = recipe or "grounded-qa"
    copied = copy_of(recipe) if copy or not name else None
    made = write_starter(name or recipe, documents=documents, recipe=recipe, model=model, force=force, copied=copied)
    console = open_console()
    for file in copied.files if copied else ():
        console.print(f"wrote {file}")
    for file in (*(copied.kept if copied else ()), *made.kept):
        console.print(f"kept {file}, which was there")
    console.print(f"wrote {made.path}")
    for file in made.wrote:
        console.print(f"wrote {file}, an example")
    first = f"put {made.missing}, then: " if made.missing else ""
    after = f"   # with the example; or put {made.yours} first" if made.yours else ""
    console.print(f"next: {first}{me()} run {made.path}{after}")
    return 0


def list_recipes(name: str, as_json: bool, markdown: bool) -> int:
    if as_json and markdown:
        raise ConfigError("--json and --markdown are different outputs; give one of them")
    console = open_console()
    if markdown:
        sys.stdout.write(section(recipe_by_name(name)) if name else page(recipes().values()))
    elif as_json:
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
    exported = export_run(report.folder, store=store) if report.accepted > 0 else None
    files = exported.files if exported else ()
    if logs.form == "json":
        log_end(report, files)
    else:
        typed = f"{campaign} --shard {chosen.spec.shard}" if overrides.get("shard") else str(campaign)
        print_end(console, report, exported, typed, target=chosen.spec.target, store=store)
        if logs.warned:
            console.print(Text(f"warnings: {logs.file}", style="yellow"))
    return exit_code(report)


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


def doctor(campaign: Path | None, *, redis: str | None, as_json: bool) -> int:
    spec = None if campaign is None else Campaign.load(campaign).spec
    findings = asyncio.run(diagnose(spec, redis_url=redis))
    if as_json:
        print_json([finding.model_dump(mode="json") for finding in findings])
    else:
        print_findings(open_console(), findings)
    return 0 if all(finding.ok is not False for finding in findings) else 1


def _with_flows() -> str:
    return ", ".join(name for name, found in recipes().items() if found.flow is not None)
