"""Finds a run's folder by what a person types: the folder, the campaign file, or the run's name."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError
from ..storage.store import FILE
from .spec import load_spec


def find_run(given: Path | None) -> Path:
    """Returns the folder of the run; with nothing given, of the newest run in ./runs.

    Raises:
        ConfigError: there is none; says what was looked at.
    """
    if given is None:
        found = sorted(Path("runs").glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise ConfigError("no run is in ./runs; give --run FOLDER, or start one with `gristmill run CAMPAIGN.toml`")
        return found[-1].parent
    if given.suffix == ".toml" and given.is_file():
        folder = load_spec(given).folder
        if (folder / FILE).is_file():
            return folder
        raise ConfigError(
            f"the campaign of {given} has not been run yet (no {folder}); `gristmill run {given}` does it"
        )
    for folder in (given, Path("runs") / given):
        if (folder / FILE).is_file():
            return folder
    raise ConfigError(f"no run is at {given}, nor at {Path('runs') / given}; give a run's folder or its campaign file")
