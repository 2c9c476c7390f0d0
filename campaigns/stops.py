"""When a campaign stops by itself, and what it says then."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import dataclass

from ..storage.records import Status
from .spec import BudgetSpec, StopSpec


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a campaign ended. `code` is stable; `text` is for people, with the mend where there is one."""

    code: str
    text: str


class Stops:
    """Counts finished tasks and says when to stop.

    `accepted` are tasks; `people` is what people's decisions add to them or take: the target is reached by the sum.
    The counts start from the books of the run, so a resumed campaign goes on where it was; the windows start empty.
    """

    def __init__(
        self,
        *,
        target: int | None,
        rules: StopSpec,
        budget: BudgetSpec,
        accepted: int = 0,
        finished: int = 0,
        seconds: float = 0.0,
    ) -> None:
        self.target = target
        self.accepted = accepted
        self.people = 0
        self.finished = finished
        self._rules = rules
        self._deadline = None if budget.minutes is None else time.monotonic() + budget.minutes * 60 - seconds
        self._minutes = budget.minutes
        self._reasons: deque[str] = deque(maxlen=rules.window)
        self._counts: Counter[str] = Counter()

    def count(self, status: Status, reason: str, *, refined: bool = False) -> None:
        """Counts one finished task. One that a person asked for says nothing of how the recipe does."""
        self.finished += 1
        self.accepted += status is Status.ACCEPTED
        if refined:
            return
        if len(self._reasons) == self._reasons.maxlen:
            self._counts[self._reasons[0]] -= 1
        entry = "" if status is Status.ACCEPTED else reason or status.value
        self._reasons.append(entry)
        self._counts[entry] += 1

    @property
    def seconds_left(self) -> float | None:
        """What is left of the time budget; None without one."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def out_of_time(self) -> Stop:
        """Returns the stop of a time budget that is spent."""
        return Stop("time", f"the time budget of {self._minutes:g} minutes is spent; raise budget.minutes to go on")

    def check(self) -> Stop | None:
        """Returns why to stop now, or None to go on."""
        if self.target is not None and self.accepted + self.people >= self.target:
            return Stop("target", f"the target of {self.target} accepted items is reached")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return self.out_of_time()
        seen = len(self._reasons)
        if seen < self._rules.after:
            return None
        lost = 1 - self._counts[""] / seen
        twins = self._counts["duplicate"] / seen
        if twins > self._rules.saturation_ratio:
            return Stop(
                "saturated",
                f"{twins:.0%} of the last {seen} tasks repeated what is accepted already: the documents are used up "
                f"for this recipe; add documents or options, or raise stop.saturation_ratio",
            )
        if lost > self._rules.rejection_ratio:
            reasons = ", ".join(f"{name} {count}" for name, count in self._counts.most_common(4) if name and count)
            return Stop(
                "rejecting",
                f"{lost:.0%} of the last {seen} tasks were not accepted ({reasons}): look at some with "
                f"`gristmill show`, mend the flow, prompts or model, or raise stop.rejection_ratio",
            )
        return None

    def useful(self) -> float:
        """Returns how many tasks are worth having in flight: as many as will hardly accept more than the target lacks.

        It keeps a campaign from paying for many items beyond its target when many tasks are in flight.
        """
        if self.target is None:
            return math.inf
        lacking = max(0, self.target - self.accepted - self.people)
        rate = (self.accepted + 1) / (self.finished + 1)  # a first guess of 1, soon outweighed
        # Of k tasks, k·rate are accepted, give or take twice the root of k·rate·(1 - rate): that must not be too many.
        likely = (lacking - 2 * math.sqrt(lacking * (1 - rate))) / rate
        return max(lacking, math.floor(likely))  # so many cannot be too many whatever the rate
