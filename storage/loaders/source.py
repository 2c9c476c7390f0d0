"""What a loader is given (`Source`), what it may say instead of a document (`Skipped`), and its signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import field_validator

from ...errors import DocumentError
from ..records import Document, Record


def printable(text: str) -> str:
    """Returns `text` with lone surrogates as `?`: names and messages may hold bytes that were never text."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Skipped(Record):
    """A file or row that gave no document. `reason` is a code of `DocumentError`; `detail` says why and the mend."""

    name: str
    reason: str
    detail: str

    @field_validator("name", "detail", mode="before")
    @classmethod
    def _printable(cls, value: str) -> str:
        return printable(value)

    @classmethod
    def of(cls, error: DocumentError) -> Skipped:
        """Makes the record of a `DocumentError` that was caught."""
        return cls(name=error.name, reason=error.reason, detail=error.detail)


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read. `text_field` is the column of a table that holds the text; `max_bytes` bounds one document."""

    name: str
    path: Path
    text_field: str = "text"
    max_bytes: int = 50_000_000

    def read(self) -> bytes:
        """Returns the whole file; raises `DocumentError` (`too_large`, `empty`) or `OSError`.

        Reads at most one byte more than the limit, so that a file that grows meanwhile cannot fill the memory.
        """
        with self.path.open("rb") as file:
            data = file.read(self.max_bytes + 1)
        if len(data) > self.max_bytes:
            raise DocumentError(
                self.name,
                "too_large",
                f"has {self.path.stat().st_size:,} bytes, the limit is {self.max_bytes:,}; split it or raise max_bytes",
            )
        if not data.strip():
            raise DocumentError(self.name, "empty", "has no bytes" if not data else "has nothing but blanks")
        return data


Loader = Callable[[Source], Iterator[Document | Skipped]]
"""Reads one file. Raises `DocumentError` or `OSError` when the file as a whole cannot be read."""
