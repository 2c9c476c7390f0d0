"""One campaign's keys in one Redis: runs its scripts, waits for its streams, notes the server's clock."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from time import monotonic
from typing import Any

from ..errors import ConfigError, RunLocked, StoreError
from . import redis_scripts as scripts
from .redis_connection import Arg, RedisConnection, Script

DEPOSED = "DEPOSED "  # how the scripts' fence answers (lua/prelude.lua)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def require_name(kind: str, name: str) -> None:
    """Raises ConfigError for a name that cannot be part of a key."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"{kind} name {name!r}: use letters, digits, '.', '_' and '-', at most 100")


def as_text(value: bytes) -> str:
    """Redis speaks bytes; what is no UTF-8 stays recognisable and fails its check."""
    return value.decode("utf-8", "backslashreplace")


def leader_key(campaign: str) -> str:
    """Returns the key that names who leads `campaign`."""
    return f"gristmill:{{{campaign}}}:leader"


class CampaignKeys:
    """`generation` names the data in Redis, '' before the first call: a new name says that they were lost.

    `leader` is the name under which a coordinator leads, '' for all others.
    """

    def __init__(self, url: str, campaign: str, *, lease: float, patience: float, leader: str = "") -> None:
        require_name("campaign", campaign)
        if lease <= 0:
            raise ConfigError(f"lease {lease}: give seconds above 0")
        self.connection = RedisConnection(url, patience=patience)
        self.keys = tuple(f"gristmill:{{{campaign}}}:{name}" for name in scripts.KEYS)
        self.key = dict(zip(scripts.KEYS, self.keys, strict=True))
        self._all_keys = (*self.keys, leader_key(campaign))
        self._leader = leader
        self.generation = ""
        self.ahead_ms = 0.0  # the server's clock minus this process's monotonic clock
        self._lease_ms = int(lease * 1000)

    def pace(self, lease: float) -> None:
        """Works with a lease of so many seconds from now on."""
        self._lease_ms = int(lease * 1000)

    async def run(self, script: Script, *args: Arg, patience: float | None = None) -> list[Any]:
        """Runs a script; returns its answer without the server's time and the generation, which are noted.

        Raises:
            RunLocked: another coordinator leads the campaign now.
        """
        given = (uuid.uuid4().hex, self._lease_ms, *args, self._leader)
        try:
            answer = await self.connection.run(script, self._all_keys, given, patience=patience)
        except StoreError as error:
            if DEPOSED in str(error):
                raise RunLocked(
                    "another coordinator leads this campaign now; this one has stopped, nothing is lost"
                ) from None
            raise
        rest: list[Any]
        moment, generation, *rest = answer
        self.ahead_ms = float(moment) - monotonic() * 1000
        self.generation = as_text(generation)
        return rest

    async def block(
        self, after: Mapping[str, str], count: int, seconds: float, *, patience: float | None = None
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Waits for entries after the given ids, at most `seconds`; returns those of the first stream that has some."""
        streams: dict[Any, Any] = {self.key[name]: last for name, last in after.items()}
        block = max(1, int(min(seconds, self.connection.timeout / 2) * 1000))
        reply: Any = await self.connection.steady(
            lambda: self.connection.client.xread(streams, count=count, block=block), patience=patience
        )
        return list(reply[0][1]) if reply else []
