"""Review by commands: lists, stories and decisions, also of processes beside each other; hostile text in the run."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from in_process import Done, typed
from processes import Start
from review_items import CHUNK, DOCUMENT, item_of, put
from unsafe_text import EVIL, UNSAFE

from gristmill.campaigns.terminal import json_text, plain
from gristmill.review.queue.index import ReviewIndex
from gristmill.review.queue.query import Filters
from gristmill.storage.records import Decision, Document, Draft, Message, Status, Verdict
from gristmill.storage.reviews import Action, Reviews
from gristmill.storage.store import RunStore

COUNT = 30


async def fill(folder: Path) -> None:
    store = RunStore.open(folder)
    await store.add_documents([(DOCUMENT, [CHUNK])])
    hostile = (Message(role="user", content=EVIL), Message(role="assistant", content=EVIL))
    evil = item_of(0, messages=hostile, drafts=(Draft(index=0, by=EVIL, messages=hostile),))
    failed = item_of(1, status=Status.FAILED, reasons=("bad_reply",), messages=(), drafts=(), raw=EVIL, error=EVIL)
    await put(store, (0, evil), (1, failed), *[(number, item_of(number)) for number in range(2, COUNT)])
    await store.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "runs" / "one"))
    return tmp_path


def review(home: Path, *arguments: str, given: str | None = None) -> Done:
    return typed("review", "one", *arguments, cwd=home, given=given, GRISTMILL_REVIEWER="ada")


def review_process(home: Path, *arguments: str, given: str) -> subprocess.CompletedProcess[str]:
    """The same as a process, fed by a pipe."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gristmill.cli", "review", "one", *arguments],
        cwd=home,
        env={**os.environ, "GRISTMILL_REVIEWER": "ada"},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ids(home: Path, *arguments: str) -> list[str]:
    done = review(home, "--list", "--ids", "--limit", "1000", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def actions(home: Path) -> Counter[str]:
    store = RunStore.read(home / "runs" / "one")
    found = Counter(one.action.value for one in Reviews(store).decisions().values())
    store.close_reading()
    return found


def test_a_list_filters_orders_and_goes_on(home: Path) -> None:
    assert len(ids(home)) == COUNT
    assert ids(home, "--sort", "oldest") == [item_of(number).id for number in range(COUNT)]
    assert ids(home, "--status", "failed") == [item_of(1).id]
    assert ids(home, "--text", "question 17") == [item_of(17).id]
    assert ids(home, "--reason", "trivial", "--score-from", "0.1", "--score-to", "0.2", "--sort", "score") == [
        item_of(number).id for number in (10, 13, 16, 19)
    ]
    first = json.loads(review(home, "--list", "--json", "--sort", "oldest", "--limit", "20").stdout)
    assert (first["total"], len(first["items"])) == (COUNT, 20)
    rest = json.loads(review(home, "--list", "--json", "--sort", "oldest", "--after", first["next"]).stdout)
    assert [one["id"] for one in rest["items"]] == [item_of(number).id for number in range(20, COUNT)]
    assert rest["next"] == ""
    table = review(home, "--list", "--limit", "3").stdout
    assert f"3 of {COUNT} items; the next: --after" in table


async def test_a_list_gives_whole_ids_however_long_the_reasons_are(tmp_path: Path) -> None:
    store = RunStore.open(tmp_path / "runs" / "one")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    await put(store, *[(n, item_of(n, reasons=("ungrounded", "no_evidence", "wrong_kind"))) for n in range(3)])
    await store.close()
    assert review(tmp_path, "--decide", "reject", item_of(0).id).returncode == 0
    lines = review(tmp_path, "--list", "--stage", "all").stdout.splitlines()
    assert {line.split()[0] for line in lines[1:4]} == {item_of(n).id for n in range(3)}
    for line in lines[1:4]:
        assert line.split()[1] == "rejected"
        assert "ungr" in line
        assert len(line.rstrip()) <= 80


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--list", "--after", "nowhere"), "is no place in the queue"),
        (("--list", "--text", "x" * 501), "--text: "),
        (("--show", "item-nothing"), "no item's id starts with"),
        (
            ("--show", "item-"),
            f"'item-': {', '.join(sorted(item_of(n).id for n in range(COUNT))[:5])} and others; give",
        ),
        (("--list", "--reason", "trivail"), "--reason: no item of this run has 'trivail'; there is: trivial, "),
        (("--list", "--ids", "--critic", "critics"), "there is: critic"),
        (("--list", "--json", "--document", EVIL[:9]), "there is: valves.md"),
        (("--list", "--round", "7"), "--round: no item of this run has '7'; there is: 1"),
        (("--list", "--entity", "entity-nowhere"), "--entity: no item of this run has 'entity-nowhere'; "),
        (("--decide", "edit", "a"), "goes with --messages"),
        (("--decide", "edit", "a", "b", "--messages", "x.json"), "for one item"),
        (("--decide", "accept", "a", "--messages", "x.json"), "no other action does"),
        (("--decide", "accept", "a", "b", "--seen", ""), "for one item"),
        (("--decide", "edit", "a", "--messages", "nowhere.json"), "nowhere.json"),
        (("--decide", "edit", "-", "--messages", "-"), "cannot be both"),
        (("--decide", "accept", "-"), "no ids are given"),
    ],
)
def test_what_cannot_be_is_one_message_and_decides_nothing(home: Path, arguments: tuple[str, ...], why: str) -> None:
    done = review(home, *arguments, given="")
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not actions(home)


async def test_a_value_that_the_run_knows_and_nothing_has_is_an_empty_list(home: Path) -> None:
    run = home / "runs" / "one"
    store = RunStore.open(run)
    await store.add_documents([(Document.of("Pumps.md", "A pump sucks."), [])])
    likes = Verdict(by="100%_sure", draft=0, decision=Decision.ACCEPT)
    await put(store, (99, item_of(99, status=Status.ACCEPTED, reasons=(), verdicts=(likes,))))
    await store.close()
    empty = (
        ("--reason", "bad_reply", "--status", "rejected"),
        ("--document", "Pumps.md"),
        ("--critic", "100%_sure"),
        ("--round", "1", "--stage", "decided"),
    )
    for arguments in empty:
        done = await asyncio.to_thread(review, home, "--list", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "0 of 0 items\n", ""), arguments
    for name, wrong, near in (("critic", "100%_Sure", "100%_sure"), ("document", "pumps.md", "valves.md")):
        done = await asyncio.to_thread(typed, "review", "export", "one", "--out", "-", f"--{name}", wrong, cwd=home)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"--{name}: no item of this run has '{wrong}'; there is: {near}" in done.stderr


def test_ids_are_piped_from_a_list_into_a_decision(home: Path) -> None:
    trivial = ids(home, "--reason", "trivial")
    done = review_process(
        home, "--decide", "reject", "-", "--note", "yes", "--reasons", "trivial, too_easy", given="\n".join(trivial)
    )
    assert (done.returncode, done.stdout) == (0, f"reject: {len(trivial)} items\n")
    assert actions(home) == {"reject": len(trivial)}
    assert not ids(home, "--reason", "trivial")
    assert set(ids(home, "--stage", "decided")) == set(trivial)
    told = json.loads(review(home, "--show", trivial[0], "--json").stdout)
    assert told["decision"]["reasons"] == ["trivial", "too_easy"]
    assert (told["decision"]["note"], told["decision"]["reviewer"]) == ("yes", "ada")


def test_those_that_are_refused_are_named_and_the_others_stand(home: Path) -> None:
    bob = item_of(3).id
    assert typed("review", "decide", "one", "reject", bob, "--reviewer", "bob", cwd=home).returncode == 0
    done = review(home, "--decide", "accept", item_of(2).id, bob, item_of(1).id, "item-", "nothing", item_of(4).id[:15])
    assert done.returncode == 1
    assert done.stdout == "accept: 2 items\n"
    assert len(done.stderr.splitlines()) == 4
    assert f"refused {bob}: bob decided it: reject; undo that first" in done.stderr
    assert "--decide undo" in done.stderr
    assert "nothing to accept" in done.stderr
    assert actions(home) == {"accept": 2, "reject": 1}
    said = json.loads(review(home, "--decide", "accept", item_of(5).id, bob, "--json").stdout)
    assert [one["item"] for one in said["events"]] == [item_of(5).id]
    assert list(said["refused"]) == [bob]


def test_an_edit_gives_new_messages_and_undo_takes_it_back(home: Path) -> None:
    chosen = item_of(7).id
    new = [{"role": "user", "content": "Question 7?"}, {"role": "assistant", "content": f"Bronze. {EVIL}"}]
    (home / "new.json").write_text(json.dumps({"messages": new}))
    wrong = review(home, "--decide", "edit", chosen, "--messages", "new.json")
    assert "give a list such as" in wrong.stderr
    assert review(home, "--decide", "edit", chosen, "--messages", "-", given=json.dumps(new)).returncode == 0
    told = json.loads(review(home, "--show", chosen, "--json").stdout)
    assert told["result"]["messages"] == new
    assert (told["result"]["status"], told["item"]["status"]) == ("accepted", "rejected")
    again = review(home, "--decide", "reject", chosen)
    assert "ada decided it: edit; undo that first" in again.stderr
    stale = review(home, "--decide", "reject", chosen, "--seen", "")
    assert "ada was first" in stale.stderr
    assert review(home, "--decide", "reject", chosen, "--seen", told["last"]).returncode == 0
    assert review(home, "--decide", "undo", chosen).returncode == 0
    assert actions(home) == {"edit": 1}
    assert review(home, "--decide", "undo", chosen).returncode == 0
    assert not actions(home)
    assert "no decision" in review(home, "--decide", "undo", chosen).stderr
    assert review(home, "--decide", "send-back", chosen).stderr.endswith("says what to change\n")
    assert review(home, "--decide", "send-back", chosen, "--note", "name the alloy").returncode == 0
    story = typed("show", chosen, "--run", "one", cwd=home).stdout
    assert "ada: edit (taken back)" in story
    assert "ada: send back “name the alloy”" in story
    assert len(json.loads(typed("show", chosen, "--run", "one", "--json", cwd=home).stdout)["reviews"]) == 5


async def test_what_somebody_looks_at_is_left_alone(home: Path) -> None:
    chosen = item_of(7).id
    store = RunStore.join(home / "runs" / "one")
    await Reviews(store).claim([chosen], "bob")
    done = await asyncio.to_thread(review, home, "--decide", "reject", chosen)
    assert "bob looks at it now" in done.stderr
    assert "bob looks at it now" in (await asyncio.to_thread(review, home, "--show", chosen)).stdout
    await store.close()


async def test_two_terminals_at_once_lose_and_double_nothing(home: Path, gristmill: Start) -> None:
    every = [item_of(number).id for number in range(2, COUNT)]
    run = home / "runs" / "one"
    people = {f"person-{number}": "accept" if number % 2 else "reject" for number in range(6)}
    started = [
        await gristmill("review", run, "--decide", action, *every, "--reviewer", name, "--json")
        for name, action in people.items()
    ]
    said = {name: await one.ended() for name, one in zip(people, started, strict=True)}
    told: dict[str, str] = {}
    for name, (code, out, err) in said.items():
        answer = json.loads(out)
        assert len(answer["events"]) + len(answer["refused"]) == len(every), err
        assert code == (1 if answer["refused"] else 0)
        for event in answer["events"]:
            assert told.setdefault(event["item"], name) == name  # nobody else was told that it is theirs
    store = RunStore.read(run)
    decisions = Reviews(store).decisions()
    assert {item: one.reviewer for item, one in decisions.items()} == told
    assert set(told) == set(every)
    assert store.rows("SELECT count(*) FROM reviews") == [(len(every),)]
    store.close_reading()


async def test_lists_at_the_same_moment_share_one_index(home: Path, gristmill: Start) -> None:
    """The first look makes the index; here many processes look first, while somebody decides."""
    run = home / "runs" / "one"
    looks = [await gristmill("review", run, "--list", "--ids", "--limit", 99, "--stage", "all") for _ in range(5)]
    decides = await gristmill("review", run, "--decide", "reject", item_of(9).id)
    assert (await decides.ended())[0] == 0
    for look in looks:
        code, out, err = await look.ended()
        assert code == 0, err
        assert sorted(out.split()) == sorted(item_of(number).id for number in range(COUNT))
    store = RunStore.read(run)
    index = ReviewIndex(store)
    index.refresh()
    assert index.count(Filters(stage="all")) == COUNT
    assert index.counts(Filters(stage="all"), "decision") == {"": COUNT - 1, "reject": 1}
    assert index.ids(Filters(stage="all", text="question 9")) == [item_of(9).id]
    index.close()
    store.close_reading()


SHOWN = (
    ("review", "one", "--list", "--status", "failed", "--status", "rejected", "--sort", "oldest"),
    ("review", "one", "--list", "--json"),
    ("review", "one", "--show", item_of(0).id),
    ("review", "one", "--show", item_of(0).id, "--json"),
    ("review", "one", "--show", item_of(1).id),
    ("show", item_of(1).id, "--run", "one"),
    ("show", item_of(0).id, "--run", "one", "--json"),
    ("status", "one"),
    ("status", "one", "--json"),
    ("review", "one", "--decide", "accept", EVIL.replace("\x07", "")),
)
END = "-- that was one command --"
PROGRAM = """
import json, sys
from gristmill.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit:
        pass
    print(sys.argv[2], flush=True)
"""


@pytest.fixture(scope="module")
def at_a_terminal(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a terminal is sent by each command of SHOWN, all typed in one process."""
    folder = tmp_path_factory.mktemp("hostile")
    asyncio.run(fill(folder / "runs" / "one"))
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(SHOWN), END],
        cwd=folder,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        said += part
    os.close(master)
    assert process.wait(60) == 0, said
    return said.decode().split(END)[:-1]


@pytest.mark.parametrize("number", range(len(SHOWN)), ids=lambda number: " ".join(SHOWN[number][:3])[:40])
def test_hostile_text_does_nothing_to_a_terminal(at_a_terminal: list[str], number: int) -> None:
    text = at_a_terminal[number]
    assert len(at_a_terminal) == len(SHOWN)
    assert len(text) > 20
    for one in UNSAFE:
        assert one not in text, repr(one)
    assert "\x1b[1mnot markup" not in text  # nothing of it is taken for rich's markup


def test_control_characters_are_shown_as_signs() -> None:
    assert plain("a\x1b[0m\tb\nc\x9b\u202e\x7f") == "a␛[0m\tb\nc\ufffd\ufffd\u2421"
    value: Any = {"text": EVIL, "more": ["é漢\n"]}
    written = json_text(value)
    assert json.loads(written) == value
    assert not any(one in written.decode() for one in UNSAFE)


def test_a_run_that_only_can_be_read_says_what_to_mend(home: Path) -> None:
    (home / "runs" / "one" / "review-index.sqlite3").mkdir()
    done = review(home, "--list")
    assert done.returncode == 1
    assert "review-index.sqlite3" in done.stderr
    assert "Traceback" not in done.stderr


def test_actions_of_the_command_are_those_of_the_store() -> None:
    from gristmill.cli import review_decide

    choices = next(one for one in review_decide.params if one.name == "action").type.choices  # type: ignore[attr-defined]
    assert {Action(one.replace("-", "_")) for one in choices} == set(Action) - {Action.PRECEDENT, Action.NO_PRECEDENT}
