"""`gristmill worker`: a process of a fleet. It loads what a task needs, and nothing of what plans, reads or exports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..folders import find_run, reading
from ..spec import CampaignSpec
from ..spec_file import load_spec
from ..telemetry.logs import LogFormat, Logs
from ..telemetry.telemetry import Telemetry
from .joining import Place, join_here, join_redis


def worker(
    run: Path, *, log_format: LogFormat, log_level: str | None, redis: str, shard: str | None, **options: Any
) -> int:
    traces, port, host = options.pop("traces"), options.pop("metrics_port"), options.pop("metrics_host")
    place = Place(telemetry=Telemetry(metrics_port=port, metrics_host=host, traces=traces), **options)
    with Logs(log_format, log_level, worker=place.known_as) as logs:
        return logs.answer(lambda: _worker(run, logs, place, redis, shard))


def _worker(run: Path, logs: Logs, place: Place, redis: str, shard: str | None) -> int:
    if redis and run.suffix == ".toml":
        spec, folder, url = load_spec(run, shard=shard), None, ""
    else:
        if shard:
            raise ConfigError(f"--shard {shard} goes with --redis and a campaign file; {run} is a shard's run already")
        folder, url = find_run(run)
        with reading(folder, url) as store:
            spec = CampaignSpec.model_validate(store.mark("campaign"))
    logs.follow(spec.name, folder)
    if redis or folder is None:
        problem = asyncio.run(join_redis(spec, redis, place))
    else:
        problem = asyncio.run(join_here(folder, place, url))
    return 1 if problem else 0
