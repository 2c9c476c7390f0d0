"""Vectors from a sentence-transformers model in this process, for who has no embedding server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from ...errors import ConfigError
from ..numeric import Lazy, Matrix, np
from .rows import has_words, spread, unit_rows

LIBRARY = Lazy("sentence_transformers", "sentence-transformers", "sentence-transformers")
BATCH = 64  # texts that the model sees at once
MOST = 512  # texts a call of the library, which sorts them by length into batches of one length


class LocalEmbedder:
    """Embeds by a model of the sentence-transformers library (an extra). Implements `evals.vectors.embedding.Embedder`.

    `model` is a folder or a name that the library knows. It is loaded once in a process, however many embedders name
    it, and works in a thread, so that the event loop goes on. Texts that come while it works wait, and go to it
    together when it is free, `MOST` at most: tasks of a campaign that ask for one vector each make full batches.

    Raises:
        ConfigError: the library is not installed, or the model cannot be loaded.
    """

    def __init__(self, model: str) -> None:
        self._loaded = _loaded(model)
        self.name = f"sentence-transformers/{model}"
        self.sees = "meaning, as the model sees it"
        self._width = 0
        self._waiting: deque[_Asked] = deque()
        self._working: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns (n, d) float32, rows of length one; zeros for a text without a word (d is 1 if there is no other).

        Raises:
            BadReply: the model gave other than n finite vectors of one length.
        """
        places = [place for place, text in enumerate(texts) if has_words(text)]
        if not places:
            return np.zeros((len(texts), self._width or 1), dtype=np.float32)
        given = [texts[at] for at in places]
        rows = [await self._rows(given[start : start + MOST]) for start in range(0, len(given), MOST)]
        return spread(np.concatenate(rows), places, len(texts))

    async def _rows(self, texts: list[str]) -> Matrix:
        asked = _Asked(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        rows = unit_rows(await asked.found, texts, source=self.name, width=self._width)
        self._width = rows.shape[1]
        return rows

    async def _work(self) -> None:
        """Answers all that wait, a batch after another; who gave up meanwhile costs nothing."""
        batch: list[_Asked] = []
        try:
            while batch := self._next():
                if len(batch) == 1 or not await self._together(batch):
                    for asked in batch:
                        await self._alone(asked)
        finally:  # the loop ends: whoever still waits is told
            for asked in (*batch, *self._waiting):
                asked.found.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Asked]:
        batch: list[_Asked] = []
        texts = 0
        while self._waiting and (not batch or texts + len(self._waiting[0].texts) <= MOST):
            asked = self._waiting.popleft()
            if not asked.found.done():
                batch.append(asked)
                texts += len(asked.texts)
        return batch

    async def _together(self, batch: Sequence[_Asked]) -> bool:
        """Answers all of `batch`; False where that fails, for one text may be at fault, and it alone shall fail."""
        texts = [text for asked in batch for text in asked.texts]
        try:
            found = await self._encoded(texts)
            whole = len(found) == len(texts)
        except Exception:  # a library may raise anything
            return False
        start = 0
        for asked in batch if whole else ():
            asked.answer(found[start : start + len(asked.texts)])
            start += len(asked.texts)
        return whole

    async def _alone(self, asked: _Asked) -> None:
        try:
            asked.answer(await self._encoded(asked.texts))
        except Exception as error:  # a library may raise anything: it is this asker's
            if not asked.found.done():
                asked.found.set_exception(error)

    async def _encoded(self, texts: list[str]) -> Any:
        return await asyncio.to_thread(self._loaded.encoded, texts)


@dataclass(eq=False, slots=True)
class _Asked:
    texts: list[str]
    found: asyncio.Future[Any]

    def answer(self, rows: Any) -> None:
        if not self.found.done():  # cancelled
            self.found.set_result(rows)


class _Loaded:
    """A model of the library; one thread at a time may use it."""

    def __init__(self, name: str) -> None:
        load = LIBRARY.SentenceTransformer
        try:
            self._model: Any = load(name)
        except Exception as error:  # a library that reads files and the network may raise anything
            raise ConfigError(
                f"sentence-transformers cannot load '{name}': {error}; give a folder with a model in it, or the name "
                f"of one that this machine has or can fetch"
            ) from error
        self._alone = Lock()

    def encoded(self, texts: list[str]) -> Any:
        with self._alone:
            return self._model.encode(texts, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True)


_LOADED: WeakValueDictionary[str, _Loaded] = WeakValueDictionary()


def _loaded(name: str) -> _Loaded:
    found = _LOADED.get(name)
    if found is None:
        found = _LOADED[name] = _Loaded(name)
    return found
