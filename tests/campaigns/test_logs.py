"""Logs: one JSON object a line from real processes, whatever a message holds; text that cannot pass for two records."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import LEASE, Wire, accepting, assert_accounted, run_of, write_campaign
from isolation import CANARY
from log_lines import parsed
from mock_server import MockServer
from places import HELPERS
from processes import Start, until

from gristmill.campaigns.telemetry.logs import IN_FILE, IN_PIPE, JsonFormatter, Lines, Logs, TextFormatter
from gristmill.models.context import ROLE, TASK
from gristmill.models.redact import RedactingFilter

HOSTILE = [
    'a\n{"time":"2026-01-01T00:00:00Z","level":"info","message":"forged"}',
    "carriage\r\nreturn\vtab\f\x1b[2J\x1b]0;title\x07\x00 \x85 \x9b31m",
    "line\u2028and\u2029paragraph, \u202eturned\u202c",
    "half a pair \ud800 and \udfff",
    "\\u000a \\n \\",
    "x" * 200_000,
    "é" * 50_000,
]


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("test-of-logs")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers.clear()


@pytest.mark.parametrize("limit", [IN_PIPE, IN_FILE])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_message_breaks_a_line(tmp_path: Path, log: logging.Logger, text: str, limit: int) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    handler = Lines(descriptor, owned=True)
    handler.setFormatter(JsonFormatter(limit, run="r"))
    handler.addFilter(RedactingFilter())
    log.addHandler(handler)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("%s", text, extra={"data": {"text": text, "number": 2**70, "path": tmp_path}})
    log.info("after")
    handler.close()
    raw = path.read_bytes()
    assert all(len(line) < limit for line in raw.split(b"\n"))
    first, second = parsed(raw.decode())
    assert second["message"] == "after"
    assert first["run"] == "r"
    assert first["message"].encode(errors="replace")[:3] == text.encode(errors="replace")[:3]
    assert "ValueError" in first["exception"] or first["cut"]
    for shown in raw.decode().splitlines():
        assert shown.isprintable(), "a control character reached the line"


def test_a_text_record_cannot_pass_for_two(log: logging.Logger) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    log.addHandler(handler)
    log.warning("quoted: %s", "x\n2026-01-01 00:00:00,000 ERROR gristmill forged \x1b[31m \ud800")
    first, second, *rest = stream.getvalue().split("\n")
    assert rest == [""]
    assert "\x1b" not in first + second
    assert second.startswith("    2026")


def test_task_and_role_stand_in_the_line() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "said", (), None)
    tokens = TASK.set("task-1"), ROLE.set("critic")
    try:
        found = json.loads(JsonFormatter(run="r", worker="w").format(record))
    finally:
        TASK.reset(tokens[0])
        ROLE.reset(tokens[1])
    assert (found["run"], found["worker"], found["task"], found["role"]) == ("r", "w", "task-1", "critic")
    assert "task" not in json.loads(JsonFormatter().format(record))


def test_a_reader_that_has_gone_stops_nothing(log: logging.Logger) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    handler = Lines(writing, owned=True)
    log.addHandler(handler)
    log.error("nobody reads this")
    handler.close()


def test_handlers_and_levels_are_as_before_at_the_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (list(logging.getLogger().handlers), logging.getLogger("gristmill").level)
    with Logs("json", None) as logs:
        logs.follow("r", tmp_path / "r")
        logging.getLogger("gristmill.somewhere").info("told")
        logging.getLogger("another.library").warning("told too, key sk-%s", CANARY)
        logging.getLogger("another.library").info("not told")
    assert (list(logging.getLogger().handlers), logging.getLogger("gristmill").level) == before
    on_stderr, in_file = capfd.readouterr().err, (tmp_path / "r/run.log").read_text()
    assert [one["message"] for one in parsed(in_file)] == ["told", "told too, key [redacted]"]
    assert parsed(on_stderr) == parsed(in_file)


async def test_the_life_of_a_fleet_can_be_followed(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    key = f"sk-{CANARY}-of-the-server"
    async with MockServer(latency=0.2, answer=accepting, key=key) as server:  # long enough to tell of its progress
        path = write_campaign(tmp_path, server, 150, model={"api_key_env": "SERVER_KEY"})
        folder = run_of(path)
        options = ("--workers", "2", "--lease", LEASE, "--log-format", "json")
        command = await gristmill("run", path, *wire.options, *options, SERVER_KEY=key)
        victim = (await wire.workers(folder, 2))[0]
        await until(lambda: f"worker {victim.name} is there" in command.err.read_text())
        await until(lambda: len(server.log) >= 60)
        os.kill(victim.pid, signal.SIGKILL)
        code, out, err = await command.ended()
        assert code == 0, err
        assert out == ""
        assert_accounted(folder, server, planned=150, in_flight=8)
        lines = parsed(err)
        assert {one["run"] for one in lines} == {"faults"}
        said = [one["message"] for one in lines]
        for wanted in (
            "run faults starts",
            "reading documents",
            "running tasks",
            f"worker {victim.name} is there",
            f"worker {victim.name} joins with 4 slots",
            "a worker process ended with -9; another starts",
            "tasks of lost workers are ready again",
            f"worker {victim.name} has left",
            "the order is 'drain'",
            "ended: every task that the recipe draws is done",
        ):
            assert any(wanted in one for one in said), f"nothing says '{wanted}':\n{err}"
        assert {one["worker"] for one in lines if " joins with " in one["message"]} > {victim.name}
        assert any(one["data"].get("done") for one in lines if one["message"].endswith(" done") and "data" in one)
        (end,) = [one["data"] for one in lines if one["message"].startswith("ended: ")]
        assert end["books"] == {
            "planned": 150, "accepted": 150, "rejected": 0, "failed": 0, "pending": 0, "balanced": True
        }  # fmt: skip
        assert end["stop"] == "exhausted"
        assert parsed((folder / "run.log").read_text())
        assert CANARY not in err + (folder / "run.log").read_text()


async def test_errors_are_lines_too(tmp_path: Path, gristmill: Start) -> None:
    (tmp_path / "wrong.toml").write_text('name = "x"\ndocuments = ["nothing"]\nrecipy = "rows"\n')
    code, out, err = await (await gristmill("run", tmp_path / "wrong.toml", "--log-format", "json")).ended()
    assert (code, out) == (1, "")
    (line,) = parsed(err)
    assert line["level"] == "error"
    assert "recipy" in line["message"]
    assert line["data"] == {"error": "ConfigError"}


async def test_text_is_as_quiet_as_ever_and_info_goes_to_the_file(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(answer=accepting) as server:
        path = write_campaign(tmp_path, server, 10)
        code, out, err = await (await gristmill("run", path)).ended()
        assert code == 0, err
        assert "warnings" not in out
        assert not (run_of(path) / "run.log").exists()
        code, out, err = await (await gristmill("run", path, "--log-level", "info")).ended()
        assert code == 0, err
        assert "warnings" not in out
        assert "run faults goes on" in (run_of(path) / "run.log").read_text()
        assert "INFO" not in err


# The command line with a worker that waits a second for its coordinator, not a minute.
IMPATIENT = """
from gristmill.campaigns.fleet import joining
from gristmill.cli import main
joining.PATIENCE = 1.0
main()
"""


async def test_a_worker_without_a_folder_warns_on_stderr_without_its_key(tmp_path: Path, own_redis: Any) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        secret = f"{CANARY}-password"
        url = own_redis.url.replace("redis://", f"redis://default:{secret}@")
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", IMPATIENT),
            *("worker", path, "--log-level", "info", "--lease", str(LEASE)),
            env={**os.environ, "PYTHONPATH": str(HELPERS), "GRISTMILL_REDIS": url},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(300):
                err = (await worker.communicate())[1].decode()
        finally:
            if worker.returncode is None:
                worker.kill()
        assert worker.returncode == 1, err
        assert "no coordinator has said for 1 s what it runs" in err
        assert secret not in err
        assert sys.executable not in err
