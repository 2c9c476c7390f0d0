"""What became of every record that extraction found, by chunk and in sum, with what it cost for each source token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from pydantic import Field
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ...agents.extraction.records import Books, Extraction
from ...agents.names import one_line
from ...storage.records import Record
from ...storage.store import RunStore

SORTS = ("entities", "relations", "claims", "details")
DOUBTS = frozenset({"ungrounded", "no_quote", "name_absent", "names_neither", "ungrounded_figure"})
UNGROUNDED = frozenset({"ungrounded", "ungrounded_figure"})
ERROR = 160  # characters of an error in the list; --json has all of it


class ChunkLedger(Record):
    """One chunk's line. `failed` is the reason why nothing was read, with what the model answered in `error`.

    `by` is `model`, `terms` or `seed`; `books` are by sort of record. Tokens are of the calls that were paid for;
    `cached` says that some were not.
    """

    chunk: str
    by: str = ""
    failed: str = ""
    error: str = ""
    rescued: str = ""
    stopped: str = ""
    rounds: int = 0
    source_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False
    books: dict[str, Books] = Field(default_factory=dict)

    @classmethod
    def of(cls, extraction: Extraction) -> ChunkLedger:
        """The line of a chunk that was read."""
        usage = extraction.usage
        return cls(
            chunk=extraction.chunk,
            by=extraction.by,
            rescued=extraction.rescued,
            stopped=extraction.stopped,
            rounds=extraction.rounds,
            source_tokens=extraction.source_tokens,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached=bool(usage.cached_calls),
            books=extraction.books,
        )

    @property
    def empty(self) -> bool:
        """Whether the chunk was read and gave nothing."""
        return not self.failed and not any(books.kept for books in self.books.values())

    @property
    def trouble(self) -> float:
        """How bad it went, from 0 to 3: failed, empty, else the share of records dropped or kept with a doubt."""
        if self.failed:
            return 3.0
        if self.empty:
            return 2.0
        found = sum(books.found + books.created for books in self.books.values())
        return sum(bad(books) for books in self.books.values()) / max(1, found)


class Ledger(Record):
    """The sum over all chunks: `chunks = read by a model + read by rules + of the seed + failed`, the failed by reason.

    `rescued` are chunks that the rules read because a model failed, by reason; `empty` are those that were read and
    gave nothing. The tokens are those of `measured` chunks: read by a model, with no call answered from the cache.
    """

    chunks: int = 0
    by_model: int = 0
    by_terms: int = 0
    by_seed: int = 0
    failed: dict[str, int] = Field(default_factory=dict)
    rescued: dict[str, int] = Field(default_factory=dict)
    empty: int = 0
    stopped: dict[str, int] = Field(default_factory=dict)
    books: dict[str, Books] = Field(default_factory=dict)
    measured: int = 0
    passes: int = 0
    source_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every chunk and every record is accounted for."""
        read = self.by_model + self.by_terms + self.by_seed + sum(self.failed.values())
        return self.chunks == read and all(books.balanced for books in self.books.values())

    @property
    def per_source_token(self) -> float | None:
        """Tokens in and out for each token of the source, all passes together; None where nothing was measured."""
        if not self.source_tokens:
            return None
        return (self.input_tokens + self.output_tokens) / self.source_tokens


class Tally:
    """Adds up lines as they come, so that none need stand in memory."""

    def __init__(self, lines: Iterable[ChunkLedger] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.rescued: Counter[str] = Counter()
        self.stopped: Counter[str] = Counter()
        self.books = {sort: Books() for sort in SORTS}
        for line in lines:
            self.add(line)

    def add(self, line: ChunkLedger) -> None:
        self.counts["chunks"] += 1
        if line.failed:
            self.failed[line.failed] += 1
            return
        self.counts[f"by_{line.by}"] += 1
        self.counts["empty"] += line.empty
        self.stopped[line.stopped] += 1
        if line.rescued:
            self.rescued[line.rescued] += 1
        for sort in SORTS:
            self.books[sort] += line.books[sort]
        if line.by == "model" and not line.cached:
            self.counts.update(
                measured=1,
                passes=line.rounds,
                source_tokens=line.source_tokens,
                input_tokens=line.input_tokens,
                output_tokens=line.output_tokens,
            )

    @property
    def ledger(self) -> Ledger:
        """The sum so far."""
        return Ledger(
            **self.counts,
            failed=dict(sorted(self.failed.items())),
            rescued=dict(sorted(self.rescued.items())),
            stopped=dict(sorted(self.stopped.items())),
            books=self.books,
        )


def bad(books: Books) -> int:
    """Returns how many records were dropped, or kept with a doubt about their evidence."""
    return sum(books.dropped.values()) + sum(count for reason, count in books.mended.items() if reason in DOUBTS)


def ungrounded(books: Books) -> int:
    """Returns how many records had no evidence in their chunk, whether they stayed or not."""
    return sum(count for part in (books.dropped, books.mended) for key, count in part.items() if key in UNGROUNDED)


def lines_of(store: RunStore) -> Iterator[ChunkLedger]:
    """Yields one line for each chunk of a run that extraction has seen, in the order of the chunks."""
    for chunk, reason, body in store.extractions():
        yield _failed(chunk, reason, body) if reason else ChunkLedger.of(Extraction.model_validate_json(body))


def failed_lines(store: RunStore) -> Iterator[ChunkLedger]:
    """Yields the lines of the chunks that extraction failed on; no other is parsed."""
    return (_failed(chunk, reason, body) for chunk, reason, body in store.extractions() if reason)


def _failed(chunk: str, reason: str, body: str) -> ChunkLedger:
    said = orjson.loads(body) if body else {}
    return ChunkLedger(chunk=chunk, failed=reason, error=said.get("error", ""))


def ledger_dict(ledger: Ledger) -> dict[str, Any]:
    """The ledger as JSON values, with the ratio."""
    ratio = ledger.per_source_token
    return {**ledger.model_dump(mode="json"), "per_source_token": None if ratio is None else round(ratio, 3)}


def ledger_of(store: RunStore) -> Ledger:
    """Returns the sum that was stored with a run's graph; what rules read and no other chunk confirmed is dropped."""
    stored = dict((store.mark("graph") or {}).get("extraction") or {})
    stored.pop("per_source_token", None)
    return Ledger.model_validate(stored)


def print_ledger(console: Console, ledger: Ledger) -> None:
    """Prints the sum: what was read by whom, what became of the records, what it cost for each source token."""
    line = Text(f"{ledger.chunks} chunks = {ledger.by_model} read by a model + {ledger.by_terms} by rules")
    if ledger.by_seed:
        line.append(f" + {ledger.by_seed} of the seed graph")
    line.append(f" + {sum(ledger.failed.values())} failed", style="red" if ledger.failed else "")
    if not ledger.balanced:
        line.append("   THE BOOKS DO NOT BALANCE: please report this", style="bold red")
    console.print(line)
    for words, counts in (("failed", ledger.failed), ("read by rules because the model failed", ledger.rescued)):
        if counts:
            console.print(Text(f"  {words}: {_listed(counts)}", style="yellow"))
    if ledger.empty:
        console.print(Text(f"  read, and gave nothing: {ledger.empty}; --ledger lists them", style="yellow"))
    for sort in SORTS:
        books = ledger.books.get(sort, Books())
        if books.found or books.created:
            console.print(Text(f"  {sort}: {_sum(books)}"))
    ratio = ledger.per_source_token
    if ratio is not None:
        console.print(
            Text(
                f"  tokens: {ledger.input_tokens:,} in and {ledger.output_tokens:,} out for {ledger.source_tokens:,} "
                f"of the source, {ratio:.2f} for each, in {ledger.passes / ledger.measured:.2f} passes a chunk"
            )
        )


def print_lines(console: Console, store: RunStore, lines: Iterable[ChunkLedger], top: int) -> None:
    """Prints the `top` chunks that went worst: where each stands, who read it, its sum, and beneath it the reasons."""
    for line in worst(lines)[:top]:
        chunk = store.chunk(line.chunk)
        place = f"{store.document_name(chunk.document)} {chunk.start}-{chunk.end}"
        by = "failed" if line.failed else f"read by {_BY[line.by]}"
        if line.rescued:
            by += f", the model failed: {line.rescued}"
        console.print(Text(f"{line.chunk[:14]}  {place}  {by}", style="red" if line.failed else ""))
        books = sum(line.books.values(), Books())
        if line.failed:
            reasons = f"{line.failed}: {one_line(line.error)[:ERROR]}"
        elif line.empty and not bad(books):
            reasons = "nothing found"
        else:
            reasons = _sum(books)
        console.print(Padding(Text(reasons), (0, 0, 0, 4)))


def worst(lines: Iterable[ChunkLedger]) -> list[ChunkLedger]:
    """Returns the lines by falling trouble; equals keep their order."""
    return sorted(lines, key=lambda line: -line.trouble)


_BY = {"model": "a model", "terms": "rules", "seed": "the seed graph", "": "nobody"}


def _sum(books: Books) -> str:
    made = f" + {books.created} made here" if books.created else ""
    text = (
        f"{books.found} found{made} = {books.kept} kept + {books.merged} merged + {sum(books.dropped.values())} dropped"
    )
    for words, counts in (("dropped", books.dropped), ("kept with a mark", books.mended)):
        if counts:
            text += f"; {words}: {_listed(counts)}"
    return text


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
