"""ReST: what is verified goes to the trainer, capped a problem, once a round; the model that it gives goes on."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mock_server import MockServer
from recipes_student import CASES, PROBLEMS, is_right, problem_of, rest, solution
from seed_recipes import Ran, read

from gristmill import Campaign, ModelSpec, Request, RunStore, Scripted, Status
from gristmill.campaigns.training import handover as training
from gristmill.campaigns.training.handover import Handed, Trainer
from gristmill.errors import ConfigError

CASE = CASES["rest"]
OPTIONS = {"samples": 12, "cap": 3, "rounds": 3}


class Notes:
    """A trainer that notes what it was handed, reads the files, and gives `answers` in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers
        self.handed: list[Handed] = []
        self.items: list[list[str]] = []

    def __call__(self, handed: Handed) -> Any:
        self.handed.append(handed)
        lines = (handed.folder / "jsonl" / "train.jsonl").read_text().splitlines()
        self.items.append([json.loads(line)["id"] for line in lines])
        chat = (handed.folder / "chat" / "train.jsonl").read_text().splitlines()
        assert len(chat) == len(lines) == handed.items
        answer = self.answers[min(handed.round, len(self.answers) - 1)] if self.answers else None
        return answer(handed) if callable(answer) else answer


def better(request: Request) -> Any:
    return solution(request.variables["instruction"], request.sampling.seed, "better")


def run(folder: Path, trainer: Callable[[Handed], Any], script: Any = rest, **values: Any) -> Ran:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    first, second = Scripted(script), Scripted(better, name="better")
    report = Campaign(
        "t", [rows], recipe="rest", options={**OPTIONS, **values.pop("options", {})}, trainer=trainer,
        models={"default": first, "better": second}, runs=str(folder / "runs"), concurrency=3, **values,
    ).run()  # fmt: skip
    return Ran([*first.requests, *second.requests], report, *read(folder))


def of_round(items: list[Any], number: int) -> list[Any]:
    return [item for item in items if item.attributes["round"] == str(number)]


def test_only_what_is_right_is_kept_and_no_problem_beyond_its_cap(tmp_path: Path) -> None:
    ran = run(tmp_path, Notes())
    for number in range(3):
        kept = Counter(problem_of(item.messages[0].content) for item in of_round(ran.accepted, number))
        tried = Counter(problem_of(item.messages[0].content) for item in of_round(ran.items, number))
        assert max(kept.values()) == 3
        assert kept["hopeless"] == 0
        assert tried["hopeless"] == 12
        assert tried["easy"] < 12
    for item in ran.items:
        (task,) = [task for task in ran.tasks if task.id == item.task]
        assert (item.status is Status.ACCEPTED) == is_right(item.messages[0].content, task.seed)
    assert len({task.seed for task in ran.tasks if task.kind == "sample-1"} & {
        task.seed for task in ran.tasks if task.kind == "sample-0"}) == 0  # fmt: skip
    assert ran.calls == {"solve-step-by-step": len(ran.tasks)}
    assert ran.report.books.balanced


def test_the_trainer_is_called_once_a_round_with_exactly_its_items(tmp_path: Path) -> None:
    trainer = Notes("better")
    ran = run(tmp_path, trainer)
    assert [one.round for one in trainer.handed] == [0, 1, 2]
    for number, items in enumerate(trainer.items):
        assert sorted(items) == sorted(item.id for item in of_round(ran.accepted, number))
        assert len(items) == trainer.handed[number].items > 3
    assert [one.model for one in trainer.handed] == ["", "better", "better"]
    assert len({one.folder for one in trainer.handed}) == 3


def test_a_steered_campaign_hands_over_the_same_rounds(tmp_path: Path) -> None:
    for folder in ("plain", "steered"):
        (tmp_path / folder).mkdir()
    plain, steered = Notes("better"), Notes("better")
    whole = run(tmp_path / "plain", plain)
    ran = run(tmp_path / "steered", steered, steer={"on": True})
    assert [one.round for one in steered.handed] == [0, 1, 2]
    assert list(map(sorted, steered.items)) == list(map(sorted, plain.items))
    assert {task.id for task in ran.tasks} == {task.id for task in whole.tasks}


def test_the_model_that_it_gives_goes_on(tmp_path: Path) -> None:
    ran = run(tmp_path, Notes("better"))
    for item in ran.items:
        assert set(item.models) == {"student"}
        assert item.models["student"] == ("scripted" if item.attributes["round"] == "0" else "better")
        assert ("better" in item.messages[1].content) == (item.attributes["round"] != "0")


def test_without_a_trainer_there_is_one_round(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"rounds": 5})
    assert {task.attributes["round"] for task in ran.tasks} == {"0"}
    assert ran.report.stop.code == "exhausted"


def raising(handed: Handed) -> Any:
    raise MemoryError("no GPU today")


def hanging(handed: Handed) -> Any:
    time.sleep(60)


def ending(handed: Handed) -> Any:
    return next(iter(()))


def leaving(handed: Handed) -> Any:
    sys.exit(3)


@pytest.mark.parametrize(
    ("bad", "values", "words"),
    [
        (raising, {}, "raised MemoryError in round 1: no GPU today; mend it"),
        (ending, {"train": {"minutes": 0.5}}, "raised StopIteration in round 1: "),
        (leaving, {}, "raised SystemExit in round 1: 3"),
        (hanging, {"train": {"minutes": 0.005}}, "has not returned after 0.005 minutes .* round 1"),
        (lambda _: 7, {}, "returned 7; it has to be None, a model's name"),
        (lambda _: {"modle": "x"}, {}, "it has to be None, a model's name, or a mapping"),
        (lambda _: {"base_url": "http://me:secret@host/v1"}, {}, "base_url must not carry a user"),
    ],
)
def test_a_trainer_that_fails_costs_nothing_and_is_called_again(
    bad: Callable[[Handed], Any], values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    first = Notes(None, bad)
    with pytest.raises(ConfigError, match=words):
        run(tmp_path, first, **values)
    tasks, items = read(tmp_path)
    assert {task.attributes["round"] for task in tasks} == {"0", "1"}
    assert len(tasks) == len(items), "a round is handed over when all of it has ended"
    second = Notes(None)
    ran = run(tmp_path, second)
    assert [one.round for one in second.handed] == [1, 2]
    assert sorted(second.items[0]) == sorted(first.items[1])
    assert ran.report.books.balanced
    assert all(task.attributes["round"] == "2" for task in ran.tasks[len(tasks) :])
    asked = Counter((request.task, request.sample) for request in ran.requests)
    assert not {task for task, _ in asked} & {task.id for task in tasks}, "nothing is paid for twice"


def test_a_round_without_an_item_is_not_handed_over(tmp_path: Path) -> None:
    trainer = Notes()
    ran = run(tmp_path, trainer, script=lambda request: "I do not know. \\boxed{0}")
    assert trainer.handed == []
    assert {task.attributes["round"] for task in ran.tasks} == {"0", "1", "2"}


def test_an_async_trainer_is_awaited(tmp_path: Path) -> None:
    seen = []

    async def slowly(handed: Handed) -> dict[str, str]:
        await asyncio.sleep(0.01)
        seen.append(handed.round)
        return {"model": "better"}

    ran = run(tmp_path, slowly, options={"rounds": 2})
    assert seen == [0, 1]
    assert {item.models["student"] for item in of_round(ran.items, 1)} == {"better"}


def test_the_end_is_not_held_up_by_a_trainer(tmp_path: Path) -> None:
    """A time budget that ends during a call: the call goes to waste, the round is handed over again."""
    with_time = run(tmp_path, Notes(hanging), budget={"minutes": 0.05})
    assert with_time.report.stop.code == "time"
    second = Notes()
    run(tmp_path, second)
    assert [one.round for one in second.handed] == [0, 1, 2]


async def test_told_to_end_during_the_export_it_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(run, tmp_path, Notes(), options={"rounds": 1})
    stopping, hook = asyncio.Event(), Notes("better")
    export = training.export

    def told(*arguments: Any, **named: Any) -> Any:
        stopping.set()
        return export(*arguments, **named)

    monkeypatch.setattr(training, "export", told)
    store = RunStore.open(tmp_path / "runs" / "t")
    try:
        trainer = Trainer(hook, store, minutes=1, stopping=stopping)
        assert not await trainer.train(0)
        assert hook.handed == []
        stopping.clear()
        monkeypatch.undo()
        assert await trainer.train(0)
        assert trainer.trained[0]["model"] == "better"
    finally:
        await store.close()


async def test_what_it_gave_when_the_campaign_was_told_to_end_is_kept(tmp_path: Path) -> None:
    await asyncio.to_thread(run, tmp_path, Notes(), options={"rounds": 1})
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def hook(handed: Handed) -> str:
        here, told = threading.current_thread(), threading.Event()

        def tell() -> None:
            stopping.set()
            told.set()
            here.join()  # it has returned before the loop looks again

        loop.call_soon_threadsafe(tell)
        assert told.wait(60)
        return "better"

    store = RunStore.open(tmp_path / "runs" / "t")
    try:
        trainer = Trainer(hook, store, minutes=1, stopping=stopping)
        assert await trainer.train(0)
        assert store.mark("trained")["0"]["model"] == "better"
    finally:
        await store.close()


def test_a_trainer_that_no_recipe_calls_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "A"}\n')
    with pytest.raises(ConfigError, match="recipe 'bare' hands no round over"):
        Campaign(
            "t", [tmp_path / "rows.jsonl"], recipe="bare", trainer=Notes(), models={"default": "offline"}
        ).prepare()
    with pytest.raises(ConfigError, match="there is no module 'gone_training'"):
        Campaign(
            "t", [tmp_path / "rows.jsonl"], recipe="rest", train={"hook": "gone_training:fit"},
            models={"default": "offline"},
        ).prepare()  # fmt: skip


async def test_a_model_at_a_server_goes_on_by_its_new_name(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> str:
        return solution(body["messages"][-1]["content"], body.get("seed"), "" if body["model"] == "mock" else "better")

    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    async with (
        MockServer(latency=0.0, answer=answer, models=("mock", "tuned")) as one,
        MockServer(latency=0.0, answer=answer, models=("tuned",)) as two,
    ):
        trainer = Notes("tuned", {"model": "tuned", "base_url": two.url})
        report = await Campaign(
            "t", [rows], recipe="rest", options=OPTIONS, trainer=trainer, runs=str(tmp_path / "runs"),
            models={"default": ModelSpec(model="openai_api/mock", base_url=one.url)}, concurrency=4,
        ).execute()  # fmt: skip
        assert report.books.balanced
        assert report.books.failed == 0
        assert [handed.round for handed in trainer.handed] == [0, 1, 2]
        items = read(tmp_path)[1]
        calls = [sum("chat" in entry.path for entry in server.log) for server in (one, two)]
        assert calls == [len(items) - len(of_round(items, 2)), len(of_round(items, 2))]
        assert {item.models["student"].split("/")[-1] for item in of_round(items, 0)} == {"mock"}
        for number in (1, 2):
            assert {item.models["student"].split("/")[-1] for item in of_round(items, number)} == {"tuned"}


def test_what_was_trained_is_read_back(tmp_path: Path) -> None:
    run(tmp_path, Notes("better"), options={"rounds": 2})
    store = RunStore.read(tmp_path / "runs" / "t")
    found = store.mark("trained")
    store.close_reading()
    assert {number: one["model"] for number, one in found.items()} == {"0": "better", "1": "better"}
    again = Notes()
    ran = run(tmp_path, again, options={"rounds": 2})
    assert again.handed == []
    assert not ran.requests
