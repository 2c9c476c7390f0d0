"""The keys of the pages: one table that the help shows, that the scripts bind, and that docs/review.md is held to."""

from __future__ import annotations

from dataclasses import dataclass

ITEM, QUEUE = "item", "queue"
BOTH = (ITEM, QUEUE)
NAMES = {"ArrowRight": "→", "ArrowLeft": "←", "ArrowDown": "↓", "ArrowUp": "↑", "Escape": "Esc"}


@dataclass(frozen=True, slots=True)
class Key:
    """Keys that do one thing. `keys` are as a browser names them, `action` is what scripts and buttons call it."""

    keys: tuple[str, ...]
    action: str
    text: str
    pages: tuple[str, ...] = BOTH

    @property
    def shown(self) -> list[tuple[str, ...]]:
        """The keys as a keyboard has them, each with those that are held down with it."""
        return [("Shift", key) if key.isupper() else (NAMES.get(key, key),) for key in self.keys]


KEYS = (
    Key(("a",), "accept", "accept it as it is"),
    Key(("A",), "accept_note", "accept it with a note that says why"),
    Key(("e",), "edit", "edit its messages, then accept; Ctrl+Enter saves, Esc leaves and keeps your text", (ITEM,)),
    Key(("b",), "send_back", "send it back with a note: it is made again"),
    Key(("r",), "reject", "confirm the rejection"),
    Key(("R",), "reasons", "reject it for other reasons than the critic's, with a note", (ITEM,)),
    Key(("R",), "reasons", "reject for other reasons than the critic's", (QUEUE,)),
    Key(("p",), "precedent", "show your decision to the critic as a precedent, before or after you decide", (ITEM,)),
    Key(("s",), "skip", "skip: it goes behind the others, for you alone"),
    Key(("u",), "undo", "take back what you did last, here or on another of these pages"),
    Key(("j", "ArrowRight"), "next", "next item", (ITEM,)),
    Key(("k", "ArrowLeft"), "previous", "previous item", (ITEM,)),
    Key(("j", "ArrowDown"), "next", "next item", (QUEUE,)),
    Key(("k", "ArrowUp"), "previous", "previous item", (QUEUE,)),
    Key(("Enter", "o"), "open", "open the item", (QUEUE,)),
    Key(("x",), "pick", "select, or unselect", (QUEUE,)),
    Key(("X",), "pick_to", "select from the last selected one to here", (QUEUE,)),
    Key(("*",), "all", "select all that are shown", (QUEUE,)),
    Key(("m",), "more", "more items", (QUEUE,)),
    Key(("Escape",), "unselect", "unselect all; leave the search", (QUEUE,)),
    Key(("/",), "search", "search the queue"),
    Key(("?",), "help", "this help"),
)


def keys_of(page: str) -> list[Key]:
    """Returns the keys of a page, `item` or `queue`, in the order of the help."""
    return [key for key in KEYS if page in key.pages]
