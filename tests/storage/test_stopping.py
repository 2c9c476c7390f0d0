"""Tasks are ended for sure, also by a client that swallows a cancellation."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gristmill.storage import stopping
from gristmill.storage.stopping import stopped


async def test_a_swallowed_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AGAIN", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def failing() -> None:
        await asyncio.sleep(60)

    async def failed() -> None:
        raise ValueError("seen by whoever asks the task")

    tasks = [asyncio.create_task(job()) for job in (deaf, failing, failed)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await stopped(*tasks)
    assert swallowed == 3
    assert [task.cancelled() for task in tasks] == [True, True, False]
    assert isinstance(tasks[2].exception(), ValueError)


async def test_whoever_waits_can_be_cancelled_itself() -> None:
    async def deaf() -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.2)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stopped(task)
    await task
