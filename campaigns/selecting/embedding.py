"""Vectors of a run's items, by the embedder that a person or a campaign names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ...errors import ConfigError
from ...evals.numeric import Matrix, np
from ...evals.vectors.embedding import Embedder
from ...evals.vectors.hashed import HashedEmbedder
from ...evals.vectors.local import LocalEmbedder
from ...evals.vectors.served import ServedEmbedder
from ...models.factory import build
from ...models.layers.meter import Meter
from ..gating.novelty import HASHED, LOCAL
from .wanted import NONE, Wanted

AT_ONCE = 2048  # texts
IN_MEMORY = 1_000_000_000  # bytes of vectors; more of them lie in a file


async def embed(by: Wanted, texts: Sequence[str], spool: Path, *, task: str = "select") -> tuple[Matrix, str] | None:
    """Returns the vectors of `texts`, in memory or in a file of `spool`, and what made them; None for `none`.

    `task` is what the books of a server's calls say they were for.

    Raises:
        ConfigError: its library or key is missing, or a campaign's embedder is out of reach.
        ModelError: the server is gone, or gives other than vectors.
    """
    if by.missing:
        raise ConfigError(by.missing)
    if by.name == NONE:
        return None
    if by.model is None:
        return await _embedded(_here(by.name), by, texts, spool)
    model = build(by.model, calls=None, budget=None, meter=(meter := Meter()))
    try:
        rows, told = await _embedded(ServedEmbedder(model, where=by.model.url, task=task), by, texts, spool)
    finally:
        await model.aclose()
    spent = meter.total
    cost = f"; it cost ${spent.usd:.4f}, which is in no run's books" if spent.usd else ""
    return rows, told + cost


@lru_cache(maxsize=1)  # a report asks several times, and a local model takes long to load
def _here(name: str) -> Embedder:
    return LocalEmbedder(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else HashedEmbedder()


async def _embedded(embedder: Embedder, by: Wanted, texts: Sequence[str], spool: Path) -> tuple[Matrix, str]:
    whole: Matrix | None = None
    for start in range(0, len(texts), AT_ONCE):
        rows = await embedder.embed(texts[start : start + AT_ONCE])
        if whole is None or (rows.shape[1] > whole.shape[1] and not whole[:start].any()):
            whole = _room(spool, len(texts), rows.shape[1])  # texts without a word may come first: width unknown
        if rows.any():
            whole[start : start + len(rows)] = rows
    if whole is None:
        whole = np.zeros((0, 1), dtype=np.float32)
    whose = f", {by.whose}" if by.campaign and by.name != HASHED else ""
    return whole, f"{embedder.name} ({embedder.sees}){whose}"


def _room(spool: Path, count: int, width: int) -> Matrix:
    if count * width * 4 <= IN_MEMORY:
        return np.zeros((count, width), dtype=np.float32)
    mapped: Matrix = np.lib.format.open_memmap(spool / "vectors.npy", mode="w+", dtype=np.float32, shape=(count, width))
    return mapped
