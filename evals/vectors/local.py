"""Vectors from a sentence-transformers model in this process, for who has no embedding server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ...errors import ConfigError
from ..numeric import Lazy, Matrix, np
from .rows import has_words, spread, unit_rows

LIBRARY = Lazy("sentence_transformers", "sentence-transformers", "sentence-transformers")
BATCH = 64


class LocalEmbedder:
    """Embeds by a model of the sentence-transformers library (an extra). Implements `evals.vectors.embedding.Embedder`.

    `model` is a folder or a name that the library knows. It is loaded here, once, and works in a thread, one batch of
    texts at a time, so that the event loop goes on.

    Raises:
        ConfigError: the library is not installed, or the model cannot be loaded.
    """

    def __init__(self, model: str) -> None:
        load = LIBRARY.SentenceTransformer
        try:
            self._model: Any = load(model)
        except Exception as error:  # a library that reads files and the network may raise anything
            raise ConfigError(
                f"sentence-transformers cannot load '{model}': {error}; give a folder with a model in it, or the name "
                f"of one that this machine has or can fetch"
            ) from error
        self.name = f"sentence-transformers/{model}"
        self.sees = "meaning, as the model sees it"
        self._width = 0
        self._working = asyncio.Lock()  # the library's models are not for several threads at a time

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns (n, d) float32, rows of length one; zeros for a text without a word (d is 1 if there is no other).

        Raises:
            BadReply: the model gave other than n finite vectors of one length.
        """
        places = [place for place, text in enumerate(texts) if has_words(text)]
        if not places:
            return np.zeros((len(texts), self._width or 1), dtype=np.float32)
        given = [texts[at] for at in places]
        async with self._working:
            found = await asyncio.to_thread(
                self._model.encode, given, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True
            )
        rows = unit_rows(found, given, source=self.name, width=self._width)
        self._width = rows.shape[1]
        return spread(rows, places, len(texts))
