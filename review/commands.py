"""What `gristmill review` does. Options and help stand in cli.py."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

from rich.console import Console

from ..campaigns.folders import find_run


def open_(
    run: Path,
    *,
    port: int,
    host: str,
    token: str,
    names: tuple[str, ...],
    reviewer: str,
    browser: bool,
    store: str,
) -> int:
    """Serves the pages of `run` until Ctrl-C."""
    from .web.serve import serve

    folder, url = find_run(run, store)
    console = Console(soft_wrap=True, highlight=False)
    who = reviewer_name(reviewer)
    asyncio.run(
        serve(
            folder, url, host=host, port=port, token=token, reviewer=who, names=names, browser=browser, console=console
        )
    )
    return 0


def reviewer_name(given: str) -> str:
    """Returns who decides: as given, or this machine's user."""
    try:
        return given or getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return "reviewer"
