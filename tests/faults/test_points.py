"""`gsdp` under kill -9, while knowledge points are read and while two workers write: nothing is paid twice."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

from harness import LEASE, SQLITE, assert_accounted, completed, made_again, run_of
from mock_server import MockServer
from processes import Start, until
from recipes_points import judged, points, problems, score

from gristmill.storage.store import RunStore

RING = tuple((f"theorem {chr(65 + one)}", f"theorem {chr(65 + (one + 1) % 12)}") for one in range(12))
CONCURRENCY = 4


def answer(body: dict[str, Any]) -> str:
    """Plays the roles over HTTP, by what the prompt asks for."""
    said = body["messages"][-1]["content"]
    shown = [text for _, text in re.findall(r"<data-(\w+)>\n(.*?)\n</data-\1>", said, re.DOTALL)]
    if "Name the knowledge points" in said:
        return json.dumps({"points": points(shown[0], RING)})
    if "Score each of them" in said:
        names = [line.partition(". ")[2] for line in shown[1].splitlines()]
        return json.dumps({"scores": [score(number, name) for number, name in enumerate(names, 1)]})
    if "Write one new problem" in said:
        names = shown[-1].splitlines()
        return json.dumps({"problem": f"How long is the rope of {' and '.join(names)}?", "needs": names})
    if "Solve it." in said:
        return json.dumps({"reasoning": f"By steps: {shown[0]}", "answer": "12 ells"})
    return json.dumps(judged(0.9, 0.8))


def campaign(folder: Path, server: MockServer) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems(RING)))
    path = folder / "faults.toml"
    path.write_text(
        f'name = "faults"\nrecipe = "gsdp"\ndocuments = ["rows.jsonl"]\nconcurrency = {CONCURRENCY}\n'
        f"[options]\nshares = {{ community = 0 }}\n"
        f'[models.default]\nmodel = "openai_api/mock"\nbase_url = "{server.url}"\n'
    )
    return path


async def test_kill_9_while_points_are_read_and_while_two_workers_write(tmp_path: Path, gristmill: Start) -> None:
    pairs = 3 * len(RING)  # of a ring of twelve, those that are one, two and three steps apart
    async with MockServer(latency=0.3, answer=answer) as server:
        path = campaign(tmp_path, server)
        first = await gristmill("run", path)
        await until(lambda: len(server.log) >= 10)
        await first.killed()
        assert len(server.log) < 2 * len(RING)
        command = await gristmill("run", path, "--workers", 2, "--lease", LEASE)
        await until(lambda: len(server.log) >= 2 * len(RING) + 20)
        victim, _ = await SQLITE.pids(run_of(path), 2)
        os.kill(victim, signal.SIGKILL)
        out = await completed(command)
        assert f"planned {pairs} = accepted {pairs}" in out
        # In flight at the first kill are as many calls as problems, at the second a worker's share, three judges each.
        assert_accounted(run_of(path), server, planned=pairs, in_flight=CONCURRENCY + 3 * CONCURRENCY)
        store = RunStore.read(run_of(path))
        try:
            assert store.count("entities") == store.count("relations") == len(RING)
            tasks = [task for task, _ in store.tasks()]
        finally:
            store.close_reading()
        assert len({frozenset(task.entities) for task in tasks}) == pairs
        assert made_again(server) <= 4 * CONCURRENCY
