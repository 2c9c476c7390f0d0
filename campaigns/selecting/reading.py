"""What a strategy is told of items: their texts, a score by their critics, a cell by their attributes; and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from statistics import fmean

import orjson

from ...errors import ConfigError
from ...evals.contamination.reading import SetBooks, read_set
from ...evals.contamination.sources import PACKED, SUFFIXES, EvalSet
from ...storage.precedents import last_verdicts
from ...storage.records import Item, Status

MEAN = "mean"
NOVELTY = "novelty"  # of the gate: how new a draft was, not how good
KIND = "kind"
_NO_TEXT = ("id", "role", "from")  # columns that say who, and not what


@dataclass
class Read:
    """The accepted items, by place: ids, texts, scores (None where no critic gave one), feedback and cells."""

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    feedback: list[float | None] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)


def read(items: Iterable[Item], *, score: str = MEAN, feedback: str = "", cells: Sequence[str] = ()) -> Read:
    """Reads the accepted items once.

    Raises:
        ConfigError: no item has that score or attribute; names those that there are.
    """
    found, names, keys = Read(), Counter[str](), Counter[str]()
    for item in items:
        if item.status is not Status.ACCEPTED:
            continue
        given = scores_of(item)
        names.update(given)
        keys.update((KIND, *item.attributes))
        found.ids.append(item.id)
        found.texts.append("\n".join(one.content for one in item.messages if one.role != "system"))
        found.scores.append(_score(given, score))
        found.feedback.append(_score(given, feedback) if feedback else None)
        found.cells.append(cell_of(item, cells))
    for asked in (score, feedback):
        if asked and asked != MEAN and found.ids:
            _require(asked, names, "no critic of the run gave a score called")
    for asked in cells:
        if found.ids:
            _require(asked, keys, "no item has the attribute")
    return found


def scores_of(item: Item) -> dict[str, float]:
    """Returns what the critics gave the item's last draft: score → its mean over the critics that gave it."""
    values: dict[str, list[float]] = {}
    for verdict in last_verdicts(item).values():
        for name, value in verdict.scores.items():
            values.setdefault(name, []).append(value)
    return {name: fmean(some) for name, some in values.items()}


def _score(given: dict[str, float], name: str) -> float | None:
    if name != MEAN:
        return given.get(name)
    values = [value for key, value in given.items() if key != NOVELTY]
    return fmean(values) if values else None


def cell_of(item: Item, keys: Sequence[str]) -> str:
    """Returns the values of `keys` joined by ` / `; empty for an item that has none of them.

    A key is an attribute; `kind`, where no attribute is called so, what the item trains.
    """
    values = [item.attributes.get(key, item.kind if key == KIND else None) for key in keys]
    if all(value is None for value in values):
        return ""
    return " / ".join("-" if value is None else value if isinstance(value, str) else _json(value) for value in values)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _require(name: str, known: Counter[str], said: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        shown = ", ".join(key for key, _ in known.most_common(20)) or "none"
        raise ConfigError(f"{said} '{name}'{meant} (there are: {shown})")


def read_examples(path: Path) -> tuple[str, ...]:
    """Returns the texts of a file: of `.jsonl` what each line says, of a text file paragraphs that blank lines divide.

    A line is a string, or an object: its `messages` or `conversations`, or all of its strings but the `id`. Tables
    (CSV, Parquet), JSON, packed files, folders of them, and `set.jsonl:question,answer` are read as evaluation sets
    are: one text a row.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8 or not JSON Lines, or has no text.
    """
    if path.is_dir() or not (path.suffix == ".jsonl" or _is_text(path)):
        return _rows_of(EvalSet.of(path))
    try:
        body = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"examples {path} cannot be read: {error}; give a file of UTF-8 text") from error
    if path.suffix == ".jsonl":
        texts = [_line(path, number, line) for number, line in enumerate(body.split("\n"), 1) if line.strip()]
    else:
        texts = body.replace("\r\n", "\n").split("\n\n")
    found = tuple(text.strip() for text in texts if text.strip())
    if not found:
        raise ConfigError(f"examples {path} has no text; write one example a paragraph, or JSON Lines into a .jsonl")
    return found


def _is_text(path: Path) -> bool:
    """True for what is no set of rows: neither a table by its name, nor columns of one."""
    return not path.name.lower().partition(":")[0].removesuffix(PACKED).endswith(SUFFIXES)


def _rows_of(source: EvalSet) -> tuple[str, ...]:
    books = SetBooks(source.name)
    rows = [
        "\n".join(cell.text.strip() for cell in row.cells if cell.place.rpartition(".")[2] not in _NO_TEXT)
        for row in read_set(source, books)
    ]
    if books.skipped:
        first = books.unread[0]
        raise ConfigError(
            f"examples {source.path}: {books.skipped.total()} rows have no text; the first, {first.row}, "
            f"{first.detail}; take them out, or name the columns: {source.path.name}:COLUMN"
        )
    return tuple(row for row in rows if row)


def _line(path: Path, number: int, line: str) -> str:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"examples {path}, line {number} is not JSON: {error}") from None
    if isinstance(row, str):
        return row
    if not isinstance(row, dict):
        raise ConfigError(f"examples {path}, line {number} is a {type(row).__name__}; give an object or a string")
    turns = row.get("messages") or row.get("conversations")
    if isinstance(turns, list):
        said = [turn.get("content") or turn.get("value") for turn in turns if isinstance(turn, dict)]
        return "\n".join(text for text in said if isinstance(text, str))
    return "\n".join(value for key, value in row.items() if isinstance(value, str) and key != "id")
