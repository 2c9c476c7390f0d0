"""A real PostgreSQL server for the tests: its own port on loopback, its own data folder, stopped by its own pid."""

from __future__ import annotations

import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psycopg
from redis_server import free_port

START_DEADLINE = 60.0
PASSWORD = "canary-do-not-print-p@ss/w#rd"
# Small, quick to start, and durable: fsync stays on, so that a killed server really recovers from its log.
SETTINGS = ("shared_buffers=16MB", "max_connections=40", "wal_level=minimal", "max_wal_senders=0", "autovacuum=off")


class NoPostgresBinary(RuntimeError):
    """No PostgreSQL server on this machine. Tests fail then: a store that was never run proves nothing."""


def binaries() -> Path:
    """The folder of `initdb` and `postgres`: $POSTGRES_BIN, the environment's own, Debian's, or the one of PATH.

    Raises NoPostgresBinary, which names the mend.
    """
    environment = Path(sys.executable).parent.parent
    on_path = shutil.which("initdb")
    found = [
        os.environ.get("POSTGRES_BIN", ""),
        *glob.glob(str(environment / "postgres" / "*" / "pginstall" / "bin")),
        *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True),
        str(Path(on_path).resolve().parent) if on_path else "",
    ]
    for folder in found:
        if folder and all(os.access(Path(folder) / name, os.X_OK) for name in ("initdb", "postgres")):
            return Path(folder)
    raise NoPostgresBinary("no PostgreSQL found; `make postgres` installs one, or set POSTGRES_BIN=/path/to/its/bin")


def _user() -> dict[str, int]:
    """PostgreSQL refuses to run as root: then it runs as one who may do nothing."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid}
    raise NoPostgresBinary("PostgreSQL does not run as root, and there is no user 'nobody' to run it as")


class PostgresServer:
    """One server process. `kill` and `start` may alternate: the port and the data stay the same."""

    def __init__(self) -> None:
        # Not in pytest's folder: that is its user's alone, and every other session that starts makes it so again.
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-postgres-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._as = _user()

    @property
    def url(self) -> str:
        """URL of the database `runs`, with its user's password."""
        return self.url_of()

    def url_of(self, user: str = "mill", password: str = PASSWORD, database: str = "runs") -> str:
        """URL as another user, with another password, or of another database."""
        coded = password.replace("@", "%40").replace("/", "%2F").replace("#", "%23")
        return f"postgresql://{user}:{coded}@127.0.0.1:{self.port}/{database}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start the server, making its data folder the first time. RuntimeError, with its log, when it does not."""
        if self.process is not None:
            raise RuntimeError(f"the PostgreSQL server runs already, with pid {self.process.pid}")
        first = not self.data.exists()
        if first:
            self._initialize()
        command = [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1"]
        for setting in (*SETTINGS, "unix_socket_directories="):
            command += ["-c", setting]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/", **self._as
            )
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.answers():
                if first:
                    self._fill()
                return
            time.sleep(0.05)
        log_text = (self.folder / "postgres.log").read_text(errors="replace")
        self.kill()
        raise RuntimeError(f"postgres did not start:\n{log_text[-2000:]}")

    def _initialize(self) -> None:
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        subprocess.run(["cp", "-a", _template(), self.data], check=True, capture_output=True, timeout=120)

    def _fill(self) -> None:
        self.sql("CREATE ROLE mill LOGIN PASSWORD '" + PASSWORD + "'", database="postgres")
        self.sql("CREATE DATABASE runs OWNER mill", database="postgres")

    def sql(self, statement: str, *, database: str = "runs") -> list[tuple[object, ...]]:
        """Runs a statement as the server's owner; returns its rows, if it has any."""
        with psycopg.connect(self.url_of("owner", database=database), autocommit=True, connect_timeout=10) as owner:
            cursor = owner.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        """Whether the server takes connections now."""
        try:
            psycopg.connect(self.url_of("owner", database="postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def freeze(self) -> None:
        """SIGSTOP to the server and all its processes; `thaw` wakes them."""
        first = self._pid()
        os.kill(first, signal.SIGSTOP)  # first, so that it starts no more of them
        for pid in _children(first):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to all that `freeze` stopped."""
        for pid in (*_children(self._pid()), self._pid()):
            os.kill(pid, signal.SIGCONT)

    def _pid(self) -> int:
        if self.process is None:
            raise RuntimeError("the PostgreSQL server does not run; call start() first")
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL to the server and all its processes: what a power cut looks like."""
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGSTOP)
            others = _children(self.process.pid)
            for pid in (*others, self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            _wait_until(lambda: not any(_lives(pid) for pid in others))
        self.process = None

    def stop(self) -> None:
        """SIGINT (PostgreSQL's fast end), then SIGKILL after ten seconds; removes the data. For good."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
                self.process = None
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def _template() -> Path:
    """The data folder of a new server, made once by each process that runs tests: `initdb` takes a second."""
    folder = Path(tempfile.mkdtemp(prefix="gristmill-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    secret, rights = folder / "password", _user()
    secret.write_text(PASSWORD)
    if rights:
        os.chown(folder, rights["user"], rights["group"])
        os.chown(secret, rights["user"], rights["group"])
    subprocess.run(
        [binaries() / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile", secret,
         "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"],
        check=True, capture_output=True, cwd="/", timeout=120, **rights,
    )  # fmt: skip
    return folder / "data"


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("processes of a killed PostgreSQL are still there after ten seconds")
        time.sleep(0.01)
