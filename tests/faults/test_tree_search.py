"""A tree search whose workers are killed in the middle: it goes on in the tree, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from random import Random
from typing import Any

from harness import (
    CONCURRENCY,
    FAST,
    SLOW,
    Stopwatch,
    Wire,
    all_ended,
    assert_accounted,
    completed,
    coordinator,
    report_recovery,
    run_of,
    seeded,
)
from mock_server import MockServer
from processes import Start
from recipes_searches import GOOD, POOL, QUALITY

from gristmill import RunStore

PROMPTS, RESPONSES = 24, 6
CAMPAIGN = """
name = "faults"
recipe = "toa"
documents = ["rows.jsonl"]
concurrency = {concurrency}

[options]
responses = {responses}

[models.reward]
model = "openai_api/reward"
base_url = "{url}"
"""
WRITER = """
[models.{name}]
model = "openai_api/{name}"
base_url = "{url}"
"""


def answered(body: dict[str, Any]) -> str:
    """Plays all models: the answer is a function of the request alone."""
    said = "\n".join(message["content"] for message in body["messages"])
    if "Prompt " not in said:
        return "I am here."  # to the question whether the server is
    if body["model"] == "reward":
        found = QUALITY.findall(said)[-1]
        names = ("helpful", "correct", "complete", "clear")
        return json.dumps({"reason": "", "marks": [{"name": name, "value": 10 * float(found)} for name in names]})
    chance = Random(f"{body['model']} {body['seed']} {said}")
    return f"{body['model']} writes with quality {chance.uniform(0.1, GOOD):.4f}."


def written(folder: Path, server: MockServer) -> Path:
    """Writes a campaign whose run will be `folder/runs/faults`; returns its file."""
    folder.mkdir(exist_ok=True)
    rows = [json.dumps({"text": f"Prompt {number}: say something."}) for number in range(PROMPTS)]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    text = CAMPAIGN.format(concurrency=CONCURRENCY, responses=RESPONSES, url=server.url)
    path = folder / "faults.toml"
    path.write_text(text + "".join(WRITER.format(name=name, url=server.url) for name in POOL))
    return path


def trees(folder: Path) -> dict[str, list[Any]]:
    """Each prompt's responses with their numbers, references, rewards and writers."""
    store = RunStore.read(folder)
    try:
        return {item.messages[0].content: [(draft.by, draft.fields) for draft in item.drafts] for item in store.items()}
    finally:
        store.close_reading()


async def test_searches_of_killed_workers_go_on_in_their_trees(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(answer=answered) as server:
        whole = written(tmp_path / "whole", server)
        await completed(await gristmill("run", whole))
        undisturbed, asked = trees(run_of(whole)), set(server.asked)
        assert len(asked) == 2 * RESPONSES * PROMPTS + len(POOL) + 1, "and whether each server is there"
    chance, kills = seeded(11), 2
    async with MockServer(latency=SLOW / 2, answer=answered) as server:
        path = written(tmp_path / "broken", server)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        for _ in range(kills):
            victim = chance.choice(await wire.workers(folder, 1))
            await asyncio.sleep(chance.uniform(SLOW, 3 * SLOW))  # a few steps into a search
            held = await wire.held(folder, victim.name)
            os.kill(victim.pid, signal.SIGKILL)
            watch = Stopwatch()
            await all_ended(folder, held)
            report_recovery(f"worker killed -9 in the middle of tree searches ({wire.name})", watch.seconds)
        server.latency = FAST
        assert f"planned {PROMPTS} = accepted {PROMPTS}" in await completed(command)
        assert_accounted(folder, server, planned=PROMPTS, in_flight=kills * CONCURRENCY // 2)
        assert set(server.asked) == asked, "the same questions, and no other"
        assert trees(folder) == undisturbed
