"""What each kind of draw yields: how many groups its sampler gave and refused, and how the tasks of them ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ...storage.records import Status, Task

if TYPE_CHECKING:  # types only: a campaign without a graph loads no sampler
    from ...graphs.sampling.engine import Yield

MARK = "draws"
NOTES = "notes"  # the mark of what a planner keeps over restarts
SHOWN_REASONS = 3


class DrawYields:
    """Counts tasks by kind and status."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[Status]] = defaultdict(Counter)

    def add(self, task: Task, status: Status = Status.PENDING) -> None:
        """Counts a task that was planned."""
        self._counts[task.kind][status] += 1

    def ended(self, task: Task, status: Status) -> None:
        """Counts how a pending task ended."""
        self._counts[task.kind][Status.PENDING] -= 1
        self._counts[task.kind][status] += 1

    def as_mark(self, yields: Mapping[str, Yield]) -> dict[str, dict[str, Any]]:
        """Returns, by kind, the tasks by status, and `drawn` and `refused` (by reason) of those that samplers gave.

        A sampler counts anew in each process, which walks past what was planned before; so its `drawn` holds all.
        """
        told: dict[str, dict[str, Any]] = {}
        for kind in sorted({*self._counts, *yields}):
            told[kind] = {status.value: self._counts[kind][status] for status in Status}
            if kind in yields:
                told[kind] |= {"drawn": yields[kind].drawn, "refused": dict(yields[kind].refused.most_common())}
        return told


def print_yields(console: Console, draws: Mapping[str, Mapping[str, Any]] | None) -> None:
    """Prints the yield of each sampler; nothing for a recipe that draws from no graph."""
    if not draws or not any("drawn" in row for row in draws.values()):
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("draw")
    for column in ("drawn", *(status.value for status in _ends())):
        table.add_column(column, justify="right")
    table.add_column("refused by its sampler")
    for kind, row in draws.items():
        refused = list(row.get("refused", {}).items())
        told = [f"{reason} {count:,}" for reason, count in refused[:SHOWN_REASONS]]
        if len(refused) > SHOWN_REASONS:
            told.append(f"others {sum(count for _, count in refused[SHOWN_REASONS:]):,}")
        counts = (f"{row.get(status.value, 0):,}" for status in _ends())
        drawn = f"{row['drawn']:,}" if "drawn" in row else "-"
        table.add_row(kind, drawn, *counts, ", ".join(told))
    console.print(table)


def _ends() -> Iterator[Status]:
    return (status for status in (Status.ACCEPTED, Status.REJECTED, Status.FAILED, Status.PENDING))
