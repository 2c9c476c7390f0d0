"""Vectors for a report, from one embedder for all of it, or why there are none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError, ModelError
from ...evals.numeric import Matrix
from ..selecting.embedding import embed
from ..selecting.wanted import NONE, Wanted

Embedded = tuple[Matrix, str] | None


@dataclass(frozen=True, eq=False)
class Seen:
    """Texts with their vectors. `name` says what made them and what they see; without any `note` says why."""

    texts: Sequence[str]
    matrix: Matrix | None
    name: str = ""
    note: str = ""


class Vectors:
    """Embeds the samples of a report. One that fails costs the figures that take vectors, and no others; `failed` says
    why then. `extra` says what is not installed.

    Raises `ConfigError` when it is made: the library or the key of an embedder that a person named is missing.
    """

    def __init__(self, embedder: Wanted, spool: Path, extra: str) -> None:
        self._embedder, self._spool = embedder, spool
        self.failed = ""
        self.note = extra if extra else "no embedder: give --embedder" if embedder.name == NONE else ""
        if self.note:
            return
        try:
            self._asked([])
        except ConfigError as error:
            if not embedder.campaign:
                raise
            self._fail(error)  # nobody asked for it here: the rest of the report is wanted all the same

    def of(self, texts: Sequence[str]) -> Seen:
        """Returns the texts with their vectors."""
        if self.note:
            return Seen(texts, None, note=self.note)
        try:
            made = self._asked(texts)
        except ModelError as error:  # the next set would only wait for it again
            self._fail(error)
            return Seen(texts, None, note=self.note)
        return Seen(texts, None, note=self.note) if made is None else Seen(texts, made[0], made[1])

    def _fail(self, error: Exception) -> None:
        self.note = self.failed = self._embedder.mended(error)

    def _asked(self, texts: Sequence[str]) -> Embedded:
        async def asked() -> Embedded:
            return await embed(self._embedder, texts, self._spool, task="eval")

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(asked())
        with ThreadPoolExecutor(1) as pool:  # a notebook: its loop runs, and cannot be waited for in its own thread
            return pool.submit(asyncio.run, asked()).result()


def drawn_texts(texts: Sequence[str], most: int, seed: int) -> Sequence[str]:
    """Returns `most` of the texts at most, drawn, in their order."""
    if len(texts) <= most:
        return texts
    places = sorted(random.Random(seed).sample(range(len(texts)), most))  # noqa: S311  # a sample, not a secret
    return [texts[at] for at in places]
