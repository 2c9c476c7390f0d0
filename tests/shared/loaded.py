"""One document read from a file, or the reason why it was refused."""

from __future__ import annotations

from pathlib import Path

from gristmill.storage.documents import Skipped, read_documents
from gristmill.storage.records import Document


def read(*paths: Path | str, **options: int | str) -> list[Document | Skipped]:
    return list(read_documents(list(paths), **options))  # type: ignore[arg-type]


def refused(path: Path, **options: int | str) -> Skipped:
    (found,) = read(path, **options)
    assert isinstance(found, Skipped), found
    return found
