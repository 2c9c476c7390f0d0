"""One process a run: an advisory lock on a file in the run's folder, which the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from ..errors import RunLocked

TRIES, PAUSE = 10, 0.02  # somebody who looks at the lock holds it for a moment: that is no reason to refuse


class RunLock:
    """Holds `folder/run.lock` from `acquire` until `release`, or until the process is gone."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Takes the lock; raises `RunLocked` with the holder's pid when another process has it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _taken(descriptor):
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise RunLocked(
                f"the run in {self.path.parent} is being worked on by process {holder}; wait for it, stop it with "
                f"`kill -INT {holder}` (it drains and can be resumed), or give this run another name"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._file = descriptor

    def release(self) -> None:
        """Gives the lock back; harmless when it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def holder(folder: Path) -> int | None:
        """Returns the pid of the process that works on the run in `folder`, or None."""
        try:
            descriptor = os.open(folder / "run.lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look do not see each other
        except BlockingIOError:
            text = os.read(descriptor, 32).decode(errors="replace").strip()
            return int(text) if text.isdigit() else -1
        finally:
            os.close(descriptor)
        return None


def _taken(descriptor: int) -> bool:
    for left in reversed(range(TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(PAUSE)
        else:
            return True
    return False
