"""The queue as a list in the terminal: pages one after the other, as a table for people or as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..campaigns.report import STYLES
from ..storage.records import Status
from .queue.index import ReviewIndex
from .queue.query import Filters, Page, Seen, Sort

AT_ONCE = 500  # items of one look
COLUMNS = ("item", "status", "reasons", "score", "what", "decided")
ALWAYS = frozenset({"item", "status", "reasons", "what"})
GIVES_WAY = tuple(COLUMNS.index(name) for name in ("decided", "reasons", "what"))  # the last takes what is left
LEAST = 10  # characters of each of these, however little the others leave: an id that is cut is of no use


def pages_of(
    index: ReviewIndex, filters: Filters, sort: Sort, *, reviewer: str = "", after: str = "", limit: int | None = None
) -> Iterator[Page]:
    """Yields pages of the queue until `limit` items or its end, all as they stand at one moment."""
    with index.moment():
        left = limit
        while left is None or left > 0:
            size = AT_ONCE if left is None else min(AT_ONCE, left)
            page = index.page(filters, sort, reviewer=reviewer, after=after, limit=size)
            yield page
            after = page.next
            if not after:
                return
            left = None if left is None else left - len(page.items)


def listed(one: Seen) -> dict[str, Any]:
    """Returns an item of a list as JSON values."""
    return asdict(one)


def print_list(console: Console, items: Sequence[Seen], total: int, place: str) -> None:
    """Prints items as a table, and how to see the next."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    rows = [_cells(one) for one in items]
    shown = [at for at, name in enumerate(COLUMNS) if name in ALWAYS or any(row[at] for row in rows)]
    widths = {at: max(map(cell_len, (COLUMNS[at], *(row[at] for row in rows)))) for at in shown}
    limits = _limits(widths, console.width - 2 * (len(shown) - 1))
    for at in shown:
        table.add_column(COLUMNS[at], justify="right" if COLUMNS[at] == "score" else "left", no_wrap=True)
    for one, row in zip(items, rows, strict=True):
        cells = [Text(cell) for cell in row]
        for at, limit in limits.items():
            cells[at].truncate(limit, overflow="ellipsis")
        cells[COLUMNS.index("status")].style = STYLES[Status(one.status)]
        table.add_row(*(cells[at] for at in shown))
    if items:
        console.print(table)
    console.print(
        Text(f"{len(items)} of {total} items" + (f"; the next: --after {place}" if place else ""), style="dim")
    )


def _limits(widths: dict[int, int], room: int) -> dict[int, int]:
    """Returns how wide the columns that give way may be: a fair share each, and the last what the others leave."""
    giving = [at for at in GIVES_WAY if at in widths]
    room -= sum(width for at, width in widths.items() if at not in giving)
    limits: dict[int, int] = {}
    for left, at in zip(range(len(giving), 0, -1), giving, strict=True):
        limits[at] = max(LEAST, room if left == 1 else min(widths[at], room // left))
        room -= min(widths[at], limits[at])
    return limits


def _cells(one: Seen) -> tuple[str, ...]:
    return (
        one.id,
        one.status,
        ", ".join(one.reasons) or "-",
        "" if one.score is None else f"{one.score:.2f}",
        one.title,
        f"{one.decision} by {one.reviewer}" if one.decision else "",
    )
