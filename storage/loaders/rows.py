"""CSV and JSON Lines: one document a row, read lazily, so that a file may be larger than the memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from ...errors import DocumentError
from ..records import Document
from .decode import clean, encoding_of
from .source import Skipped, Source

# What `surrogateescape` leaves of bytes that are not in the file's encoding.
_ESCAPED = re.compile(r"[\udc80-\udcff]")


def load_csv(source: Source) -> Iterator[Document | Skipped]:
    """Yields one document a row, named `file#1`, `file#2`, ... below the header.

    The delimiter is a tab for `.tsv`, else whichever of comma, semicolon, tab and bar the header has most of.
    Raises `DocumentError` when the header lacks the text column.
    """
    # The module's own limit of 128 KiB a cell is one for the whole process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), source.max_bytes))
    with _lines(source) as lines:
        first = next(iter(lines), "")
        if not first.strip():
            raise DocumentError(source.name, "empty", "its first line is blank, so it has no header")
        delimiter = "\t" if source.path.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)
        reader = csv.reader(_chain(first, lines), delimiter=delimiter)
        header = [cell.strip() for cell in next(reader)]
        check_columns(source, header)
        if any(map(_ESCAPED.search, header)):
            raise DocumentError(source.name, "encoding", "its header has bytes that are not UTF-8; convert the file")
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise DocumentError(
                    f"{source.name}#{number}", "malformed", f"{error}; the rest was not read"
                ) from error
            if cells is None:
                return
            if not cells:
                number -= 1
                continue
            if len(cells) != len(header):
                yield Skipped(
                    name=f"{source.name}#{number}",
                    reason="malformed",
                    detail=f"has {len(cells)} cells where the header has {len(header)}; quote cells with delimiters",
                )
                continue
            yield row_document(source, number, dict(zip(header, cells, strict=True)), "text/csv")


def load_jsonl(source: Source) -> Iterator[Document | Skipped]:
    """Yields one document a line, named by its line number. Blank lines are passed over."""
    with _lines(source) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            name = f"{source.name}#{number}"
            if _ESCAPED.search(line):
                yield Skipped(name=name, reason="encoding", detail="has bytes that are not UTF-8; convert the file")
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield Skipped(name=name, reason="malformed", detail=f"is not JSON: {error}")
                continue
            if not isinstance(row, dict):
                yield Skipped(name=name, reason="malformed", detail="is JSON but no object; one object a line is read")
                continue
            yield row_document(source, number, row, "application/jsonl")


def row_document(source: Source, number: int, row: Mapping[str, Any], media_type: str) -> Document | Skipped:
    """Makes the document of one row: text from the text column, the other columns as `meta` (JSON values)."""
    name = f"{source.name}#{number}"
    value = row.get(source.text_field)
    if source.text_field not in row:
        detail = f"has no '{source.text_field}'; it has {_listed(row)}; set text_field to the one that holds the text"
        return Skipped(name=name, reason="malformed", detail=detail)
    if value is None or value == "":
        return Skipped(name=name, reason="empty", detail=f"its '{source.text_field}' is empty")
    if not isinstance(value, str):
        detail = f"its '{source.text_field}' is a {type(value).__name__}, not a string"
        return Skipped(name=name, reason="malformed", detail=detail)
    if len(value) > source.max_bytes:
        detail = f"its text has {len(value):,} characters, the limit is {source.max_bytes:,}; raise max_bytes"
        return Skipped(name=name, reason="too_large", detail=detail)
    if any(isinstance(cell, str) and _ESCAPED.search(cell) for cell in row.values()):
        return Skipped(name=name, reason="encoding", detail="has bytes that are not UTF-8; convert the file")
    text = clean(value)
    if not text.strip():
        return Skipped(name=name, reason="empty", detail=f"its '{source.text_field}' has nothing but blanks")
    title = row.get("title")
    meta = {column: cell for column, cell in row.items() if column != source.text_field}
    return Document.of(name, text, media_type=media_type, title=title if isinstance(title, str) else "", meta=meta)


def check_columns(source: Source, columns: Iterable[str]) -> None:
    """Raises `DocumentError` naming the columns there are when the text column is not among them."""
    columns = list(columns)
    if source.text_field not in columns:
        raise DocumentError(
            source.name,
            "malformed",
            f"has no column '{source.text_field}'; its columns are {_listed(columns)}; "
            f"set text_field to the one that holds the text",
        )


def _listed(columns: Iterable[str]) -> str:
    names = [f"'{column[:40]}'" for column in columns]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") if names else "none"


@contextmanager
def _lines(source: Source) -> Iterator[Iterator[str]]:
    """Opens the file as lines of at most `max_bytes` characters; bytes outside of the encoding come as surrogates."""
    with source.path.open("rb") as raw:
        codec = encoding_of(raw.read(4))
        raw.seek(0)
        errors = "surrogateescape" if codec.startswith("utf-8") else "strict"
        with io.TextIOWrapper(raw, encoding=codec, errors=errors, newline="") as text:
            yield _bounded(source, text)


def _bounded(source: Source, text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(source.max_bytes + 1)
        except UnicodeDecodeError as error:
            raise DocumentError(
                source.name, "encoding", f"line {number} is not {error.encoding}; the rest was not read; convert it"
            ) from None
        if not line:
            return
        if len(line) > source.max_bytes:
            raise DocumentError(
                source.name,
                "too_large",
                f"line {number} is longer than {source.max_bytes:,} characters; the rest was not read",
            )
        if number == 1 and "\0" in line:
            raise DocumentError(source.name, "binary", "has NUL bytes in its first line; it is not text")
        yield line


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
