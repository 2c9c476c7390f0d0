"""A campaign's seed graph: its statements come in as documents, and what they state as if it had been extracted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from ..graphs.exchange.seed_text import Part, parts_of
from ..graphs.exchange.seeds import read_seed
from ..storage.store import RunStore
from .spec import CampaignSpec


def seed_parts(spec: CampaignSpec, takes: Callable[[str], bool] | None = None) -> Iterator[Part]:
    """Yields the documents of the campaign's seed, of a shard those that it takes; none where there is no seed.

    Raises `ConfigError` for a file that is not there or cannot be read, before the first.
    """
    if spec.graph.seed:
        seed = read_seed(spec.graph.seed)
        for part in parts_of(seed, spec.graph.types, max_tokens=spec.chunks.max_tokens):
            if takes is None or takes(part.document.id):
                yield part


async def keep_statements(store: RunStore, parts: Iterable[Part]) -> None:
    """Stores what the chunks of a seed state, so that no model is asked for it."""
    found = (extraction for part in parts for extraction in part.extractions)
    await asyncio.gather(*(store.add_extraction(one.chunk, one.model_dump_json()) for one in found))
