"""What `gristmill run` prints at its end: the books, the files, the forecast, the next command as it can be typed."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ...evals.agreement_report import rounds_of_people
from ...storage.datasets.export import ExportReport
from ...storage.store import RunStore
from ..campaign import Campaign, CampaignReport
from ..forecast import Forecast
from ..report import (
    books_dict,
    errors_of,
    people_dict,
    print_books,
    print_errors,
    print_people,
    print_rounds,
    print_skipped,
)
from ..terminal import me

LOG = logging.getLogger(__name__)
EARLY = {"tokens", "usd", "time", "rejecting", "workers"}
LONGEST = 200  # characters of an error in one line
MORE = "; more documents or other options of the recipe give more tasks, in a campaign of another name"


def print_end(
    console: Console,
    report: CampaignReport,
    exported: ExportReport | None,
    campaign: str,
    *,
    target: int | None,
    store: str,
) -> None:
    """Prints how a campaign ended and what to type next."""
    opened = RunStore.read(report.folder, store)
    errors, skipped, rounds = errors_of(opened), opened.skipped(), rounds_of_people(opened)
    opened.close_reading()
    console.print(Text(f"{report.name}: {report.stop.text}", style="bold"))
    missed = target is not None and report.accepted < target
    if missed and report.stop.code == "exhausted":
        more = "" if "max_tasks" in report.stop.text else MORE
        console.print(Text(f"  the target of {target} is missed{more}", style="yellow"))
    print_books(console, books_dict(report.books))
    print_people(console, people_dict(report.people, report.books))
    for (status_, reason), count in list(report.reasons.items())[:8]:
        if reason:
            console.print(Text(f"  {status_} {reason}: {count}", style="dim"))
    print_errors(console, errors)
    print_skipped(console, skipped)
    print_rounds(console, rounds)
    usage = report.usage
    tokens = usage.input_tokens + usage.output_tokens
    console.print(
        f"{usage.calls} calls ({usage.cached_calls} from the cache), {tokens:,} tokens, ${usage.usd:.4f}, "
        f"{report.seconds:.1f} s"
    )
    console.print(f"run folder: {report.folder}")
    if exported is not None:
        _print_files(console, exported)
    if report.stop.code in {"interrupted", "tokens", "usd", "time"}:
        console.print(f"go on with: {me()} run {campaign}")
    if report.books.failed:
        console.print(f"failed tasks run again with: {me()} run {campaign} --retry-failed")
    if fruitless := fruitless_line(report, errors, campaign):
        console.print(Text(fruitless, style="red"))
    console.print(f"next: {me()} status {report.folder}")


def _print_files(console: Console, exported: ExportReport) -> None:
    """Prints what was written, and which format got no row, and why."""
    for path in exported.files:
        console.print(f"  {path}")
    for name, sides in exported.counts.items():
        if not any(sides.values()):
            why = ", ".join(f"{reason} {count}" for reason, count in exported.left_out[name].items())
            console.print(Text(f"  {name} has no row" + (f": {why}" if why else ""), style="yellow"))


def exit_code(report: CampaignReport) -> int:
    """Returns what the command ends with: 130 interrupted, 3 stopped early or with nothing to show, else 0.

    A run that has no task to do, such as one that is done already, has nothing to show and is as it should be.
    """
    if report.stop.code == "interrupted":
        return 130
    return 3 if report.stop.code in EARLY or _fruitless(report) else 0


def _fruitless(report: CampaignReport) -> bool:
    """Whether tasks ended, and none of them in an item that counts."""
    return report.accepted <= 0 and report.books.failed + report.books.rejected > 0


def fruitless_line(report: CampaignReport, errors: Mapping[str, str], campaign: str) -> str:
    """Returns what most tasks of a run without an accepted item ended with, and what to type next; else nothing."""
    if not _fruitless(report):
        return ""
    status = "failed" if report.books.failed >= report.books.rejected else "rejected"
    reasons = {reason: count for (of, reason), count in report.reasons.items() if of == status}
    reason = max(reasons, key=reasons.__getitem__, default="")
    said = f"nothing was accepted; most tasks {'failed' if status == 'failed' else 'were rejected'}: {reason}"
    told = f" ({reasons.get(reason, 0)} of {report.books.planned})"
    if status == "rejected":
        return f"{said}{told}; look at some with: {me()} review list {report.folder}"
    why = errors.get(reason, "").partition("\n")[0][:LONGEST]
    return f"{said}{told}{': ' if why else ''}{why}; see what fits with: {me()} doctor {campaign}"


def log_end(report: CampaignReport, files: Sequence[Path]) -> None:
    """Logs how a campaign ended: the stop, the books, what it cost, why items were lost, what was written."""
    usage = report.usage
    data = {
        "stop": report.stop.code,
        "books": books_dict(report.books),
        "people": people_dict(report.people, report.books),
        "reasons": [
            {"status": status, "reason": reason, "items": count}
            for (status, reason), count in list(report.reasons.items())[:8]
        ],
        "calls": usage.calls,
        "cached_calls": usage.cached_calls,
        "tokens": usage.input_tokens + usage.output_tokens,
        "usd": round(usage.usd, 6),
        "seconds": round(report.seconds, 3),
        "folder": report.folder,
        "files": files,
    }
    LOG.info("ended: %s", report.stop.text, extra={"data": data})
    if fruitless := fruitless_line(report, {}, "FILE"):
        LOG.warning("%s", fruitless)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def print_forecast(console: Console, campaign: Campaign, found: Forecast) -> None:
    """Prints what a dry run found."""
    spec, total = campaign.spec, found.total
    low, expected, high = found.tasks
    lost = ", ".join(f"{reason} {count}" for reason, count in found.pilot_reasons.items())
    console.print(Text(f"forecast for {spec.name}", style="bold"))
    console.print(
        f"pilot: {found.pilot_accepted} of {found.pilot_tasks} tasks accepted" + (f" ({lost})" if lost else "")
    )
    if not found.pilot_accepted:
        console.print(
            Text(
                "  nothing was accepted, so what follows is a guess: mend flow, prompts or model first", style="yellow"
            )
        )
    for one in found.compared:
        console.print(Text(f"held against {one.described}", style="" if one.texts else "yellow"))
    goal = f"{spec.target} accepted items" if spec.target else "every task"
    console.print(f"{goal}: about {expected:,} tasks" + (f" ({low:,} to {high:,})" if low != high else ""))
    if spec.target and expected * found.pilot_accepted / max(1, found.pilot_tasks) < spec.target:
        console.print(
            Text(
                f"  the recipe draws {found.drawn:,} tasks from these documents: the target may be missed",
                style="yellow",
            )
        )
    if found.graph.calls:
        console.print(f"knowledge graph: {found.graph.calls:,} calls over {found.chunks:,} chunks, included below")
    console.print(
        f"calls {total.calls:,}   tokens {total.input_tokens:,} in, {total.output_tokens:,} out   "
        f"${total.usd:,.2f}   about {_duration(found.seconds)} with {spec.concurrency} tasks in flight"
    )
    console.print(
        f"the pilot spent {found.paid.calls} calls ({found.paid.cached_calls} from the cache), ${found.paid.usd:.4f}; "
        f"its replies are kept, the campaign does not pay for them again"
    )
