"""Starts one program with nothing but what it may have, watches it, and says how it ended.

A script for an interpreter of its own: `sandbox` runs it, within bubblewrap or not, with its orders as JSON on stdin.
It imports only the standard library. It ends the program when the leash, a pipe that the asking process holds, is
let go of, however that process ends.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DEATH_SIGNAL, _DROP_CAPABILITY, _SET_SECCOMP, _NO_NEW_PRIVILEGES, _FILTER = 1, 24, 22, 38, 2  # prctl(2)
_NEW_MOUNTS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_PRIVATE, _NOSUID, _NODEV = 0x40000 | 0x4000, 0x2, 0x4  # mount(2): recursively, out of all propagation
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock; one number on every machine
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_CHANGE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13  # remove, make folders, files and links; move
_LEAST_LANDLOCK = 3  # before it, truncating a file was beyond its reach
_NOBODY = 65534
_LONGEST_LOOK = 0.05  # seconds between looks at the folder
_LONGEST_UNSEEN = 100  # looks at which nothing of a program was to be seen, as while it leaves
_REMOVED = b" (deleted)\n"  # ends a line of /proc/PID/maps


def main() -> int:
    """Runs the program that stdin's orders describe. The status pipe gets `ready`, then one line of JSON."""
    orders = json.loads(sys.stdin.buffer.read())
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)
    status = os.fdopen(orders["status"], "w", encoding="utf-8")
    os.set_inheritable(orders["status"], False)
    os.set_inheritable(orders["leash"], False)
    try:
        if orders["layer"] == "bubblewrap":
            os.chdir(orders["box"])
            _attend(orders, status)
            return 0
        box = os.path.join(orders["base"], f"gristmill-run-{os.urandom(8).hex()}")
        os.mkdir(box, 0o700)
        try:
            if orders["layer"] == "namespaces":
                _in_namespaces(orders, box, status)
            else:
                os.chdir(box)
                _attend(orders, status)
        finally:
            os.chdir("/")
            empty(box)
            os.rmdir(box)
    except OSError as error:
        _tell(status, fault=str(error))
    return 0


def _in_namespaces(orders: dict[str, Any], box: str, status: Any) -> None:
    """Runs the program in namespaces of its own, as a user without rights, its folder in memory."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", _NEW_USER | _NEW_MOUNTS | _NEW_UTS | _NEW_IPC | _NEW_PIDS | _NEW_NET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_NOBODY} {user} 1"), ("gid_map", f"{_NOBODY} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _call("mount", None, b"/", None, _PRIVATE, None)
    size = f"size={orders['folder']},nr_inodes={orders['files'] + 8},mode=700".encode()
    _call("mount", b"tmpfs", box.encode(), b"tmpfs", _NOSUID | _NODEV, size)
    child = os.fork()
    if not child:
        _die_with_parent()
        try:
            os.chdir(box)
            _attend(orders, status)
        except OSError as error:
            _tell(status, fault=str(error))
        os._exit(0)
    os.waitpid(child, 0)
    # The folder's memory goes with the namespace; here stands the empty place where it was mounted.
    os.chdir("/")
    _call("umount2", box.encode(), 2)


def _attend(orders: dict[str, Any], status: Any) -> None:
    """Starts the program in the working folder, waits for it, ends it when the leash goes, and says what came of it."""
    for name, content in orders["contents"].items():
        os.makedirs(os.path.dirname(os.path.join(".", name)), exist_ok=True)
        with open(name, "xb") as file:
            file.write(base64.b64decode(content))
    stdin = _read_only(base64.b64decode(orders["stdin"]))
    awake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    report, complain = os.pipe2(os.O_CLOEXEC)
    began = time.monotonic()
    program = os.fork()
    if not program:
        _become(orders, stdin, complain)
    os.close(complain)
    given = os.fstat(stdin).st_ino
    os.close(stdin)
    fault = os.read(report, 2000).decode("utf-8", "replace")  # ends when the program stands: its end closes on exec
    if fault:
        os.waitpid(program, 0)
        _tell(status, fault=fault)
        return
    status.write("ready\n")
    status.flush()
    folder = Folder(orders, program, given)
    while True:
        ended, how, usage = os.wait4(program, os.WNOHANG)
        if ended:
            break
        ready, _, _ = select.select([awake, orders["leash"]], [], [], _LONGEST_LOOK)
        if awake in ready:
            os.read(awake, 4096)
        folder.look()
        if folder.filled or orders["leash"] in ready:
            os.kill(program, signal.SIGKILL)
            _, how, usage = os.wait4(program, 0)
            break
    _tell(
        status,
        exit=os.WEXITSTATUS(how) if os.WIFEXITED(how) else None,
        signal=os.WTERMSIG(how) if os.WIFSIGNALED(how) else None,
        cpu=usage.ru_utime + usage.ru_stime,
        wall=time.monotonic() - began,
        resident=usage.ru_maxrss * 1024,
        filled=folder.filled,
    )


def _become(orders: dict[str, Any], stdin: int, complain: int) -> NoReturn:
    """Gives up everything that the program may not have, and becomes the program."""
    try:
        _die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.dup2(complain, 3, inheritable=False)
        os.closerange(4, 65536)
        for name, value in orders["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value + 1 if name == "RLIMIT_CPU" else value))
        for capability in range(64):  # the last ones do not exist; without rights to drop them, there are none to drop
            _LIBC.prctl(_DROP_CAPABILITY, capability, 0, 0, 0)
        _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if orders["layer"] != "bubblewrap":
            _confine_files(orders["readable"])
        _filter_calls(orders["filter"])
        os.execve(orders["argv"][0], orders["argv"], orders["environment"])  # noqa: S606  no shell is wanted
    except BaseException as error:  # whatever it is, the code below this line must not run in the child
        os.write(3, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:2000])
    finally:
        os._exit(127)


def _confine_files(readable: list[str]) -> None:
    """Leaves what is in `readable` to read, and the working folder to write (Landlock)."""
    version = _LIBC.syscall(_CREATE_RULESET, None, 0, 1)
    if version < _LEAST_LANDLOCK:
        raise OSError(f"the kernel's Landlock is version {version}, need {_LEAST_LANDLOCK}")
    handled = (1 << (16 if version >= 5 else 15)) - 1
    attributes = struct.pack("QQQ", handled, 3, 3)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = _call("syscall", _CREATE_RULESET, attributes, len(attributes), 0)
    for path in [".", os.devnull, *readable]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        allowed = _EXECUTE | _READ
        if os.path.isdir(path):
            allowed |= _LIST | (_WRITE | _TRUNCATE | _CHANGE if path == "." else 0)
        elif path == os.devnull:
            allowed |= _WRITE | _TRUNCATE
        _call("syscall", _ADD_RULE, rules, 1, struct.pack("=Qi", allowed & handled, place), 0)
        os.close(place)
    _call("syscall", _RESTRICT_SELF, rules, 0)
    os.close(rules)


def _filter_calls(program: list[list[int | None]]) -> None:
    """Installs the filter of system calls; it stays over exec. None stands for the own process id."""
    own = os.getpid()
    packed = b"".join(struct.pack("=HBBI", *(own if part is None else part for part in line)) for line in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    _call("prctl", _SET_SECCOMP, _FILTER, header, 0, 0)


class Folder:
    """What the program writes: `filled` once a look found more files or bytes than it may have.

    Where a mount bounds the bytes, files alone are counted. Elsewhere the files count that the folder has, and those
    that only the program has any more: removed ones, or never named. One of these that is mapped and not open has no
    size to be asked for, so that it is too much when it is still there at the next look. `given` is stdin's inode, a
    file without a name as well.
    """

    def __init__(self, orders: dict[str, Any], program: int, given: int) -> None:
        self.filled = False
        self._orders, self._program, self._given = orders, program, given
        self._mapped: set[int] = set()
        self._unseen = 0

    def look(self) -> None:
        """Counts; what cannot be counted, because it is too deep or closed to us, is too much."""
        try:
            self.filled = self.filled or not self._within()
        except (RecursionError, OSError):
            self.filled = True

    def _within(self) -> bool:
        files, size, most = 0, 0, self._orders["files"]
        if self._orders["layer"] != "landlock":
            held = os.statvfs(".")
            return bool(held.f_files - held.f_ffree <= most + 4)
        unnamed, mapped = self._unnamed()
        for one in (*unnamed.values(), *_entries()):
            files, size = files + 1, size + one.st_blocks * 512
            if files > most or size > self._orders["folder"]:
                return False
        before, self._mapped = self._mapped, mapped - unnamed.keys()
        return not before & self._mapped and self._unseen < _LONGEST_UNSEEN

    def _unnamed(self) -> tuple[dict[int, os.stat_result], set[int]]:
        """The open files without a name, and the inodes of the mapped ones. All threads have the same, but for one
        that has left, of which nothing is to be seen; while the program leaves, that is so of all."""
        threads = f"/proc/{self._program}/task"
        for thread in os.listdir(threads):
            with contextlib.suppress(OSError):
                mapped = _mapped_unnamed(f"{threads}/{thread}/maps")
                if mapped is not None:
                    found = _open_unnamed(f"{threads}/{thread}/fd")
                    found.pop(self._given, None)
                    self._unseen = 0
                    return found, mapped - {self._given}
        self._unseen += 1
        return {}, set()


def _open_unnamed(descriptors: str) -> dict[int, os.stat_result]:
    found: dict[int, os.stat_result] = {}
    for number in os.listdir(descriptors):
        with contextlib.suppress(FileNotFoundError):
            one = os.stat(f"{descriptors}/{number}")
            if stat.S_ISREG(one.st_mode) and not one.st_nlink:
                found[one.st_ino] = one
    return found


def _mapped_unnamed(maps: str) -> set[int] | None:
    """The inodes of removed files of the working folder that are mapped; None of a thread that has no memory."""
    folder = os.fsencode(os.getcwd()) + b"/"
    with open(maps, "rb") as file:
        lines = [line.split(maxsplit=5) for line in file]
    removed = (line for line in lines if len(line) > 5 and line[5].startswith(folder) and line[5].endswith(_REMOVED))
    return {int(line[4]) for line in removed} if lines else None


def _entries() -> Iterator[os.stat_result]:
    for _, folders, names, folder in os.fwalk(".", onerror=_unless_gone):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):
                yield os.stat(name, dir_fd=folder, follow_symlinks=False)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def empty(box: str) -> None:
    """Removes all that is in a folder, however deep. Follows nothing out of it; no process may be in it any more."""
    mark, number = os.urandom(8).hex(), 0
    waiting = [box]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            found = [(one.path, one.is_dir(follow_symlinks=False)) for one in entries]
        for path, is_folder in found:
            if not is_folder:
                os.unlink(path)
                continue
            # Brought up beside the others, so that no path grows longer than the system takes.
            os.chmod(path, 0o700)
            number += 1
            flat = os.path.join(box, f"{mark}-{number}")
            os.rename(path, flat)
            waiting.append(flat)
        if folder != box:
            os.rmdir(folder)


def _read_only(content: bytes) -> int:
    """Returns a file in memory that nobody can change."""
    file = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    return file


def _die_with_parent() -> None:
    _call("prctl", _SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: Any) -> int:
    """Calls the C library. Raises `OSError` with the call's name."""
    result: int = getattr(_LIBC, name)(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def _tell(status: Any, **told: Any) -> None:
    status.write(json.dumps(told) + "\n")
    status.flush()


if __name__ == "__main__":
    sys.exit(main())
