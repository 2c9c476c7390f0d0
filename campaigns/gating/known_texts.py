"""Texts that are there before a campaign begins: of earlier runs and of data sets that its items must not repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ...agents.verifiers.duplicates import gated_text
from ...errors import ConfigError
from ...evals.contamination.reading import Bad, rows_of
from ...evals.contamination.sources import EvalSet
from ...evals.contamination.texts import Cell, cells_of, selected
from ...storage.records import Status
from ...storage.store import RunStore
from ...storage.whereabouts import has_run

COLUMNS = ("question", "problem", "instruction", "prompt", "input", "text", "content", "query")
TURNS = ("messages", "conversations")
ASKING = ("user", "human", None)  # who asks in them


def known_texts(source: str, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields (text, name) of each accepted item of the run at `source`, or of each row of the data set there.

    `fields` are what the gate looks at. Of a row these columns are taken, or else what the user says first in
    `messages` or `conversations`, or the first of `COLUMNS` that is there; `held.jsonl:title,body` names others.
    Names lead back: `run:item-...`, `file.jsonl:17` (from 1), `test/part-0.parquet:17` in a folder.

    Raises:
        ConfigError: nothing is there, it cannot be read, its rows have no column of text that is known, or it has none.
    """
    path = Path(source)
    if has_run(path):
        yield from _of_run(path, fields)
        return
    given, files = _data_set(source)
    empty = True
    for file in files:
        for name, where, row in _rows(given, file):
            empty = False
            yield _text_of(row, fields, where, given), name
    if empty:
        raise _without_rows(given)


def require_known(source: str, fields: Sequence[str]) -> None:
    """Raises `ConfigError` where no run and no data set is at `source`, the first row of a file is none that is known,
    or there is no row. Reads no more than that."""
    if has_run(Path(source)):
        return
    given, files = _data_set(source)
    firsts = [one for file in files for one in islice(_rows(given, file), 1)]
    for _, where, row in firsts:
        _text_of(row, fields, where, given)
    if not firsts:
        raise _without_rows(given)


def _without_rows(given: EvalSet) -> ConfigError:
    return ConfigError(
        f"novelty.against: {given.path} has no row, and nothing would be held against it; is it the right file?"
    )


def _of_run(folder: Path, fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    store = RunStore.read(folder)
    try:
        for item in store.items(Status.ACCEPTED):
            yield gated_text(item.fields, fields), f"{folder.name}:{item.id}"
    finally:
        store.close_reading()


def _data_set(source: str) -> tuple[EvalSet, list[Path]]:
    try:
        given = EvalSet.of(source)
        return given, list(given.files())
    except ConfigError as error:
        raise ConfigError(f"{_ours(error)}; an earlier run is named by its folder") from None


def _rows(given: EvalSet, file: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yields the rows of a file: name, where it stands in words, columns. Raises `ConfigError` at one that is none."""
    called = file.name if file == given.path else file.relative_to(given.path).as_posix()
    try:
        for _, number, row in rows_of(EvalSet(called, file)):
            where = f"row {number} of {file}"
            if isinstance(row, Bad):
                raise ConfigError(f"novelty.against: {where} {row.detail}")
            yield f"{called}:{number}", where, row
    except ConfigError as error:
        raise ConfigError(_ours(error)) from None


def _ours(error: ConfigError) -> str:
    told = str(error)
    return told if told.startswith("novelty.against") else f"novelty.against: {told.removeprefix('evaluation set ')}"


def _text_of(row: Mapping[str, Any], fields: Sequence[str], where: str, given: EvalSet) -> str:
    if given.columns:
        try:
            return "\n".join(cell.text for cell in selected(row, given.columns))
        except KeyError as error:
            raise ConfigError(
                f"novelty.against: {where} has no column '{error.args[0]}'; it has {_listed(row)}"
            ) from None
    if fields and all(column in row for column in fields):
        return gated_text(row, fields)
    if (asked := _asked(row)) is not None:
        return asked
    for column in COLUMNS:
        if isinstance(row.get(column), str):
            return str(row[column])
    raise ConfigError(
        f"novelty.against: {where} has the columns {_listed(row)}, and none of them is known; give "
        f"it {' and '.join(fields) or 'question'}, {', '.join(TURNS)} or one of {', '.join(COLUMNS)}, or name those "
        f"that hold its texts: {given.path}:COLUMN,COLUMN"
    )


def _asked(row: Mapping[str, Any]) -> str | None:
    """What the user says first in a row's turns; None without any."""
    for column in TURNS:
        turns = row.get(column)
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in ASKING:
                said = turn.get("content", turn.get("value"))
                parts = [said] if isinstance(said, str) else [cell.text for cell in cells_of(said) if _is_text(cell)]
                return "\n".join(parts)
    return None


def _is_text(cell: Cell) -> bool:
    return cell.place.rpartition(".")[2] == "text"


def _listed(row: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, row))[:20]) or "(none)"
