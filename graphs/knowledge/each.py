"""Runs one coroutine for each of many things, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from ...errors import ConfigError

Thing = TypeVar("Thing")


async def for_each(things: Iterable[Thing], work: Callable[[Thing], Awaitable[None]], *, concurrency: int) -> None:
    """Awaits `work(thing)` for every thing; the first exception stops the others and is raised as it is.

    Things are taken from the iterable only when a worker is free, so it may be as long as it likes.
    """
    if concurrency < 1:
        raise ConfigError(f"concurrency is {concurrency}; give at least 1")
    queue = iter(things)

    async def worker() -> None:
        for thing in queue:
            await work(thing)

    workers = [asyncio.create_task(worker()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
