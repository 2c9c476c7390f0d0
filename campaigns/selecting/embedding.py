"""Vectors of a run's items, by the embedder that a person names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import ConfigError
from ...evals.numeric import Matrix, np
from ...evals.vectors.embedding import Embedder
from ...evals.vectors.hashed import HashedEmbedder
from ...evals.vectors.local import LocalEmbedder
from ...evals.vectors.served import ServedEmbedder
from ...models.factory import build
from ...models.layers.meter import Meter
from ...models.spec import ModelSpec

HASHED, LOCAL, NONE = "hashed", "sentence-transformers:", "none"
SERVED = ("openai_api/", "litellm/")
AT_ONCE = 2048  # texts
RETRIES = 3  # of a request, unless the server says when: somebody is waiting
PATIENCE = 10.0  # seconds that the server may be gone
IN_MEMORY = 1_000_000_000  # bytes of vectors; more of them lie in a file


async def embed(
    name: str, texts: Sequence[str], spool: Path, *, base_url: str = "", key_env: str = "", task: str = "select"
) -> tuple[Matrix, str] | None:
    """Returns the vectors of `texts`, in memory or in a file of `spool`, and what made them; None for `none`.

    `task` is what the books of a server's calls say they were for.

    Raises:
        ConfigError: there is no such embedder, or its library or key is missing.
        ModelError: the server is gone, or gives other than vectors.
    """
    if name == NONE:
        return None
    if name.startswith(SERVED):
        spec = ModelSpec.of(
            {
                "model": name,
                "retries": RETRIES,
                "patience": PATIENCE,
                **({"base_url": base_url} if base_url else {}),
                **({"api_key_env": key_env} if key_env else {}),
            }
        )
        model = build(spec, calls=None, budget=None, meter=Meter())
        try:
            return await _embedded(ServedEmbedder(model, where=spec.url, task=task), texts, spool)
        finally:
            await model.aclose()
    return await _embedded(_here(name), texts, spool)


def _here(name: str) -> Embedder:
    if name == HASHED:
        return HashedEmbedder()
    if name.startswith(LOCAL):
        return LocalEmbedder(name.removeprefix(LOCAL))
    raise ConfigError(
        f"no embedder is called '{name}'; give '{HASHED}', '{LOCAL}MODEL', 'openai_api/MODEL' with --base-url, or "
        f"'{NONE}'"
    )


async def _embedded(embedder: Embedder, texts: Sequence[str], spool: Path) -> tuple[Matrix, str]:
    whole: Matrix | None = None
    for start in range(0, len(texts), AT_ONCE):
        rows = await embedder.embed(texts[start : start + AT_ONCE])
        if whole is None or (rows.shape[1] > whole.shape[1] and not whole[:start].any()):
            whole = _room(spool, len(texts), rows.shape[1])  # texts without a word may come first: width unknown
        if rows.any():
            whole[start : start + len(rows)] = rows
    if whole is None:
        whole = np.zeros((0, 1), dtype=np.float32)
    return whole, f"{embedder.name} ({embedder.sees})"


def _room(spool: Path, count: int, width: int) -> Matrix:
    if count * width * 4 <= IN_MEMORY:
        return np.zeros((count, width), dtype=np.float32)
    mapped: Matrix = np.lib.format.open_memmap(spool / "vectors.npy", mode="w+", dtype=np.float32, shape=(count, width))
    return mapped
