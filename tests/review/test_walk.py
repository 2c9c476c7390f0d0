"""A person's way through the terminal: from a campaign's rejects to decisions, another tool and back, and a dataset."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import gristmill
from in_process import typed
from places import ROOT

RUN = "runs/demo"
Say = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder with the demo, which has run."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    ran = gristmill("run", "examples/demo.toml", "--plain", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path


@pytest.fixture
def say(home: Path) -> Say:
    """Types a command; returns what it prints."""

    def said(*arguments: str, code: int = 0) -> str:
        done = typed(*arguments, cwd=home, GRISTMILL_REVIEWER="ada")
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    return said


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def decide_outside(line: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    """What another tool makes of a line: it keeps what an import needs, and fills `decide`."""
    kept = {name: line[name] for name in ("id", "last", "number")}
    return kept | {"decide": {"action": action, "reviewer": "tool", **more}}


def test_from_rejects_to_a_dataset_in_the_terminal(home: Path, say: Say) -> None:
    before = json.loads(say("status", RUN, "--json"))
    listed = json.loads(say("review", RUN, "--list", "--json", "--limit", "1000"))
    assert listed["total"] == len(listed["items"]) == before["books"]["rejected"] == before["decisions"]["undecided"]
    drafted = [one["id"] for one in listed["items"] if one["drafted"]]
    bare = [one["id"] for one in listed["items"] if not one["drafted"]]
    assert len(drafted) >= 8
    assert len(bare) >= 3
    accepted, edited, rejected, back, undone, outside, better, late = drafted[:8]
    story = say("review", RUN, "--show", accepted)
    assert "draft 1 by generator" in story
    assert "draft 0" not in story

    # decide in the terminal, in all ways
    new = [{"role": "user", "content": "What is a ria?"}, {"role": "assistant", "content": "A drowned valley."}]
    (home / "new.json").write_text(json.dumps(new))
    say("review", RUN, "--decide", "accept", accepted, "--note", "clear enough")
    say("review", RUN, "--decide", "edit", edited, "--messages", "new.json")
    say("review", RUN, "--decide", "reject", rejected, *bare[:2], "--reasons", "dull")
    say("review", RUN, "--decide", "send-back", back, "--note", "name the place")
    say("review", RUN, "--decide", "accept", undone)
    say("review", RUN, "--decide", "undo", undone)
    assert "--decide undo" in say("review", RUN, "--decide", "reject", accepted, code=1)
    decisions = json.loads(say("status", RUN, "--json"))["decisions"]
    assert decisions == {"accept": 1, "edit": 1, "reject": 3, "send_back": 1, "undecided": listed["total"] - 6}

    # out, decided by another tool, and in again
    say("review", "export", RUN, "--all", "--out", "items.jsonl")
    lines = {line["id"]: line for line in rows(home / "items.jsonl")}
    assert len(lines) == before["books"]["accepted"] + before["books"]["rejected"]
    assert lines[edited]["decision"]["messages"] == new
    assert lines[undone]["decision"] is None
    assert lines[undone]["last"]
    say("review", RUN, "--decide", "reject", late)  # meanwhile, here
    judged_well = next(id for id, line in lines.items() if line["status"] == "accepted")
    filled = [
        decide_outside(lines[outside], "accept"),
        decide_outside(lines[better], "edit", messages=[new[0], {"role": "assistant", "content": "A sunken valley."}]),
        decide_outside(lines[judged_well], "reject", reasons=["wrong"]),
        decide_outside(lines[undone], "reject"),
        decide_outside(lines[late], "accept"),
        decide_outside(lines[bare[2]], "accept"),
    ]
    (home / "decided.jsonl").write_text("".join(json.dumps(line) + "\n" for line in filled))
    wrong = say("review", "import", RUN, "decided.jsonl", code=1)
    assert f"line 5, {late}: ada was first" in wrong
    assert f"line 6, {bare[2]}: {bare[2]} was rejected without a draft (unsuitable): " in wrong
    told = json.loads(typed("review", "import", RUN, "decided.jsonl", "--json", cwd=home).stdout)
    assert (told["decided"], told["already"], [one["line"] for one in told["refused"]]) == (0, 4, [5, 6])

    # what was sent back is made again, and each names the other
    waiting = json.loads(say("review", RUN, "--show", back, "--json"))["made_again"]
    assert [(one["note"], one["status"]) for one in waiting] == [("name the place", None)]
    assert f"will be made again as {waiting[0]['item']}" in say("review", RUN, "--show", back)
    say("run", "examples/demo.toml", "--plain")
    (made,) = json.loads(say("show", back, "--run", RUN, "--json"))["made_again"]
    assert made["item"] == waiting[0]["item"]
    assert made["status"] in {"accepted", "rejected"}
    assert f"made again as {made['item']}: {made['status']}" in say("review", RUN, "--show", back)
    assert f"made again from {back}, by the note “name the place”" in say("review", RUN, "--show", made["item"])
    assert made["item"] in say("review", RUN, "--list", "--stage", "returned", "--ids")

    # what it says of the critics: every decision is in a row
    report = json.loads(say("review", "agreement", RUN, "--json"))
    assert (report["decided"], report["overall"]["judged"], report["left_out"]) == (11, 11, 0)
    alone = next(one for one in report["critics"] if one["critic"] == "(no critic)")
    assert (alone["judged"], [one["reason"] for one in alone["reasons"]]) == (2, ["unsuitable"])
    (judge,) = [one for one in report["critics"] if one["critic"] == "critic"]
    assert alone["judged"] + judge["judged"] == report["decided"]
    assert sum(one["judged"] for one in report["rounds"]) == report["decided"]
    printed = say("review", "agreement", RUN)
    assert "2 people decided 11 items" in printed
    assert "(no critic)" in printed

    # and the dataset has what people let in, in their words
    say("export", RUN, "--format", "chat", "--format", "rejects", "--out", "data", "--validation", "0")
    chat = {row["id"]: row["messages"] for row in rows(home / "data/chat/train.jsonl")}
    assert {accepted, outside, edited, better} <= set(chat)
    assert chat[edited] == new
    assert chat[better][-1]["content"] == "A sunken valley."
    out = {row["id"]: row for row in rows(home / "data/rejects/rejects.jsonl")}
    assert not {rejected, undone, late, judged_well, *bare} & set(chat)
    assert out[judged_well]["decision"]["reviewer"] == "tool"
    assert out[rejected]["reasons"] == ["dull"]
    counted = json.loads(say("status", RUN, "--json"))
    assert counted["books"]["balanced"]
    assert len(chat) == counted["people"]["counted"]
    assert os.listdir(home / "data" / "chat") == ["train.jsonl"]
