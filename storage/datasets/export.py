"""Exports items as datasets, one folder a format: `OUT/chat/train.jsonl`, `OUT/chat/validation.jsonl`, ...

Items are read twice, one after another: to count and to decide the split, then to write. None are held in memory but
those that wait for a partner in a preference pair. File names are fixed words; nothing of an item is in a path.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from ...errors import ConfigError
from ..records import Item, Status
from ..reviews import Review
from .card import CardInfo, Shown, Tally, card_text
from .columns import PARQUET, TABLES, base
from .pairs import RejectionPairs, refinement_pairs, rejection_pair
from .shapes import SHAPES, LeftOut, Row, record, told
from .split import Side, Split, Splitter
from .writers import PART_BYTES, Output, disk_errors, require_parquet, sole_writer

DocumentsOf = Callable[[Item], Sequence[str]]
DecisionOn = Callable[[Item], Review | None]
FORMATS = (*SHAPES, "dpo", "rejects")
"""`jsonl` (whole records), `chat`, `sharegpt`, `alpaca`, `text`, `retrieval`, `triplets`, `classification`,
`extraction`, `parquet`, `huggingface`, `dpo`, and `rejects`: the whole records of all items that were not accepted,
with what a person decided on them. Those of `columns.TABLES` are Parquet with `.parquet` behind the name."""
CARDS: Mapping[str, str] = {"huggingface": "parquet", "classification": "classification"}
"""Formats that have a dataset card → whose columns (`columns.TABLES`) they have."""

SPANS_BOTH_SIDES = "spans_both_sides"
SELECTION = "selection.json"
_SIDES: tuple[Side, Side] = ("train", "validation")


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    counts:   format → side → rows.
    left_out: format → reason → items. For all formats but `dpo` and `triplets`, items = rows + left out. Of `triplets`
              an item has a row for each negative. For `dpo`, whose rows are pairs, it counts candidates: refused pairs
              by reason, and accepted items without any as `no_pair`.
    files:    every file that was written.
    notes:    sentences that a person should read, first of all how the split was made.
    people:   decision of a person → items; the others are as the critics left them.
    """

    items: int
    counts: dict[str, dict[str, int]]
    left_out: dict[str, dict[str, int]]
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    people: dict[str, int] = field(default_factory=dict)


def export(
    items: Iterable[Item],
    *,
    documents_of: DocumentsOf,
    out: Path,
    formats: Sequence[str],
    validation: float = 0.0,
    card: CardInfo | None = None,
    part_bytes: int = PART_BYTES,
    decision_on: DecisionOn = lambda item: None,
    selection: str = "",
) -> ExportReport:
    """Writes `items` into `out` in each of `formats`; all files appear together at the end, or none do.

    Args:
        items: items of every status; only accepted ones become training rows, the others count by status, go to
            `rejects` and are the worse half of pairs. An iterator is spooled to a temporary file, anything else is
            iterated twice.
        documents_of: ids of the documents that an item was made from; what shares a document stays on one side.
        out: a folder, made when it is missing. Files of an earlier export are replaced.
        formats: names from `FORMATS`, perhaps with `.parquet`.
        validation: the share of accepted items, in [0, 1), to hold out.
        card: what the dataset card says besides what the items tell.
        decision_on: what a person decided on an item, which is already as `storage.reviews.reviewed` left it. Asked
            about each item while it is read, in both readings.
        selection: the text of `OUT/selection.json`, which says how the items were chosen; there is none when empty.
        part_bytes: a file that has reached this size goes on in another: then they are `train-00000.jsonl`, ...

    Raises:
        ConfigError: an unknown format, a bad share, a missing extra, or a folder that cannot be written.
        StoreFull: the disk is full; the files of an earlier export are intact.
        RunLocked: another process exports into `out`.
    """
    require_formats(formats)
    splitter, paired = Splitter(validation), "dpo" in map(base, formats)
    with ExitStack() as stack:
        stack.enter_context(sole_writer(out))
        spool = stack.enter_context(tempfile.TemporaryFile(dir=out)) if isinstance(items, Iterator) else None
        tally, rejections, total = Tally(), RejectionPairs(), 0
        for item in items:
            total += 1
            tally.add(item, decision_on(item))
            if item.status is Status.ACCEPTED:
                splitter.add(item.id, documents_of(item))
            if paired:
                rejections.note(item)
            if spool is not None:
                with disk_errors(out):
                    spool.write(item.model_dump_json().encode() + b"\n")
        again: Iterable[Item] = items
        if spool is not None:
            spool.seek(0)
            again = (Item.model_validate_json(line) for line in spool)
        split = splitter.decide()
        output = stack.enter_context(Output(part_bytes))
        run = _Export(out, tuple(dict.fromkeys(formats)), split, documents_of, decision_on, output, rejections)
        for item in again:
            run.take(item)
        return run.finish(tally, card or CardInfo(), total, {out / SELECTION: selection} if selection else {})


def require_formats(formats: Sequence[str]) -> None:
    """Raises `ConfigError` for no format, an unknown one, or one whose extra is not installed."""
    if isinstance(formats, str) or not formats:
        raise ConfigError(f"formats is {formats!r}; give a list of names from {', '.join(FORMATS)}")
    as_parquet = [f"{name}{PARQUET}" for name in TABLES if name != "parquet"]
    for name in formats:
        if name not in FORMATS and name not in as_parquet:
            near = get_close_matches(base(name), FORMATS, n=1, cutoff=0.4)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            known = f"there are: {', '.join(FORMATS)}; as Parquet: {', '.join(as_parquet)}"
            raise ConfigError(f"there is no export format '{name}'{meant} ({known})")
    if any(name.endswith("parquet") for name in formats):
        require_parquet()


@dataclass
class _Export:
    """The second pass: one item at a time into all formats."""

    out: Path
    formats: tuple[str, ...]
    split: Split
    documents_of: DocumentsOf
    decision_on: DecisionOn
    output: Output
    rejections: RejectionPairs
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    shown: dict[str, Shown] = field(default_factory=dict)  # by format with a card
    unpairable: Counter[str] = field(default_factory=Counter)  # candidates for preference pairs, by why they are none
    unpaired: set[str] = field(default_factory=set)  # accepted items without a pair whose partner may still come

    def __post_init__(self) -> None:
        for name in self.formats:
            self.counts[name] = Counter(dict.fromkeys(self.sides(name), 0))
            self.left_out[name] = Counter()
            for side in self.sides(name):  # a side without rows is an empty file, not a missing one
                self.output.writer(self.path(name, side), TABLES.get(base(name), {}))
            if base(name) in CARDS:
                self.shown[name] = Shown()

    def sides(self, name: str) -> tuple[Side, ...]:
        return _SIDES if self.split.validation and name != "rejects" else _SIDES[:1]

    def path(self, name: str, side: Side) -> Path:
        if name == "rejects":
            return self.out / name / "rejects.jsonl"
        folder = self.out / name / "data" if name == "huggingface" else self.out / name
        return folder / f"{side}.{'parquet' if name.endswith('parquet') else 'jsonl'}"

    def put(self, name: str, side: Side, row: Row) -> None:
        path = self.path(name, side)
        writer = self.output.writer(path)
        with disk_errors(path):
            writer.write(row)
        self.counts[name][side] += 1

    @property
    def paired(self) -> tuple[str, ...]:
        """The formats whose rows are preference pairs, which are looked for once for all of them."""
        return tuple(name for name in self.formats if base(name) == "dpo")

    def take(self, item: Item) -> None:
        documents = self.documents_of(item)
        accepted = item.status is Status.ACCEPTED
        side = self.split.side(item.id, documents)
        for name in self.formats:
            if name in self.paired:
                continue
            if name == "rejects":
                if accepted:
                    self.left_out[name]["accepted"] += 1
                else:
                    self.put(name, "train", record(item, documents) | {"decision": told(self.decision_on(item))})
            elif not accepted:
                self.left_out[name][item.status.value] += 1
            elif side is None:
                self.left_out[name][SPANS_BOTH_SIDES] += 1
            else:
                self.take_row(name, side, item, documents)
        if self.paired:
            self.take_pairs(item, side)

    def take_row(self, name: str, side: Side, item: Item, documents: Sequence[str]) -> None:
        try:
            shaped = SHAPES[base(name)](item, documents)
        except LeftOut as left_out:
            self.left_out[name][left_out.reason] += 1
            return
        for row in shaped if isinstance(shaped, list) else [shaped]:
            self.put(name, side, row)
            if name in self.shown:
                self.shown[name].add(side, row)

    def take_pairs(self, item: Item, side: Side | None) -> None:
        accepted = item.status is Status.ACCEPTED
        if accepted:
            self.unpaired.add(item.id)
            for found in refinement_pairs(item, self.decision_on(item)):
                self.put_pair(item, found, side)
        self.put_rejections(self.rejections.match(item))
        if accepted and item.id in self.unpaired and not self.rejections.waits(item):
            self.unpaired.discard(item.id)
            self.unpairable["no_pair"] += 1

    def put_rejections(self, found: Iterable[tuple[Item, Item]]) -> None:
        for better, worse in found:
            both = dict.fromkeys([*self.documents_of(better), *self.documents_of(worse)])
            self.put_pair(better, rejection_pair(better, worse), self.split.side(better.id, both))

    def put_pair(self, better: Item, pair: Row | LeftOut, side: Side | None) -> None:
        if isinstance(pair, LeftOut):
            self.unpairable[pair.reason] += 1
        elif side is None:
            self.unpairable[SPANS_BOTH_SIDES] += 1
        else:
            for name in self.paired:
                self.put(name, side, pair)
            self.unpaired.discard(better.id)

    def card(self, name: str, tally: Tally, info: CardInfo) -> str:
        counts, columns = self.counts[name], TABLES[CARDS[base(name)]]
        # A side without rows is not listed: the library `datasets` refuses to open a folder that has one.
        sides = [side for side in self.sides(name) if counts[side]] or list(_SIDES[:1])
        files: dict[str, str] = {}
        for side in sides:
            path = self.path(name, side)
            found = self.output.writer(path).final()
            shown = found[0] if len(found) == 1 else path.with_stem(f"{side}-*")
            files[side] = str(shown.relative_to(self.out / name))
        return card_text(info, tally, counts, files, self.split.note, self.shown[name], columns)

    def finish(self, tally: Tally, card: CardInfo, total: int, beside: Mapping[Path, str]) -> ExportReport:
        self.put_rejections(self.rejections.rest())
        texts = dict(beside) | {self.out / name / "README.md": self.card(name, tally, card) for name in self.shown}
        if self.unpaired:
            self.unpairable["no_pair"] += len(self.unpaired)
        self.left_out |= dict.fromkeys(self.paired, self.unpairable)
        # Validation files of an earlier export go first: at no moment may one lie beside a train file of another split.
        stale = [self.path(name, "validation") for name in self.formats if name != "rejects"]
        stale.append(self.out / SELECTION)
        written = self.output.commit(texts, stale)
        empty = [name for name, counts in self.counts.items() if not counts.total()]
        notes = [
            self.split.note,
            *([tally.described] if tally.people else []),
            *(f"format '{name}' has no rows" for name in empty),
        ]
        return ExportReport(
            items=total,
            counts={name: dict(counts) for name, counts in self.counts.items()},
            left_out={name: dict(reasons) for name, reasons in self.left_out.items()},
            files=tuple(written),
            notes=tuple(notes),
            people=dict(tally.people),
        )
