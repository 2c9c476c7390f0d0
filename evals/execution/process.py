"""The life of one launcher, seen from the process that asked: started, read with a bound, ended, judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from .records import Ending, Execution, Layer, Limits

_STARTING = 30.0  # seconds for isolation to be set up, on a machine that is busy
_LEAVING = 10.0  # seconds for a program that was ended to be gone, before everything of it is killed
_CHUNK = 65536
_TAIL = 400
_LONGEST_STATUS = 2**16
_NO_MEMORY = re.compile(r"MemoryError|RuntimeError: can't start new thread|OSError: \[Errno 12\]")
_NO_ROOM = re.compile(r"OSError: \[Errno (?:27|28)\]")

_leaving: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks weakly


@dataclass(slots=True)
class Stream:
    """What was kept of one stream, and whether there was more."""

    kept: bytearray = field(default_factory=bytearray)
    cut: bool = False

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")


@dataclass(slots=True)
class Seen:
    """What was seen of one launcher. `told` is its last line, empty when it told nothing; `why` is what stopped it."""

    stdout: Stream = field(default_factory=Stream)
    stderr: Stream = field(default_factory=Stream)
    started: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    why: Ending | None = None
    seconds: float = 0.0


async def attend(command: Sequence[str], orders: dict[str, Any], limits: Limits) -> Seen:
    """Starts a launcher and returns when nothing of it is left. A cancelled call leaves nothing either."""
    status, status_end = os.pipe()
    leash_end, leash = os.pipe()
    told = _memory_file(json.dumps({**orders, "status": status_end, "leash": leash_end}).encode())
    lines = asyncio.StreamReader(limit=_LONGEST_STATUS)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(status, "rb", buffering=0)
        )
    except BaseException:
        os.close(leash)
        raise
    starting = asyncio.create_task(_started(command, told, (status_end, leash_end)))
    try:
        process = await asyncio.shield(starting)
    except OSError as error:
        os.close(leash)
        transport.close()
        return Seen(told={"fault": f"{command[0]}: {error.strerror}"})
    except asyncio.CancelledError:
        await _to_its_end(_abandoned(starting, leash, transport))
        raise
    try:
        return await _follow(process, lines, leash, limits)
    finally:
        transport.close()


def _memory_file(content: bytes) -> int:
    file = os.memfd_create("orders", os.MFD_CLOEXEC)
    with open(file, "wb", closefd=False) as writing:
        writing.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


async def _started(command: Sequence[str], stdin: int, handed: tuple[int, ...]) -> asyncio.subprocess.Process:
    """Starts a launcher, to which the files given go over."""
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=handed,
            start_new_session=True,
        )
    finally:
        for end in (stdin, *handed):
            os.close(end)


async def _abandoned(
    starting: asyncio.Task[asyncio.subprocess.Process], leash: int, transport: asyncio.BaseTransport
) -> None:
    """Sees a launcher that nobody waits for started, and gone.

    One that asyncio kills while it starts may leave behind what it had just begun: bubblewrap's second process, which
    does not know yet that it is to die with the first.
    """
    try:
        process = await starting
    except OSError:
        return
    else:
        os.close(leash)
        leash = -1
        await _gone(process, [])
    finally:
        if leash >= 0:
            os.close(leash)
        transport.close()


async def _to_its_end(leaving: Coroutine[Any, Any, None]) -> None:
    """Waits for something that goes on to its end also where the one who waits is cancelled."""
    task = asyncio.create_task(leaving)
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
    await asyncio.shield(task)


async def _follow(process: asyncio.subprocess.Process, lines: asyncio.StreamReader, leash: int, limits: Limits) -> Seen:
    seen, ready, full = Seen(), asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(_listen(lines, seen, ready))
    watching = asyncio.create_task(full.wait())
    reading = [
        asyncio.create_task(_keep(stream, kept, limits.output, full))
        for stream, kept in ((process.stdout, seen.stdout), (process.stderr, seen.stderr))
        if stream is not None
    ]
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTING):
                await ready.wait()
        began = time.monotonic()
        if seen.started:
            done, _ = await asyncio.wait({listening, watching}, timeout=limits.seconds, return_when="FIRST_COMPLETED")
            if listening not in done:
                seen.why = Ending.OUTPUT if watching in done else Ending.TIMEOUT
        seen.seconds = time.monotonic() - began
    finally:
        os.close(leash)  # the launcher ends the program, reaps it and leaves, and so does what stands around it
        watching.cancel()
        await _to_its_end(_gone(process, [listening, *reading]))
    return seen


async def _gone(process: asyncio.subprocess.Process, tasks: list[asyncio.Task[None]]) -> None:
    """Waits until the launcher has left and every pipe is let go of; kills the whole group when that takes long."""
    try:
        async with asyncio.timeout(_LEAVING):
            await asyncio.gather(*tasks, process.wait())
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _listen(lines: asyncio.StreamReader, seen: Seen, ready: asyncio.Event) -> None:
    try:
        line = await lines.readline()
        if line == b"ready\n":
            seen.started = True
            ready.set()
            line = await lines.readline()
        seen.told = json.loads(line or b"{}")
    finally:
        ready.set()


async def _keep(stream: asyncio.StreamReader, kept: Stream, limit: int, full: asyncio.Event) -> None:
    """Reads to the end and keeps the beginning; a stream that is over its limit raises the alarm."""
    while chunk := await stream.read(_CHUNK):
        room = limit - len(kept.kept)
        kept.kept += chunk[:room]
        if len(chunk) > room:
            kept.cut = True
            full.set()


def judge(layer: Layer, seen: Seen, limits: Limits) -> Execution:
    """Makes an execution of what was seen."""
    told = seen.told
    ending, detail = _ending(seen, limits)
    return Execution(
        ending=ending,
        layer=None if ending is Ending.UNAVAILABLE else layer,
        exit_code=told.get("exit"),
        signal=told.get("signal"),
        stdout=seen.stdout.text,
        stderr=seen.stderr.text,
        stdout_cut=seen.stdout.cut,
        stderr_cut=seen.stderr.cut,
        cpu_seconds=told.get("cpu", 0.0),
        wall_seconds=told.get("wall", seen.seconds),
        detail=detail,
    )


def _ending(seen: Seen, limits: Limits) -> tuple[Ending, str]:
    told = seen.told
    if not seen.started:
        why = told.get("fault") or seen.stderr.text.strip()[-_TAIL:] or "the launcher did not start"
        return Ending.UNAVAILABLE, why
    if seen.why is Ending.TIMEOUT:
        return Ending.TIMEOUT, f"ran for longer than {limits.seconds:g} s"
    if seen.stdout.cut or seen.stderr.cut:
        return Ending.OUTPUT, f"printed more than {limits.output} bytes"
    if told.get("filled"):
        return Ending.OUTPUT, f"wrote more than {limits.folder} bytes or {limits.files} files"
    if "signal" not in told:
        return Ending.KILLED, "was killed together with its launcher"
    if told["signal"] is not None:
        return _ending_by_signal(told["signal"], told["cpu"], limits)
    if told["exit"] == 0:
        return Ending.OK, ""
    return _ending_by_code(told["exit"], seen.stderr.text, limits)


def _ending_by_signal(number: int, cpu: float, limits: Limits) -> tuple[Ending, str]:
    if number == signal.SIGSYS:
        return Ending.FORBIDDEN, "made a system call that it may not make: a new process, a socket, or the like"
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu >= limits.cpu_seconds):
        return Ending.TIMEOUT, f"used more than {limits.cpu_seconds} s of CPU"
    if number == signal.SIGXFSZ:
        return Ending.OUTPUT, f"wrote more than {limits.folder} bytes"
    return Ending.KILLED, f"ended by signal {number} ({signal.strsignal(number)})"


def _ending_by_code(code: int, stderr: str, limits: Limits) -> tuple[Ending, str]:
    """Python turns refusals of memory and room into exceptions, so that its last line says what a code does not."""
    last = stderr.rstrip().rpartition("\n")[2]
    if _NO_MEMORY.match(last):
        return Ending.MEMORY, f"needed more than {limits.memory} bytes or {limits.threads} threads"
    if _NO_ROOM.match(last):
        return Ending.OUTPUT, f"wrote more than {limits.folder} bytes or {limits.files} files"
    return Ending.ERROR, f"left with code {code}"
