"""Hands the items of a round to the user's trainer, and takes from it the model to go on with.

A trainer is a function of the user's own, at the coordinator. It is called once for a round, with exactly the items
that the round had accepted, and its answer is written down: a restart does not call it again. One that was cut off by a
kill is called anew with the same items; a process that it had started may live on, and is its own to wait for.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...errors import ConfigError
from ...graphs.planners.rounds import ROUND
from ...models.spec import ModelSpec
from ...prompts.named import load_named
from ...storage.datasets.export import export
from ...storage.records import Item, Status
from ...storage.store import RunStore

MARK = "trained"  # round → what the trainer gave
FOLDER = "rounds"
FORMATS = ("jsonl", "chat")


@dataclass(frozen=True)
class Handed:
    """What a trainer is given: the round, counted from 0; its `items` in number, and the `folder` that has them
    (`jsonl/train.jsonl` whole, `chat/train.jsonl` as messages; earlier rounds lie beside it); the `model` that made
    them, empty before any was trained."""

    round: int
    folder: Path
    items: int
    model: str = ""


class Successor(BaseModel):
    """What a trainer gives: the name of the model to go on with, as its server knows it or as the campaign does, and
    the server where it is another. Empty where the same model answers by new weights, or nothing changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: str = ""
    base_url: str = ""


Hook = Callable[[Handed], Any]
"""Returns None, the model's name, or a mapping of `model` and `base_url`; it may be an async function."""


def load_hook(name: str) -> Hook | None:
    """Imports `module:function`, None for an empty name; raises `ConfigError` where it is no function."""
    if not name:
        return None
    found = load_named(name, "trainer")
    if not callable(found):
        raise ConfigError(f"train.hook '{name}' is a {type(found).__name__}; it has to be a function")
    return found  # type: ignore[no-any-return]  # anything callable


@dataclass(frozen=True)
class _Returned:
    """How a call of the hook ended."""

    answer: Any = None
    error: BaseException | None = None


class Trainer:
    """Calls the hook. `trained` is live: round → what it gave for it; `stopping` ends the wait for it."""

    def __init__(self, hook: Hook, store: RunStore, *, minutes: float, stopping: asyncio.Event) -> None:
        self._hook = hook
        self._store = store
        self._minutes = minutes
        self._stopping = stopping
        known = store.mark(MARK) or {}
        self.trained: dict[int, dict[str, str]] = {int(number): found for number, found in known.items()}

    async def train(self, number: int) -> bool:
        """Hands the round's items over and keeps the answer. False when the campaign was told to end meanwhile: the
        round is handed over again then. A round without an item is not handed over.

        Raises:
            ConfigError: the hook raised, took longer than it may, or gave what is no answer; nothing is lost.
        """
        folder = self._store.folder / FOLDER / f"{number:03d}"
        count = sum(1 for _ in self._items(number))
        given = Successor()
        if count:
            await asyncio.to_thread(self._export, number, folder)
            model = next((one["model"] for _, one in sorted(self.trained.items(), reverse=True) if one["model"]), "")
            if self._stopping.is_set():  # told during the export: a training that nobody would wait for is not begun
                return False
            returned = await self._called(Handed(number, folder, count, model))
            if returned is None:
                return False
            given = _successor(returned.answer, self._name)
        self.trained[number] = {**given.model_dump(), "items": str(count)}
        await self._store.set_mark(MARK, {str(key): found for key, found in sorted(self.trained.items())})
        return True

    @property
    def _name(self) -> str:
        return getattr(self._hook, "__qualname__", repr(self._hook))

    def _items(self, number: int) -> Iterator[Item]:
        return (item for item in self._store.items(Status.ACCEPTED) if item.attributes.get(ROUND) == str(number))

    def _export(self, number: int, folder: Path) -> None:
        def documents_of(item: Item) -> list[str]:
            return list(dict.fromkeys(self._store.document_of(chunk) for chunk in item.chunks))

        folder.mkdir(parents=True, exist_ok=True)
        export(self._items(number), documents_of=documents_of, out=folder, formats=FORMATS)

    async def _called(self, handed: Handed) -> _Returned | None:
        """Calls the hook in a thread of its own, which nobody waits for at the end of the process. None when the
        campaign was told to end first."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[_Returned] = loop.create_future()

        def settle(returned: _Returned) -> None:
            if not ended.done():
                ended.set_result(returned)  # an error too: a future takes not every one, StopIteration not

        def run() -> None:
            try:
                result = self._hook(handed)
                returned = _Returned(asyncio.run(result) if inspect.iscoroutine(result) else result)
            except BaseException as error:  # a user's code may raise anything, also SystemExit
                returned = _Returned(error=error)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, returned)

        Thread(target=run, name="gristmill-trainer", daemon=True).start()
        told = asyncio.create_task(self._stopping.wait())
        either: set[asyncio.Future[Any]] = {ended, told}
        try:
            await asyncio.wait(either, timeout=self._minutes * 60, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if not ended.done():
            ended.cancel()
            if self._stopping.is_set():
                return None
            raise ConfigError(
                f"trainer '{self._name}' has not returned after {self._minutes:g} minutes (train.minutes), round "
                f"{handed.round}; the same command hands its {handed.items} items over again, from {handed.folder}"
            )
        if (error := ended.result().error) is not None:
            raise ConfigError(
                f"trainer '{self._name}' raised {type(error).__name__} in round {handed.round}: {error}; mend it, and "
                f"the same command hands its {handed.items} items over again"
            ) from error
        return ended.result()


def _successor(answer: Any, name: str) -> Successor:
    if answer is None:
        return Successor()
    try:
        given = Successor.model_validate({"model": answer} if isinstance(answer, str) else answer)
        if given.base_url:
            ModelSpec.of({"model": f"openai_api/{given.model or 'same'}", "base_url": given.base_url})
    except ValueError as error:
        raise ConfigError(
            f"trainer '{name}' returned {answer!r:.200}; it has to be None, a model's name, or a mapping of model and "
            f"base_url"
        ) from error
    return given
