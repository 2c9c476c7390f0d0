"""The sandbox against programs that mean harm: each ends as it must, and leaves no process and no file behind."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hostile_programs import HOSTILE
from places import ROOT

from gristmill.errors import ConfigError
from gristmill.evals.execution import sandbox
from gristmill.evals.execution.launcher import empty
from gristmill.evals.execution.records import Ending, Execution, Layer, Limits, Program
from gristmill.evals.execution.sandbox import available, run
from gristmill.evals.execution.syscalls import ABSENT, ARCHITECTURES, JUDGED, KILLED, REFUSED, filter_for

HOME = os.path.expanduser("~")
ESCAPED = (Path("/tmp/gristmill-escaped"), Path("/dev/shm/gristmill-escaped"))
CANARY = "canary-of-the-worker-5e1f"
# Wide for a busy machine; what must run out of time does so in a second.
WIDE = Limits(seconds=120, cpu_seconds=60, memory=256 * 2**20, folder=8 * 2**20, files=200)
TIMED = {"busy", "sleeper", "deaf_sleeper", "stopped", "closes_stdout", "thread_bomb"}


@pytest.fixture(params=list(Layer))
def layer(request: pytest.FixtureRequest) -> Layer:
    """Each layer by itself, as if no stronger one were there."""
    one: Layer = request.param
    if why := asyncio.run(available())[one]:
        pytest.skip(f"{one} does not hold on this machine: {why}")
    return one


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where working folders are made; nothing may be left there."""
    place = tmp_path / "runs"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture
def token() -> Iterator[str]:
    """An argument by which a program is known among all processes; none may be left with it."""
    word = f"token-{secrets.token_hex(8)}"
    before = set(psutil.Process().children(recursive=True))  # servers of other tests
    yield word
    assert known_by(word) == []
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [one for one in left if _is_ours(one)], "a launcher was left, or a zombie"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for a socket, whose whole path has to be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        yield Path(place)


@pytest.fixture
def segment() -> Iterator[int]:
    """Shared memory of this user, which a number leads to."""
    libc = ctypes.CDLL(None)
    number = libc.shmget(0, 4096, 0o600 | 0o1000)
    yield number
    libc.shmctl(number, 0, None)


def _is_ours(process: psutil.Process) -> bool:
    """Servers that other tests share start children whenever they like."""
    try:
        return (process.status() == psutil.STATUS_ZOMBIE and process.ppid() == os.getpid()) or any(
            "launcher.py" in one for one in process.cmdline()
        )
    except psutil.NoSuchProcess:
        return False


def known_by(word: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if word in process.cmdline():
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


async def wait_until_known(word: str) -> int:
    async with asyncio.timeout(60):
        while not (found := known_by(word)):  # noqa: ASYNC110  nothing tells when a process starts
            await asyncio.sleep(0.02)
    return found[0]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_program(
    name: str, layer: Layer, token: str, tmp_path: Path, short: Path, segment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, endings = HOSTILE[name]
    secret = tmp_path / "secret.txt"
    secret.write_text(CANARY)
    before = secret.stat()
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.01)
    heard = short / "heard"
    for word, meant in (
        ("PORT", str(listener.getsockname()[1])),
        ("HOST_HOME", HOME),
        ("HOST_SECRET", str(secret)),
        ("HOST_FOLDER", str(tmp_path)),
        ("HOST_PID", str(os.getpid())),
        ("HOST_SOCKET", str(heard)),
        ("HOST_SEGMENT", str(segment)),
    ):
        source = source.replace(word, meant)
    limits = Limits(seconds=2, memory=WIDE.memory, folder=WIDE.folder, files=WIDE.files) if name in TIMED else WIDE
    with listener, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as letters:
        letters.bind(str(heard))
        done = await run(Program(source, (token,)), limits=limits, layer=layer)
        with pytest.raises(TimeoutError):
            listener.accept()
        with pytest.raises(BlockingIOError):
            letters.recv(1)
    assert done.ending in endings, done
    assert done.layer is layer
    assert CANARY not in done.stdout + done.stderr
    assert len(done.stdout.encode()) <= 4 * limits.output
    assert secret.read_text() == CANARY
    assert (secret.stat().st_mode, secret.stat().st_mtime) == (before.st_mode, before.st_mtime)
    assert not any(place.exists() for place in ESCAPED)


async def test_a_program_reads_prints_and_calculates(layer: Layer, token: str) -> None:
    source = "import sys, sqlite3, math, json, asyncio\nfrom helper import double\n"
    source += (
        "async def main(): print(double(int(sys.stdin.read())), open('data/rows.txt').read())\nasyncio.run(main())"
    )
    files = {"helper.py": "def double(n): return 2 * n", "data/rows.txt": "żółw"}
    done = await run(Program(source, (token,)), stdin="21", files=files, layer=layer, limits=WIDE)
    assert (done.ending, done.stdout, done.stderr, done.exit_code) == (Ending.OK, "42 żółw\n", "", 0)
    assert 0 < done.cpu_seconds < 60
    assert 0 < done.wall_seconds < 120


async def test_the_environment_is_wiped(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    done = await run(Program("import os; print(sorted(os.environ)); print(os.listdir('.'))"), layer=layer, limits=WIDE)
    names = ["HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONUTF8", "TMPDIR"]
    assert done.stdout == f"{names}\n['program.py']\n"


async def test_only_the_three_streams_are_open(layer: Layer, tmp_path: Path) -> None:
    mine = os.open(tmp_path / "mine", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(mine, True)
    source = "import os\nfor n in range(200):\n    try: os.fstat(n)\n    except OSError: continue\n    print(n)"
    try:
        done = await run(Program(source), layer=layer, limits=WIDE)
    finally:
        os.close(mine)
    # 3 is the script itself while it is being read, in some versions
    assert set(done.stdout.split()) - {"3"} == {"0", "1", "2"}


async def test_a_program_has_no_rights_left(layer: Layer) -> None:
    source = (
        "import ctypes, struct\nlibc = ctypes.CDLL(None)\nheader = struct.pack('II', 0x20080522, 0)\n"
        "data = ctypes.create_string_buffer(24)\nassert libc.capget(header, data) == 0\nprint(data.raw == bytes(24))\n"
        "print(libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0))"
    )
    done = await run(Program(source), layer=layer, limits=WIDE)
    assert done.stdout == "True\n1 2\n", done  # no capabilities, no new privileges, a filter


async def test_what_a_program_prints_is_cut_at_the_limit(layer: Layer) -> None:
    limits = Limits(seconds=120, output=100)
    exact = await run(Program("print('x' * 99)"), layer=layer, limits=limits)
    more = await run(Program("print('x' * 100)"), layer=layer, limits=limits)
    assert (exact.ending, exact.stdout_cut, len(exact.stdout)) == (Ending.OK, False, 100)
    assert (more.ending, more.stdout_cut, len(more.stdout)) == (Ending.OUTPUT, True, 100)


async def test_cpu_seconds_are_a_limit_of_their_own(layer: Layer) -> None:
    done = await run(Program("while True: pass"), layer=layer, limits=Limits(seconds=300, cpu_seconds=1))
    assert (done.ending, done.signal) == (Ending.TIMEOUT, signal.SIGXCPU)
    assert done.cpu_seconds > 0.5


async def test_another_interpreter_runs_too(layer: Layer) -> None:
    done = await run(["/bin/sh", "-c", 'read line; echo "<$line>"; exit 3'], stdin="in", layer=layer, limits=WIDE)
    assert (done.ending, done.exit_code, done.stdout) == (Ending.ERROR, 3, "<in>\n")


async def test_a_cancelled_run_leaves_nothing(layer: Layer, token: str) -> None:
    running = asyncio.create_task(run(Program("import time; time.sleep(600)", (token,)), layer=layer))
    await wait_until_known(token)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert known_by(token) == []


async def test_a_run_that_is_cancelled_while_it_starts_leaves_nothing(layer: Layer) -> None:
    """At any moment of the start: what was begun is seen through, and ended."""
    await run(Program("pass"), layer=layer)  # the modules are loaded, the ways are known
    room = 2**20 + secrets.randbelow(2**20)  # stands in the words that bubblewrap is started with
    for turn in range(25):
        running = asyncio.create_task(run(Program("while True: pass"), layer=layer, limits=Limits(folder=room)))
        await asyncio.sleep(turn * 0.002)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not [child for child in psutil.Process().children(recursive=True) if _is_ours(child)]
    assert known_by(str(room)) == []


def test_programs_end_with_the_process_that_asked(layer: Layer, token: str, folder: Path) -> None:
    """Killed outright, it cannot clean up: the leash does."""
    source = (
        "import asyncio, sys, tempfile\nfrom gristmill.evals.execution.sandbox import run, Program, Layer, Limits\n"
        "tempfile.tempdir = sys.stdin.readline().strip()\nprogram = Program('import time; time.sleep(600)', "
        "(sys.stdin.readline().strip(),))\n"
        f"print(asyncio.run(run(program, layer=Layer('{layer}'), limits=Limits(seconds=600))))"
    )
    asking = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, text=True)
    with asking:
        assert asking.stdin is not None
        asking.stdin.write(f"{folder}\n{token}\n")
        asking.stdin.flush()
        wait_for(lambda: bool(known_by(token)) or asking.poll() is not None)
        assert asking.poll() is None
        asking.kill()
    wait_for(lambda: not known_by(token) and not list(folder.iterdir()))


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


async def test_the_event_loop_goes_on(layer: Layer) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await run(Program("while True: pass"), layer=layer, limits=Limits(seconds=1.5))
    ticking.cancel()
    assert ticks > 10


async def test_no_more_programs_at_once_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0
    real = sandbox._run

    async def counted(*given: object) -> Execution:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await real(*given)  # type: ignore[arg-type]
        finally:
            at_once -= 1

    await available()
    monkeypatch.setattr(sandbox, "_run", counted)
    done = await asyncio.gather(*(run(Program(f"print({n})"), limits=WIDE) for n in range(12)))
    assert [one.stdout for one in done] == [f"{n}\n" for n in range(12)]
    assert most == (os.cpu_count() or 1)


async def test_the_strongest_layer_that_holds_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    holds = [one for one, why in (await available()).items() if not why]
    assert holds, "no layer holds on this machine"
    assert (await run(Program("print(1)"), limits=WIDE)).layer is holds[0]
    monkeypatch.setitem(sandbox._probed, holds[0], "taken away by the test")
    if len(holds) > 1:
        assert (await run(Program("print(1)"), limits=WIDE)).layer is holds[1]


async def test_without_isolation_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for one in Layer:
        monkeypatch.setitem(sandbox._probed, one, "not here")
    done = await run(Program("print(1)"))
    assert (done.ending, done.layer, done.stdout) == (Ending.UNAVAILABLE, None, "")
    assert "bubblewrap: not here" in done.detail
    assert "apt-get install bubblewrap" in done.detail


async def test_a_machine_whose_calls_are_not_known_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "filter_for", lambda: None)
    assert (await run(Program("print(1)"), layer=Layer.LANDLOCK)).ending is Ending.UNAVAILABLE


async def test_a_missing_bubblewrap_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = await run(Program("print(1)"), layer=Layer.BUBBLEWRAP)
    assert (done.ending, "bwrap is not installed" in done.detail) == (Ending.UNAVAILABLE, True)


async def test_a_program_that_does_not_exist_never_started(layer: Layer) -> None:
    done = await run(["/usr/bin/there-is-none"], layer=layer)
    assert done.ending is Ending.UNAVAILABLE
    assert "No such file" in done.detail


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/x", "a/../../x", "a//b", "./x", "x\0", "a/"])
async def test_a_file_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="relative path"):
        await run(Program(""), files={name: ""})


@pytest.mark.parametrize("program", ["print(1)", [], ["python"], ["/bin/echo", "a\0b"]])
async def test_a_command_that_makes_no_sense_is_refused(program: list[str]) -> None:
    with pytest.raises(ConfigError):
        await run(program)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
async def test_limits_that_make_no_sense_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="limit seconds"):
        await run(Program(""), limits=Limits(seconds=value))


@pytest.mark.skipif(os.getuid() != 0, reason="as an ordinary user, all other tests here are this one")
def test_it_works_as_an_ordinary_user() -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no interpreter that another user may read")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # not tmp_path: its parents are closed to others
        package = Path(home) / "gristmill"
        for path in ("__init__.py", "errors.py", "evals/__init__.py", *(ROOT / "evals/execution").glob("*.py")):
            target = package / Path(ROOT / path).relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
        (Path(home) / "tmp").mkdir(mode=0o777)
        for path in (home, f"{home}/tmp"):
            os.chmod(path, 0o777)
        source = (
            "import asyncio\nfrom gristmill.evals.execution.sandbox import run, available, Program\n"
            "async def main():\n    for layer, why in (await available()).items():\n"
            "        texts = 'import os; os.fork()', \"print(open('/etc/passwd').read())\"\n"
            "        for text in texts: print(layer, why or (await run(Program(text), layer=layer)).ending)\n"
            "asyncio.run(main())"
        )
        done = subprocess.run(
            [python, "-c", source],
            env={"PYTHONPATH": home, "TMPDIR": f"{home}/tmp", "PATH": os.environ["PATH"]},
            cwd="/",
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.stderr == ""
        wanted = [
            f"{one} {how}" for one, why in asyncio.run(available()).items() if not why for how in ("forbidden", "error")
        ]
        assert [line for line in done.stdout.splitlines() if line.split()[1] in ("forbidden", "error")] == wanted
        assert list((Path(home) / "tmp").iterdir()) == []


def test_the_numbers_of_system_calls_are_libseccomps() -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp, which knows the numbers, is not installed")
    library = ctypes.CDLL(name)
    for column, architecture in enumerate(ARCHITECTURES.values()):
        for table in (KILLED, REFUSED, ABSENT, JUDGED):
            for call, numbers in table.items():
                known = library.seccomp_syscall_resolve_name_arch(architecture, call.encode())
                if known == -1:  # newer than the library
                    assert call == "fchmodat2"
                    continue
                assert numbers[column] == (known if known >= 0 else None), call


def test_every_jump_of_the_filter_lands_within_it() -> None:
    for machine in ARCHITECTURES:
        program = filter_for(machine)
        assert program is not None
        assert program[-1][0] == 0x06
        for place, (_, yes, no, _) in enumerate(program):
            assert max(yes, no) < 256
            assert place + 1 + max(yes, no) < len(program) or program[place][0] == 0x06
    assert filter_for("riscv64") is None


def test_a_folder_is_emptied_however_deep(tmp_path: Path) -> None:
    box, outside = tmp_path / "box", tmp_path / "outside"
    box.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (box / "link").symlink_to(outside)
    here = os.getcwd()
    try:
        os.chdir(box)
        for _ in range(3000):
            os.mkdir("d")
            Path("x").write_text("x")
            os.chdir("d")
    finally:
        os.chdir(here)
    empty(str(box))
    assert list(box.iterdir()) == []
    assert (outside / "kept").read_text() == "kept"
