"""What `gristmill select` does. Options and help stand in cli.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..folders import find_run
from ..terminal import open_console, print_json
from .choosing import Choice, Chosen, as_dict, draws, parse_options, select_runs, shown
from .reading import read_examples

MOST_GROUPS = 12


def select(
    runs: Sequence[Path],
    *,
    strategy: str,
    count: int,
    options: Sequence[str],
    seed: int,
    score: str,
    feedback: str,
    cells: Sequence[str],
    examples: Path | None,
    embedder: str,
    base_url: str,
    api_key_env: str,
    formats: Sequence[str],
    out: str | None,
    validation: float | None,
    license_: str | None,
    as_json: bool,
    store: str,
) -> int:
    """Chooses, writes, and prints how it measures."""
    choice = Choice(
        strategy=strategy,
        count=count,
        options=parse_options(options),
        seed=seed,
        score=score,
        feedback=feedback,
        cells=tuple(cells),
        examples=() if examples is None else read_examples(examples),
        embedder=embedder,
        base_url=base_url,
        key_env=api_key_env,
    )
    found = [find_run(run, store) for run in runs]
    folders = [folder for folder, _ in found]
    chosen = select_runs(
        folders,
        choice,
        store=next((url for _, url in found if url), ""),
        out=out or (folders[0] / "selected" / strategy if len(folders) == 1 else None),
        formats=formats,
        validation=validation,
        license_=license_,
    )
    if as_json:
        written = [str(path) for path in chosen.exported.uploaded or chosen.exported.report.files]
        print_json(as_dict(choice, chosen.selection, chosen.beside, chosen.sees) | {"files": written})
    else:
        _print(open_console(), chosen)
    return 0


def _print(console: Console, chosen: Chosen) -> None:
    selection, report = chosen.selection, chosen.exported.report
    console.print(
        f"{selection.strategy}, seed {selection.seed}: {len(selection.indices)} of {selection.of} accepted items"
    )
    table = Table(box=None, pad_edge=False)
    for head in ("", "chosen", "at random", "95% of draws"):
        table.add_column(head, justify="left" if not head else "right")
    for row in chosen.beside:
        random = "–" if row.random.value is None else f"{row.random.value:.4g}"
        table.add_row(row.chosen.name, shown(row.chosen), random, draws(row).strip(" ()"))
    if chosen.beside:
        console.print(table)
    if chosen.sees:
        console.print(Text(f"vectors: {chosen.sees}", style="dim"))
    for reason, count in selection.counts.items():
        console.print(Text(f"left out, {reason}: {count}", style="dim"))
    for group in selection.groups[:MOST_GROUPS]:
        console.print(Text(f"  {group.name}: {group.chosen} of {group.size}"))
    if len(selection.groups) > MOST_GROUPS:
        console.print(Text(f"  and {len(selection.groups) - MOST_GROUPS} more; all are in selection.json"))
    for name, sides in report.counts.items():
        console.print(f"{name}: " + ", ".join(f"{side} {count}" for side, count in sides.items()))
        for reason, count in report.left_out[name].items():
            if reason != "rejected":
                console.print(Text(f"  left out, {reason}: {count}", style="dim"))
    for path in chosen.exported.uploaded or report.files:
        console.print(f"  {path}")
    for note in (*selection.notes, *report.notes):
        console.print(Text(note, style="dim"))
