"""Vectors from a model that embeds: any OpenAI-compatible embedding server, with the layers of every model call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from ...errors import BadReply, ModelError
from ...models.contract import Model, Request
from ..numeric import Matrix, np
from .rows import has_words, shown, spread, unit_rows

BATCH = 64  # texts a request
BATCH_CHARACTERS = 100_000  # and no more than this: servers bound the tokens of a request
AT_ONCE = 16  # requests on their way together, at most; the model's own limiter may let fewer through


class ServedEmbedder:
    """Embeds by a `Model` that answers requests of kind `embedding`. Implements `evals.vectors.embedding.Embedder`.

    The model's layers stand around each request: cache (a batch that was asked before is free), budget, meter, retry,
    limiter. `where` names the server in errors; `task` is what the books say the calls were for.
    """

    def __init__(self, model: Model, *, where: str = "", task: str = "", batch: int = BATCH) -> None:
        self.name = model.name
        self.sees = "meaning, as the model sees it"
        self._model = model
        self._where = f"embedding model '{model.name}'" + (f" at {where}" if where else "")
        self._task = task
        self._batch = batch
        self._width = 0

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns (n, d) float32, rows of length one; zeros for a text without a word (d is 1 if there is no other).

        Raises:
            ModelError: the server is gone, or answers with other than n finite vectors of one length.
            BudgetExceeded: the budget does not allow the request.
        """
        places = [place for place, text in enumerate(texts) if has_words(text)]
        if not places:
            return np.zeros((len(texts), self._width or 1), dtype=np.float32)
        waiting = asyncio.Semaphore(AT_ONCE)

        async def one(batch: list[str]) -> Matrix:
            async with waiting:
                return await self._asked(batch)

        tasks = [asyncio.ensure_future(one(batch)) for batch in self._batches([texts[at] for at in places])]
        try:
            found = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        if len({part.shape[1] for part in found}) > 1:  # batches that came back together saw no width before
            widths = sorted({part.shape[1] for part in found})
            raise BadReply(f"{self._where} gave vectors of {' and '.join(map(str, widths))} numbers; serve one model")
        return spread(np.concatenate(found), places, len(texts))

    async def _asked(self, batch: list[str]) -> Matrix:
        request = Request(kind="embedding", inputs=tuple(batch), task=self._task, role="embedder")
        try:
            reply = await self._model.complete(request)
        except ModelError as error:
            error.args = (f"{error}; the request had {len(batch)} texts, the first was {shown(batch[0])}",)
            raise
        rows = unit_rows(reply.embeddings, batch, source=self._where, width=self._width)
        self._width = rows.shape[1]
        return rows

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        characters = 0
        for text in texts:
            if batch and (len(batch) >= self._batch or characters + len(text) > BATCH_CHARACTERS):
                yield batch
                batch, characters = [], 0
            batch.append(text)
            characters += len(text)
        if batch:
            yield batch
