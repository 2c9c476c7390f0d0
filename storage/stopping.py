"""Ends tasks for sure."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN = 1.0  # seconds until a task that goes on is cancelled once more


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancels `tasks` and returns when all have ended; what they raised stays with them.

    One cancellation may be lost: a client that is just giving up a connection whose server was cut off has been seen to
    swallow it and to go on for ever. So it is repeated for as long as a task goes on.
    """
    while going := [task for task in tasks if not task.done()]:
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=AGAIN)
