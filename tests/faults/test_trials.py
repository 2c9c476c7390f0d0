"""Trials that are drawn by how those before them ended, under kill -9 of workers, a coordinator, one process."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from harness import CONCURRENCY, FAST, SLOW, Wire, assert_accounted, completed, coordinator, run_of
from mock_server import MockServer
from processes import Start, until

from gristmill import RunStore, Status

RIGHT, MOST = 3, 12
RATES = (1.0, 0.8, 0.5, 0.5, 0.3, 0.2, 0.0, 0.6, 0.9, 0.4)
PROBLEM = re.compile(r"Problem (\d+):")


def is_right(problem: int, seed: int) -> bool:
    return random.Random(f"{problem} {seed}").random() < RATES[problem]  # nothing secret hangs on it


def needed(problem: int) -> int:
    """How many trials a problem takes until enough are right, by the script alone."""
    right = 0
    for seed in range(MOST):
        right += is_right(problem, seed)
        if right == RIGHT:
            return seed + 1
    return MOST


def solving(body: dict[str, Any]) -> str:
    """A `MockServer.answer` that solves each problem at its rate, no two solutions nearly alike."""
    found = PROBLEM.search(body["messages"][-1]["content"])
    assert found is not None
    problem, seed = int(found[1]), int(body["seed"])
    digest = hashlib.sha256(f"{problem} {seed}".encode()).hexdigest()
    words = " ".join(digest[place : place + 4] for place in range(0, 64, 4))
    return f"By {words} it is \\boxed{{{problem + 100 + (not is_right(problem, seed))}}}"


def campaign(folder: Path, server: MockServer) -> Path:
    rows = [{"text": f"Problem {number}: what is it and a hundred?", "answer": number + 100}
            for number in range(len(RATES))]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "faults.toml"
    path.write_text(
        f'name = "faults"\ndocuments = ["rows.jsonl"]\nrecipe = "dart"\nconcurrency = {CONCURRENCY}\n'
        f'[options]\nstrategy = "uniform"\ncorrect = {RIGHT}\nmax_trials = {MOST}\n'
        f'[models.default]\nmodel = "openai_api/mock"\nbase_url = "{server.url}"\n'
    )
    return path


def assert_as_if_nothing_had_happened(folder: Path, server: MockServer, in_flight: int) -> None:
    """Each problem has exactly the trials that the script's answers ask for, and all of its right solutions."""
    planned = sum(map(needed, range(len(RATES))))
    assert_accounted(folder, server, planned=planned, in_flight=in_flight)
    store = RunStore.read(folder)
    try:
        items = list(store.items())
    finally:
        store.close_reading()
    problems = [int(PROBLEM.findall(item.messages[0].content)[0]) for item in items]
    assert Counter(problems) == {problem: needed(problem) for problem in range(len(RATES))}
    for problem, item in zip(problems, items, strict=True):
        right = item.fields["response"].endswith(f"{{{problem + 100}}}")
        assert item.reasons == (() if right else ("incorrect",))
        assert (item.status is Status.ACCEPTED) == right


async def test_one_process_killed_again_and_again_draws_what_it_would_have(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.1, answer=solving) as server:
        path, kills = campaign(tmp_path, server), (12, 30, 50)
        for seen in kills:
            command = await gristmill("run", path)
            await until(lambda seen=seen: len(server.log) >= seen)
            await command.killed()
        out = await completed(await gristmill("run", path))
        assert "every task that the recipe draws is done" in out
        assert_as_if_nothing_had_happened(run_of(path), server, CONCURRENCY * len(kills))


async def test_a_fleet_that_loses_workers_and_its_coordinator_draws_what_it_would_have(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with MockServer(latency=SLOW / 2, answer=solving) as server:
        path = campaign(tmp_path, server)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        await until(lambda: len(server.log) >= 8)
        os.kill((await wire.workers(folder, 1))[0].pid, signal.SIGKILL)
        await until(lambda: len(server.log) >= 24)
        await command.killed()
        server.latency = FAST
        await completed(await coordinator(gristmill, path, wire))
        assert_as_if_nothing_had_happened(folder, server, 2 * CONCURRENCY)
