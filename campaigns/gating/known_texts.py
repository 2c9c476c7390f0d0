"""Texts that are there before a campaign begins: of earlier runs and of data sets that its items must not repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ...agents.verifiers.duplicates import gated_text
from ...errors import ConfigError
from ...storage.records import Status
from ...storage.store import RunStore
from ...storage.whereabouts import has_run

COLUMNS = ("question", "problem", "instruction", "prompt", "input", "text", "content", "query")
SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".arrow")


def known_texts(source: str, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields (text, name) of each accepted item of the run at `source`, or of each row of the data set there.

    `fields` are what the gate looks at. Of a row these columns are taken, or else the first user's message of
    `messages`, or the first of `COLUMNS` that is there. Names lead back: `run:item-...`, `file.jsonl:17` (from 1).

    Raises:
        ConfigError: nothing is there, it cannot be read, or its rows have no column of text that is known.
    """
    path = Path(source)
    if has_run(path):
        yield from _of_run(path, fields)
        return
    for file in _files(path):
        number = 0
        for number, row in enumerate(_rows(file), 1):
            yield _text_of(row, fields, file, number), f"{file.name}:{number}"


def require_known(source: str, fields: Sequence[str]) -> None:
    """Raises `ConfigError` where no run and no data set is at `source`, or the first row of a file is none that is
    known. Reads no more than that."""
    if not has_run(Path(source)):
        for file in _files(Path(source)):
            for row in islice(_rows(file), 1):
                _text_of(row, fields, file, 1)


def _of_run(folder: Path, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    store = RunStore.read(folder)
    try:
        for item in store.items(Status.ACCEPTED):
            yield gated_text(item.fields, fields), f"{folder.name}:{item.id}"
    finally:
        store.close_reading()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"novelty.against: {path} is no data set that is read; give {', '.join(SUFFIXES)}")
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix in SUFFIXES)
    if not found:
        what = "has no file of a kind that is read" if path.is_dir() else "is not there"
        raise ConfigError(f"novelty.against: {path} {what}; give a run's folder, or {', '.join(SUFFIXES)}")
    return found


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    if file.suffix in (".jsonl", ".ndjson"):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise ConfigError(f"novelty.against: line {number} of {file} is not JSON: {error}") from None
                if not isinstance(row, dict):
                    raise ConfigError(f"novelty.against: line {number} of {file} is no JSON object; give one a line")
                yield row
        return
    try:
        import pyarrow
        from pyarrow import dataset
    except ImportError:  # of an extra
        raise ConfigError(
            f"novelty.against: {file} needs pyarrow, which is not installed: pip install 'gristmill[parquet]'"
        ) from None
    try:
        if file.suffix == ".parquet":
            batches = dataset.dataset(str(file), format="parquet").to_batches(batch_size=1024)
        else:  # what `datasets` saves: the stream format of Arrow
            batches = iter(pyarrow.ipc.open_stream(str(file)))
        for batch in batches:
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"novelty.against: {file} cannot be read: {error}") from error


def _text_of(row: Mapping[str, Any], fields: Sequence[str], file: Path, number: int) -> str:
    if fields and all(name in row for name in fields):
        return gated_text(row, fields)
    messages = row.get("messages")
    if isinstance(messages, list):
        for message in messages:
            if isinstance(message, Mapping) and message.get("role") in ("user", None):
                return str(message.get("content") or "")
    for name in COLUMNS:
        if isinstance(row.get(name), str):
            return str(row[name])
    raise ConfigError(
        f"novelty.against: row {number} of {file} has the columns {', '.join(sorted(map(str, row))) or '(none)'}, and "
        f"none of them is known; give it {' and '.join(fields) or 'question'}, messages, or one of {', '.join(COLUMNS)}"
    )
