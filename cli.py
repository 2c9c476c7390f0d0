"""The command line: `gristmill COMMAND`. Options and help stand here; a command itself is in campaigns or in review.

Commands are imported when they run, so that `gristmill --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .campaigns.commands.graph_cli import graph
from .campaigns.commands.options import REVIEWER, STORE, Command, embeds, group_of
from .campaigns.commands.options import call as _call
from .campaigns.commands.options import seen as _seen

EXAMPLES = """
\b
Examples:
  gristmill init my-campaign            write a campaign file to start from
  gristmill run my-campaign.toml        run it, or go on where it stopped
  gristmill run my-campaign.toml --dry-run
  gristmill status runs/my-campaign     the books, and why items were rejected
  gristmill show ITEM --run runs/my-campaign
  gristmill export runs/my-campaign --format alpaca --format huggingface
  gristmill select runs/my-campaign --strategy k-means-quality --count 1000
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gristmill")
def main() -> None:
    """Verified, diverse instruction data from seed documents, every item led back to its source."""


@main.command(short_help="Write a campaign file to start from; copy a recipe to change it.")
@click.argument("name", default="")
@click.option("--documents", default="", show_default="an example", help="What to work from: a folder, a file, a glob.")
@click.option("--recipe", default="", show_default="grounded-qa", help="What to make; see docs/recipes.md.")
@click.option("--model", default="offline", show_default=True, help="For example openai_api/Qwen/Qwen2.5-7B-Instruct.")
@click.option("--copy", is_flag=True, help="Copy the recipe, its prompts and data here, to change them.")
@click.option("--force", is_flag=True, help="Replace a campaign file that is there.")
def init(**options: Any) -> None:
    """Write NAME.toml, a campaign file to start from.

    With --copy, or without NAME, the recipe's module is copied to recipes/, its prompts to prompts/, and the campaign
    runs the copy. Files that are there stay as they are.

    \b
    gristmill init --recipe wrap      wrap.toml, recipes/wrap.py and its prompts, to change
    """
    _call("init", **options)


@main.command("recipes", short_help="List the recipes: what each needs and gives.")
@click.argument("name", default="")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--markdown", is_flag=True, help="As Markdown, with a picture of each flow: docs/recipes.md.")
def list_recipes(**options: Any) -> None:
    """List the recipes with what they need and give; with NAME, one recipe with its options.

    \b
    gristmill init my-campaign --recipe magpie      write a campaign of one
    """
    _call("list_recipes", **options)


@main.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--target", type=int, help="Stop at this many accepted items.")
@click.option("--max-tasks", type=int, help="Plan at most this many tasks.")
@click.option("--concurrency", type=int, help="Tasks in flight at most.")
@click.option("--runs", type=str, help="Folder that holds the run folders.")
@click.option(
    "--dry-run", is_flag=True, help="Run a few pilot tasks and print a forecast of calls, tokens, money, time."
)
@click.option("--pilot", type=click.IntRange(min=1), default=5, show_default=True, help="Pilot tasks of a dry run.")
@click.option("--shard", help="Only this part of the campaign, such as 3/64: a run of its own.")
@click.option("--retry-failed", is_flag=True, help="Make failed tasks pending again first.")
@click.option("--refresh", is_flag=True, help="Read the documents again: what changed is made anew, the rest stays.")
@click.option("--plain", is_flag=True, help="Lines in place of the live table.")
@click.option("--workers", type=click.IntRange(0, 256), default=0, help="Run tasks in this many worker processes.")
@click.option(
    "--lease", type=float, default=30.0, show_default=True, help="Seconds until a silent worker's tasks return."
)
@click.option("--redis", default="", envvar="GRISTMILL_REDIS", help="Coordinate over this Redis; workers may join.")
@click.option(
    "--store", default="", help="Keep the run in PostgreSQL, postgresql://user@host/database; or GRISTMILL_STORE."
)
@_seen
def run(**options: Any) -> None:
    """Run the campaign of a TOML file, or go on where it stopped.

    Ctrl-C drains: tasks in flight finish, the rest stays pending. The same command resumes.

    Exit codes: 0 ended as planned, 1 an error, 3 stopped early (budget, too many rejections) or nothing was accepted,
    130 interrupted.
    """
    _call("run", **options)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--redis", default="", envvar="GRISTMILL_REDIS", help="The fleet's Redis, redis://host:port.")
@click.option("--name", default="", help="What the fleet calls this worker; by default host and pid.")
@click.option("--slots", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Tasks at a time.")
@click.option("--share", type=click.IntRange(1, 256), default=1, help="Workers that divide budgets and server slots.")
@click.option("--lease", type=float, default=30.0, show_default=True, help="The fleet's lease in seconds.")
@click.option(
    "--grace", type=float, default=30.0, show_default=True, help="Seconds to finish tasks when told to drain."
)
@click.option("--parent", type=int, default=0, help="Drain when this process is gone.")
@click.option("--shard", help="With a campaign file: the part of it that is to be joined, such as 3/64.")
@_seen
def worker(**options: Any) -> None:
    """Join the fleet that works on RUN until told to drain.

    RUN is a run's folder on this machine, or, with --redis, the campaign file on any.
    """
    _call("worker", room="campaigns.fleet.worker", **options)


@main.command(short_help="Show the fleet of RUN, or give it an order.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("action", type=click.Choice(["status", "drain", "pause", "resume", "requeue"]), default="status")
@click.argument("tasks", nargs=-1)
@click.option("--redis", default="", envvar="GRISTMILL_REDIS", help="The fleet's Redis, where it has one.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@STORE
def fleet(**options: Any) -> None:
    """Show the fleet of RUN: workers, queue, leases, tasks set aside; or give it an order.

    requeue makes tasks that were set aside pending again, all of them or TASKS.
    """
    _call("fleet", room="campaigns.fleet.commands", **options)


@main.command(short_help="Show how far RUN is, and why items were lost.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until nothing works on the run.")
@click.option("--curves", is_flag=True, help="Also how new each cell's items were, from its first tasks to its newest.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@STORE
def status(**options: Any) -> None:
    """Show the books of RUN: what is planned, accepted, rejected, failed, pending, and why.

    RUN is a run's folder, a campaign file, or the name of a run in ./runs.
    """
    _call("status", room="campaigns.commands.reading", **options)


@main.command()
@click.argument("item")
@click.option("--run", type=click.Path(path_type=Path), help="The run; by default the newest in ./runs.")
@click.option("--full", is_flag=True, help="Whole passages, not only what stands near the citations.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@STORE
def show(**options: Any) -> None:
    """Show an item's whole story: source, drafts, verdicts, decision.

    ITEM is the start of an item's or a task's id.
    """
    _call("show", room="campaigns.commands.reading", **options)


main.add_command(graph)


@main.command()
@click.argument("source")
def flow(**options: Any) -> None:
    """Print a flow as Mermaid, and check it.

    Prompts are looked up in ./prompts and among the built-in ones, or where the campaign says.

    SOURCE is a recipe's name, `module:attribute` of a StateGraph, or a campaign file.
    """
    _call("flow", **options)


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--format", "formats", multiple=True,
    help="jsonl, parquet, chat, alpaca, sharegpt, dpo, text, classification, extraction, retrieval, triplets, "
    "huggingface, rejects; text.parquet and its like as Parquet; may be repeated.",
)  # fmt: skip
@click.option("--out", help="Folder to write to, by default RUN/export; or s3://bucket/folder, gs://bucket/folder.")
@click.option("--validation", type=float, help="Share of items held out, split by document.")
@click.option("--part-mb", type=click.IntRange(min=1), help="Megabytes of a file, after which another one begins.")
@click.option("--license", "license_", help="Licence named on the dataset card, e.g. cc-by-4.0.")
@STORE
def export(**options: Any) -> None:
    """Write the items of RUN as datasets.

    Several runs, such as the shards of one campaign, become one dataset; a text that two of them have is in it once.
    """
    _call("export", room="campaigns.commands.reading", **options)


@main.command(short_help="Write the best part of RUN as a dataset.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--strategy", required=True, help="random, quality, k-means-quality, balance, ...; see docs/evals.md.")
@click.option("--count", required=True, type=click.IntRange(min=1), help="Items to choose.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the strategy; repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed chooses the same items.")
@click.option("--score", default="mean", show_default=True, help="Quality: a critic's score by name, or their mean.")
@click.option("--feedback", default="", help="Score that k-means-quality-iterative learns from: more of what has more.")
@click.option("--cell", "cells", multiple=True, help="For balance: an attribute of items, such as kind; repeatable.")
@click.option("--examples", type=click.Path(path_type=Path), help="For zip-fit: texts, JSON Lines or a table.")
@embeds
@click.option("--format", "formats", multiple=True, help="As for export; may be repeated.")
@click.option("--out", help="Folder to write to, by default RUN/selected/STRATEGY; or s3://bucket/folder.")
@click.option("--validation", type=float, help="Share of items held out, split by document.")
@click.option("--license", "license_", help="Licence named on the dataset card.")
@click.option("--json", "as_json", is_flag=True, help="What was chosen and how it measures, as one JSON object.")
@STORE
def select(**options: Any) -> None:
    """Choose some of the accepted items of RUN by a strategy, and write them as datasets.

    Prints how the choice measures beside one of as many items by chance.
    """
    _call("select", room="campaigns.selecting.commands", **options)


@main.command("eval", short_help="Measure RUN: how diverse, hard, clean and dear its items are.")
@click.argument("run")
@click.option("--against", default="", help="Another run, or a file or folder of rows, to stand beside.")
@click.option("--contamination", multiple=True, metavar="SET", help="Evaluation set, set.jsonl:column; repeatable.")
@embeds
@click.option("--sample", type=click.IntRange(1), default=10_000, show_default=True, help="Texts with vectors.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all samples.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to, by default RUN/report.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object, in place of the table.")
@STORE
def eval_(**options: Any) -> None:
    """Measure the items of RUN, and write report.json and report.html, a page that stands for itself.

    RUN is a run's folder, a campaign file, the name of a run in ./runs, or a file or folder of rows.
    """
    _call("evaluate_run", room="review.report.commands", **options)


@main.group(
    cls=group_of("open", "--list", "--show", "--decide"),
    short_help="Review the items of RUN that the critics rejected.",
)
def review() -> None:
    """Review what the critics rejected: on a web page of this machine, in the terminal, or in another tool.

    \b
    gristmill review RUN             short for: gristmill review open RUN
    gristmill review RUN --list      short for: gristmill review list RUN
    gristmill review RUN --show ITEM
    gristmill review RUN --decide ACTION ITEM...
    """


@review.command("open")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need --token.")
@click.option(
    "--token", default="", envvar="GRISTMILL_REVIEW_TOKEN", help="What opens the page, in place of a random one."
)
@click.option("--name", "names", multiple=True, help="Host name that this machine is reached by; may be repeated.")
@click.option("--reviewer", default="", envvar="GRISTMILL_REVIEWER", help="Who decides; by default the user's name.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@STORE
def review_open(**options: Any) -> None:
    """Open RUN as a web page: the queue of rejects, its items, the dashboard, the graph."""
    _call("open_", room="review.commands", **options)


FILTERS = (
    click.option(
        "--stage", type=click.Choice(["open", "skipped", "decided", "returned", "all"]), default="open",
        show_default=True, help="Where items stand with the people.",
    ),
    click.option(
        "--status", multiple=True, type=click.Choice(["accepted", "rejected", "failed"]),
        help="May be repeated; by default rejected and failed.",
    ),
    click.option("--reason", default="", help="A reason code."),
    click.option("--critic", default="", help="Who spoke against the last draft."),
    click.option("--kind", default="", help="The kind of item, such as qa."),
    click.option("--draw", default="", help="The kind of task that it came from."),
    click.option("--document", default="", help="The name of a document."),
    click.option("--entity", default="", help="The id of an entity, one that it has or had."),
    click.option("--changed", is_flag=True, help="Drawn from entities that were merged, split or lost since."),
    click.option("--round", type=click.IntRange(min=1), help="The campaign's round."),
    click.option("--score-from", type=float, help="The least score of the last draft, from here."),
    click.option("--score-to", type=float, help="The least score of the last draft, up to here."),
    click.option("--text", default="", help="Words of messages, errors and verdicts."),
    click.option(
        "--sort", type=click.Choice(["teaches", "newest", "oldest", "score", "sample"]), default="teaches",
        show_default=True,
        help="teaches: what a decision teaches most about the critics comes first. sample: spread evenly over the run.",
    ),
)  # fmt: skip


def _filters(command: Command) -> Command:
    """Adds the options that say which items, those of the web page's queue."""
    for option in reversed(FILTERS):
        command = option(command)
    return command


@review.command("list")
@click.argument("run", type=click.Path(path_type=Path))
@_filters
@click.option("--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Items at most.")
@click.option("--after", default="", help="Go on from the place that an earlier list ended with.")
@click.option("--ids", is_flag=True, help="Ids only, one a line, to pipe into `review decide`.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@REVIEWER
@STORE
def review_list(**options: Any) -> None:
    """List items of RUN: those that the critics did not accept and nobody has decided, or others."""
    _call("list_", room="review.commands", **options)


@review.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("item")
@click.option("--full", is_flag=True, help="Whole passages, not only what stands near the citations.")
@click.option("--raw", is_flag=True, help="What the models answered too, with tokens, cost and time of each call.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@STORE
def review_show(**options: Any) -> None:
    """Show an item's whole story, with what people decided.

    ITEM is the start of an item's or a task's id.
    """
    _call("show", room="review.commands", **options)


@review.command("decide", short_help="Decide items of RUN.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("action", type=click.Choice(["accept", "edit", "reject", "send-back", "undo"]))
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--note", default="", help="A note; send-back needs one, which says what to change.")
@click.option("--reasons", default="", help="Reason codes in place of the critics', with commas between (reject).")
@click.option(
    "--messages", type=click.Path(path_type=Path, allow_dash=True),
    help="JSON file with the new messages, a list of role and content (edit).",
)  # fmt: skip
@click.option("--seen", help="The item's last event that you saw (`last` of show --json): decides it anew.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@REVIEWER
@STORE
def review_decide(**options: Any) -> None:
    """Decide items of RUN: accept, edit, reject (confirms a rejection), send-back, or undo.

    ITEM is the start of an item's id; - reads ids from stdin, one a line. Items that somebody has decided, or looks at
    now, are left as they are.

    Exit codes: 0 all done, 1 some were refused, and which and why is on stderr; the others stand.
    """
    _call("decide", room="review.commands", **options)


@review.command("agreement", short_help="Show how far critics and people agree in RUN.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--wanted", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Precision to suggest thresholds for."
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, the curves too.")
@STORE
def review_agreement(**options: Any) -> None:
    """Show how far critics and people agree in RUN: precision by reason, kappa, thresholds, rounds."""
    _call("agreement", room="review.commands", **options)


@review.command("export", short_help="Write items of RUN for another tool.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, allow_dash=True), help="File to write; - is stdout."
)
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "argilla"]), default="jsonl", show_default=True,
    help="jsonl: one object a line. argilla: a JSON array of records for Argilla's SDK 2.",
)  # fmt: skip
@_filters
@click.option("--all", "every", is_flag=True, help="Items of every stage and status.")
@click.option("--limit", type=click.IntRange(min=1), help="Items at most.")
@REVIEWER
@STORE
def review_export(**options: Any) -> None:
    """Write items of RUN with all that it takes to decide them elsewhere: messages, sources, drafts, verdicts.

    What was decided there comes back by `review import`.
    """
    _call("export", room="review.commands", **options)


@review.command("import", short_help="Take in what another tool decided.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "argilla"]), default="jsonl", show_default=True,
    help="jsonl: lines of `review export`. argilla: what records.to_json or to_list of Argilla's SDK 2 gave.",
)  # fmt: skip
@click.option("--user", "users", multiple=True, metavar="ID=NAME", help="What a user of Argilla is called; repeatable.")
@click.option("--dry-run", is_flag=True, help="Check all of it, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option(
    "--reviewer", default="", envvar="GRISTMILL_REVIEWER",
    help="Who decided the lines that name nobody; by default the user's name. Argilla's users are named by --user.",
)  # fmt: skip
@STORE
def review_import(**options: Any) -> None:
    """Take decisions in from FILE (- is stdin): of each line of an export what stands under `decide`.

    The same file again changes nothing. A line that is wrong, or an item that somebody decided meanwhile, is named and
    costs no other.

    Exit codes: 0 all taken in, 1 some lines were refused; the others stand.
    """
    _call("import_", room="review.commands", **options)


@main.command(short_help="Check what is installed and what is reachable.")
@click.argument("campaign", type=click.Path(path_type=Path), required=False)
@click.option("--redis", help="A Redis to look at, redis://host:port.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def doctor(**options: Any) -> None:
    """Check what is reachable: packages, models, structured output, Redis."""
    _call("doctor", **options)


if __name__ == "__main__":
    main()
