"""SENSE: a strong model's queries that run, a weak model's that do not give the same, and pairs of the two."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_reasoning import CASES, GOOD, ROWS, SAME, TABLES, WEAK, sense
from seed_recipes import Ran, shown

from gristmill import Request, Status
from gristmill.campaigns.datasets import export_run
from gristmill.storage.records import Item

CASE = CASES["sense"]
ENDLESS = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up) SELECT count(*) FROM up"
HOSTILE = {
    "ATTACH DATABASE '/tmp/gristmill-escaped.db' AS other": "execution_error",
    "PRAGMA writable_schema = 1": "execution_error",
    "DELETE FROM tide": "execution_error",
    "SELECT 1; DROP TABLE tide": "execution_error",
    "SELECT load_extension('/usr/lib/x.so')": "execution_error",
    ENDLESS: "execution_timeout",
    "SELECT a.place FROM tide a, tide b, tide c, tide d, tide e, tide f, tide g, tide h": "execution_output",
    "SELECT randomblob(900000) FROM tide a, tide b, tide c": "execution_memory",
    "SELECT place FROM tide WHERE height > 99": "empty_result",
}


def number(item: Item) -> int:
    return int(item.fields["question"].split()[2].strip(","))


def pairs(folder: Path) -> list[dict[str, Any]]:
    export_run(folder / "runs" / "t", out=folder / "out", formats=("dpo", "chat"))
    return [json.loads(line) for line in (folder / "out" / "dpo" / "train.jsonl").read_text().splitlines()]


def writing(strong: Callable[[int], str], weak: str) -> Any:
    """A script whose strong model writes `strong` of a question's number, and whose weak one always answers `weak`."""

    def script(request: Request) -> Any:
        if request.prompt == "sense-write":
            return {**sense(request), "sql": strong(request.sampling.seed or 0)}
        return weak

    return script


def test_the_strong_model_is_asked_first_and_the_weak_one_only_about_queries_that_run(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert ran.calls == {"sense-write": 10, "write-sql": 7}
    for item in ran.items:
        asked = ["sense-write", "write-sql"] if number(item) % 4 else ["sense-write"]
        assert ran.of(next(task for task in ran.tasks if task.id == item.task)) == asked
        assert item.status is (Status.ACCEPTED if number(item) % 4 else Status.REJECTED)
    for request in ran.asked("write-sql"):
        assert request.role == "weak"
        assert GOOD not in shown(request)
        assert ROWS not in shown(request)
        assert TABLES in shown(request)


def test_domains_and_difficulties_are_drawn_evenly_and_shown(tmp_path: Path) -> None:
    options = {"tasks": 24, "domains": ["ports", "inns", "mines"], "difficulties": ["easy", "hard"]}
    ran = CASE.run(tmp_path, options=options)
    drawn = Counter((task.attributes["domain"], task.attributes["difficulty"]) for task in ran.tasks)
    assert len(drawn) == 6
    assert set(drawn.values()) == {4}
    for request in ran.asked("sense-write"):
        assert request.variables["domain"] in shown(request)
        assert request.variables["difficulty"] in shown(request)


def test_an_item_is_the_question_over_its_tables_and_the_strong_query(tmp_path: Path) -> None:
    for item in CASE.run(tmp_path).accepted:
        user, assistant = item.messages
        assert user.content == f"{TABLES}\n\n{item.fields['question']}"
        assert assistant.content == item.fields["sql"] == GOOD


def test_weak_errors_become_rejected_sides_and_right_answers_none(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    found = {row["chosen_from"]: row for row in pairs(tmp_path)}
    for item in ran.accepted:
        answer = WEAK[number(item) % len(WEAK)]
        if SAME in answer or not answer:
            assert item.id not in found
            assert len(item.drafts) == 1
            continue
        row = found[item.id]
        assert row["chosen"] == [{"role": "assistant", "content": GOOD}]
        assert row["rejected"] == [{"role": "assistant", "content": answer}]
        assert row["prompt"][0]["content"] == item.messages[0].content
        assert row["reasons"] == ["execution_error" if "deep" in answer else "wrong_output"]
    assert len(found) == sum(
        "max" in WEAK[number(item) % 5] or "deep" in WEAK[number(item) % 5] for item in ran.accepted
    )
    chat = (tmp_path / "out" / "chat" / "train.jsonl").read_text().splitlines()
    assert len(chat) == len(ran.accepted) > len(found) > 1


@pytest.mark.parametrize("sql", HOSTILE)
def test_a_failing_query_is_never_chosen_whatever_it_tries(sql: str, tmp_path: Path) -> None:
    """The strong model writes it every second time, the weak one writes the good query: it must not win either."""
    case = replace(CASE, script=writing(lambda seed: GOOD if seed % 2 else sql, GOOD))
    ran = case.run(tmp_path, options={"tasks": 4})
    assert ran.report.books.failed == 0
    assert Counter(item.reasons for item in ran.items) == {(): 2, (HOSTILE[sql],): 2}
    assert pairs(tmp_path) == []
    assert not Path("/tmp/gristmill-escaped.db").exists()


@pytest.mark.parametrize("sql", [sql for sql, reason in HOSTILE.items() if reason != "empty_result"])
def test_hostile_queries_of_the_weak_model_are_verdicts(sql: str, tmp_path: Path) -> None:
    ran = replace(CASE, script=writing(lambda _: GOOD, sql)).run(tmp_path, options={"tasks": 2})
    assert len(ran.accepted) == 2
    for row in pairs(tmp_path):
        assert row["chosen"][0]["content"] == GOOD
        assert row["rejected"][0]["content"] == sql
    # What gives too many rows to be compared is refused as well: it is not what the question asks for.
    assert [row["reasons"] for row in pairs(tmp_path)] in ([[HOSTILE[sql]]] * 2, [["wrong_output"]] * 2)


def test_a_database_that_cannot_be_made_or_never_ends_is_a_verdict(tmp_path: Path) -> None:
    for rows in (
        "INSERT INTO nowhere VALUES (1);",
        f"INSERT INTO tide SELECT 'x', n, n FROM ({ENDLESS});",
        "ATTACH 'x'",
    ):
        (folder := tmp_path / str(abs(hash(rows)))).mkdir()

        def script(request: Request, rows: str = rows) -> Any:
            return {**sense(request), "rows": rows, "sql": GOOD} if request.prompt == "sense-write" else GOOD

        ran = replace(CASE, script=script).run(folder, options={"tasks": 1})
        ((reason,),) = [item.reasons for item in ran.items]
        assert reason in ("execution_error", "execution_timeout")


def test_several_samples_give_several_pairs_and_equal_ones_count_once(tmp_path: Path) -> None:
    def script(request: Request) -> Any:
        if request.prompt == "sense-write":
            return {**sense(request), "sql": GOOD}
        return ("SELECT place FROM tide", "SELECT day FROM tide", "SELECT place FROM tide", GOOD)[request.sample]

    ran = replace(CASE, script=script).run(tmp_path, options={"tasks": 1, "samples": 4})
    assert ran.calls == {"sense-write": 1, "write-sql": 4}
    (item,) = ran.accepted
    assert [draft.by for draft in item.drafts] == ["generator", "weak", "weak", "generator"]
    assert [draft.index for draft in item.drafts] == [0, 1, 2, 3]
    assert {row["rejected"][0]["content"] for row in pairs(tmp_path)} == {
        "SELECT place FROM tide",
        "SELECT day FROM tide",
    }


def test_where_the_weak_model_errs_never_all_items_are_sft_still(tmp_path: Path) -> None:
    ran: Ran = replace(CASE, script=writing(lambda _: GOOD, SAME)).run(tmp_path, options={"tasks": 3})
    assert len(ran.accepted) == 3
    assert pairs(tmp_path) == []
