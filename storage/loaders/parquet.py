"""Parquet: one document a row, a batch of rows in memory at a time. Needs the `parquet` extra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ...errors import DocumentError
from ..records import Document
from .rows import check_columns, row_document
from .source import Skipped, Source

MEDIA_TYPE = "application/vnd.apache.parquet"
_BATCH = 256
# A row group is unpacked as a whole, so its size is checked before.
_MAX_GROUP_BYTES = 2_000_000_000


def load_parquet(source: Source) -> Iterator[Document | Skipped]:
    """Yields one document a row, named `file#1`, ...; values that are no JSON (dates, decimals) become strings."""
    try:
        # 170 MB and half a second, for one of eight formats.
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DocumentError(
            source.name, "missing_extra", "Parquet needs pyarrow; install it: pip install 'gristmill[parquet]'"
        ) from error
    if source.path.stat().st_size == 0:
        raise DocumentError(source.name, "empty", "has no bytes")
    number = 0
    try:
        with parquet.ParquetFile(source.path) as file:
            check_columns(source, file.schema_arrow.names)
            for index in range(file.num_row_groups):
                size = file.metadata.row_group(index).total_byte_size
                if size > _MAX_GROUP_BYTES:
                    detail = f"row group {index} unpacks to {size:,} bytes; write it with smaller row groups"
                    raise DocumentError(source.name, "too_large", detail)
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield row_document(source, number, {key: _json(value) for key, value in row.items()}, MEDIA_TYPE)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        detail = f"is not readable as Parquet after row {number}: {str(error).splitlines()[0][:200]}"
        raise DocumentError(source.name, "malformed", detail) from error


def _json(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return orjson.loads(orjson.dumps(value, default=_text, option=orjson.OPT_NON_STR_KEYS))


def _text(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
