"""Finds a run by what a person types: its folder, the campaign file, or its name; and where it is kept."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigError
from ..storage.postgres_connection import Server
from ..storage.sqlite import FILE
from ..storage.store import RunStore
from ..storage.whereabouts import POINTER, has_run, store_of
from .spec_file import load_spec

SHOWN = 5  # runs that a message names


def find_run(given: Path | None, store: str = "") -> tuple[Path, str]:
    """Returns the run's folder and the URL of its store, empty where the folder knows; by default the newest in ./runs.

    With the URL of a `store`, given or in the environment, the folder need not be on this machine.

    Raises:
        ConfigError: there is none; says what was looked at.
    """
    if given is None:
        found = [folder for folder in Path("runs").glob("*") if has_run(folder)]
        if not found:
            raise ConfigError("no run is in ./runs; give --run FOLDER, or start one with `gristmill run CAMPAIGN.toml`")
        return max(found, key=_last_written), store
    if given.suffix == ".toml" and given.is_file():
        folder = load_spec(given).folder
        if has_run(folder) or store_of(folder, store):
            return folder, store_of(folder, store)
        raise ConfigError(
            f"the campaign of {given} has not been run yet (no {folder}); `gristmill run {given}` does it"
        )
    for folder in (given, Path("runs") / given):
        if has_run(folder):
            return folder, store
    elsewhere = Path("runs") / given.name
    if url := store_of(elsewhere, store):
        return elsewhere, url
    raise ConfigError(f"no run is at {given}, nor at {Path('runs') / given}; {_mend(given)}")


def _mend(given: Path) -> str:
    """What to type where no run is found: the nearest of ./runs, or which there are."""
    names = sorted(folder.name for folder in Path("runs").glob("*") if has_run(folder))
    if near := difflib.get_close_matches(given.name, names, n=1):
        return f"did you mean {Path('runs') / near[0]}?"
    there = (
        f"in ./runs there is {', '.join(names[:SHOWN])}{' and more' if len(names) > SHOWN else ''}; " if names else ""
    )
    return (
        f"{there}give a run's folder or its campaign file, or the store that has it, "
        f"--store postgresql://user@host/database"
    )


def place_of(folder: Path, store: str) -> str:
    """Returns what to type after --run to find the run again; without a password."""
    return str(folder) if has_run(folder) else f"{folder.name} --store {Server(store).public_url}"


@contextmanager
def reading(folder: Path, url: str) -> Iterator[RunStore]:
    """Opens what `find_run` found, for reading, while the block runs."""
    store = RunStore.read(folder, url)
    try:
        yield store
    finally:
        store.close_reading()


def _last_written(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder / FILE, folder / POINTER) if path.is_file())
