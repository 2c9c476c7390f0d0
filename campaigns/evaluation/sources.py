"""What can be evaluated, as a stream of items that may be read more than once: a run, a dataset, a list of texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...errors import ConfigError
from ...evals.contamination.reading import EvalRow, SetBooks, read_set
from ...evals.contamination.sources import EvalSet
from ...evals.contamination.texts import Cell
from ...storage.records import Item, Message, Status
from ...storage.store import RunStore
from ..datasets import Items

TURN = re.compile(r"(messages|conversations)\.\d+\.(content|value)")
PLAIN = (
    "system", "instruction", "prompt", "context", "input", "question", "problem", "text", "output", "completion",
    "response", "chosen", "answer", "solution",
)  # fmt: skip


class Source(Protocol):
    """`kind` is `run`, `dataset` or `texts`; `run` is the store of a run, for what items alone do not tell."""

    name: str
    kind: str

    def __iter__(self) -> Iterator[Item]: ...

    @property
    def run(self) -> RunStore | None: ...


class Run:
    """A run's items of every status, with people's decisions on them, as exports count them.

    Raises `StoreError` when there is no run in `folder`.
    """

    kind = "run"

    def __init__(self, folder: Path, store: str = "") -> None:
        self.folder = folder
        self.store = RunStore.read(folder, store)
        campaign = self.store.mark("campaign") or {}
        self.name = str(campaign.get("name") or folder.name)
        self._items = Items([folder], store)

    @property
    def run(self) -> RunStore:
        return self.store

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def close(self) -> None:
        self.store.close_reading()


class Dataset:
    """The rows of a file or a folder, each as an accepted item: JSON Lines, JSON, CSV, Parquet, Arrow.

    The texts are those of `messages` or `conversations`, or else of the columns that datasets of instructions have
    (`PLAIN`); `rows.jsonl:question,answer` names others.

    Raises:
        ConfigError: nothing is there; while it is read: it has none of these columns, and says which it has.
    """

    kind = "dataset"
    run = None

    def __init__(self, given: str | os.PathLike[str]) -> None:
        self._set = EvalSet.of(given)
        self.name = self._set.name
        self.books = SetBooks(self.name)

    def __iter__(self) -> Iterator[Item]:
        self.books = SetBooks(self.name)
        known = False
        for row in read_set(self._set, self.books):
            messages = self._messages(row)
            known |= bool(messages)
            yield Item(id=row.name, task="", kind="", status=Status.ACCEPTED, messages=messages)
        if not known:
            columns = ", ".join(f"'{column[:40]}'" for column in list(self.books.columns)[:20])
            raise ConfigError(
                f"dataset {self._set.path} has no column that is known to hold its texts; its columns are {columns}: "
                f"name those that do, {self._set.path}:COLUMN,COLUMN"
            )

    def _messages(self, row: EvalRow) -> tuple[Message, ...]:
        cells: Sequence[Cell] = row.cells
        if not self._set.columns:
            turns = [cell for cell in cells if TURN.fullmatch(cell.place)]
            cells = turns or [cell for cell in cells if cell.place.partition(".")[0] in PLAIN]
        return tuple(Message(role="assistant" if cell.answer else "user", content=cell.text) for cell in cells)


@dataclass(frozen=True)
class Texts:
    """Any texts, each as an accepted item that is named by its place, from "0"."""

    texts: Iterable[str]
    name: str = "texts"
    kind: str = "texts"
    run: Any = None

    def __iter__(self) -> Iterator[Item]:
        for place, text in enumerate(self.texts):
            if not isinstance(text, str):
                raise ConfigError(f"text {place} is a {type(text).__name__}; give texts")
            told = (Message(role="assistant", content=text),) if text else ()
            yield Item(id=str(place), task="", kind="", status=Status.ACCEPTED, messages=told)


def text_of(item: Item) -> str:
    """What is measured of an item: its messages without the system's, or of one without messages the last draft's."""
    messages = item.messages or (item.drafts[-1].messages if item.drafts else ())
    return "\n".join(one.content for one in messages if one.role != "system" and one.content)


def answer_of(item: Item) -> str:
    """What a model has to give: the last message that is the assistant's; of none the last one."""
    said = [one.content for one in item.messages if one.role == "assistant"] or [one.content for one in item.messages]
    return said[-1] if said else ""
