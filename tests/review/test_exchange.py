"""Decisions by way of another tool: lines out and in, Argilla's records, bad lines, files read twice, conflicts.

`argilla_records/` holds what Argilla's SDK 2.8.0 made of our own export of this run: its records with responses, as
`records.to_json` (nested) and `records.to_list(flatten=True)` (flat) gave them.
"""

from __future__ import annotations

import asyncio
import io
import json
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from processes import Start, until
from review_items import CHUNK, DOCUMENT, item_of, put
from unsafe_text import EVIL, UNSAFE

from gristmill.cli import main
from gristmill.review.desk import Desk
from gristmill.review.exchange.incoming import Given, decisions_of, lines_of
from gristmill.review.exchange.json_records import records_of
from gristmill.storage.records import Draft, Item, Message, Span, Status
from gristmill.storage.reviews import Action, Reviews
from gristmill.storage.store import RunStore

SAMPLES = Path(__file__).parent / "argilla_records"
ADA, BOB = ("00000000-0000-0000-0000-00000000000" + digit for digit in "12")
COUNT = 10


async def fill(folder: Path) -> None:
    store = RunStore.open(folder)
    await store.add_documents([(DOCUMENT, [CHUNK])])
    failed = item_of(9, status=Status.FAILED, reasons=("bad_reply",), messages=(), drafts=(), verdicts=(), raw="<html>")
    await put(store, *[(number, item_of(number)) for number in range(9)], (9, failed))
    await store.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRISTMILL_REVIEWER", "ada")
    asyncio.run(fill(tmp_path / "run"))
    return tmp_path / "run"


def gristmill(*arguments: object, given: str | bytes = b"") -> Result:
    return CliRunner().invoke(main, ["review", *map(str, arguments)], input=given)


def exported(run: Path, *arguments: str) -> list[dict[str, Any]]:
    out = run.parent / "out.jsonl"
    done = gristmill("export", run, "--out", out, *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def imported(run: Path, lines: list[Any], *arguments: str) -> dict[str, Any]:
    given = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    done = gristmill("import", run, "-", "--json", *arguments, given=given)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (1 if answer["refused"] else 0), done.output
    return answer


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["decided"], answer["already"], answer["undecided"], len(answer["refused"])


def decisions(run: Path) -> dict[str, Any]:
    store = RunStore.read(run)
    found = Reviews(store).decisions()
    store.close_reading()
    return found


def in_desk(run: Path, *wanted: tuple[int, Action, dict[str, Any]], by: str = "bob") -> None:
    async def decide() -> None:
        store = RunStore.join(run)
        for number, action, fields in wanted:
            await Desk(store).decide(item_of(number).id, action, by, **fields)
        await store.close()

    asyncio.run(decide())


# lines


def test_a_line_has_all_that_it_takes(tmp_path: Path) -> None:
    async def fill_one() -> None:
        store = RunStore.open(tmp_path / "run")
        await store.add_documents([(DOCUMENT, [CHUNK])])
        span = Span(chunk=CHUNK.id, start=2, end=7, quote="valve")
        messages = (Message(role="user", content=EVIL), Message(role="assistant", content="Brass."))
        draft = Draft(index=0, by="generator", messages=messages, evidence=(span,))
        await put(store, (0, item_of(0, messages=messages, drafts=(draft,), evidence=(span,))))
        event = await Desk(store).decide(item_of(0).id, Action.SEND_BACK, "bob", note="which?")
        assert event.id
        await store.close()

    asyncio.run(fill_one())
    (line,) = exported(tmp_path / "run", "--all")
    item = item_of(0)
    assert line["id"] == item.id
    assert line["messages"][0]["content"] == EVIL
    (source,) = line["sources"]
    assert (source["document"], source["text"]) == ("valves.md", DOCUMENT.text)
    assert source["spans"] == [{"start": 2, "end": 7, "quote": "valve"}]
    assert source["text"][2:7] == "valve"
    assert [one["by"] for one in line["drafts"]] == ["generator"]
    assert line["verdicts"][0]["scores"] == {"clear": 0.0}
    assert (line["reasons"], line["score"], line["critics"]) == (["ungrounded"], 0.0, ["critic"])
    assert (line["decision"]["action"], line["decision"]["note"]) == ("send_back", "which?")
    assert line["last"] == line["decision"]["id"]
    assert line["decide"] is None
    raw = (tmp_path / "out.jsonl").read_bytes().decode()
    assert not [one for one in UNSAFE if one in raw]


def test_an_export_filters_orders_and_limits(run: Path) -> None:
    in_desk(run, (3, Action.ACCEPT, {}))
    assert len(exported(run)) == COUNT - 1
    assert len(exported(run, "--all")) == COUNT
    assert [one["id"] for one in exported(run, "--reason", "trivial", "--sort", "score", "--limit", "2")] == [
        item_of(number).id for number in (1, 4)
    ]
    assert [one["id"] for one in exported(run, "--stage", "decided")] == [item_of(3).id]
    assert exported(run, "--text", "nothing like it") == []
    streamed = gristmill("export", run, "--out", "-", "--all")
    assert len(streamed.stdout.splitlines()) == COUNT


def test_an_export_that_cannot_be_written_leaves_the_file_that_was_there(run: Path) -> None:
    assert gristmill("export", run, "--out", run / "run.sqlite3" / "x.jsonl").exit_code == 1
    (run.parent / "out.jsonl").write_text("earlier")
    for file in run.glob("review-index.sqlite3*"):
        file.unlink()
    (run / "review-index.sqlite3").mkdir()
    done = gristmill("export", run, "--out", run.parent / "out.jsonl")
    assert done.exit_code == 1
    assert (run.parent / "out.jsonl").read_text() == "earlier"
    assert not list(run.parent.glob(".review-*"))


def test_a_round_trip_decides_each_item_once(run: Path) -> None:
    lines = exported(run, "--sort", "oldest")
    assert counts(imported(run, lines)) == (0, 0, COUNT, 0)  # as it was written it decides nothing
    new = [{"role": "user", "content": "Question 2?"}, {"role": "assistant", "content": EVIL}]
    said: dict[int, dict[str, Any]] = {
        0: {"action": "accept", "note": "fine"},
        1: {"action": "reject", "reasons": ["trivial", "dull"], "reviewer": "bob"},
        2: {"action": "edit", "messages": new},
        4: {"action": "send_back", "note": "name the alloy", "event": "mine"},
    }
    for number, decide in said.items():
        lines[number]["decide"] = decide
    checked = imported(run, lines, "--dry-run")
    assert (counts(checked), checked["dry_run"]) == ((4, 0, 6, 0), True)
    assert not decisions(run)
    assert counts(imported(run, lines)) == (4, 0, 6, 0)
    assert counts(imported(run, lines)) == (0, 4, 6, 0)  # twice is once
    assert counts(imported(run, lines[::-1], "--dry-run")) == (0, 4, 6, 0)
    found = decisions(run)
    assert {one.action.value for one in found.values()} == {"accept", "reject", "edit", "send_back"}
    assert found[item_of(0).id].reviewer == "ada"
    assert (found[item_of(1).id].reviewer, found[item_of(1).id].reasons) == ("bob", ("trivial", "dull"))
    assert found[item_of(2).id].messages[1].content == EVIL
    assert all(one.after == "" for one in found.values())


def test_who_decided_meanwhile_is_not_overruled(run: Path) -> None:
    lines = exported(run, "--sort", "oldest")
    in_desk(run, (0, Action.REJECT, {}), (1, Action.REJECT, {}))
    in_desk(run, (1, Action.UNDO, {}))
    bare = [{"id": item_of(0).id, "decide": {"action": "accept"}}]  # names nothing as seen
    answer = imported(run, [line | {"decide": {"action": "accept"}} for line in lines[:3]] + bare)
    assert counts(answer) == (1, 0, 0, 3)
    assert [one["line"] for one in answer["refused"]] == [1, 2, 4]
    assert "bob was first" in answer["refused"][0]["why"]
    assert "bob decided it: reject" in answer["refused"][2]["why"]
    again = exported(run, "--all", "--sort", "oldest")  # who has seen it may decide otherwise
    assert counts(imported(run, [again[0] | {"decide": {"action": "accept"}}])) == (1, 0, 0, 0)
    assert decisions(run)[item_of(0).id].action is Action.ACCEPT


def test_the_same_item_twice_in_a_file_is_a_conflict_in_a_dry_run_too(run: Path) -> None:
    lines: list[Any] = [{"id": item_of(0).id, "last": "", "decide": {"action": "accept"}}]
    lines += [{"id": item_of(1).id}] * 700
    lines += [{"id": item_of(0).id, "last": "", "decide": {"action": "reject"}}]
    for arguments in (("--dry-run",), ()):
        answer = imported(run, lines, *arguments)
        assert counts(answer) == (1, 0, 700, 1), arguments
        assert answer["refused"][0]["line"] == 702


GOOD = {"id": item_of(0).id, "last": "", "decide": {"action": "accept"}}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "write one JSON object a line"),
        (b"[1]", "the line: "),
        (b'{"id": "\xff"}', ""),
        (b'{"id": "\\ud800"}', ""),
        (b'{"id":' * 100_000, ""),
        ({"id": item_of(1).id, "decide": {"action": "accept", "reason": ["x"]}}, "decide.reason: "),
        ({"id": item_of(1).id, "decide": {"action": "burn"}}, "decide.action: "),
        (
            {"id": item_of(1).id, "decide": {"action": "undo"}},
            "Input should be 'accept', 'edit', 'reject' or 'send_back'",
        ),
        ({"id": item_of(1).id, "decide": {"action": "precedent"}}, "decide.action: "),
        ({"id": item_of(1).id, "decide": {"action": "send_back"}}, "says what to change"),
        ({"id": item_of(1).id, "decide": {"action": "edit"}}, "needs its messages"),
        ({"id": item_of(1).id, "decide": {"action": "accept", "messages": [GOOD]}}, "decide.messages"),
        (
            {"id": item_of(1).id, "decide": {"action": "reject", "messages": [{"role": "user", "content": "x"}]}},
            "they go with edit",
        ),
        ({"id": item_of(1).id, "decide": {"action": "accept", "reviewer": "x" * 101}}, "decide.reviewer: "),
        ({"id": item_of(1).id, "decide": {"action": "accept", "note": "x" * 10_001}}, "10000 are kept"),
        ({"id": item_of(9).id, "decide": {"action": "accept"}}, "nothing to accept"),
        ({"id": item_of(1).id, "last": "gone", "decide": {"action": "accept"}}, "has no event 'gone'"),
        ({"id": "item-", "decide": {"action": "accept"}}, "more than one item"),
        ({"id": item_of(1).id[:-1], "decide": {"action": "accept"}}, "no item with id"),
        ({"id": "a\0b", "decide": {"action": "accept"}}, "id: "),
        ({"id": "' OR 1=1 --", "decide": {"action": "accept"}}, "id: "),
        ({"decide": {"action": "accept"}}, "id: Field required"),
    ],
)
def test_a_bad_line_is_named_and_costs_no_other(run: Path, line: Any, why: str) -> None:
    other = {"id": item_of(2).id, "last": "", "decide": {"action": "reject"}}
    answer = imported(run, [GOOD, b"", line, other])
    assert counts(answer) == (2, 0, 0, 1)
    assert answer["refused"][0]["line"] == 3
    assert why in answer["refused"][0]["why"]
    assert set(decisions(run)) == {item_of(0).id, item_of(2).id}


def test_a_line_without_end_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.review.exchange.incoming.LONGEST", 100)
    file = io.BytesIO(b"\xef\xbb\xbf" + b'{"id": "a"}\n' + b"x" * 1000 + b'\n\n{"id": "b"}')
    found = list(decisions_of(lines_of(file), "ada"))
    assert [(one.line, one.item, bool(one.error)) for one in found] == [(1, "a", False), (2, "", True), (4, "b", False)]


def test_a_foreign_event_id_cannot_stand_for_another_items(run: Path) -> None:
    in_desk(run, (0, Action.ACCEPT, {"event": "key"}))
    with pytest.raises(Exception, match=r"has no event|first"):
        in_desk(run, (1, Action.ACCEPT, {"event": "key"}))
    assert counts(imported(run, [{"id": item_of(1).id, "decide": {"action": "accept", "event": "key"}}])) == (
        1,
        0,
        0,
        0,
    )
    assert set(decisions(run)) == {item_of(0).id, item_of(1).id}


def test_words_for_people(run: Path) -> None:
    (run.parent / "in.jsonl").write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"id": "nothing"}) + "\n")
    done = gristmill("import", run, run.parent / "in.jsonl")
    assert (done.exit_code, done.stdout) == (1, "decided 1, already there 0, not decided 0, refused 1\n")
    assert (
        done.stderr == f"line 2, nothing: no item's id starts with 'nothing'; `gristmill status {run}` shows some ids\n"
    )
    assert gristmill("import", run, run.parent / "nowhere.jsonl").exit_code == 1
    assert "ID=NAME" in gristmill("import", run, run.parent / "in.jsonl", "--user", "x=y").stderr
    assert "ID=NAME" in gristmill("import", run, run.parent / "in.jsonl", "--format", "argilla", "--user", "x").stderr
    assert "100 are kept" in gristmill("import", run, run.parent / "in.jsonl", "--reviewer", "x" * 101).stderr


async def test_an_import_that_is_killed_goes_on_where_it_was(tmp_path: Path, gristmill: Start) -> None:
    """Killed with a part of a large file taken in: what is there is whole, and the same command takes in the rest."""
    count = 4000
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    await put(store, *[(number, item_of(number)) for number in range(count)])
    file = tmp_path / "in.jsonl"
    lines = [{"id": item_of(number).id, "last": "", "decide": {"action": "reject"}} for number in range(count)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = await gristmill("review", "import", tmp_path / "run", file)
    await until(lambda: bool(store.rows("SELECT 1 FROM reviews LIMIT 1")))
    first.process.send_signal(signal.SIGKILL)
    await first.process.wait()
    ((there,),) = store.rows("SELECT count(*) FROM reviews")
    assert 0 < there <= count
    code, out, err = await (await gristmill("review", "import", tmp_path / "run", file, "--json")).ended()
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["decided"] + answer["already"], answer["already"]) == (count, there)
    assert store.rows("SELECT count(*), count(DISTINCT item) FROM reviews") == [(count, count)]
    await store.close()


async def test_two_imports_at_once_lose_and_double_nothing(tmp_path: Path, gristmill: Start) -> None:
    count = 1200
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    await put(store, *[(number, item_of(number)) for number in range(count)])
    for name, action in (("ada", "accept"), ("bob", "reject")):
        order = range(count) if name == "ada" else range(count - 1, -1, -1)
        lines = [{"id": item_of(number).id, "last": "", "decide": {"action": action}} for number in order]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    started = {
        name: await gristmill(
            "review", "import", tmp_path / "run", tmp_path / f"{name}.jsonl", "--reviewer", name, "--json"
        )
        for name in ("ada", "bob")
    }
    told = {name: json.loads((await one.ended())[1]) for name, one in started.items()}
    for answer in told.values():
        assert answer["decided"] + len(answer["refused"]) == count
    assert sum(answer["decided"] for answer in told.values()) == count
    standing = Reviews(store).decisions()
    for name, answer in told.items():
        assert sum(one.reviewer == name for one in standing.values()) == answer["decided"]
    assert store.rows("SELECT count(*) FROM reviews") == [(count,)]
    await store.close()


# Argilla


def argilla(run: Path, file: Path, *arguments: str) -> dict[str, Any]:
    done = gristmill("import", run, file, "--format", "argilla", "--json", *arguments)
    assert done.stdout, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_an_export_for_argilla_is_what_its_sdk_was_given(run: Path) -> None:
    """The samples are the SDK's: of our fields, metadata and suggestions it has kept every one."""
    out = run.parent / "out.json"
    done = gristmill("export", run, "--out", out, "--format", "argilla", "--sort", "oldest")
    assert done.exit_code == 0, done.output
    ours, theirs = json.loads(out.read_text()), json.loads((SAMPLES / "nested.json").read_text())
    assert len(ours) == len(theirs) == COUNT
    for one, other in zip(ours, theirs, strict=True):
        for name in ("id", "metadata", "suggestions"):
            assert one[name] == other[name]
        about = other["fields"]["about"].partition("\nerror")[0]
        assert one["fields"] | {"about": about} == other["fields"] | {"about": about}
    assert ours[3]["fields"]["messages"] == [message.model_dump() for message in item_of(3).messages]
    assert ours[3]["suggestions"]["answer"]["value"] == "Brass."


@pytest.mark.parametrize("name", ["nested", "flat"])
def test_what_the_sdk_exports_is_read(run: Path, name: str) -> None:
    users = ("--user", f"{ADA}=ada", "--user", f"{BOB}=bob")
    file = SAMPLES / f"{name}.json"
    assert counts(argilla(run, file, *users, "--dry-run")) == (7, 0, 2, 1)
    answer = argilla(run, file, *users)
    assert counts(answer) == (7, 0, 2, 1)
    assert "ada says accept and bob says reject" in answer["refused"][0]["why"]
    assert answer["refused"][0]["item"] == item_of(7).id
    assert counts(argilla(run, file, *users)) == (0, 7, 2, 1)
    found = {number: decisions(run).get(item_of(number).id) for number in range(COUNT)}
    assert {number: one.action.value for number, one in found.items() if one} == {
        0: "accept", 1: "reject", 2: "edit", 3: "edit", 4: "send_back", 8: "reject", 9: "edit",
    }  # fmt: skip
    assert (found[0].note, found[1].reasons, found[8].reasons) == ("fine", ("trivial", "dull"), ())
    assert [message.content for message in found[2].messages] == ["Question 2?", "Bronze \u2028 é."]
    assert [message.content for message in found[3].messages] == ["Which valve?", "Brass."]
    assert [message.role for message in found[9].messages] == ["user", "assistant"]
    assert found[4].note == "name the alloy"
    assert (found[8].reviewer, found[9].reviewer) == ("ada", "bob")


def of_flat(make: Callable[[list[Any]], bytes]) -> bytes:
    return make(json.loads((SAMPLES / "flat.json").read_text()))


@pytest.mark.parametrize(
    "make",
    [
        lambda records: b"\n".join(json.dumps(one).encode() for one in records),
        lambda records: json.dumps({one["id"]: one for one in records}, indent=1).encode(),
        lambda records: json.dumps({key: [one[key] for one in records] for key in records[0]}).encode(),
        lambda records: b"  \n" + json.dumps(records, indent=2).encode(),
    ],
    ids=["lines", "by id", "columns", "indented"],
)
def test_every_form_of_the_sdks_dictionaries_is_read(run: Path, make: Callable[[list[Any]], bytes]) -> None:
    (run.parent / "in.json").write_bytes(of_flat(make))
    assert counts(argilla(run, run.parent / "in.json")) == (7, 0, 2, 1)
    assert decisions(run)[item_of(0).id].reviewer == f"argilla:{ADA}"


@pytest.mark.parametrize(
    ("text", "read", "why"),
    [
        (b"", 0, "no JSON"),
        (b"nonsense", 0, "no JSON"),
        (b"[", 0, "has no end"),
        (b"[1, 2]", 0, "it is no object"),
        (b"[" * 100_000, 0, "no JSON"),
        (b'[{"id": "a"}, {"id": ', 1, "the records before it were read"),
        (b'[{"id": "a"}, oops, {"id": "b"}]', 1, "the records before it were read"),
        (b'[{"id": "a"}, {"id": "\xff"}, {"id": "b"}]', 2, "no UTF-8"),
        (b'[{"id": "a"}, {"id": "\\ud800"}]', 1, "surrogate"),
        (b'{"id": "a"}\n{"id": \n{"id": "b"}\n', 2, "no JSON"),
    ],
)
def test_a_file_that_is_broken_gives_what_stands_before(text: bytes, read: int, why: str) -> None:
    found = list(records_of(io.BytesIO(text)))
    assert sum(not error for _, _, error in found) == read
    assert why in next(error for _, _, error in found if error)


@pytest.mark.parametrize(
    "record",
    [
        {"id": 7},
        {"responses": {}},
        {"id": "a\0b", "decision.responses": []},
        {"responses": {"decision": "accept"}, "status": "completed"},
        {"responses": {"decision": [{"value": "burn", "user_id": ADA}]}, "status": "completed"},
        {"responses": {"decision": [7]}, "status": "completed"},
        {"decision.responses": ["accept"], "decision.responses.users": [ADA], "decision.responses.status": []},
        {"decision.responses": ["edit"], "decision.responses.users": [ADA], "decision.responses.status": ["submitted"]},
    ],
)
def test_a_record_of_another_make_is_refused(run: Path, record: dict[str, Any]) -> None:
    (run.parent / "in.json").write_text(json.dumps([{"id": item_of(1).id} | record]))
    answer = argilla(run, run.parent / "in.json")
    if record == {"responses": {}}:
        assert counts(answer) == (0, 0, 1, 0)
    else:
        assert counts(answer) == (0, 0, 0, 1), answer


def test_memory_does_not_grow_with_the_file() -> None:
    """Elements that end in the middle of what is read at a time, and 40 MB of them in a few."""

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: Iterator[bytes] = iter(
                [b"[", *([b'{"id": "a", "text": "' + b"x" * 9_000 + b'"},'] * 4_500), b"{}]"]
            )
            self.rest = b""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            while len(self.rest) < len(buffer) and (part := next(self.parts, b"")):
                self.rest += part
            size = min(len(buffer), len(self.rest))
            buffer[:size], self.rest = self.rest[:size], self.rest[size:]
            return size

    tracemalloc.start()
    found = sum(1 for _ in records_of(io.BufferedReader(Endless())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 4_501
    assert peak < 12_000_000


def test_given_is_what_a_line_gives() -> None:
    (one,) = decisions_of([(4, json.dumps(GOOD).encode(), "")], "ada")
    assert isinstance(one, Given)
    assert one.wanted is not None
    assert (one.line, one.wanted.seen, one.wanted.reviewer, one.wanted.event) == (4, "", "ada", "")
    assert isinstance(item_of(0), Item)
