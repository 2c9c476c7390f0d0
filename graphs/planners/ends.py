"""What planners that wait read of a campaign's books: each end of a task once, in order."""

from __future__ import annotations

from collections.abc import Iterator

from ...storage.records import Item
from ...storage.returns import REFINES
from .base import PlanView

PAGE = 256


class Ends:
    """Reads what tasks ended with, as it comes, by its number.

    What a person's note made anew is passed over: it comes long after what was drawn beside it, so a planner that
    counted it would draw otherwise after a restart than before.
    """

    def __init__(self, view: PlanView) -> None:
        self._view = view
        self._until = 0

    def new(self) -> Iterator[tuple[int, Item]]:
        """Gives the items that came since the last look, each with its number; one with a lower number came before."""
        while page := self._view.ended.after(self._until, PAGE):
            for number, item in page:
                self._until = number
                if REFINES not in item.attributes:
                    yield number, item
