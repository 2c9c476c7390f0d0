"""How a campaign gets its novelty pool: the embedder, what earlier starts accepted, and what it is held against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from itertools import islice

from ...agents.state import GateRules
from ...agents.verifiers.duplicates import gated_text
from ...errors import ConfigError
from ...evals.duplicates.gate import GatePool
from ...evals.vectors.embedding import Embedder
from ...evals.vectors.hashed import SEES, HashedEmbedder
from ...evals.vectors.local import LocalEmbedder
from ...evals.vectors.served import ServedEmbedder
from ...models.contract import Model
from ...storage.records import Status
from ...storage.schema import ADD_CLAIM
from ...storage.store import RunStore
from .known_texts import known_texts, require_known
from .novelty import HASHED, LOCAL, NoveltySpec

MARK = "gate"  # of the store: by what the marks of its claims were made
BATCH = 256  # texts that are marked together


def rules_of(spec: NoveltySpec) -> GateRules:
    """What the flow's gates are told."""
    return GateRules(spec.fields, spec.attempts)


def embedder_of(spec: NoveltySpec, models: Mapping[str, Model]) -> Embedder | None:
    """Makes the embedder that a campaign names; None where it compares no vectors.

    Raises:
        ConfigError: no model has the name, or a library is not installed.
    """
    return named_embedder(spec.embedder, models, "novelty.embedder") if spec.semantic else None


def named_embedder(name: str, models: Mapping[str, Model], key: str) -> Embedder:
    """Makes the embedder that the campaign's `key` names.

    Raises:
        ConfigError: no model has the name, or a library is not installed.
    """
    if name == HASHED:
        return HashedEmbedder()
    if name.startswith(LOCAL):
        return LocalEmbedder(name.removeprefix(LOCAL))
    require_embedder(name, models, key)
    return ServedEmbedder(models[name])


def sees_wording_only(spec: NoveltySpec, *, vectors: bool = False) -> str:
    """A line for people where likeness of meaning is asked for and no embedder is named that sees it; else empty.

    `vectors` says that something beside the gate compares vectors.
    """
    if spec.embedder != HASHED or not (spec.semantic or vectors):
        return ""
    return f"novelty.embedder is '{HASHED}', which sees {SEES}; name a model that embeds to have meaning compared"


def require_sources(
    spec: NoveltySpec, models: Collection[str], gated: tuple[str, ...] = (), *, vectors: bool = False
) -> None:
    """Checks, before anything is spent, that the embedder is one of `models` and that what `against` names is there,
    and has the columns that the gate looks at.

    `vectors` says that something beside the gate compares vectors.

    Raises:
        ConfigError: what is not, and the mend.
    """
    if spec.semantic or vectors:
        require_embedder(spec.embedder, models, "novelty.embedder")
    for source in spec.against:
        require_known(source, gated)


def require_embedder(name: str, models: Collection[str], key: str) -> None:
    """Raises `ConfigError` where `key` of the campaign names an embedder that is not built in, nor one of `models`."""
    if name != HASHED and not name.startswith(LOCAL) and name not in models:
        raise ConfigError(
            f"{key}: no model is called '{name}'; there are {', '.join(sorted(models)) or 'none'}, "
            f"'{HASHED}' and '{LOCAL}NAME'"
        )


async def open_pool(
    spec: NoveltySpec, store: RunStore, gated: tuple[str, ...], models: Mapping[str, Model]
) -> GatePool:
    """Returns the pool of one process with everything in it that is taken.

    Raises:
        ConfigError: as `embedder_of` and `known_texts`.
        ModelError: the embedding server failed.
    """
    pool = GatePool(spec.likeness, embedder_of(spec, models))
    await pool.restore(await asyncio.to_thread(lambda: list(store.claims())))
    async for marks in against(spec, pool, gated):
        await pool.restore(marks)
    return pool


async def against(spec: NoveltySpec, pool: GatePool, gated: tuple[str, ...]) -> AsyncIterator[list[tuple[bytes, str]]]:
    """Yields (mark, name) of every text of `against`, some at a time; `pool` says what a mark is to hold."""
    for source in spec.against:
        texts = known_texts(source, gated)
        while batch := await asyncio.to_thread(_some, texts):
            marks = await pool.marks([text for text, _ in batch])
            yield [(mark, name) for mark, (_, name) in zip(marks, batch, strict=True)]


async def keep_marks(spec: NoveltySpec, store: RunStore, gated: tuple[str, ...], models: Mapping[str, Model]) -> None:
    """Marks the texts of accepted items anew, in the store, where they were marked under other settings or none.

    A resumed run finds its own near duplicates then, also when it was started before likeness was asked for.
    """
    if not gated or not spec.likeness.measures:
        return
    embedder = embedder_of(spec, models)
    now = {
        "fields": list(gated),
        "shingle": spec.shingle if spec.near else 0,
        "embedder": "" if embedder is None else embedder.name,
    }
    if store.mark(MARK) == now:
        return
    pool = GatePool(spec.likeness, embedder)
    texts = _accepted(store, gated)
    while batch := await asyncio.to_thread(_some, texts):
        marks = await pool.marks([text for text, _ in batch])
        await store.write((ADD_CLAIM, [(mark, task) for mark, (_, task) in zip(marks, batch, strict=True)]))
    await store.set_mark(MARK, now)


def _some(texts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(islice(texts, BATCH))


def _accepted(store: RunStore, gated: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for item in store.items(Status.ACCEPTED):
        yield gated_text(item.fields, gated), item.task
