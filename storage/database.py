"""The seam beneath the run store: what a database does for it. SQLite and PostgreSQL stand behind it.

Reads are short, and see what is committed. Writes come in groups from one thread (`storage/writer.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..errors import StoreError
from .schema import Statement

Row = tuple[Any, ...]


class Database(Protocol):
    """A run's database, opened. Everything raises `StoreError` (`StoreFull`, `RunLocked`) with the mend."""

    shown: str
    """What messages call the place, without credentials."""
    environment: Mapping[str, str]
    """What another process of this machine needs in its environment to open the same run."""

    def row(self, sql: str, *values: Any) -> Row | None:
        """Returns the first row, or None."""
        ...

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Returns all rows; for few."""
        ...

    def stream(self, sql: str, *values: Any) -> Iterator[Row]:
        """Yields rows as they were when the first was asked for, few in memory at a time."""
        ...

    async def look_up(self, sql: str, *values: Any) -> Row | None:
        """Returns the first row, or None, without keeping the event loop where the database is elsewhere."""
        ...

    async def ready(self) -> None:
        """Returns when the database answers: what is read next does not have to wait for it."""
        ...

    def commit(self, statements: Sequence[Statement]) -> None:
        """Writes all of it in one transaction, durably, or nothing. Called by one thread at a time."""
        ...

    def translate(self, error: Exception) -> StoreError:
        """Turns what happened in `commit` into an error with its mend."""
        ...

    def holder(self) -> str | int | None:
        """Returns who works on the run (a pid, or a pid and its host), or None."""
        ...

    @property
    def waiting(self) -> float:
        """Seconds that the database has not answered whoever asked it last; it may be away. 0 while it answers."""
        ...

    def hurry(self) -> None:
        """Shortens every wait for a database that is away: this process wants to end."""
        ...

    def give_up(self) -> None:
        """Ends all waits for a database that is away, with an error; from another thread than those that wait."""
        ...

    def close_writing(self) -> None:
        """Closes what `commit` uses, in its thread."""
        ...

    def close(self) -> None:
        """Closes what reads, and frees the run for other processes."""
        ...
