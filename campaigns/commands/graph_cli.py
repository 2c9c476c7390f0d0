"""The commands `gristmill graph ...`: options and help; what they do is in campaigns/reading and campaigns/editing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import STORE, call, edits, group_of


@click.group("graph", cls=group_of("show"), short_help="Show, write or edit the knowledge graph of RUN.")
def graph() -> None:
    """Show or write the knowledge graph of RUN; list and decide which names are one entity.

    \b
    gristmill graph RUN              short for: gristmill graph show RUN
    """


@graph.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", default="summary", show_default=True,
    type=click.Choice(["summary", "graphml", "json", "json-ld", "parquet", "cypher"]),
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="File to write, for parquet a folder; else in RUN.")
@click.option(
    "--top", type=click.IntRange(min=1), default=15, show_default=True,
    help="Entities in the summary, chunks in the ledger.",
)  # fmt: skip
@click.option("--ledger", is_flag=True, help="List the chunks, worst first: what was found, kept, dropped, and why.")
@click.option("--quality", is_flag=True, help="How good the graph is: noise, doubts, gaps, and when to worry.")
@click.option("--gold", type=click.Path(path_type=Path), help="With --quality: a JSONL file that says what is right.")
@click.option("--json", "as_json", is_flag=True, help="The summary, the ledger or the quality as one JSON object.")
@click.option("--html", is_flag=True, help="Write a page that stands for itself: search, filters, passages.")
@STORE
def graph_show(html: bool, **options: Any) -> None:
    """Show or write the knowledge graph of RUN."""
    if html:
        given = [f"--{name}" for name in ("ledger", "quality", "gold") if options[name]]
        given += ["--json"] * options["as_json"] + ["--format"] * (options["format_"] != "summary")
        if given:
            raise click.UsageError(f"--html writes the page; leave {' and '.join(given)} out")
        call("write", room="review.page.commands", run=options["run"], store=options["store"], out=options["out"])
    call("graph", room="campaigns.commands.reading", **options)


@graph.command("merges", short_help="List which names of RUN are one entity, and why.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--entity", default="", help="Of one entity: its name, or an id that it ever had.")
@click.option("--by", type=click.Choice(["rule", "model", "person"]), help="Who decided.")
@click.option("--doubts", is_flag=True, help="Pairs that nothing decides, for you to decide.")
@click.option("--refused", is_flag=True, help="Joins that a guard refused, and why.")
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@STORE
def graph_merges(**options: Any) -> None:
    """List which names of RUN are one entity: names, score, reason, who and when; and what people and models ruled."""
    call("merges", room="campaigns.editing.commands", **options)


@graph.command("merge", short_help="Make two entities of RUN one.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@edits
def graph_merge(**options: Any) -> None:
    """Make two entities of RUN one; A and B are names, or ids that they ever had.

    No campaign may be working on RUN. What is decided stands against all rules, also when the documents change.
    """
    call("merge", room="campaigns.editing.commands", **options)


@graph.command("split", short_help="Make two entities of one of RUN.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("entity")
@click.option("--name", default="", help="The name that is another thing; with places, this name there alone.")
@click.option("--document", "documents", multiple=True, help="A document in which it is another thing; repeatable.")
@click.option("--chunk", "chunks", multiple=True, help="The id of a chunk in which it is another thing; repeatable.")
@edits
def graph_split(**options: Any) -> None:
    """Make two entities of one: a name that does not belong to it, or a name that means another thing in some places.

    No campaign may be working on RUN.
    """
    call("split", room="campaigns.editing.commands", **options)


@graph.command("undo", short_help="Take merges and splits of RUN back.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("rulings", nargs=-1, required=True, metavar="RULING...")
@edits
def graph_undo(**options: Any) -> None:
    """Take rulings of RUN back, a person's or a model's; RULING is the start of an id that `graph merges` shows.

    An undo is a ruling too, and can be taken back.
    """
    call("undo", room="campaigns.editing.commands", **options)
