"""The versions of a run's prompts: each start notes them, and says which were edited since items were made with them.

An edit between two starts is nothing wrong: what is made stays, what is still to do is asked by the new wording, and
each item names the versions that it was made with. A run whose items are of several versions says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from ..storage.records import Item
from ..storage.store import RunStore

MARK = "prompts"  # name → [[version, when a start first had it], ...], the newest last
LOOKED_AT = 50  # newest items, which tell of prompts that no node names
SHOWN = 8  # prompts that are named in words
History = dict[str, list[tuple[str, str]]]


class Made(NamedTuple):
    """What was made with one version of a prompt. `since` is the start that first had it, ISO 8601; empty: unknown."""

    version: str
    since: str
    items: int
    accepted: int


async def note_versions(store: RunStore, now: Mapping[str, str]) -> list[str]:
    """Notes which versions this start has, and returns a line for each prompt that was edited since the last one.

    `now` is name → version of the prompts that the campaign asks.
    """
    history, edited = _history(store), list[str]()
    if not any(store.count(table) for table in ("calls", "items", "extractions")):
        history.clear()  # nobody was asked yet
    for name, version in now.items():
        known = history.setdefault(name, [])
        if known and known[-1][0] != version:
            edited.append(name)
        if not known or known[-1][0] != version:
            known.append((version, datetime.now(UTC).isoformat(timespec="seconds")))
    await store.set_mark(MARK, history)
    made = _counted(store, {name: history[name] for name in edited})
    lines = [_line(name, made[name]) for name in edited[:SHOWN]]
    return lines if len(edited) <= SHOWN else [*lines, f"and {len(edited) - SHOWN} more prompts were edited"]


def edited_prompts(store: RunStore) -> dict[str, list[Made]]:
    """Returns the prompts that were edited while the run was there, with what was made with each of their versions.

    A version that nothing was made with is left out, unless it is the newest. Reads all items where there is such one.
    """
    history = {name: known for name, known in _history(store).items() if len({version for version, _ in known}) > 1}
    return {name: made for name, made in _counted(store, history).items() if len(made) > 1}


def print_edited(console: Console, edited: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Prints what `edited_prompts` returned, as JSON values, one line a version."""
    for name, made in list(edited.items())[:SHOWN]:
        console.print(Text(f"prompt '{name}' was edited:", style="yellow"))
        for one in made:
            since = f", since {_said(one['since'])}" if one["since"] else ""
            console.print(Text(f"  {one['version']}{since}: {one['items']:,} items, {one['accepted']:,} accepted"))
    if len(edited) > SHOWN:
        console.print(Text(f"and {len(edited) - SHOWN} more prompts were edited; --json lists them", style="yellow"))


def versions_in(store: RunStore) -> dict[str, str]:
    """Returns name → version of the prompts that the newest items were made with."""
    rows = store.rows(f"SELECT body FROM items ORDER BY seq DESC LIMIT {LOOKED_AT}")  # noqa: S608  # a number
    items = [Item.model_validate_json(body) for (body,) in reversed(rows)]
    return {name: _plain(version) for item in items for name, version in item.prompts.items()}


def _history(store: RunStore) -> History:
    """What earlier starts noted; of a prompt that none of them knew, what the newest items say."""
    found: History = {name: [(one[0], one[1]) for one in known] for name, known in (store.mark(MARK) or {}).items()}
    for name, version in versions_in(store).items():
        found.setdefault(name, [(version, "")])
    return found


def _counted(store: RunStore, history: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, list[Made]]:
    """Counts items by version, in one reading of them all. In a stored item `"name":"version` is in `prompts` alone: in
    texts quotation marks are escaped."""
    versions = [(name, *one) for name, known in history.items() for one in _each_once(known)]
    if not versions:
        return {}
    told = "sum(CASE WHEN body LIKE ? ESCAPE '!' THEN 1 ELSE 0 END)"
    accepted = "sum(CASE WHEN status = 'accepted' AND body LIKE ? ESCAPE '!' THEN 1 ELSE 0 END)"
    marks = [f'%"{name.replace("_", "!_")}":"{version}%' for name, version, _ in versions]
    sql = f"SELECT {', '.join([told, accepted] * len(marks))} FROM items"  # noqa: S608  # fixed words
    (sums,) = store.rows(sql, *(mark for mark in marks for _ in range(2)))
    counts = [int(one or 0) for one in sums]
    made: dict[str, list[Made]] = {name: [] for name in history}
    for place, (name, version, since) in enumerate(versions):
        if counts[2 * place] or version == history[name][-1][0]:
            made[name].append(Made(version, since, *counts[2 * place : 2 * place + 2]))
    return made


def _each_once(known: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each version once, in the order in which they were last taken up, with when that was."""
    last = dict(known)
    for version in reversed(dict.fromkeys(version for version, _ in reversed(known))):
        yield version, last[version]


def _line(name: str, made: Sequence[Made]) -> str:
    *before, now = made
    if not before:
        return f"prompt '{name}' was edited since the last start: what it gave stays, what follows has {now.version}"
    told = ", ".join(f"{one.items:,} items were made with {one.version}" for one in before)
    return f"prompt '{name}' was edited since the last start: {told} and stay; what follows is made with {now.version}"


def _said(since: str) -> str:
    return since[:16].replace("T", " ")


def _plain(version: str) -> str:
    """Without the mark of the precedents that stood before the prompt."""
    return version.partition("+")[0]
