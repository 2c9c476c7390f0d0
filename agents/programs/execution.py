"""Verifiers that run what a draft holds: a program against tests or an answer, a query against another query.

Programs run in the sandbox (`evals.execution`), never in this process; a machine without isolation stops the campaign.
"""

from __future__ import annotations

import re
import secrets

from ...errors import ConfigError
from ...evals.answers import same_answer
from ...evals.execution.records import Ending, Execution, Limits, Program
from ...evals.execution.sandbox import run
from ...evals.execution.sql import SQL_LIMITS, Rows, query, same_rows
from ...storage.records import Decision, Draft
from ..state import FlowState, Node
from ..verifiers.agreement import Answers
from ..verifiers.verifier import PASSED, Finding, missing, text_of, verifier

WRONG_OUTPUT = "wrong_output"
_SHOWN = 200
_LIMITS = Limits()
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def runs(
    field: str = "program",
    *,
    tests: Answers | None = None,
    expected: Answers | None = None,
    stdin: Answers | None = None,
    limits: Limits = _LIMITS,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field's Python program runs, passes `tests` and prints one of the `expected` answers.

    A program within a Markdown fence is taken out of it. Reasons: `execution_error`, `execution_timeout`,
    `execution_memory`, `execution_output`, `execution_forbidden`, `wrong_output`, and `nothing_expected` where there is
    no test or answer to compare with.

    Args:
        tests: Python texts, each run by itself after `from solution import *`; they fail by raising, and must be run to
            their end. A program that is out to deceive can forge that: they share one interpreter.
        expected: answers, one of which must be the last line that is printed, as `evals.answers.same_answer` compares.
        stdin: what the program reads; the first of its texts.

    Raises:
        ConfigError: `on_fail` is neither `reject` nor `revise`; while it runs, that this machine gives no isolation.
    """

    async def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        source = code_in(text)
        known, wanted = _texts(tests, state), _texts(expected, state)
        if (tests and not known) or (expected and not wanted):
            return Finding(("nothing_expected",), "there is no test or answer to compare with")
        given = (_texts(stdin, state) or [""])[0]
        if wanted or not known:
            done = await run(Program(source), stdin=given, limits=limits)
            finding = _of_execution(done)
            if not finding.reasons and wanted:
                finding = _of_answer(done, wanted)
            if finding.reasons:
                return finding
        for number, test in enumerate(known, start=1):
            finding = await _tested(source, test, given, limits)
            if finding.reasons:
                return Finding(finding.reasons, f"test {number}: {finding.text}", {"match": 0.0})
        return Finding(scores={"match": 1.0}) if known or wanted else PASSED

    return verifier("runs", check, on_fail=on_fail, reads=("drafts", "task", "values"))


def same_query(
    schema: Answers,
    expected: Answers,
    *,
    field: str = "sql",
    limits: Limits = SQL_LIMITS,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field's SQL gives the rows of one of the `expected` queries on SQLite (execution accuracy).

    Order counts only where the expected query says ORDER BY. Reasons as of `runs`; `nothing_expected` where no expected
    query runs either.

    Args:
        schema: the scripts that make tables and rows, run one after another in an empty database.

    Raises:
        ConfigError: as `runs`.
    """

    async def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        script = ";\n".join(schema(state))
        found = await query(code_in(text), script, limits=limits)
        require_isolation(found.execution)
        if found.schema_failed:
            return Finding(("nothing_expected",), f"the schema does not run: {found.detail[:_SHOWN]}")
        if found.ending is not Ending.OK:
            return Finding((reason_of(found.ending),), found.detail[:_SHOWN], {"match": 0.0})
        known = [(one, await query(one, script, limits=limits)) for one in expected(state)]
        usable = [(one, rows) for one, rows in known if rows.ending is Ending.OK and not rows.cut]
        if not usable:
            return Finding(("nothing_expected",), "there is no expected query that runs and gives all its rows")
        if any(same_rows(found, rows, ordered=is_ordered(one)) for one, rows in usable):
            return Finding(scores={"match": 1.0})
        return Finding((WRONG_OUTPUT,), _difference(found, usable[0][1]), {"match": 0.0})

    return verifier("same_query", check, on_fail=on_fail, reads=("drafts", "task", "values"))


def query_runs(
    schema: Answers,
    *,
    field: str = "sql",
    least_rows: int = 1,
    limits: Limits = SQL_LIMITS,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field's SQL, as it stands, runs over the database of `schema` and gives `least_rows` rows.

    Reasons as of `runs`, also where the scripts of `schema` themselves do not run; `empty_result` for fewer rows, and
    `execution_output` for more than can be compared.

    Raises:
        ConfigError: as `runs`.
    """

    async def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        found = await query(text, ";\n".join(schema(state)), limits=limits)
        require_isolation(found.execution)
        if found.ending is not Ending.OK:
            said = f"the schema does not run: {found.detail}" if found.schema_failed else found.detail
            return Finding((reason_of(found.ending),), said[:_SHOWN])
        if found.cut:
            return Finding((reason_of(Ending.OUTPUT),), f"the query gives more than {len(found.rows)} rows")
        if len(found.rows) < least_rows:
            return Finding(("empty_result",), f"the query gives {len(found.rows)} rows")
        return PASSED

    return verifier("query_runs", check, on_fail=on_fail)


def code_in(text: str) -> str:
    """Returns the first fenced block of a Markdown text, or the text itself where there is none."""
    found = _FENCE.search(text) if "```" in text else None
    return found[1] if found else text


def printed_answer(done: Execution) -> str:
    """Returns the last line that a program printed and that is not blank; an empty text when there is none."""
    return next((line.strip() for line in reversed(done.stdout.splitlines()) if line.strip()), "")


def is_ordered(sql: str) -> bool:
    """Says whether a query orders its own rows; an ORDER BY within brackets, quotes or comments does not."""
    kept, depth, place = [], 0, 0
    while place < len(sql):
        one = sql[place]
        closing = {"'": "'", '"': '"', "`": "`", "[": "]"}.get(one)
        closing = {"--": "\n", "/*": "*/"}.get(sql[place : place + 2], closing)
        if closing:
            end = sql.find(closing, place + (2 if closing in ("\n", "*/") else 1))
            place = len(sql) if end < 0 else end + len(closing)
            kept.append(" ")
            continue
        depth += (one == "(") - (one == ")")
        kept.append(one if depth == 0 else " ")
        place += 1
    return bool(_ORDER.search("".join(kept)))


async def _tested(source: str, test: str, stdin: str, limits: Limits) -> Finding:
    # A program that leaves early, by sys.exit(0) say, has passed nothing: the mark stands behind the last test.
    mark = secrets.token_hex(16)
    harness = f"from solution import *\n{test}\nimport sys\nsys.stdout.write('\\n{mark}\\n')\n"
    done = await run(Program(harness), stdin=stdin, files={"solution.py": source}, limits=limits)
    last = _last_line(done.stderr)
    if done.ending is Ending.ERROR and last.startswith("AssertionError"):
        return Finding((WRONG_OUTPUT,), last[:_SHOWN])
    finding = _of_execution(done)
    if not finding.reasons and printed_answer(done) != mark:
        return Finding((WRONG_OUTPUT,), "the program left before its tests had ended")
    return finding


def _of_execution(done: Execution) -> Finding:
    require_isolation(done)
    if done.ending is Ending.OK:
        return PASSED
    said = _last_line(done.stderr)[:_SHOWN]
    return Finding((reason_of(done.ending),), f"{done.detail}: {said}" if said else done.detail, {"match": 0.0})


def _of_answer(done: Execution, wanted: list[str]) -> Finding:
    answer = printed_answer(done)
    matches = any(same_answer(answer, one) for one in wanted)
    remark = "" if matches else f"printed '{answer[:80]}', not '{wanted[0][:80]}'"
    return Finding(() if matches else (WRONG_OUTPUT,), remark, {"match": float(matches)})


def require_isolation(done: Execution) -> None:
    """Raises `ConfigError` for a program that was not run: nothing was learnt of it, and all others would end alike."""
    if done.ending is Ending.UNAVAILABLE:
        raise ConfigError(done.detail)


def reason_of(ending: Ending) -> str:
    """The reason code of a program that ended otherwise than well."""
    return f"execution_{Ending.ERROR if ending is Ending.KILLED else ending}"


def _difference(found: Rows, wanted: Rows) -> str:
    return f"gives {len(found.rows)} rows of {len(found.columns)} columns, not the expected {len(wanted.rows)} rows"


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2].strip()


def _texts(answers: Answers | None, state: FlowState) -> list[str]:
    return list(answers(state)) if answers else []
