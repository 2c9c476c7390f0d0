"""Loads the Lua scripts beside this file, and names the keys that a campaign has in Redis."""

from __future__ import annotations

import uuid
from importlib import resources

from ...storage.redis_connection import LIFE_MS, Script


def script(*names: str) -> Script:
    """Returns the script that the files `name`.lua of this folder make, one after the other.

    LIFE in them is how long keys stay after the last write, in ms.
    """
    folder = resources.files(__package__)
    text = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
    return Script(f"local LIFE = {LIFE_MS} {text}")


def key_of(campaign: str, *parts: str) -> str:
    """Returns a key of `campaign`. The braces keep all keys of a campaign on one shard of a cluster."""
    return ":".join((f"gristmill:{{{campaign}}}", *parts))


def token() -> str:
    """Returns a name for this process that no other has, not even one with the same pid on another host."""
    return uuid.uuid4().hex[:12]
