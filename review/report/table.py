"""The report as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]
REASONS, MATCHES = 8, 8
PIPED = 240  # characters of a line that nobody looks at in a window: no figure is cut


def print_report(console: Console, told: Json) -> None:
    """Prints what `as_dict` returned: every figure with its interval and how many it stands on."""
    side, there = told["set"], told["against"]
    if not console.is_terminal:
        console.width = PIPED
    console.print(Text(f"{side['name']}: {_counts(side)}", style="bold"))
    for note in told["notes"]:
        console.print(Text(note, style="yellow"))
    console.print(_figures((part["title"], part["figures"]) for part in side["parts"]))
    _print_reasons(console, side["reasons"])
    if there is not None:
        console.print(Text(f"\nbeside {there['name']}: {_counts(there)}", style="bold"))
        console.print(_beside(told["beside"]))
    if told["contamination"] is not None:
        _print_contamination(console, told["contamination"])
    for one in told["selections"]:
        console.print(_selection(one))


def _counts(side: Json) -> str:
    if side["kind"] != "run":
        return f"{side['items']:,} rows" if side["kind"] == "dataset" else f"{side['items']:,} texts"
    return f"{side['items']:,} items, " + ", ".join(f"{count:,} {name}" for name, count in side["status"].items())


def _figures(parts: Iterable[tuple[str, list[Json]]]) -> Group:
    table, notes = _table("", "value", "95% interval", "n"), dict[str, int]()
    for title, figures in parts:
        if not figures:
            continue
        table.add_row(Text(title, style="bold"))
        for one in figures:
            count = f"{one['n']:,}" if one["n"] else ""
            name = Text.assemble(f"  {one['name']} ", (_mark(one["note"], notes), "dim"))
            table.add_row(name, value_of(one), interval_of(one), count)
    return Group(table, *_told(notes))


def _mark(note: str, notes: dict[str, int]) -> str:
    return f"({notes.setdefault(note, len(notes) + 1)})" if note else ""


def _told(notes: dict[str, int]) -> list[Text]:
    return [Text(f"({number}) {note}", style="dim") for note, number in notes.items()]


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if head and place else "left", overflow="fold")
    return table


def number(value: float) -> str:
    """Four figures that count."""
    if value and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def value_of(figure: Json) -> str:
    return "–" if figure["value"] is None else f"{number(figure['value'])} {figure['unit']}".rstrip()


def interval_of(figure: Json) -> str:
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"{number(figure['low'])} to {number(figure['high'])}"


def _print_reasons(console: Console, reasons: list[Json]) -> None:
    lost = [row for row in reasons if row["reason"]]
    if not lost:
        return
    table = _table("why not accepted", "items", "share", "95% interval")
    for row in lost[:REASONS]:
        share = {"value": row["share"], "unit": "", "low": row["low"], "high": row["high"]}
        table.add_row(
            Text(f"{row['reason']} ({row['status']})"), f"{row['items']:,}", value_of(share), interval_of(share)
        )
    console.print(table)
    if len(lost) > REASONS:
        console.print(Text(f"and {len(lost) - REASONS} more reasons", style="dim"))


def _beside(rows: list[Json]) -> Group:
    table, notes = _table("", "here", "there", "difference", "95% interval", ""), dict[str, int]()
    for row in rows:
        change = row["difference"]
        name = Text.assemble(f"  {row['name']} ", (_mark(change["note"], notes), "dim"))
        cells = (value_of(row["here"]), value_of(row["there"]), value_of({**change, "unit": ""}), interval_of(change))
        table.add_row(name, *cells, row["differs"])
    return Group(table, *_told(notes))


def _print_contamination(console: Console, found: Json) -> None:
    console.print(_figures([("Contamination", found["figures"])]))
    for match in found["matches"][:MATCHES]:
        where = f"{match['place'] or 'text'}[{match['start']}:{match['end']}]"
        row = f"{match['set']} {match['row']} {match['column']}[{match['row_start']}:{match['row_end']}]"
        console.print(Text(f"  {match['item']} {where} stands in {row}", style="yellow"))
    if found["listed"] > MATCHES:
        console.print(Text(f"  and {found['listed'] - MATCHES:,} more; report.json lists them", style="dim"))
    for note in found["notes"]:
        console.print(Text(f"  {note}", style="dim"))


def _selection(one: Json) -> Table:
    table = _table(
        f"selection {one['strategy']}, {one['chosen']:,} of {one['of']:,}", "chosen", "at random", "95% of draws"
    )
    for row in one["figures"]:
        both = ("–" if row[side] is None else number(row[side]) for side in ("chosen", "random"))
        drawn = interval_of({"low": row["random_low"], "high": row["random_high"]})
        table.add_row(Text(f"  {row['name']}"), *both, drawn)
    return table
