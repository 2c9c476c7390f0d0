"""Reads the rows of evaluation sets, a few at a time: JSON Lines, JSON, CSV, Parquet, and the Arrow files of datasets.

A row that cannot be read is booked with its number and a reason, and the rest is read. A set without a single text is
an error: whoever compares with it would be told that all is clean.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from ...errors import ConfigError
from ...storage.loaders.decode import encoding_of
from .arrow import arrow_rows, parquet_rows
from .sources import PACKED, EvalSet
from .texts import Cell, selected

LONGEST = 50_000_000  # bytes of one row
SHOWN = 20  # rows that could not be read are named one by one up to here


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that was not compared. `reason`: `malformed`, `too_large`, `no_column`, `empty`."""

    row: str
    reason: str
    detail: str


@dataclass(slots=True)
class SetBooks:
    """What was read of a set: `rows` with a text, `texts` in them, and by reason how many rows were not read.

    `unread` names the first 20 of those.
    """

    name: str
    rows: int = 0
    texts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unread: list[Unread] = field(default_factory=list)
    columns: dict[str, None] = field(default_factory=dict)

    def skip(self, row: str, reason: str, detail: str) -> None:
        self.skipped[reason] += 1
        if len(self.unread) < SHOWN:
            self.unread.append(Unread(row, reason, detail))


@dataclass(frozen=True, slots=True)
class EvalRow:
    """One row: its name in the set, e.g. `#7`, and its texts."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that is none, for the books."""

    reason: str
    detail: str


def read_set(source: EvalSet, books: SetBooks) -> Iterator[EvalRow]:
    """Yields the rows of a set that have a text, and enters in `books` what was read and what was not.

    Raises:
        ConfigError: a file cannot be read at all, no row has the columns that are asked for, or no row has a text.
    """
    for file, number, row in rows_of(source):
        name = source.where(file, number)
        if isinstance(row, Bad):
            books.skip(name, row.reason, row.detail)
        elif (found := _cells(source, name, row, books)) is not None:
            yield found
    if not books.texts:
        raise ConfigError(_nothing(source, books))


def rows_of(source: EvalSet) -> Iterator[tuple[Path, int, Mapping[str, Any] | Bad]]:
    """Yields every row of a set as it stands: its file, its number there from 1, and what it holds.

    Raises:
        ConfigError: a file cannot be read at all.
    """
    for file in source.files():
        try:
            for number, row in _rows(file):
                yield file, number, row
        except (OSError, EOFError, UnicodeError, zlib.error) as error:
            raise ConfigError(f"evaluation set {file} cannot be read: {error}") from error


def _cells(source: EvalSet, name: str, row: Mapping[str, Any], books: SetBooks) -> EvalRow | None:
    if len(books.columns) < 200:
        books.columns.update(dict.fromkeys(map(str, row)))
    try:
        cells = tuple(cell for cell in selected(row, source.columns) if cell.text.strip())
    except KeyError as error:
        books.skip(name, "no_column", f"has no column '{error.args[0]}'; it has {_listed(row)}")
        return None
    if not cells:
        books.skip(name, "empty", "has no text")
        return None
    books.rows += 1
    books.texts += len(cells)
    return EvalRow(name, cells)


def _nothing(source: EvalSet, books: SetBooks) -> str:
    """Says why a set gave no text, and the mend."""
    columns = _listed(books.columns)
    if books.skipped["no_column"]:
        wanted = ", ".join(f"'{column}'" for column in source.columns)
        return f"evaluation set {source.path}: no row has all of the columns {wanted}; its columns are {columns}"
    if not books.skipped:
        return f"evaluation set {source.path} is empty: it has no row; check that this is the right file"
    counts = ", ".join(f"{count} {reason}" for reason, count in books.skipped.most_common())
    first = f"; the first, {books.unread[0].row}: {books.unread[0].detail}" if books.unread else ""
    there = f"; its columns are {columns}" if books.columns else ""
    return f"evaluation set {source.path} has no row with a text ({counts}{first}){there}"


def _listed(columns: Mapping[str, Any]) -> str:
    names = [f"'{str(column)[:40]}'" for column in columns]
    return (", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")) or "none"


Numbered = Iterator[tuple[int, Mapping[str, Any] | Bad]]


def _rows(file: Path) -> Numbered:
    name = file.name.lower().removesuffix(PACKED)
    if name.endswith(".parquet"):
        yield from parquet_rows(file)
        return
    if name.endswith(".arrow"):
        yield from arrow_rows(file)
        return
    with _opened(file) as raw:
        if name.endswith((".csv", ".tsv")):
            yield from _csv_rows(file, raw, tabs=name.endswith(".tsv"))
        elif name.endswith(".json"):
            yield from _json_rows(file, raw)
        else:
            yield from _json_lines(file, raw)


def _opened(file: Path) -> IO[bytes]:
    # gzip's own file object is one of bytes too; typeshed does not know it as IO.
    return gzip.open(file, "rb") if file.name.lower().endswith(PACKED) else file.open("rb")  # type: ignore[return-value]


def _json_lines(file: Path, raw: IO[bytes]) -> Numbered:
    number = 0
    while line := raw.readline(LONGEST + 1):
        number += 1
        if number == 1:
            line = _unmarked(file, line)
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = raw.readline(LONGEST)
            yield number, Bad("too_large", f"has more than {LONGEST:,} bytes")
        elif line.strip():
            yield number, _object(line)


def _unmarked(file: Path, line: bytes) -> bytes:
    codec = encoding_of(line[:4])
    if not codec.startswith("utf-8"):
        raise ConfigError(f"evaluation set {file} is {codec}; convert it to UTF-8")
    return line.removeprefix(b"\xef\xbb\xbf")


def _object(line: bytes) -> Mapping[str, Any] | Bad:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Bad("malformed", f"is not JSON: {error}")
    return row if isinstance(row, dict) else Bad("malformed", f"is JSON, but a {type(row).__name__} and no object")


def _json_rows(file: Path, raw: IO[bytes]) -> Numbered:
    """A `.json` is a list of objects, an object with one such list in it (`{"data": [...]}`), or JSON Lines."""
    head = raw.read(4096)
    raw.seek(0)
    whole = _unmarked(file, head).lstrip()[:1] == b"["
    if not whole and b"\n" in head.strip():
        whole = isinstance(_object(_unmarked(file, head).split(b"\n", 1)[0]), Bad)
    if not whole and b"\n" in head.strip():
        yield from _json_lines(file, raw)
        return
    data = raw.read(LONGEST * 20 + 1)
    if len(data) > LONGEST * 20:
        raise ConfigError(f"evaluation set {file} is one JSON value of over {LONGEST * 20:,} bytes; use JSON Lines")
    try:
        value = orjson.loads(_unmarked(file, data))
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"evaluation set {file} is not JSON: {error}; JSON Lines files end in .jsonl") from error
    yield from _listed_rows(value)


def _listed_rows(value: Any) -> Numbered:
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list) and inner and isinstance(inner[0], dict)]
        value = lists[0] if len(lists) == 1 else [value]
    for number, row in enumerate(value if isinstance(value, list) else [value], start=1):
        yield number, row if isinstance(row, dict) else Bad("malformed", f"is a {type(row).__name__} and no object")


def _csv_rows(file: Path, raw: IO[bytes], *, tabs: bool) -> Numbered:
    codec = encoding_of(raw.read(4))
    raw.seek(0)
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))  # one for the process; only ever raised
    with io.TextIOWrapper(raw, encoding=codec, errors="replace", newline="") as text:
        first = text.readline(LONGEST)
        if not first.strip():
            return
        delimiter = "\t" if tabs else max(",;\t|", key=first.count)
        (header,) = csv.reader([first], delimiter=delimiter)
        names = [cell.strip() for cell in header]
        reader, number = csv.reader(text, delimiter=delimiter), 0
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield number, Bad("malformed", str(error))
                continue
            if cells is None:
                return
            if len(cells) == len(names):
                yield number, dict(zip(names, cells, strict=True))
            elif cells:
                yield number, Bad("malformed", f"has {len(cells)} cells where the header has {len(names)}")
