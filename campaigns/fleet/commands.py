"""`gristmill fleet`: what it prints. It loads no LangGraph."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ..folders import find_run
from ..terminal import open_console, print_json
from .overseeing import give_order, look, print_fleet, requeue


def fleet(run: Path, *, action: str, tasks: Sequence[str], redis: str, store: str, as_json: bool) -> int:
    folder, url = find_run(run, store)
    console = open_console()
    if action == "status":
        found = asyncio.run(look(folder, redis, url))
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            print_fleet(console, found)
    elif action == "requeue":
        count = asyncio.run(requeue(folder, redis, tasks, url))
        console.print(f"{count} tasks are pending again; `gristmill run` goes on with them")
    else:
        asyncio.run(give_order(folder, redis, {"resume": "run"}.get(action, action)))
        console.print(f"workers are told to {action}")
    return 0
