"""How far critics and people agree, as text for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..campaigns.report import kappa_words, print_rounds, share_words
from ..evals.agreement_report import AgreementReport, Threshold


def print_agreement(console: Console, report: AgreementReport) -> None:
    """Prints the report: the whole, the critics with their reasons, thresholds, rounds."""
    if not report.decided:
        console.print("nobody has decided an item of this run yet; `gristmill review RUN` opens its queue")
        return
    people = "1 person" if report.reviewers == 1 else f"{report.reviewers} people"
    out = f"; {report.left_out} of them failed and judge nobody" if report.left_out else ""
    console.print(Text(f"{people} decided {report.decided} items{out}", style="bold"))
    console.print(Text(f"agreed on {share_words(report.overall.agreed)}; {kappa_words(report.overall.kappa)}"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("critic", "reason", "judged", "precision"):
        table.add_column(column, justify="right" if column == "judged" else "left")
    for critic in report.critics:
        if not critic.judged:
            continue
        table.add_row(Text(critic.critic), "", str(critic.judged), Text(kappa_words(critic.kappa)))
        for one in critic.reasons:
            table.add_row("", Text(one.reason), str(one.precision.count), Text(share_words(one.precision)))
    console.print(table)
    for critic in report.critics:
        for threshold in critic.thresholds:
            console.print(Text(f"{critic.critic}, {threshold.score}: {threshold_words(threshold)}"))
    print_rounds(console, report.rounds)


def threshold_words(threshold: Threshold) -> str:
    """Words where a threshold lies and where it should."""
    now = "no threshold now" if threshold.current is None else f"threshold {threshold.current:g} now"
    found = threshold.suggestion
    if found.threshold is None:
        return f"{now}; {found.note}"
    point = next(point for point in found.curve if point.threshold == found.threshold)
    good = f"{share_words(point.precision)} of {point.precision.count} judged are good"
    return f"{now}; {found.threshold:g} is reached by {point.accepted:,} items, of which {good}"
