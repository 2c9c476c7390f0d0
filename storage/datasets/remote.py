"""Datasets to an object store: the files of an export are uploaded once all of them are written.

Amazon S3 and what speaks its protocol (`s3://bucket/folder`), Google Cloud Storage (`gs://`), by the file systems that
come with pyarrow. Credentials are found where those look for them: the environment, `~/.aws`, the machine's role.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import ConfigError

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)
SCHEMES = ("s3", "gs", "gcs")


def is_remote(out: str) -> bool:
    """Says whether `out` is a URL and no folder."""
    return _URL.fullmatch(out) is not None


def upload(folder: Path, files: Sequence[Path], url: str) -> tuple[str, ...]:
    """Copies `files`, which lie in `folder`, below `url`; returns their places there.

    A format's files of an earlier export are removed once the new ones are there. An object store renames nothing, so
    a reader that comes meanwhile may see files of both: read when the command has ended.

    Raises:
        ConfigError: pyarrow is missing, the scheme is unknown, or the store refuses; without the query and the user
            of the URL, which may hold a key.
    """
    system, root, shown = _open(url)
    fs = _filesystem()
    placed = [(path, path.relative_to(folder).as_posix()) for path in files]
    try:
        for path, name in placed:
            fs.copy_files(
                str(path), f"{root}/{name}", source_filesystem=fs.LocalFileSystem(), destination_filesystem=system
            )
        for part in sorted({name.partition("/")[0] for _, name in placed}):
            below = system.get_file_info(fs.FileSelector(f"{root}/{part}", recursive=True, allow_not_found=True))
            new = {f"{root}/{name}" for _, name in placed}
            for found in below:
                if found.is_file and found.path not in new:
                    system.delete_file(found.path)
    except OSError as error:
        raise ConfigError(f"cannot write to {shown}: {_said(error)}; mend the address or the rights") from error
    return tuple(f"{shown}/{name}" for _, name in placed)


def _open(url: str) -> tuple[Any, str, str]:
    """Returns the file system, the path in it, and the URL without its query and user."""
    fs = _filesystem()
    shown = re.sub(r"//[^/@]*@", "//", url.partition("?")[0]).rstrip("/")
    found = _URL.fullmatch(url)
    if found is None or found[1] not in SCHEMES:
        raise ConfigError(f"cannot write to {shown}; give a folder, s3://bucket/folder or gs://bucket/folder")
    try:
        system, root = fs.FileSystem.from_uri(url)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot open {shown}: {_said(error)}") from error
    return system, root.rstrip("/"), shown


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _filesystem() -> Any:
    # Inside a function: an extra of 150 MB.
    try:
        from pyarrow import fs
    except ImportError as error:
        raise ConfigError("an object store needs the extra `parquet`: pip install 'gristmill[parquet]'") from error
    return fs
