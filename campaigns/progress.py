"""What a person sees while a campaign runs: a live table in a terminal, plain lines anywhere else, nothing from Python.

All hear the same few calls, and none of them knows how the work is done. What happens once is logged by all; `Logged`
logs the figures too, for those who read logs and see no terminal.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..models.layers.meter import Meter
from ..storage.people import Shift
from ..storage.records import Status
from .outcome import Outcome
from .terminal import SafeConsole

LOG = logging.getLogger(__name__)
PLAIN_EVERY = 5.0  # seconds between two lines of the same phase


class Progress:
    """Counts, and shows nothing. `Plain` and `LiveTable` show, `Logged` logs.

    `ended` counts tasks of this start by (status, first reason code).
    """

    def __init__(self) -> None:
        self.meter = Meter()
        self.target: int | None = None
        self.counts: Counter[Status] = Counter()
        self.reasons: Counter[str] = Counter()
        self.ended: Counter[tuple[Status, str]] = Counter()
        self._phase = ""
        self._done = 0
        self._total: int | None = None
        self._began = time.monotonic()
        self._accepted_before = 0
        self._people = Shift()

    @property
    def phase_name(self) -> str:
        """The phase that runs, empty before the first."""
        return self._phase

    @property
    def done(self) -> int:
        """Steps of the phase that are done."""
        return self._done

    @property
    def total(self) -> int | None:
        """Steps that the phase has, where that is known."""
        return self._total

    def start(self, meter: Meter, *, target: int | None, accepted: int) -> None:
        """Begins a run that has `accepted` items from earlier."""
        self.meter, self.target, self._accepted_before = meter, target, accepted
        self._began = time.monotonic()

    def phase(self, name: str, total: int | None = None) -> None:
        """A phase begins, of `total` steps where that is known."""
        LOG.info("%s", name, extra={"data": {"phase": name, "total": total}})
        self._phase, self._done, self._total = name, 0, total
        self._refresh(force=True)

    def step(self, name: str = "") -> None:
        """One step of the phase is done."""
        self._done += 1
        self._refresh()

    def outcome(self, outcome: Outcome) -> None:
        """One task ended."""
        self.counts[outcome.status] += 1
        self.ended[outcome.status, outcome.reason] += 1
        if outcome.status is not Status.ACCEPTED:
            self.reasons[outcome.reason] += 1
        self._done += 1
        self._refresh()

    def people(self, shift: Shift) -> None:
        """People moved the counts by so much until now."""
        self._people = shift
        self._refresh()

    def say(self, text: str) -> None:
        """A line for the person."""
        LOG.info("%s", text)

    def close(self) -> None:
        """Nothing more will come."""

    def _refresh(self, force: bool = False) -> None:
        """Shows the counts again, not too often."""

    # what both views say

    @property
    def accepted(self) -> int:
        return self._accepted_before + self.counts[Status.ACCEPTED]

    @property
    def counted(self) -> int:
        """What counts towards the target: accepted tasks, and what people made of them."""
        return self.accepted + self._people.total

    def _eta(self) -> str:
        made = self.counts[Status.ACCEPTED]
        if self.target is None or not made:
            return "-"
        seconds = (time.monotonic() - self._began) / made * max(0, self.target - self.counted)
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    def _figures(self) -> str:
        usage = self.meter.total
        elapsed = max(time.monotonic() - self._began, 1e-6)
        tokens = usage.input_tokens + usage.output_tokens
        return (
            f"{usage.calls} calls ({usage.calls / elapsed:.0f}/s, {usage.cached_calls} cached)  "
            f"{tokens:,} tokens ({tokens / elapsed:,.0f}/s)  ${usage.usd:.4f}  ETA {self._eta()}"
        )

    def _why(self, limit: int = 4) -> str:
        return ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common(limit))


class Plain(Progress):
    """Lines for logs and pipes: one when a phase begins, then one every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._last = 0.0

    def say(self, text: str) -> None:
        super().say(text)
        self._print(text)

    def _print(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _refresh(self, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._last < PLAIN_EVERY:
            return
        self._last = now
        if force:
            self._print(f"{self._phase}" + (f" ({self._total})" if self._total is not None else ""))
            return
        of = f"/{self._total}" if self._total is not None else ""
        line = f"{self._phase}: {self._done}{of}"
        if self.counts:
            why = f" ({self._why()})" if self.reasons else ""
            line += (
                f"  accepted {self.accepted}  rejected {self.counts[Status.REJECTED]}"
                f"  failed {self.counts[Status.FAILED]}{why}"
            )
        if people := self._people.described:
            line += f"  people: {people}"
        self._print(f"{line}  {self._figures()}")


class Logged(Progress):
    """The figures as a log record every few seconds, in words and as data; nothing is printed."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic()

    def _refresh(self, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._last < PLAIN_EVERY:
            return
        self._last = now
        usage = self.meter.total
        data: dict[str, Any] = {
            "phase": self._phase,
            "done": self._done,
            "total": self._total,
            "accepted": self.accepted,
            "rejected": self.counts[Status.REJECTED],
            "failed": self.counts[Status.FAILED],
            "people": self._people.total,
            "target": self.target,
            "calls": usage.calls,
            "cached_calls": usage.cached_calls,
            "tokens": usage.input_tokens + usage.output_tokens,
            "usd": round(usage.usd, 6),
        }
        LOG.info("%s: %d done", self._phase, self._done, extra={"data": data})


class LiveTable(Progress):
    """A table that redraws itself in a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._render, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        super().say(text)
        self._console.print(Text(text))

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> Group:
        of = f" of {self._total}" if self._total is not None else ""
        phase = Text.assemble((self._phase, "bold"), f": {self._done}{of} done")
        table = Table.grid(padding=(0, 2))
        if self.counts or self.target:
            goal = f" of {self.target}" if self.target else ""
            table.add_row(
                Text(f"accepted {self.counted}{goal}", style="green"),
                Text(f"rejected {self.counts[Status.REJECTED]}", style="yellow"),
                Text(f"failed {self.counts[Status.FAILED]}", style="red" if self.counts[Status.FAILED] else ""),
                Text(self._why(), style="dim"),
            )
        if people := self._people.described:
            table.add_row(Text(f"people: {people}", style="dim"))
        rows: list[Table | Text] = [phase, table]
        if self.target:
            rows.append(_bar(self.counted, self.target))
        elif self._total:
            rows.append(_bar(self._done, self._total))
        rows.append(Text(self._figures(), style="dim"))
        return Group(*rows)


def _bar(done: int, total: int) -> Table:
    """A bar on a line of its own: alone it ends no line, and what follows would stand behind it."""
    line = Table.grid()
    line.add_row(ProgressBar(total=total, completed=min(done, total), width=60))
    return line


def progress_for(stream: TextIO, *, plain: bool = False) -> Progress:
    """Chooses the live table for a terminal, lines for anything else."""
    console = SafeConsole(file=stream)
    return Plain(stream) if plain or not console.is_terminal else LiveTable(console)
