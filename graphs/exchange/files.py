"""Files that appear whole or not at all: written beside their place, made durable, and put there in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...errors import StoreError

MODE = 0o644


@contextmanager
def placed_file(path: Path) -> Iterator[IO[bytes]]:
    """Gives a file to write to, which takes the path's place when the block ends well.

    Raises `StoreError` when it cannot be written; an old file at the path then stays as it was.
    """
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, MODE)
        os.replace(name, path)
        name = None
    except OSError as error:
        raise StoreError(f"graph file '{path}' cannot be written: {error.strerror or error}") from error
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


@contextmanager
def placed_folder(path: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Gives an empty folder to write files called `names` to, which takes the path's place when the block ends well.

    A folder is not replaced in one step by any file system: one that is there is moved aside first, and back again if
    the new one cannot take its place. Raises `StoreError` when it cannot be written, or when what is at the path holds
    anything else than such files.
    """
    _require_ours(path, names)
    made = None
    try:
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        new = made / "new"
        new.mkdir()
        yield new
        for name in names:
            os.chmod(new / name, MODE)
            with (new / name).open("rb") as file:
                os.fsync(file.fileno())
        if path.exists():
            path.rename(made / "old")
        try:
            new.rename(path)
        except OSError:
            if (made / "old").exists():
                (made / "old").rename(path)
            raise
    except OSError as error:
        raise StoreError(f"graph folder '{path}' cannot be written: {error.strerror or error}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _require_ours(path: Path, names: tuple[str, ...]) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise StoreError(f"'{path}' is a file, and this format is a folder of {', '.join(names)}; name another path")
    others = sorted(one.name for one in path.iterdir() if one.name not in names)
    if others:
        raise StoreError(
            f"graph folder '{path}' holds '{others[0]}', which would be lost; name a folder of its own for the graph"
        )
