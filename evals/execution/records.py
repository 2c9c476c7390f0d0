"""What is asked of the sandbox and what it answers: programs, limits, executions. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_MIB = 2**20


class Ending(StrEnum):
    """How a program ended. All but `OK` mean that it did not do its work; `UNAVAILABLE` says nothing of the program."""

    OK = "ok"
    ERROR = "error"  # left with a code other than 0
    TIMEOUT = "timeout"  # passed its wall-clock or CPU seconds
    MEMORY = "memory"  # asked for more memory, or threads, than it may have
    OUTPUT = "output"  # printed, or wrote into its folder, more than it may
    FORBIDDEN = "forbidden"  # forked, opened a socket, or made another system call that a calculation has no use for
    KILLED = "killed"  # ended by a signal, such as a segmentation fault
    UNAVAILABLE = "unavailable"  # was never started: this machine gives no isolation


class Layer(StrEnum):
    """What keeps programs apart, strongest first. The limits and the filter of system calls hold in each of them."""

    BUBBLEWRAP = "bubblewrap"  # namespaces and a file tree of their own, by bwrap
    NAMESPACES = "namespaces"  # namespaces of their own; Landlock keeps files
    LANDLOCK = "landlock"  # no namespace: Landlock keeps files, the filter refuses sockets


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Seconds; bytes of address space, of each of stdout and stderr, of the working folder.

    The working folder is in memory with `bubblewrap` and `namespaces`, beside `memory`. `threads` are held where a
    user namespace counts them for this program alone; the address space bounds them everywhere.
    """

    seconds: float = 10.0
    cpu_seconds: int = 10
    memory: int = 512 * _MIB
    output: int = 64 * 1024
    folder: int = 16 * _MIB
    files: int = 1000
    threads: int = 32


@dataclass(frozen=True, slots=True)
class Program:
    """A Python program. It runs on this interpreter's standard library, without site-packages, in an own folder."""

    source: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one program.

    `exit_code` is None when a signal ended it (`signal` then says which). `stdout` and `stderr` are cut at
    `Limits.output` bytes; undecodable bytes are replaced. Seconds are the program's own, without the set-up.
    `detail` says in words why it ended so, for `unavailable` with the mend. `layer` is the isolation that held.
    """

    ending: Ending
    layer: Layer | None
    exit_code: int | None = None
    signal: int | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_cut: bool = False
    stderr_cut: bool = False
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    detail: str = ""
