"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def drained_by_signals(drain: Callable[[], None]) -> Iterator[None]:
    """Calls `drain` at the first SIGINT or SIGTERM; at the second cancels the block, which then ends without an error.

    Off the main thread it does nothing: whoever owns that thread handles signals.
    """
    running = asyncio.get_running_loop()
    whole = asyncio.current_task()
    caught: list[int] = []

    def on_signal(number: int) -> None:
        caught.append(number)
        if len(caught) == 1:
            drain()
        elif whole is not None:
            whole.cancel()

    try:
        for number in NUMBERS:
            running.add_signal_handler(number, on_signal, number)
    except (ValueError, RuntimeError, NotImplementedError):
        yield
        return
    try:
        yield
    except asyncio.CancelledError:
        if len(caught) < 2 or whole is None:
            raise
        for _ in caught[1:]:  # our own doing: the person asked twice, or more often
            whole.uncancel()
    finally:
        for number in NUMBERS:
            running.remove_signal_handler(number)
