"""Runs SQL queries on SQLite within the sandbox, and says whether two give the same rows."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .records import Ending, Execution, Layer, Limits, Program
from .sandbox import run

Value = str | int | float | bytes | None
_CHILD = Path(__file__).with_name("sql_child.py")
_DIGITS = 9  # significant ones of a float: sums in another order differ after these
_STAGES = {"schema": Ending.ERROR, "query": Ending.ERROR, "steps": Ending.TIMEOUT}
SQL_LIMITS = Limits(seconds=10, cpu_seconds=10, memory=256 * 2**20, output=4 * 2**20, folder=2**20)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query gave: names of columns, and rows up to a limit (`cut` says that there were more)."""

    execution: Execution
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    cut: bool = False
    ending: Ending = Ending.OK
    detail: str = ""
    schema_failed: bool = False


async def query(
    sql: str,
    schema: str,
    *,
    most_rows: int = 10_000,
    steps: int = 50_000_000,
    limits: Limits = SQL_LIMITS,
    layer: Layer | None = None,
) -> Rows:
    """Runs one query over the database that the script `schema` makes (tables and rows), in memory.

    The query may only read: ATTACH, PRAGMA, writing and loading extensions are refused. `steps` bounds SQLite's virtual
    machine instructions, so that a query that runs for ever ends in the same way on any machine.

    Raises:
        ConfigError: limits that make no sense.
    """
    asked = json.dumps({"schema": schema, "query": sql, "rows": most_rows, "steps": steps})
    program = Program(_CHILD.read_text(encoding="utf-8"))
    done = await run(program, stdin=asked, limits=limits, layer=layer)
    if done.ending is not Ending.OK:
        return Rows(done, ending=done.ending, detail=done.detail)
    told: dict[str, Any] = json.loads(done.stdout)
    if "fault" in told:
        stage = told["stage"]
        return Rows(done, ending=_STAGES[stage], detail=told["fault"], schema_failed=stage == "schema")
    rows = tuple(tuple(_value(one) for one in row) for row in told["rows"])
    return Rows(done, tuple(told["columns"]), rows, told["cut"])


def same_rows(left: Rows, right: Rows, *, ordered: bool = False) -> bool:
    """Says whether two queries gave the same rows, as often; in the same order where `ordered`.

    Columns are compared by place, not by name. 1 equals 1.0, and floats are equal to nine significant digits. Rows of
    which some were cut off equal nothing: what was cut may differ.
    """
    if left.ending is not Ending.OK or right.ending is not Ending.OK or left.cut or right.cut:
        return False
    ours, theirs = [_folded(row) for row in left.rows], [_folded(row) for row in right.rows]
    return ours == theirs if ordered else Counter(ours) == Counter(theirs)


def _folded(row: Sequence[Value]) -> tuple[tuple[str, Value], ...]:
    """Numbers are one kind, texts and blobs two others: '1' is not 1."""
    return tuple(
        ("number", _rounded(value)) if isinstance(value, int | float) else (type(value).__name__, value)
        for value in row
    )


def _rounded(value: float) -> float:
    if isinstance(value, int) or not math.isfinite(value):
        return value
    return float(f"{value:.{_DIGITS}g}")


def _value(plain: Any) -> Value:
    if isinstance(plain, dict):
        return bytes.fromhex(plain["blob"]) if "blob" in plain else float(plain["float"])
    value: Value = plain
    return value
