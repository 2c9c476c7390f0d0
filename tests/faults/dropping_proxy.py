"""A TCP proxy on which a network breaks: it falls silent, delays, or resets what runs through it.

    python dropping_proxy.py tcp://10.0.0.1:6379 unix:///tmp/redis.sock

As a program it only passes on, between network namespaces that share nothing but the file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from urllib.parse import SplitResult, urlsplit


class DroppingProxy:
    """Stands before the server of a URL: `async with DroppingProxy(redis.url) as proxy`, then `proxy.url`.

    `cut` makes it silent: nothing passes in either way and nobody is told, no FIN, no RST; new connections are taken
    and stay silent too. `heal` ends that: what was sent meanwhile arrives late, as TCP sends it again, also on
    connections that the client has given up; or it is lost, with the connections. `reset` breaks all connections, and
    with them what was under way. `delay` is in seconds, for each piece and direction. `at` is where it listens.
    """

    def __init__(self, to: str, *, delay: float = 0.0, at: str = "tcp://127.0.0.1:0") -> None:
        self.delay = delay
        self._to = urlsplit(to)
        self._at = urlsplit(at)
        self._port = self._at.port
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The server's URL, as it is reached through this proxy."""
        return f"{self._to.scheme}://{self._at.hostname}:{self._port}{self._to.path}"

    async def __aenter__(self) -> DroppingProxy:
        if self._at.scheme == "unix":
            self._server = await asyncio.start_unix_server(self._serve, self._at.path)
        else:
            self._server = await asyncio.start_server(self._serve, self._at.hostname, self._at.port)
            self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for serving in list(self._serving):
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Nothing passes from now on, in silence."""
        self._passing.clear()

    def heal(self, *, lost: bool = False) -> None:
        """All passes again. With `lost`, what was sent meanwhile is gone, and so are the connections."""
        if lost:
            self.reset()
        self._passing.set()

    def reset(self) -> None:
        """Breaks every connection with RST, whatever is under way on it."""
        for writer in list(self._writers):
            wire = writer.get_extra_info("socket")
            if wire is not None:
                with contextlib.suppress(OSError):
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        for serving in list(self._serving):
            serving.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        there: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._passing.wait()
            from_there, there = await _connected(self._to)
            self._writers.add(there)
            await asyncio.gather(self._pass(reader, there), self._pass(from_there, writer))
        for end in (writer, there):
            if end is not None:
                self._writers.discard(end)
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        await self._passing.wait()
        writer.close()


async def _connected(to: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if to.scheme == "unix":
        return await asyncio.open_unix_connection(to.path)
    return await asyncio.open_connection(to.hostname, to.port)


async def main(at: str, to: str) -> None:
    async with DroppingProxy(to, at=at):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
