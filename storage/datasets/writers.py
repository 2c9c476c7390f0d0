"""Files that appear whole or not at all: rows go to a temporary file, which is synced and renamed at the end.

One writer an output. Several are committed together once all of them are written, so an export that fails leaves the
files of the one before it as they were.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import orjson

from ...errors import ConfigError, RunLocked, StoreFull
from .shapes import Row

_ROWS_A_GROUP = 1_000  # a Parquet row group; also what is held in memory


class Writer(Protocol):
    """Takes rows for one file; `close` makes all of them reach the temporary file."""

    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line, UTF-8."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, row: Row) -> None:
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.close()


class Parquet:
    """Rows of `shapes.flat` as Parquet with zstd; needs the extra `parquet`."""

    def __init__(self, path: Path) -> None:
        arrow, parquet = _pyarrow()
        texts = arrow.list_(arrow.string())
        message = arrow.struct([("role", arrow.string()), ("content", arrow.string())])
        span = arrow.struct(
            [("chunk", arrow.string()), ("start", arrow.int64()), ("end", arrow.int64()), ("quote", arrow.string())]
        )
        special = {
            "messages": arrow.list_(message),
            "documents": texts,
            "chunks": texts,
            "evidence": arrow.list_(span),
            "refinements": arrow.int64(),
        }
        self._schema = arrow.schema([(name, special.get(name, arrow.string())) for name in FLAT_COLUMNS])
        self._table = arrow.Table
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_A_GROUP:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


FLAT_COLUMNS = (
    "id", "task", "kind", "messages", "documents", "chunks", "evidence", "fields", "attributes", "models", "prompts",
    "refinements",
)  # fmt: skip


def require_parquet() -> None:
    """Raises `ConfigError` when the extra `parquet` is not installed."""
    _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    # Inside a function: an extra of 150 MB.
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("the format 'parquet' needs the extra `parquet`: pip install 'gristmill[parquet]'") from error
    return pyarrow, parquet


class Output:
    """All files of one export: opened as they are needed, committed together, or all dropped.

    Use as a context manager: leaving it without `commit` removes the temporary files.
    """

    def __init__(self) -> None:
        self._open: dict[Path, tuple[Writer, Path]] = {}

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        for writer, temporary in self._open.values():
            with suppress(OSError):  # what made the export fail is on its way up already
                writer.close()
            temporary.unlink(missing_ok=True)
        self._open = {}

    def writer(self, path: Path) -> Writer:
        """Returns the writer of `path`, the same one each time."""
        if path not in self._open:
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                kind = Parquet if path.suffix == ".parquet" else JsonLines
                self._open[path] = (kind(temporary), temporary)
        return self._open[path][0]

    def commit(self, texts: dict[Path, str], stale: Sequence[Path]) -> list[Path]:
        """Makes all files appear, `texts` as well, and removes those in `stale`; returns the paths, sorted."""
        for path, text in texts.items():
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(text, encoding="utf-8")
            self._open[path] = (_Written(), temporary)
        for path, (writer, temporary) in self._open.items():
            with disk_errors(path):
                writer.close()
                _sync(temporary)
        for path in stale:
            path.unlink(missing_ok=True)
        for path, (_, temporary) in self._open.items():
            temporary.replace(path)
        for folder in {path.parent for path in self._open}:
            _sync(folder)
        written = sorted(self._open)
        self._open = {}
        return written


class _Written:
    """Stands in for the writer of a text that is on the disk already."""

    def write(self, row: Row) -> None:
        raise NotImplementedError

    def close(self) -> None:
        return None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a full disk into `StoreFull` and a path that cannot be written into `ConfigError`, naming `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"the disk is full while writing {path}; free some space and export again") from error
        raise ConfigError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Holds `folder` for this export; raises `RunLocked` when another process exports into it.

    Two exports at once could leave the train part of one split beside the validation part of another.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".export.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLocked(f"another export writes into {folder}; wait for it or choose another folder") from None
        yield
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
