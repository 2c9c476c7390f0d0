"""A connection to PostgreSQL that is made when it is needed, and made anew while the server comes and goes."""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import StoreAway
from .postgres_connection import Server

if TYPE_CHECKING:
    import psycopg

LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")
PAUSE_FIRST, PAUSE_MOST = 0.05, 1.0  # seconds between attempts to reach a server that is gone


class Ending:
    """When all links of a store give up waiting."""

    def __init__(self) -> None:
        self._at = math.inf
        self._now = threading.Event()

    def within(self, seconds: float) -> None:
        """From now on nobody waits longer than `seconds`."""
        self._at = min(self._at, time.monotonic() + seconds)
        if seconds <= 0:
            self._now.set()

    def has_come(self, pause: float) -> bool:
        """Waits for `pause` seconds, or shorter; returns whether the time is over."""
        return self._now.wait(pause) or time.monotonic() >= self._at


class Stopwatch:
    """How long somebody has waited for the server: `with` around what asks it. For one thread at a time.

    An answer stops it, a server that is away does not: so it goes on while one after the other gives up.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def __enter__(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, StoreAway):
            self._since = None

    @property
    def seconds(self) -> float:
        """0 unless somebody waits, or the last one gave up."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since


class Link:
    """One connection for one thread at a time, of a store that gives up waiting at `ending`."""

    def __init__(self, server: Server, schema: str, name: str, ending: Ending) -> None:
        self._server = server
        self._schema = schema
        self._name = name
        self._ending = ending
        self._connection: psycopg.Connection[Any] | None = None
        self.waiting = Stopwatch()
        self._lock = threading.Lock()

    def do(self, job: Callable[[psycopg.Connection[Any]], Answer], patience: float) -> Answer:
        """Does `job`, and again while the server is away, for `patience` seconds: it must be harmless to do it twice.

        Raises:
            StoreError: the server refused, or was away for longer.
        """
        with self._lock, self.waiting:
            until, pause = 0.0, PAUSE_FIRST
            while True:
                try:
                    answer = job(self._connected())
                except self._server.driver.Error as error:
                    self._keep_if_usable(error)
                    now = time.monotonic()
                    if not until and self._server.is_passing(error):
                        until = now + patience
                        LOG.warning("%s is away (%s); waiting for it", self._server.shown, type(error).__name__)
                    if now >= until or not self._server.is_passing(error) or self._ending.has_come(pause):
                        raise self._server.translate(error) from error
                    pause = min(PAUSE_MOST, 2 * pause)
                except BaseException as error:
                    self._keep_if_usable(error)
                    raise
                else:
                    if until:
                        LOG.warning("%s is there again", self._server.shown)
                    return answer

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = self._server.connect(self._schema, self._name)
        return self._connection

    def _keep_if_usable(self, error: BaseException) -> None:
        """Gives the connection up unless it is at rest: one that holds a lock is not given up for a refused row."""
        connection = self._connection
        if connection is None:
            return
        at_rest = self._server.driver.pq.TransactionStatus.IDLE
        if self._server.is_loss(error) or connection.closed or connection.info.transaction_status != at_rest:
            self._drop()

    def is_quiet(self) -> bool:
        """Whether the connection is open and at rest, as far as can be seen here: one that has ended has news."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._connection is None or self._connection.closed:
                return False
            poll = select.poll()
            poll.register(self._connection.fileno(), select.POLLIN)
            return not poll.poll(0)
        finally:
            self._lock.release()

    def sever(self) -> None:
        """Ends the wait of another thread for a server that hangs: its connection is lost from now on."""
        if (connection := self._connection) is not None:
            sever(connection)

    def close(self) -> None:
        """Closes the connection, when whoever uses it is done."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def sever(connection: psycopg.Connection[Any]) -> None:
    """Ends what a thread waits for on `connection`, from another one: as if the server had hung up."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
    except Exception as error:  # it was being closed at this moment: then nobody waits on it
        LOG.debug("a connection had ended: %s", type(error).__name__)
