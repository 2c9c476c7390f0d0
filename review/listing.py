"""The queue as a list in the terminal: pages one after the other, as a table for people or as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..campaigns.report import STYLES
from ..storage.records import Status
from .index import ReviewIndex
from .query import Filters, Page, Seen, Sort

AT_ONCE = 500  # items of one look


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
    for column in ("item", "status", "reasons", "score", "what", "decided"):
        table.add_column(column, justify="right" if column == "score" else "left", no_wrap=column == "item")
    for one in items:
        table.add_row(
            Text(one.id),
            Text(one.status, style=STYLES[Status(one.status)]),
            Text(", ".join(one.reasons) or "-"),
            "" if one.score is None else f"{one.score:.2f}",
            Text(one.title),
            Text(f"{one.decision} by {one.reviewer}" if one.decision else "", style="dim"),
        )
    if items:
        console.print(table)
    console.print(
        Text(f"{len(items)} of {total} items" + (f"; the next: --after {place}" if place else ""), style="dim")
    )
