"""What makes vectors of texts: the contract that gate, measures, selection and report share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..numeric import Matrix


class Embedder(Protocol):
    """Turns texts into vectors.

    `name` identifies what made a vector, e.g. `openai_api/BAAI/bge-small-en-v1.5`: vectors of two names are never
    compared. `sees` says in a few words what its likeness means, for people who read a report ("meaning", or "wording
    only: hashed TF-IDF of words").
    """

    @property
    def name(self) -> str: ...

    @property
    def sees(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Returns (n, d) float32, rows of length one; a text without a word has a row of zeros.

        Raises:
            ModelError: the server is gone, or answers with other than n finite vectors of one length.
        """
        ...
