"""Documents in: the user's files and folders, walked in a fixed order and read one at a time.

What cannot be read is an answer too (`Skipped`, with a reason), so that a run's books can list it.
"""

from __future__ import annotations

import glob
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from ..errors import ConfigError, DocumentError
from .loaders.source import Loader, Skipped, Source, printable
from .records import Document

__all__ = ["FORMATS", "Skipped", "read_documents"]

FORMATS = {
    ".csv": "rows:load_csv",
    ".docx": "docx:load_docx",
    ".htm": "html:load_html",
    ".html": "html:load_html",
    ".jsonl": "rows:load_jsonl",
    ".markdown": "text:load_markdown",
    ".md": "text:load_markdown",
    ".ndjson": "rows:load_jsonl",
    ".parquet": "parquet:load_parquet",
    ".pdf": "pdf:load_pdf",
    ".text": "text:load_text",
    ".tsv": "rows:load_csv",
    ".txt": "text:load_text",
    ".xhtml": "html:load_html",
}
"""Suffix to `module:function` in `loaders`. The parsers take 0.2 s to import, so each waits for its first file."""


class _File(NamedTuple):
    name: str
    path: Path
    refusal: str = ""


def read_documents(
    paths: Sequence[str | Path],
    *,
    text_field: str = "text",
    max_bytes: int = 50_000_000,
    takes: Callable[[str], bool] | None = None,
) -> Iterator[Document | Skipped]:
    """Returns an iterator over the documents of `paths`: files, folders (walked sorted), glob patterns (`**` too).

    Rows of a table are documents of their own, named `file.csv#12`, with their text from column `text_field`.
    Hidden files are passed over. A file that gives no document comes as `Skipped`, one text twice as a `duplicate`;
    nothing raises for one bad file. `max_bytes` bounds a file, or a row of a table. With `takes`, only documents with
    an id, and what is skipped with a name, that it takes are given: those of one shard.

    Raises `ConfigError` at once for a path that does not exist, a pattern without a match, or no path at all.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    if not paths:
        raise ConfigError("no documents were given; name at least one file, folder or pattern such as 'docs/**/*.md'")
    if max_bytes < 1:
        raise ConfigError(f"max_bytes is {max_bytes}; give at least 1, 50_000_000 is usual")
    roots = [_expand(str(path)) for path in paths]
    return _read(roots, text_field, max_bytes, takes or (lambda key: True))


def _expand(path: str) -> list[_Root]:
    if os.path.lexists(path):
        return [_Root(Path(path), "")]
    if not glob.has_magic(path):
        raise ConfigError(f"'{path}' does not exist (looked from {Path.cwd()}); correct the path or create it")
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise ConfigError(f"nothing matches '{path}' (looked from {Path.cwd()}); correct the pattern")
    fixed = Path(*_fixed_part(Path(path)))
    # A folder that matches together with its own files would be read twice, so files stand for themselves.
    files = [name for name in found if not os.path.isdir(name)]
    return [_Root(Path(name), Path(name).relative_to(fixed).as_posix()) for name in files or found]


def _fixed_part(pattern: Path) -> list[str]:
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


class _Root(NamedTuple):
    """A path that the user gave or that their pattern matched; `name` is what the file is called, if it is one."""

    path: Path
    name: str


def _read(
    roots: list[list[_Root]], text_field: str, max_bytes: int, takes: Callable[[str], bool]
) -> Iterator[Document | Skipped]:
    first: dict[str, str] = {}  # document id to the name that had the text first
    names: set[str] = set()
    for root in (root for group in roots for root in group):
        for file in _files(root):
            # Two folders may hold the same relative path; then the path as it was given tells them apart.
            name = printable(file.name if file.name not in names else file.path.as_posix())
            names.add(name)
            if file.refusal:
                if not takes(name):
                    continue
                yield Skipped(name=name, reason="unreadable", detail=file.refusal)
                continue
            for found in _load(Source(name, file.path, text_field, max_bytes)):
                if not takes(found.id if isinstance(found, Document) else found.name):
                    continue
                if isinstance(found, Document):
                    earlier = first.setdefault(found.id, found.name)
                    if earlier != found.name:
                        detail = f"has the same text as '{earlier}'"
                        found = Skipped(name=found.name, reason="duplicate", detail=detail)
                yield found


def _load(source: Source) -> Iterator[Document | Skipped]:
    """Runs the loader of the file's format; whatever it raises becomes a `Skipped`."""
    try:
        target = FORMATS.get(source.path.suffix.lower())
        if target is None:
            suffix = source.path.suffix or "no suffix"
            raise DocumentError(source.name, "unsupported", f"{suffix}; formats are {', '.join(sorted(FORMATS))}")
        module, function = target.split(":")
        loader = cast(Loader, getattr(importlib.import_module(f".loaders.{module}", __package__), function))
        found = None
        for found in loader(source):
            yield found
        if found is None:
            raise DocumentError(source.name, "no_rows", "has no rows")
    except DocumentError as error:
        yield Skipped.of(error)
    except OSError as error:
        yield Skipped(name=source.name, reason="unreadable", detail=error.strerror or type(error).__name__)
    except Exception as error:  # the parsers meet hostile files; one of them must not end the run
        detail = f"its parser failed with {type(error).__name__}: {str(error)[:200]}"
        yield Skipped(name=source.name, reason="malformed", detail=detail)


def _files(root: _Root) -> Iterator[_File]:
    """Yields the files of a folder in the order of their relative paths, or the one file that `root` is."""
    if not root.path.is_dir():
        yield _checked(_File(root.name or root.path.name, root.path))
        return
    base = root.path.resolve()
    pending = [base]  # a stack and no recursion: folders may nest deeper than Python's frames
    while pending:
        path = pending.pop()
        name = path.relative_to(base).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(base):
            yield _File(name, path, f"is a link that leads outside of '{base.name}'; copy the file there instead")
        elif path.is_symlink() and path.is_dir():
            continue  # a folder inside the root: its files come by their own paths
        elif path.is_dir():
            try:
                # Hidden files are passed over, and the locks that Word leaves.
                names = [entry for entry in os.listdir(path) if not entry.startswith((".", "~$"))]
            except OSError as error:
                yield _File(name, path, f"folder cannot be listed: {error.strerror}")
                continue
            pending += [path / entry for entry in sorted(names, reverse=True)]
        else:
            yield _checked(_File(name, path))


def _checked(file: _File) -> _File:
    """Refuses what would block or never end: pipes, sockets, devices; and links to nothing."""
    if file.path.is_file():
        return file
    reason = "is no regular file" if file.path.exists() else "is a link to a file that does not exist"
    return file._replace(refusal=reason)
