"""Rows of Parquet files and of the Arrow files that `datasets` writes, a batch in memory at a time.

Needs the extra `parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from ..numeric import Lazy

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import ipc, parquet
else:
    pyarrow = Lazy("pyarrow", "pyarrow", "parquet")
    ipc = Lazy("pyarrow.ipc", "pyarrow", "parquet")
    parquet = Lazy("pyarrow.parquet", "pyarrow", "parquet")

_BATCH = 512
_LARGEST_GROUP = 2_000_000_000  # a row group is unpacked as a whole


def parquet_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields (number from 1, row); raises `ConfigError` for a file that is not Parquet, or broken in its middle."""
    number = 0
    try:
        with parquet.ParquetFile(file) as opened:
            for group in range(opened.num_row_groups):
                size = opened.metadata.row_group(group).total_byte_size
                if size > _LARGEST_GROUP:
                    raise ConfigError(
                        f"evaluation set {file}: row group {group} unpacks to {size:,} bytes; write smaller row groups"
                    )
            for batch in opened.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"evaluation set {file} is no Parquet file after row {number}: {_of(error)}") from error


def arrow_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields (number from 1, row) of an Arrow stream, which `save_to_disk` writes, or an Arrow file."""
    number = 0
    try:
        with pyarrow.memory_map(str(file)) as source:
            for batch in _batches(source):
                for start in range(0, batch.num_rows, _BATCH):
                    for row in batch.slice(start, _BATCH).to_pylist():
                        number += 1
                        yield number, row
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise ConfigError(f"evaluation set {file} is no Arrow file after row {number}: {_of(error)}") from error


def _batches(source: Any) -> Iterator[Any]:
    if source.read(6) == b"ARROW1":
        source.seek(0)
        opened = ipc.open_file(source)
        yield from (opened.get_batch(number) for number in range(opened.num_record_batches))
        return
    source.seek(0)
    yield from ipc.open_stream(source)


def _of(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
