"""Who decides: on items, and on the graph."""

from __future__ import annotations

import getpass

from ..errors import ConfigError

LONGEST_NAME = 100


def reviewer_name(given: str) -> str:
    """Returns who decides: as given, or this machine's user. Raises `ConfigError` for a name that is too long."""
    if len(given) > LONGEST_NAME:
        raise ConfigError(f"--reviewer has {len(given)} characters; {LONGEST_NAME} are kept at most")
    try:
        return given or getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return "reviewer"
