"""Files that appear whole or not at all: rows go to a temporary file, which is synced and renamed at the end.

One writer an output. Several are committed together once all of them are written, so an export that fails leaves the
files of the one before it as they were.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import orjson

from ...errors import ConfigError, RunLocked, StoreFull
from .columns import Columns, Kind
from .shapes import Row

_ROWS_A_GROUP, _TEXT_A_GROUP = 10_000, 16_000_000  # rows, or characters, of a Parquet row group: held in memory
PART_BYTES = 500_000_000  # of one file, after which another begins: readers take files in parallel


class Writer(Protocol):
    """Takes rows for one file; `close` makes all of them reach the temporary file. `size` is bytes written so far."""

    size: int

    def write(self, row: Row) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line, UTF-8."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._file = path.open("wb")

    def write(self, row: Row) -> None:
        self.size += self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.close()


class Parquet:
    """Rows as Parquet with zstd, in the columns of `columns.py`; needs the extra `parquet`."""

    def __init__(self, path: Path, columns: Columns) -> None:
        arrow, parquet = _pyarrow()
        self._schema = arrow.schema([(name, _arrow_type(arrow, kind)) for name, kind in columns.items()])
        self._table = arrow.Table
        self._sink = path.open("wb")
        self._file = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._text = 0
        self.size = 0

    def write(self, row: Row) -> None:
        self._rows.append(row)
        self._text += _characters(row)
        if len(self._rows) >= _ROWS_A_GROUP or self._text >= _TEXT_A_GROUP:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._file.close()
        self._sink.close()

    def _flush(self) -> None:
        self._file.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._text, self.size = [], 0, self._sink.tell()


def _arrow_type(arrow: Any, kind: Kind) -> Any:
    if isinstance(kind, str):
        return arrow.int64() if kind == "int" else arrow.string()
    if isinstance(kind, list):
        return arrow.list_(_arrow_type(arrow, kind[0]))
    return arrow.struct([(name, _arrow_type(arrow, inner)) for name, inner in kind.items()])


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_characters, inner))


class Parts:
    """One output as temporary files, another whenever the last has `part_bytes`; a single one when all fits."""

    def __init__(self, path: Path, part_bytes: int, columns: Columns) -> None:
        self.size = 0
        self._columns = columns
        self.temporaries: list[Path] = []
        self._path = path
        self._part_bytes = part_bytes
        self._writer = self._next()

    def write(self, row: Row) -> None:
        if self._writer.size >= self._part_bytes:
            self._writer.close()
            self._writer = self._next()
        self._writer.write(row)

    def close(self) -> None:
        self._writer.close()

    def final(self) -> list[Path]:
        """What the files are called at the end: `train.jsonl`, or `train-00000.jsonl`, `train-00001.jsonl`, ..."""
        stem, suffix = self._path.stem, self._path.suffix
        if len(self.temporaries) == 1:
            return [self._path]
        return [self._path.with_name(f"{stem}-{number:05d}{suffix}") for number in range(len(self.temporaries))]

    def _next(self) -> Writer:
        temporary = self._path.with_name(f".{self._path.name}.{len(self.temporaries)}.{os.getpid()}.tmp")
        self.temporaries.append(temporary)
        return Parquet(temporary, self._columns) if self._path.suffix == ".parquet" else JsonLines(temporary)


def require_parquet() -> None:
    """Raises `ConfigError` when the extra `parquet` is not installed."""
    _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    # Inside a function: an extra of 150 MB.
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("Parquet needs the extra `parquet`: pip install 'gristmill[parquet]'") from error
    return pyarrow, parquet


class Output:
    """All files of one export: opened as they are needed, committed together, or all dropped.

    Use as a context manager: leaving it without `commit` removes the temporary files.
    """

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        self._part_bytes = part_bytes
        self._open: dict[Path, Parts] = {}

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        for parts in self._open.values():
            with suppress(OSError):  # what made the export fail is on its way up already
                parts.close()
            for temporary in parts.temporaries:
                temporary.unlink(missing_ok=True)
        self._open = {}

    def writer(self, path: Path, columns: Columns = MappingProxyType({})) -> Parts:
        """Returns the writer of `path`, the same one each time; a Parquet file has `columns`, said the first time."""
        if path not in self._open:
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._open[path] = Parts(path, self._part_bytes, columns)
        return self._open[path]

    def commit(self, texts: dict[Path, str], stale: Sequence[Path]) -> list[Path]:
        """Makes all files appear, `texts` as well, and removes those of an earlier export that are not written again,
        with all that is called by `stale` and its parts first; returns the paths, sorted.
        """
        ready: list[tuple[Path, Path]] = []
        for path, parts in self._open.items():
            with disk_errors(path):
                parts.close()
            ready += zip(parts.temporaries, parts.final(), strict=True)
        with ExitStack() as stack:
            for path, text in texts.items():
                temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                stack.callback(temporary.unlink, missing_ok=True)
                with disk_errors(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary.write_text(text, encoding="utf-8")
                ready.append((temporary, path))
            for temporary, path in ready:
                with disk_errors(path):
                    _sync(temporary)
            written = {path for _, path in ready}
            for path in (*stale, *self._open):
                for earlier in _earlier(path):
                    if path in stale or earlier not in written:
                        earlier.unlink(missing_ok=True)
            for temporary, path in ready:
                temporary.replace(path)
        for folder in {path.parent for path in written}:
            _sync(folder)
        self._open = {}
        return sorted(written)


def _earlier(path: Path) -> list[Path]:
    """The files that an earlier export may have left under this name: the whole, or its parts."""
    return [path, *path.parent.glob(f"{path.stem}-[0-9][0-9][0-9][0-9][0-9]{path.suffix}")]


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
