"""Whether a Redis can carry a fleet's leases: reachable, new enough, does not evict, survives a restart."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from .records import Record

OLDEST = (6, 2)  # XAUTOCLAIM and LMOVE


class Health(Record):
    """One fact about a server. `ok` is None for what is worth knowing and harms nothing."""

    name: str
    ok: bool | None
    detail: str
    mend: str = ""


async def redis_health(url: str, *, patience: float = 5.0) -> list[Health]:
    """Asks the Redis at `url`; an unreachable one is a finding, not an error. No credential is ever repeated."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname or '?'}:{_port(url)}"
    try:
        redis = import_module("redis.asyncio")  # an extra: only a fleet needs it
    except ImportError:
        return [Health(name="redis", ok=False, detail="not installed", mend="pip install 'gristmill[redis]'")]
    try:
        client = redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience)
    except ValueError as error:
        return [Health(name="redis", ok=False, detail=f"{shown}: {error}", mend="give redis://host:port")]
    try:
        info: dict[str, Any] = await client.info()
        policy = str(info.get("maxmemory_policy", "unknown"))
    except Exception as error:  # redis-py and asyncio raise several families; all mean the same here
        reason = type(error).__name__
        return [
            Health(
                name="redis",
                ok=False,
                detail=f"{shown} does not answer ({reason})",
                mend="start it (redis-server), or check host, port, user, password and TLS in the URL",
            )
        ]
    finally:
        await client.aclose()
    return [_version(shown, info), _eviction(info, policy), _persistence(info)]


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or 6379
    except ValueError:
        return 6379


def _version(shown: str, info: dict[str, Any]) -> Health:
    text = str(info.get("valkey_version") or info.get("redis_version", "0"))
    found = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    memory = int(info.get("used_memory", 0)) / 2**20
    return Health(
        name="redis",
        ok=found >= OLDEST,
        detail=f"{shown} answers, version {text}, {memory:.1f} MiB in use",
        mend="" if found >= OLDEST else "use Redis 6.2 or newer, or Valkey",
    )


def _eviction(info: dict[str, Any], policy: str) -> Health:
    limit = int(info.get("maxmemory", 0))
    good = policy == "noeviction"
    return Health(
        name="redis eviction",
        ok=good,
        detail=f"maxmemory-policy is {policy}, maxmemory {limit / 2**20:.0f} MiB" if limit else f"policy is {policy}",
        mend="" if good else "CONFIG SET maxmemory-policy noeviction: any other policy silently drops queued tasks",
    )


def _persistence(info: dict[str, Any]) -> Health:
    append_only = bool(int(info.get("aof_enabled", 0)))
    return Health(
        name="redis persistence",
        ok=True if append_only else None,
        detail="append-only file is on" if append_only else "append-only file is off",
        mend="" if append_only else "CONFIG SET appendonly yes: without it a restart costs re-runs, never data",
    )
