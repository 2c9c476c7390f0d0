"""A real Redis server for tests and benchmarks: its own port on loopback, its own folder, stopped by its own pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

START_DEADLINE = 10.0


class NoRedisBinary(RuntimeError):
    """No Redis server on this machine. Tests fail then: a queue that was never run proves nothing."""


def binary() -> str:
    """Path of a redis-server: $REDIS_SERVER, the one beside this Python, or one on PATH.

    Raises NoRedisBinary, which names the mend.
    """
    beside = Path(sys.executable).parent / "redis-server"
    for name in (os.environ.get("REDIS_SERVER"), str(beside), "redis-server", "valkey-server"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise NoRedisBinary("no redis-server found; `make redis` installs one, or set REDIS_SERVER=/path/to/redis-server")


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """One server process. `kill` and `start` may alternate: the port, the folder and the options stay the same.

    `options` are server options, e.g. `("--appendonly", "yes")`. By default nothing is written to disk, so a kill
    loses everything, which is the case that the store must survive.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = ("--save", "", "--appendonly", "no")) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id; RuntimeError when it does not run."""
        if self.process is None:
            raise RuntimeError("the Redis server does not run; call start() first")
        return self.process.pid

    def start(self) -> None:
        """Start the server and wait until it answers PING. RuntimeError, with its log, when it does not."""
        if self.process is not None:
            raise RuntimeError(f"the Redis server runs already, with pid {self.process.pid}")
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [binary(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.answers():
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"redis-server did not start:\n{(self.folder / 'redis.log').read_text()[-2000:]}")

    def answers(self) -> bool:
        """Whether the server answers PING now."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(b"PING\r\n")
                return wire.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after five seconds. Harmless when it does not run."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
                self.process = None
            except subprocess.TimeoutExpired:
                self.kill()
