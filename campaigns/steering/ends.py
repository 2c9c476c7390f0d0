"""What steering says when nothing is left to draw, and what a run keeps and shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..stops import Stop
from .steering import Steering

MARK = "steering"
NAMED = 20  # cells that the mark names at most
TOLD = 3
BARS = "▁▂▃▄▅▆▇█"


def stop_of(steering: Steering, every: Stop) -> Stop:
    """Returns why a campaign ends when steering draws nothing more; `every` says that all tasks are done."""
    books = steering.books
    missed = "".join(f"; {one}" for one in books.missed())
    if steering.barred["saturated"] and books.saturated:
        worst = sorted(books.saturated.values(), key=lambda cell: (cell.novelty.mean, cell.name))[:TOLD]
        told = ", ".join(f"{cell.name} ({cell.novelty.mean:.2f} after {cell.novelty.seen} tasks)" for cell in worst)
        return Stop(
            "saturated",
            f"what the recipe still draws is in saturated cells, {len(books.saturated)} of {len(books)}: their items "
            f"hardly bring anything new: {told}; add documents or options, or lower steer.threshold{missed}",
        )
    if steering.barred["at_most"]:
        return Stop(every.code, f"{every.text} that steer.at_most allows; raise it to go on{missed}")
    return Stop(every.code, f"{every.text}{missed}")


def mark_of(steering: Steering) -> dict[str, Any]:
    """Returns what `gristmill status` shows, as JSON values: the saturated cells, and the quotas that are not met."""
    books = steering.books
    worst = sorted(books.saturated.values(), key=lambda cell: (cell.novelty.mean, cell.name))[:NAMED]
    return {
        "cells": len(books),
        "saturated": len(books.saturated),
        "worst": [
            {"cell": cell.name, "novelty": round(cell.novelty.mean, 4), "tasks": cell.tried, "accepted": cell.accepted}
            for cell in worst
        ],
        "missed": books.missed(),
    }


def print_steering(console: Console, mark: Mapping[str, Any] | None) -> None:
    """Prints what `mark_of` returned; nothing for a run that was not steered."""
    if not mark:
        return
    console.print(Text(f"steered over {mark['cells']:,} cells, {mark['saturated']:,} of them saturated"))
    for row in mark["worst"]:
        told = f"  {row['cell']}: novelty {row['novelty']:.2f}, {row['accepted']} of {row['tasks']} tasks accepted"
        console.print(Text(told, style="yellow"))
    for text in mark["missed"]:
        console.print(Text(f"  quota not met: {text}", style="yellow"))


def print_curves(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Prints the curve of each cell, given as JSON values: novelty from its first to its newest tasks, in bars from 0
    to 1; nothing for no curve."""
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, justify in (("cell", "left"), ("tasks", "right"), ("accepted", "right"), ("newest", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    table.add_column("novelty, by tasks")
    for curve in found:
        told = [point["novelty"] for point in curve["points"]]
        newest = next((f"{one:.2f}" for one in reversed(told) if one is not None), "-")
        cells = Text(curve["cell"]), str(curve["tasks"]), str(curve["accepted"]), newest
        table.add_row(*cells, Text("".join(map(_bar, told))))
    console.print(table)


def _bar(novelty: float | None) -> str:
    return " " if novelty is None else BARS[min(len(BARS) - 1, int(novelty * len(BARS)))]
