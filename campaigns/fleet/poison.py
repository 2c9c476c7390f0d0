"""Tasks that ended their workers, as the store keeps them: failed `poison`, with the history in the item's error."""

from __future__ import annotations

import re

from ...storage.queue import Dead
from ...storage.records import Item

POISON = "poison"
SAID = re.compile(r"it ended its worker (\d+) times and is set aside: (.*)", re.DOTALL)


def message_of(dead: Dead) -> str:
    """Returns what the item of a task that was set aside says."""
    return f"it ended its worker {dead.strikes} times and is set aside: " + "; ".join(dead.history)


def dead_of(item: Item) -> Dead:
    """Returns what `message_of` was made from, as far as `item` tells it."""
    found = SAID.fullmatch(item.error)
    if found is None:
        return Dead(task=item.task, strikes=0, history=(item.error,))
    return Dead(task=item.task, strikes=int(found[1]), history=tuple(found[2].split("; ")))
