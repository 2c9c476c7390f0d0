"""Queries in the sandbox, and the verifiers that run what a draft holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gristmill import Draft, Task, Verdict
from gristmill.agents.programs.execution import code_in, is_ordered, printed_answer, runs, same_query
from gristmill.agents.state import Node
from gristmill.agents.verifiers.agreement import value
from gristmill.errors import ConfigError
from gristmill.evals.execution import sandbox
from gristmill.evals.execution.records import Ending, Execution, Layer, Limits
from gristmill.evals.execution.sql import query, same_rows

SCHEMA = """
CREATE TABLE tide (place TEXT, height REAL, day INTEGER);
INSERT INTO tide VALUES ('Brest', 6.1, 1), ('Brest', 5.9, 2), ('Dover', 6.7, 1), ('Cork', NULL, 1);
"""
BY_PLACE = "SELECT place, SUM(height) FROM tide GROUP BY place"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


async def judged(node: Node, fields: dict[str, Any], values: dict[str, Any] | None = None) -> Verdict:
    state: Any = {
        "task": Task(id="t", kind="k"),
        "drafts": [Draft(index=0, by="generator", fields=fields, messages=())],
        "values": values or {},
    }
    runtime: Any = SimpleNamespace(context=None)
    verdict: Verdict = (await node(state, runtime))["verdicts"][0]
    return verdict


def escaped() -> bool:
    return Path("/tmp/gristmill-escaped.db").exists()


# queries


async def test_a_query_gives_its_rows() -> None:
    rows = await query("SELECT *, x'00ff', 1e999 FROM tide WHERE place = 'Cork'", SCHEMA)
    assert rows.ending is Ending.OK, rows
    assert rows.columns[:3] == ("place", "height", "day")
    assert rows.rows == (("Cork", None, 1, b"\x00\xff", float("inf")),)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ATTACH '/tmp/gristmill-escaped.db' AS x", "not authorized"),
        ("DELETE FROM tide", "not authorized"),
        ("PRAGMA writable_schema = 1", "not authorized"),
        ("SELECT load_extension('x')", "not authorized"),
        ("CREATE TABLE x (y)", "not authorized"),
        ("VACUUM INTO '/tmp/gristmill-escaped.db'", "authorization denied"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT absent FROM tide", "no such column"),
        ("SELECT zeroblob(1000000000)", "too big"),
        ("SELECT CAST(x'ff' AS TEXT)", "UTF-8"),
        ("", "no query"),
        ("SELECT '\udc80'", "surrogates"),
    ],
)
async def test_a_query_that_may_not_be_is_an_error(sql: str, said: str) -> None:
    rows = await query(sql, SCHEMA)
    assert (rows.ending, rows.rows) == (Ending.ERROR, ())
    assert said in rows.detail
    assert not escaped()


async def test_a_query_that_never_ends_is_stopped_by_its_steps() -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"
    rows = await query(endless, "", steps=100_000, limits=Limits(seconds=120, cpu_seconds=60))
    assert (rows.ending, rows.execution.ending) == (Ending.TIMEOUT, Ending.OK)


async def test_rows_are_bounded() -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100) SELECT x FROM n"
    exact, fewer = await query(many, "", most_rows=100), await query(many, "", most_rows=99)
    assert (len(exact.rows), exact.cut) == (100, False)
    assert (len(fewer.rows), fewer.cut) == (99, True)
    assert same_rows(exact, exact)
    assert not same_rows(fewer, fewer)


async def test_a_schema_that_reaches_for_files_fails() -> None:
    rows = await query("SELECT 1", "ATTACH '/tmp/gristmill-escaped.db' AS x")
    assert (rows.ending, rows.schema_failed) == (Ending.ERROR, True)
    assert not escaped()


@pytest.mark.parametrize(
    ("left", "right", "unordered", "ordered"),
    [
        ("SELECT 1 UNION ALL SELECT 2", "SELECT 2 UNION ALL SELECT 1", True, False),
        ("SELECT 1", "SELECT 1.0 AS other", True, True),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", True, True),
        ("SELECT 1", "SELECT '1'", False, False),
        ("SELECT 1", "SELECT 1 UNION ALL SELECT 1", False, False),
        ("SELECT NULL", "SELECT ''", False, False),
        ("SELECT 1 WHERE 0", "SELECT 2 WHERE 0", True, True),
        ("SELECT 1, 2", "SELECT 2, 1", False, False),
        ("SELECT x FROM y", "SELECT x FROM y", False, False),
        ("SELECT x'31'", "SELECT '1'", False, False),
    ],
)
async def test_rows_are_compared(left: str, right: str, unordered: bool, ordered: bool) -> None:
    ours, theirs = await query(left, ""), await query(right, "")
    assert same_rows(ours, theirs) is unordered
    assert same_rows(ours, theirs, ordered=True) is ordered


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("select x from y Order  By x", True),
        ("select x from (select x from y order by x)", False),
        ("select 'order by' from y", False),
        ("select x from y -- order by x", False),
        ("select x from y /* ( */ order by x", True),
        ("select ')' , x from y order by x", True),
        ("select x from y 'never ends order by", False),
    ],
)
def test_whether_a_query_orders_its_rows(sql: str, ordered: bool) -> None:
    assert is_ordered(sql) is ordered


# verifiers


@pytest.mark.parametrize(
    ("program", "reasons"),
    [
        ("print('The sum:'); print(6 * 7)", ()),
        ("Here it is:\n```python\nprint(42.0)\n```\nIt prints 42.", ()),
        ("print(41)", ("wrong_output",)),
        ("", ("wrong_output",)),
        ("print(42); raise ValueError('x' * 5000)", ("execution_error",)),
        ("import os; os.fork()", ("execution_forbidden",)),
        ("while True: pass", ("execution_timeout",)),
        ("x = 'a' * 10**10", ("execution_memory",)),
        ("while True: print(42)", ("execution_output",)),
        ("import ctypes; ctypes.string_at(0)", ("execution_error",)),
    ],
)
async def test_a_program_that_prints_its_answer(program: str, reasons: tuple[str, ...]) -> None:
    node = runs(expected=value("answer"), limits=Limits(seconds=60, cpu_seconds=1))
    verdict = await judged(node, {"program": program}, {"answer": "42"})
    assert verdict.reasons == reasons
    assert verdict.scores == {"match": float(not reasons)}
    assert len(verdict.text) <= 500


@pytest.mark.parametrize(
    ("program", "reasons"),
    [
        ("def double(n): return 2 * n", ()),
        ("def double(n): return n + 2", ("wrong_output",)),
        ("def triple(n): return 3 * n", ("execution_error",)),
        ("import sys\ndef double(n): return 2 * n\nsys.exit(0)", ("wrong_output",)),
        ("import os\ndef double(n): os._exit(0)", ("wrong_output",)),
        ("def double(n: print(", ("execution_error",)),
    ],
)
async def test_a_program_that_is_tested(program: str, reasons: tuple[str, ...]) -> None:
    tests = ["assert double(2) == 4", "assert double(3) == 6"]
    verdict = await judged(runs("code", tests=value("tests")), {"code": program}, {"tests": tests})
    assert verdict.reasons == reasons


async def test_a_program_reads_what_it_is_given() -> None:
    node = runs(expected=value("answer"), stdin=value("input"))
    program = {"program": "print(sum(map(int, input().split())))"}
    assert (await judged(node, program, {"answer": "6", "input": "1 2 3"})).reasons == ()


async def test_what_is_missing_is_said() -> None:
    assert (await judged(runs(), {"other": "x"})).reasons == ("missing_field",)
    assert (await judged(runs(tests=value("tests")), {"program": "x"})).reasons == ("nothing_expected",)
    assert (await judged(runs(), {"program": "print(1)"})).reasons == ()


async def test_without_isolation_the_campaign_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in Layer:
        monkeypatch.setitem(sandbox._probed, one, "not here")
    with pytest.raises(ConfigError, match="install bubblewrap"):
        await judged(runs(), {"program": "print(1)"})
    node = same_query(value("schema"), value("gold"))
    with pytest.raises(ConfigError, match="install bubblewrap"):
        await judged(node, {"sql": "SELECT 1"}, {"schema": SCHEMA, "gold": "SELECT 1"})


@pytest.mark.parametrize(
    ("sql", "gold", "reasons"),
    [
        ("SELECT place, TOTAL(height) FROM tide WHERE height GROUP BY 1", f"{BY_PLACE} HAVING SUM(height)", ()),
        ("```sql\nSELECT place, SUM(height) FROM tide GROUP BY 1\n```", BY_PLACE, ()),
        (f"{BY_PLACE} ORDER BY 2 DESC", BY_PLACE, ()),
        (f"{BY_PLACE} ORDER BY 2 DESC", f"{BY_PLACE} ORDER BY 1", ("wrong_output",)),
        ("SELECT place FROM tide", BY_PLACE, ("wrong_output",)),
        ("SELECT absent", BY_PLACE, ("execution_error",)),
        ("DROP TABLE tide", BY_PLACE, ("execution_error",)),
        (BY_PLACE, "SELECT absent", ("nothing_expected",)),
    ],
)
async def test_a_query_that_must_equal_another(sql: str, gold: str, reasons: tuple[str, ...]) -> None:
    node = same_query(value("schema"), value("gold"))
    verdict = await judged(node, {"sql": sql}, {"schema": SCHEMA, "gold": gold})
    assert verdict.reasons == reasons, verdict


async def test_a_broken_schema_is_not_the_drafts_fault() -> None:
    node = same_query(value("schema"), value("gold"))
    verdict = await judged(node, {"sql": "SELECT 1"}, {"schema": "CREATE x", "gold": "SELECT 1"})
    assert verdict.reasons == ("nothing_expected",)


def test_code_is_taken_out_of_its_fence() -> None:
    assert code_in("print(1)") == "print(1)"
    assert code_in("a\n```python\nx = 1\n```\nb\n```\ny\n```") == "x = 1\n"
    assert code_in("```\nnever closed") == "```\nnever closed"


def test_the_answer_is_the_last_line_printed() -> None:
    assert printed_answer(Execution(Ending.OK, None, stdout="1\n 2 \n\n")) == "2"
    assert printed_answer(Execution(Ending.OK, None)) == ""
