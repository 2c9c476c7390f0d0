"""Triples in rows: CSV, TSV and JSONL with `subject`, `predicate`, `object`, and types where there are some."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

import orjson

from .seed import Edge, Seed, words

COLUMNS = ("subject", "predicate", "object")
OPTIONAL = ("subject_type", "object_type")
MAX_LINE = 1_000_000  # characters

Row = tuple[int, Mapping[str, str]]


def read_rows(seed: Seed, kind: str) -> None:
    """Takes in a file of triples; `kind` is `csv`, `tsv` or `jsonl`.

    A table without a head has three columns: subject, predicate, object. Raises `ConfigError` naming the line.
    """
    rows = _json_rows if kind == "jsonl" else _table_rows(kind)
    with seed.path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in rows(seed, file):
            _take(seed, line, row)


def _take(seed: Seed, line: int, row: Mapping[str, str]) -> None:
    missing = [name for name in COLUMNS if not row.get(name, "").strip()]
    if missing:
        raise seed.fail(line, f"it has no {missing[0]}; give subject, predicate and object on every line")
    source = seed.named(row["subject"], row.get("subject_type", ""), line)
    target = seed.named(row["object"], row.get("object_type", ""), line)
    seed.add(Edge(source, words(row["predicate"]), target), line)


def _table_rows(kind: str) -> Callable[[Seed, TextIO], Iterator[Row]]:
    def rows(seed: Seed, file: TextIO) -> Iterator[Row]:
        if kind == "tsv":  # as the triples of many data sets come: nothing is quoted there
            reader = csv.reader(_lines(seed, file), delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            reader = csv.reader(_lines(seed, file), strict=True)
        head: list[str] = []
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if not head:
                    head = _head(seed, cells, reader.line_num)
                    if head != list(COLUMNS) or _is_head(cells):
                        continue
                if len(cells) != len(head):
                    what = f"it has {len(cells)} columns, and the first line has {len(head)}; mend the line"
                    raise seed.fail(reader.line_num, what)
                yield reader.line_num, dict(zip(head, cells, strict=True))
        except csv.Error as error:
            raise seed.fail(reader.line_num, f"it is no {kind.upper()}: {error}; mend the line") from error

    return rows


def _is_head(cells: list[str]) -> bool:
    return [cell.strip().casefold() for cell in cells][: len(COLUMNS)] == list(COLUMNS)


def _head(seed: Seed, cells: list[str], line: int) -> list[str]:
    names = [cell.strip().casefold() for cell in cells]
    if set(COLUMNS) <= set(names):
        return names
    if len(cells) == len(COLUMNS):
        return list(COLUMNS)
    raise seed.fail(
        line, f"the columns are {', '.join(names)[:200]}; name them {', '.join(COLUMNS)}, and {', '.join(OPTIONAL)}"
    )


def _json_rows(seed: Seed, file: TextIO) -> Iterator[Row]:
    for line, text in enumerate(_lines(seed, file), start=1):
        if not text.strip():
            continue
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise seed.fail(line, f"it is not JSON: {error}; give one object a line") from error
        if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
            raise seed.fail(line, "it is no object of texts; give subject, predicate and object, all texts")
        yield line, row


def _lines(seed: Seed, file: TextIO) -> Iterator[str]:
    line = 0
    try:
        while text := file.readline(MAX_LINE):
            line += 1
            if len(text) >= MAX_LINE:
                raise seed.fail(line, f"it has more than {MAX_LINE:,} characters; mend the line")
            yield text
    except UnicodeDecodeError as error:
        raise seed.fail(line + 1, f"it is not UTF-8 ({error.reason}); write the file anew in UTF-8") from error
