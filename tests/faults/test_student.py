"""Students in the loop that are models, in a fleet over Redis that loses a worker and its coordinator to kill -9."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from handing import PROBLEMS, answer, handed
from harness import CONCURRENCY, FAST, SLOW, Wire, assert_accounted, completed, coordinator, run_of
from mock_server import MockServer
from processes import Start, until
from redis_server import RedisServer

from gristmill import Campaign, RunStore

STUDENTS = ("pupil", "tuned", "other")
LABELS = ("hardware", "software")
GOLD = [{"text": f"{LABELS[row % 2]} trouble, case {row}", "label": LABELS[row % 2]} for row in range(16)]
PROMPTS = [{"text": f"Describe the sluice of mill {number}."} for number in range(10)]
LABEL = re.compile(r"(?:It|that) gets this label:\n<data-\w+>\n(\w+)|Its label:\n<data-\w+>\n(\w+)")
TEXT = re.compile(r"The text:\n<data-\w+>\n((\w+).*)")


def prose(*parts: object) -> str:
    """Sixteen words that hang on `parts`: no two texts are nearly alike."""
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return " ".join(digest[place : place + 4] for place in range(0, 64, 4))


def labels(body: dict[str, Any]) -> str:
    """Plays `s3` and `deliberate-practice`: texts begin with their label; a student errs, each text in its measure."""
    asked, model, seed = body["messages"][-1]["content"], body["model"], body.get("seed")
    if "different reasons" in asked:
        return json.dumps({"rationales": ["It is told at home.", "It is told at work."]})
    if found := TEXT.search(asked):
        text, label = found.groups()
        right = random.Random(f"{text} {seed} {model}").random() < 0.3 + random.Random(text).random() / 2  # no secret
        wrong = model in STUDENTS and not right
        return json.dumps({"label": LABELS[label == LABELS[0]] if wrong else label})
    found = LABEL.search(asked)
    assert found is not None, asked
    return json.dumps({"text": f"{found[1] or found[2]} {prose(asked, seed)}"})


def describing(body: dict[str, Any]) -> str:
    """Plays the teachers of `active-inheritance`: each sample is another text of its own length."""
    words = prose(body["messages"][-1]["content"], body.get("seed"), body["model"]).split()
    return " ".join(words[: 8 + int(words[0], 16) % 9])


@dataclass(frozen=True)
class Loop:
    """A campaign: its keys, who plays, after how many answers of students it is disturbed, calls at once a task."""

    rows: list[dict[str, Any]]
    keys: str
    play: Callable[[dict[str, Any]], str]
    moments: tuple[int, int]
    at_once: int = 1


TRAINED = '[train]\nhook = "training_hook:train"\n[roles]\nstudent = "student"\n'
LOOPS = {
    "s3": Loop(
        GOLD,
        '[options]\nstudent = "model"\nseeds = 2\nrationales = 2\nper_error = 2\nmost_errors = 4\nrounds = 2\n'
        + TRAINED,
        labels,
        (4, 20),
    ),
    "deliberate-practice": Loop(
        GOLD,
        '[options]\nstudent = "model"\nsamples = 4\nbatch = 10\nrounds = 2\nleast_entropy = 0.8\n' + TRAINED,
        labels,
        (9, 48),
        at_once=4,
    ),
    "rest": Loop(PROBLEMS, "[options]\nsamples = 6\ncap = 2\nrounds = 2\n" + TRAINED, answer, (6, 22)),
    "active-inheritance": Loop(
        PROMPTS,
        '[options]\nteachers = ["student", "second"]\nsamples = 2\n[roles]\nstudent = "student"\nsecond = "second"\n',
        describing,
        (10, 26),
        at_once=4,
    ),
}


def campaign(folder: Path, recipe: str, server: MockServer, name: str = "faults") -> Path:
    loop = LOOPS[recipe]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in loop.rows))
    path = folder / f"{name}.toml"
    models = {"default": "mock", "student": "pupil", "second": "other"}
    if recipe != "active-inheritance":
        del models["second"]
    path.write_text(
        f'name = "{name}"\ndocuments = ["rows.jsonl"]\nrecipe = "{recipe}"\nconcurrency = {CONCURRENCY}\n{loop.keys}'
        + "".join(
            f'[models.{role}]\nmodel = "openai_api/{model}"\nbase_url = "{server.url}"\n'
            for role, model in models.items()
        )
    )
    return path


def left(folder: Path) -> tuple[dict[str, tuple[Any, ...]], Any]:
    """How each task of a run ended, by whom and with which words; and what its rounds were drawn from."""
    store = RunStore.read(folder)
    try:
        ends = {
            item.task: (item.status, item.reasons, item.messages, tuple(sorted(item.models.items())))
            for item in store.items()
        }
        return ends, store.mark("notes")
    finally:
        store.close_reading()


@pytest.mark.parametrize("recipe", LOOPS)
async def test_a_fleet_that_loses_a_worker_and_its_coordinator_teaches_as_if_nothing_had_happened(
    recipe: str, tmp_path: Path, gristmill: Start, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, wire = LOOPS[recipe], Wire(own_redis.url)
    (tmp_path / "whole").mkdir()
    monkeypatch.setenv("HOOK_FOLDER", str(tmp_path / "whole"))
    async with MockServer(answer=loop.play, models=("mock", *STUDENTS)) as server:
        await Campaign.load(campaign(tmp_path, recipe, server, "whole")).execute()
    ends, notes = left(tmp_path / "runs" / "whole")
    said = Counter[str]()

    def play(body: dict[str, Any]) -> str:
        said["student"] += body["model"] in STUDENTS
        return loop.play(body)

    async with MockServer(latency=SLOW / 2, answer=play, models=("mock", *STUDENTS)) as server:
        path = campaign(tmp_path, recipe, server)
        folder, env = run_of(path), {"HOOK_FOLDER": str(tmp_path)}
        command = await coordinator(gristmill, path, wire, **env)
        await until(lambda: said["student"] >= loop.moments[0])
        os.kill((await wire.workers(folder, 1))[0].pid, signal.SIGKILL)
        await until(lambda: said["student"] >= loop.moments[1])
        await command.killed()
        before = said["student"]
        server.latency = FAST
        await completed(await coordinator(gristmill, path, wire, 1, **env))
        assert said["student"] > before, "the fault came before the end"
        assert_accounted(folder, server, planned=len(ends), in_flight=2 * CONCURRENCY * loop.at_once)
        assert left(folder) == (ends, notes)
    if "[train]" in loop.keys:
        rounds = [one["round"] for one in handed(tmp_path)]
        assert sorted(set(rounds)) == [one["round"] for one in handed(tmp_path / "whole")] != []
        assert {"tuned", "pupil"} >= {dict(end[3])["student"].rpartition("/")[2] for end in ends.values() if
                                      "student" in dict(end[3])} >= {"tuned"}  # fmt: skip
