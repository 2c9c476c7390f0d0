"""The one place that makes a Redis client: from a URL, with timeouts, and with errors that carry no password.

Commands that are given in the same moment travel together in one pipeline over one connection: a model call asks the
cache, the budget and the limiter, and a round trip for each would cost more than the call itself. While the server is
gone, commands wait for it and are sent again, so whatever is sent through here must be harmless when it runs twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError, RedisUnavailable, StoreError, StoreFull
from .stopping import stopped

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOG = logging.getLogger(__name__)
Arg = str | bytes | int | float
T = TypeVar("T")
LIFE_MS = 7 * 86_400_000  # ms that the keys of a campaign stay after anybody last worked for it
BATCH = 256  # commands in one pipeline: more would make the first one wait for the last one's reply
WAIT_FIRST, WAIT_MOST = 0.05, 1.0  # seconds between attempts to reach a server that is gone
CLOSING = 5.0  # seconds that `aclose` gives to what was posted and is not sent yet
# What a server says that is there and cannot serve now: starting, failing over, unable to write its file.
LATER = ("LOADING", "READONLY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "MISCONF", "NOREPLICAS", "BUSY ", "UNKILLABLE")
DENIED = (
    "WRONGPASS",
    "NOAUTH",
    "NOPERM",
    "can't run this command",
    "can't access",
    "invalid username-password",
    "Authentication",
    "AUTH ",
)

UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


class Script:
    """A Lua script, known to the server by its hash."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # Redis names scripts by SHA-1


class _Sent:
    """A command on its way. `since` is when it first found nobody."""

    __slots__ = ("command", "done", "patience", "script", "since")

    def __init__(self, command: tuple[Arg, ...], script: Script | None, patience: float) -> None:
        self.command = command
        self.script = script
        self.patience = patience
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.since: float | None = None


class RedisConnection:
    """A client that waits for its server, up to `patience` seconds for each command.

    `client` is the plain redis-py client, for commands that block (`XREADGROUP`, `BLPOP`): give those to `steady`.
    Replies are bytes. One event loop; `aclose` it in the loop that used it.

    Raises:
        ConfigError: the URL cannot work, or redis-py is not installed.
    """

    def __init__(self, url: str, *, patience: float = 300.0, timeout: float = 5.0) -> None:
        self.patience = patience
        self.timeout = timeout
        self.shown = shown(url)
        self._secrets = _secrets(url)
        self.client: Redis = _client(url, self.shown, timeout)
        self._waiting: deque[_Sent] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._gone = False

    async def call(self, *command: Arg, patience: float | None = None) -> Any:
        """Runs one command and returns its reply, as redis-py gives it.

        Raises:
            RedisUnavailable: the server was gone for longer than `patience` seconds.
            ConfigError: it refuses the user or the password, or does not allow the command.
            StoreFull: it has reached its `maxmemory`.
            StoreError: it refused the command.
        """
        return await asyncio.shield(self._send(command, None, patience))

    async def run(
        self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = (), *, patience: float | None = None
    ) -> Any:
        """Runs `script`; raises as `call` does."""
        return await asyncio.shield(self._send(_evalsha(script, keys, args), script, patience))

    def post(self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = ()) -> None:
        """Sends `script` without waiting for it. A failure is logged; `flush` waits for all that was posted."""
        self._send(_evalsha(script, keys, args), script, None).add_done_callback(self._log)

    async def flush(self) -> None:
        """Waits until everything that was given before has been answered or has failed."""
        while self._sender is not None:
            await asyncio.shield(self._sender)

    async def steady(self, ask: Callable[[], Awaitable[T]], *, patience: float | None = None) -> T:
        """Awaits `ask()`, again and again while the server is gone; raises as `call` does."""
        since: float | None = None
        wait = WAIT_FIRST
        while True:
            try:
                reply = await ask()
            except Exception as error:
                if not _is_gone(error):
                    raise self._translated(error) from None
                since = self._still_gone(since, self.patience if patience is None else patience, error)
            else:
                self._back()
                return reply
            wait = await _pause(wait)

    async def aclose(self) -> None:
        """Sends what is still to be sent, for a few seconds at most, and closes. Calling it twice is harmless."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self.flush()
        if self._sender is not None:
            await stopped(self._sender)
        while self._waiting:
            self._fail(self._waiting.popleft(), RedisUnavailable(f"the connection to {self.shown} was closed"))
        await self.client.aclose()

    def _send(self, command: tuple[Arg, ...], script: Script | None, patience: float | None) -> asyncio.Future[Any]:
        sent = _Sent(command, script, self.patience if patience is None else patience)
        self._waiting.append(sent)
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._drain())
        return sent.done

    async def _drain(self) -> None:
        wait = WAIT_FIRST
        batch: list[_Sent] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                if await self._exchange(batch):
                    wait = WAIT_FIRST
                else:
                    wait = await _pause(wait)
                batch = []
        finally:
            self._waiting.extendleft(reversed([sent for sent in batch if not sent.done.done()]))
            self._sender = None

    async def _exchange(self, batch: list[_Sent]) -> bool:
        """Sends a batch once; what is to be sent again goes to the front. Returns whether the server served it."""
        pipe = self.client.pipeline(transaction=False)
        for sent in batch:
            pipe.execute_command(*sent.command)
        try:
            replies: list[Any] = await pipe.execute(raise_on_error=False)
        except Exception as error:
            replies = [error] * len(batch)
        again: list[_Sent] = []
        gone = False
        for sent, reply in zip(batch, replies, strict=True):
            if not isinstance(reply, Exception):
                if not sent.done.done():
                    sent.done.set_result(reply)
            elif sent.script is not None and type(reply).__name__ == "NoScriptError":
                # The server forgot the script (or never had it): the whole text goes once, and is known from then on.
                sent.command = ("EVAL", sent.script.text, *sent.command[2:])
                again.append(sent)
            elif _is_gone(reply):
                gone = True
                try:
                    sent.since = self._still_gone(sent.since, sent.patience, reply)
                except StoreError as error:
                    self._fail(sent, error)
                else:
                    again.append(sent)
            else:
                self._fail(sent, self._translated(reply))
        self._waiting.extendleft(reversed(again))
        if not gone:
            self._back()
        return not gone

    def _still_gone(self, since: float | None, patience: float, error: Exception) -> float:
        """Returns since when the server is gone; raises `RedisUnavailable` when that is longer than `patience`."""
        now = monotonic()
        if not self._gone:
            self._gone = True
            LOG.warning("%s does not answer (%s); waiting for it", self.shown, self._text(error))
        if since is None:
            return now
        if now - since >= patience:
            raise RedisUnavailable(
                f"{self.shown} has not answered for {patience:g} s ({self._text(error)}); start it, or check host, "
                f"port and TLS in the URL, and run the same command to go on"
            )
        return since

    def _back(self) -> None:
        if self._gone:
            self._gone = False
            LOG.warning("%s answers again", self.shown)

    def _translated(self, error: Exception) -> Exception:
        text = self._text(error)
        if type(error).__name__ == "OutOfMemoryError" or text.startswith("OOM"):
            return StoreFull(f"{self.shown} has reached its maxmemory ({text}); raise maxmemory, or free keys")
        if type(error).__name__ in ("AuthenticationError", "AuthorizationError", "NoPermissionError") or any(
            mark in text for mark in DENIED
        ):
            return ConfigError(
                f"{self.shown} refuses: {text}; check user and password in the URL, and the user's ACL (docs/fleet.md)"
            )
        if UNTRUSTED in text:
            return ConfigError(f"{self.shown}: {text}; name its authority in the URL: ?ssl_ca_certs=/path/to/ca.pem")
        if isinstance(error, StoreError | ConfigError | asyncio.CancelledError):
            return error
        return StoreError(f"{self.shown}: {text}")

    def _text(self, error: Exception) -> str:
        text = str(error) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text[:300]

    @staticmethod
    def _fail(sent: _Sent, error: Exception) -> None:
        if not sent.done.done():
            sent.done.set_exception(error)
            sent.done.exception()  # marks it as seen: who asked may have been cancelled

    def _log(self, done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            LOG.error("a posted command failed: %s", error)


def shown(url: str) -> str:
    """Returns `url` without user, password and options, for messages."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "the Redis URL"
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{port or 6379}{parts.path}"


def _secrets(url: str) -> tuple[str, ...]:
    with contextlib.suppress(ValueError):
        password = urlsplit(url).password
        if password:
            return tuple({password, unquote(password), url})
    return (url,)


def _client(url: str, where: str, timeout: float) -> Redis:
    try:
        redis = importlib.import_module("redis.asyncio")  # an extra: only a fleet needs it
        retry = importlib.import_module("redis.asyncio.retry")
        backoff = importlib.import_module("redis.backoff")
    except ImportError:
        raise ConfigError("a fleet over Redis needs redis-py: pip install 'gristmill[redis]'") from None
    try:
        client: Redis = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=retry.Retry(backoff.NoBackoff(), 0),  # waiting for the server is done here, once
            protocol=2,  # all that is needed, and what Redis 6.2 and its ACL users speak without a HELLO
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {type(error).__name__}; give redis://host:port/0 or rediss://… (TLS)") from None
    return client


def _evalsha(script: Script, keys: Sequence[Arg], args: Sequence[Arg]) -> tuple[Arg, ...]:
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


def _is_gone(error: Exception) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"AuthenticationError", "AuthorizationError"}:
        return False  # redis-py calls them connection errors, and no waiting mends them
    if names & {"ResponseError"}:
        return type(error).__name__ == "ReadOnlyError" or str(error).startswith(LATER)
    if UNTRUSTED in str(error):
        return False
    return isinstance(error, OSError | TimeoutError) or bool(names & {"ConnectionError", "TimeoutError"})


async def _pause(wait: float) -> float:
    """Sleeps about `wait` seconds, so that a fleet does not come back in one moment; returns the next wait."""
    await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  # spreads load, guards nothing
    return min(WAIT_MOST, wait * 2)
