"""The quality report of a run's graph, gathered from its store, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...agents.extraction.records import Extraction
from ...graphs.knowledge.graph import KnowledgeGraph
from ...graphs.quality.annotation import read_gold
from ...graphs.quality.gold import Score
from ...graphs.quality.limits import LIMITS
from ...graphs.quality.report import Corpus, Quality, quality_of
from ...graphs.quality.votes import votes_of
from ...storage.rulings import RESOLUTION
from ...storage.store import RunStore


def quality_of_run(store: RunStore, gold: Path | None = None) -> Quality:
    """Reports on a run's graph; raises `ConfigError` for a gold annotation that does not fit it."""
    annotated = read_gold(gold) if gold else []
    return quality_of(
        KnowledgeGraph.load(store),
        corpus_of(store),
        votes=votes_of(_extractions(store)),
        resolution=store.mark(RESOLUTION),
        gold=annotated,
    )


def corpus_of(store: RunStore) -> Corpus:
    """Returns where each chunk of a run stands, and what its documents are called; some 200 bytes a chunk."""
    documents: dict[str, str] = {}
    starts: dict[str, int] = {}
    one: dict[str, str] = {}  # one string a document, however many its chunks
    for chunk in store.chunks():
        documents[chunk.id] = one.setdefault(chunk.document, chunk.document)
        starts[chunk.id] = chunk.start
    names = dict(store.rows("SELECT id, name FROM documents WHERE place >= 0"))
    return Corpus(documents, names, starts)


def _extractions(store: RunStore) -> Iterator[Extraction]:
    for _, reason, body in store.extractions():
        if not reason:
            yield Extraction.model_validate_json(body)


def quality_dict(quality: Quality) -> dict[str, Any]:
    """The report as JSON values, with precision, recall and F1 and the limits."""
    found = quality.model_dump(mode="json")
    if quality.types is not None:
        found["types"]["share"] = round(quality.types.share, 4)
    if quality.gold is not None:
        for name in ("entities", "entities_lenient", "relations", "relations_lenient"):
            score: Score | None = getattr(quality.gold, name)
            if score is not None:
                found["gold"][name] |= {"precision": score.precision, "recall": score.recall, "f1": score.f1}
    limits = {name: LIMITS[name].model_dump(mode="json", exclude={"means", "mend"}) for name in quality.shares}
    return {**found, "limits": limits}


def print_quality(console: Console, quality: Quality, top: int) -> None:
    """Prints the report: sizes, the numbers with their limits, and `top` of each list of what to look at."""
    stats, law = quality.stats, quality.degrees
    sizes = ", ".join(f"{size:,}" for size in quality.component_sizes[:5]) or "none"
    console.print(
        Text(
            f"{stats.entities:,} entities, {stats.relations:,} relations, {stats.mentions:,} mentions in "
            f"{stats.chunks:,} chunks; {quality.claims:,} claims on {quality.entities_with_claims:,} entities"
        )
    )
    console.print(Text(f"components of linked entities: {sizes}; {stats.isolated:,} entities are in none"))
    degrees = f"neighbours: {stats.mean_degree:.2f} on average, {quality.max_degree:,} at most"
    if law.exponent is None:
        console.print(Text(f"{degrees}; no power law: {law.reason}"))
    else:
        console.print(
            Text(
                f"{degrees}; power law with exponent {law.exponent:.2f} from {law.start} on "
                f"({law.tail:,} entities, distance {law.distance:.3f})"
            )
        )
    _print_shares(console, quality)
    _print_gold(console, quality)
    _print_lists(console, quality, top)


def _print_shares(console: Console, quality: Quality) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "value", "worry", "what it is"):
        table.add_column(column, justify="right" if column in ("value", "worry") else "left")
    for name, value in quality.shares.items():
        limit, worry = LIMITS[name], name in quality.worries
        bound = f"above {limit.above:.0%}" if limit.above is not None else f"below {limit.below:.2f}"
        shown = f"{value:.1%}" if limit.above is not None else f"{value:.3f}"
        style = "yellow" if worry else ""
        table.add_row(Text(name, style=style), Text(shown, style=style), bound, Text(limit.means))
    console.print(table)
    if quality.duplicate_pairs is None:
        console.print(Text("duplicates: not compared, the graph is too large and was not resolved here", style="dim"))
    for name in quality.worries:
        console.print(Text(f"! {name}: {LIMITS[name].mend}", style="yellow"))


def _print_gold(console: Console, quality: Quality) -> None:
    gold = quality.gold
    if gold is None:
        return
    console.print(Text(f"against the gold annotation of {gold.documents} documents:"))
    for words, score in (
        ("entities, strict", gold.entities),
        ("entities, lenient", gold.entities_lenient),
        ("relations, strict", gold.relations),
        ("relations, lenient", gold.relations_lenient),
    ):
        if score is not None:
            figures = f"precision {score.precision:.3f}  recall {score.recall:.3f}  F1 {score.f1:.3f}"
            console.print(
                Text(f"  {words:<19} {figures}  ({score.matched} of {score.found} found, {score.gold} there)")
            )
    if gold.b_cubed is not None:
        one = gold.b_cubed
        figures = f"precision {one.precision:.3f}  recall {one.recall:.3f}  F1 {one.f1:.3f}"
        console.print(Text(f"  {'names together, B³':<19} {figures}  ({one.elements} names, {gold.unseen} not found)"))
    for words, names in (("not found", gold.missed), ("not annotated", gold.extra)):
        if names:
            console.print(Text(f"  {words}: {', '.join(names)}", style="dim"))


def _print_lists(console: Console, quality: Quality, top: int) -> None:
    for duplicate in quality.duplicates[:top]:
        (left, right), (one, other) = duplicate.names, duplicate.types
        console.print(Text(f"  one? {left} ({one}) / {right} ({other})  {duplicate.score:.2f} {duplicate.reason}"))
    for homonym in quality.homonyms[:top]:
        if len(homonym.entities) > 1:
            console.print(Text(f"  several: {homonym.name} ({', '.join(homonym.types)})"))
        else:
            console.print(Text(f"  several? {homonym.name} ({homonym.types[0]}), in {homonym.contexts} contexts"))
    for confusion in (quality.types.worst if quality.types else ())[:top]:
        votes = ", ".join(f"{type_} {count}" for type_, count in confusion.votes.items())
        console.print(Text(f"  which type? {confusion.name}: {votes}"))
    if quality.coverage is not None and quality.coverage.bare:
        console.print(Text(f"  no entity in: {', '.join(quality.coverage.bare[:top])}"))
