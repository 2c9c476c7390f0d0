"""A trainer in the loop, in real processes: kill -9 amid sampling and amid training; a fleet that goes on with it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from handing import PROBLEMS, answer, handed
from mock_server import MockServer
from processes import Start, until

from gristmill import Status
from gristmill.storage.store import RunStore


def campaign(folder: Path, server: MockServer) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    path = folder / "rest.toml"
    path.write_text(
        'name = "rest"\ndocuments = ["rows.jsonl"]\nrecipe = "rest"\nconcurrency = 4\n'
        "[options]\nsamples = 6\ncap = 2\nrounds = 2\n"
        '[train]\nhook = "training_hook:train"\n'
        f'[models.default]\nmodel = "openai_api/mock"\nbase_url = "{server.url}"\n'
    )
    return path


def assert_whole(folder: Path) -> None:
    """Balanced, capped, of each round the model that it was to have, and handed over as it was accepted."""
    store = RunStore.read(folder / "runs" / "rest")
    try:
        books = store.books()
        assert books.balanced
        assert books.pending == books.failed == 0
        accepted = list(store.items(Status.ACCEPTED))
        kept = Counter((item.attributes["round"], item.messages[0].content) for item in accepted)
        assert max(kept.values()) <= 2
        for item in store.items():
            model = {"0": "mock", "1": "tuned"}[item.attributes["round"]]
            assert f"says {model}," in item.messages[1].content
            assert item.models["student"].endswith(model)
        for said in handed(folder):
            here = [item.id for item in accepted if item.attributes["round"] == str(said["round"])]
            assert said["items"] == sorted(here) != []
        assert set(store.mark("trained")) == {"0", "1"}
    finally:
        store.close_reading()


async def test_kill_9_amid_sampling_and_amid_training_repeats_neither(tmp_path: Path, gristmill: Start) -> None:
    env = {"HOOK_FOLDER": str(tmp_path)}
    (tmp_path / "hold").touch()
    async with MockServer(latency=0.1, answer=answer, models=("mock", "tuned")) as server:
        path = campaign(tmp_path, server)
        command = await gristmill("run", path, **env)
        await until(lambda: len(server.log) >= 8)
        await command.killed()
        command = await gristmill("run", path, **env)
        await until(lambda: len(handed(tmp_path)) == 1)
        sampled = len(server.log)
        await command.killed()  # the trainer goes with it
        (tmp_path / "hold").unlink()
        code, out, err = await (await gristmill("run", path, **env)).ended()
        assert code == 0, out + err
        assert [said["round"] for said in handed(tmp_path)] == [0, 0, 1]
        assert_whole(tmp_path)
        again = Counter(entry.key for entry in server.log)
        assert sum(count - 1 for count in again.values()) <= 4, "only what was in flight at the first kill"
        assert len(server.log) > sampled
        code, _, _ = await (await gristmill("run", path, **env)).ended()
        assert code == 0
        assert len(handed(tmp_path)) == 3


async def test_a_training_in_a_process_of_its_own_is_waited_for_and_not_doubled(
    tmp_path: Path, gristmill: Start
) -> None:
    """It outlives the kill. The hook is written as the docs say."""

    def said(word: str) -> int:
        path = tmp_path / "trainings"
        return path.read_text().split().count(word) if path.exists() else 0

    env = {"HOOK_FOLDER": str(tmp_path)}
    (tmp_path / "hold").touch()
    async with MockServer(answer=answer, models=("mock", "tuned")) as server:
        path = campaign(tmp_path, server)
        path.write_text(path.read_text().replace("training_hook:train", "training_hook:train_apart"))
        command = await gristmill("run", path, **env)
        await until(lambda: said("begun") == 1)
        await command.killed()
        command = await gristmill("run", path, **env)
        await until(lambda: len(handed(tmp_path)) == 2)
        assert said("ended") == 0, "the first goes on"
        (tmp_path / "hold").unlink()
        code, out, err = await command.ended()
        assert code == 0, out + err
        assert (tmp_path / "trainings").read_text().split() == ["begun", "ended"] * 3, "one after another"
        assert_whole(tmp_path)


async def test_workers_of_a_fleet_go_on_with_the_model_that_was_trained(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.02, answer=answer, models=("mock", "tuned")) as server:
        path = campaign(tmp_path, server)
        code, out, err = await (await gristmill("run", path, "--workers", "2", HOOK_FOLDER=str(tmp_path))).ended()
        assert code == 0, out + err
        assert [said["round"] for said in handed(tmp_path)] == [0, 1]
        assert_whole(tmp_path)


@pytest.mark.parametrize("key", ["hook", "minutes"])
async def test_a_hook_that_cannot_be_is_refused_before_anything_is_asked(
    key: str, tmp_path: Path, gristmill: Start
) -> None:
    async with MockServer(answer=answer, models=("mock",)) as server:
        path = campaign(tmp_path, server)
        wrong = {"hook": 'hook = "training_hook:gone"', "minutes": 'hook = "training_hook:train"\nminutes = 0'}[key]
        path.write_text(path.read_text().replace('hook = "training_hook:train"', wrong))
        code, _, err = await (await gristmill("run", path, HOOK_FOLDER=str(tmp_path))).ended()
        assert code == 1
        assert {"hook": "training_hook has no attribute 'gone'", "minutes": "train.minutes"}[key] in err
        assert not [entry for entry in server.log if "chat" in entry.path]
